/** `receiptd http`: the HTTP API and its page, beside the daemon and without its keys. */
import { readFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { type Command, Option } from "commander";
import { destination, pino } from "pino";
import { placesOf } from "../daemon/places.ts";
import type { StaticPage } from "../http/app.ts";
import { HttpError, type HttpServer, startHttp } from "../http/server.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { devConfig } from "./dev-http.ts";
import type { ExitCode } from "./errors.ts";
import { versionText } from "./version.ts";

/** Niceness: whoever waits for a receipt's acknowledgement, waits for no reader. */
const BEHIND_THE_WRITER = 19;

interface HttpOptions {
  /** A child of `receiptd dev`: with its configuration, on another port where the configured one is taken, and not for longer than it. */
  readonly dev?: boolean;
}

export function addHttp(program: Command, run: Run): void {
  program.command("http")
    .summary("run the HTTP API beside the daemon")
    .description("Serves verification to anybody and contents to those with a token, until SIGTERM or SIGINT. A process of its own: it reads the ledger, holds no keys, and has the daemon record what it hands out. Logs JSON to standard error.")
    .addOption(new Option("--dev").hideHelp())
    .addHelpText("after", examples(["receiptd http", "curl http://127.0.0.1:7463/v1/receipts/PR-2026-00042/verify"]))
    .action(run(http));
}

async function http(cli: Cli, { dev = false }: HttpOptions): Promise<ExitCode> {
  yieldToTheWriter();
  const config = dev ? devConfig(cli) : cli.config;
  const level = dev && config.log.level === "info" ? "warn" : config.log.level;
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination({ fd: 2, sync: true }));
  const stopping = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    if (dev) process.once("disconnect", () => resolve());
  });
  const start = (listen: string): Promise<HttpServer> => startHttp({ ...config, http: { ...config.http, listen } }, placesOf(config), versionText(), log, [page()]);
  const server = await start(config.http.listen).catch((error: unknown) => {
    if (dev && error instanceof HttpError) return start("127.0.0.1:0");
    throw error;
  });
  if (dev) process.send?.(server.url);
  else cli.result({ url: server.url }, () => `receiptd answers at ${server.url} (what there is: ${server.url}/v1/openapi.json)`);
  log.info({ url: server.url }, "answering");
  await stopping;
  await server.stop();
  if (dev && process.connected) process.disconnect(); // it would keep this process
  return 0;
}

/** Before there are other threads, which take their priority from this one. */
function yieldToTheWriter(): void {
  try {
    if (getPriority() < BEHIND_THE_WRITER) setPriority(BEHIND_THE_WRITER);
  } catch {
    // a sandbox that forbids it
  }
}

/** The page at /, with the policy that it has in itself, and which only a header can say in full. */
function page(): StaticPage {
  const bytes = readFileSync(new URL("./page.html", import.meta.url));
  const [, policy = "default-src 'none'"] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(bytes.toString("utf8")) ?? [];
  return { path: "/", type: "text/html; charset=utf-8", bytes, policy: `${policy}; frame-ancestors 'none'` };
}
