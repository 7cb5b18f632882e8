/**
 * What every command is given: where the configuration, the socket and the ledger are, and where output goes. Results go to
 * standard output, a sentence first or, with --json, as JSON; what is said beside them goes to standard error.
 */
import { existsSync } from "node:fs";
import { type Config, loadConfig } from "../config.ts";
import { CliError } from "./errors.ts";
import { RpcClient, RpcFailure } from "../door/client.ts";

export type Env = Readonly<Record<string, string | undefined>>;

export interface Globals {
  readonly config?: string;
  readonly socket?: string;
  readonly json?: boolean;
}

const LOCAL_CONFIG = "receiptd.yaml";
export const SYSTEM_CONFIG = "/etc/receiptd/receiptd.yaml";
/** ms without an answer; a daemon under load answers within a fraction of it. */
const ANSWER_TIMEOUT = 30_000;

export class Cli {
  readonly json: boolean;
  readonly #globals: Globals;
  readonly #env: Env;
  #config: Config | undefined;

  constructor(globals: Globals, env: Env) {
    this.#globals = globals;
    this.#env = env;
    this.json = globals.json ?? false;
  }

  /** The file that was named by --config or RECEIPTD_CONFIG, or undefined. */
  get namedConfig(): string | undefined {
    return this.#globals.config ?? (this.#env["RECEIPTD_CONFIG"] || undefined);
  }

  /** The configuration file in use; undefined: the defaults. */
  get configFile(): string | undefined {
    if (this.namedConfig !== undefined) return this.namedConfig;
    return [LOCAL_CONFIG, SYSTEM_CONFIG].find((path) => existsSync(path));
  }

  get config(): Config {
    const path = this.configFile;
    this.#config ??= loadConfig(path === undefined ? { env: this.#env } : { path, env: this.#env });
    return this.#config;
  }

  /** A client of the socket needs no configuration where the socket is named. */
  get socketPath(): string {
    return this.#globals.socket ?? (this.#env["RECEIPTD_SOCKET"] || undefined) ?? this.config.socket.path;
  }

  connect(timeout = ANSWER_TIMEOUT): Promise<RpcClient> {
    return RpcClient.connect(this.socketPath, { timeout });
  }

  /** Asks the daemon with `ask`; null where no daemon is running. */
  async ifRunning<T>(ask: (client: RpcClient) => Promise<T>): Promise<T | null> {
    let client: RpcClient;
    try {
      client = await this.connect();
    } catch (error) {
      if (error instanceof RpcFailure && (error.code === "daemon_not_running" || error.code === "socket_not_allowed")) return null;
      throw error;
    }
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  }

  /** Prints a result: one line of JSON, or text. */
  result(value: object, text: () => string): void {
    this.line(this.json ? JSON.stringify(value) : text());
  }

  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Says something beside the result. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}

/** A whole number from an option; `bad_usage` otherwise. */
export function wholeNumber(option: string, text: string, least = 0): number {
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least)) throw new CliError("bad_usage", `${option} is a whole number from ${least} on, not ${text.slice(0, 40)}`);
  return value;
}
