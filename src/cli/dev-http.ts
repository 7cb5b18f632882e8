/** The HTTP API of `receiptd dev`: a child process, which ends with it. */
import { fork } from "node:child_process";
import { type Config, loadConfig } from "../config.ts";
import { type Cli, SYSTEM_CONFIG } from "./cli.ts";

export interface DevHttp {
  /** Resolves with where it answers; null: it could not be started, and has said why. */
  readonly url: Promise<string | null>;
  stop(): void;
}

export function startDevHttp(cli: Cli): DevHttp {
  const named = cli.namedConfig === undefined ? [] : ["--config", cli.namedConfig];
  const child = fork(process.argv[1]!, ["http", "--dev", ...named], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const url = new Promise<string | null>((resolve) => {
    child.once("message", (message) => resolve(String(message)));
    child.once("error", () => resolve(null));
    child.once("exit", () => resolve(null));
  });
  return { url, stop: () => void child.kill("SIGTERM") };
}

/** What `receiptd dev` works with: the host's own configuration in /etc is left alone. */
export function devConfig(cli: Cli): Config {
  return cli.configFile === SYSTEM_CONFIG && cli.namedConfig === undefined ? loadConfig({ env: process.env }) : cli.config;
}
