/** `receiptd dev`: a ledger to try things out with: created if it is missing, served in this terminal, anchored into a folder. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { pino } from "pino";
import type { Config } from "../config.ts";
import type { Daemon } from "../daemon/daemon.ts";
import { initLedger } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fingerprint } from "../daemon/port.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { devConfig, type DevHttp, startDevHttp } from "./dev-http.ts";
import type { ExitCode } from "./errors.ts";
import { runDaemon } from "./foreground.ts";
import { printable } from "./table.ts";

export function addDev(program: Command, run: Run): void {
  program.command("dev")
    .summary("try it out: create a ledger and serve it")
    .description("Creates a ledger in ./receiptd-data if there is none and serves it until Ctrl-C. The host's own configuration in /etc is left alone.")
    .addHelpText("after", examples(["receiptd dev"]))
    .action(run(dev));
}

async function dev(cli: Cli): Promise<ExitCode> {
  const config = devConfig(cli);
  if (!existsSync(placesOf(config).ledger)) await initLedger(config);
  const log = pino({ level: config.log.level === "info" ? "warn" : config.log.level, base: null }, { write: (line: string) => cli.note(readable(line)) });
  let http: DevHttp | null = null;
  await runDaemon(config, log, (daemon) => {
    cli.result(facts(config, daemon), () => greeting(config, daemon));
    http = startDevHttp(cli);
    void http.url.then((url) => { if (url !== null) cli.note(`The HTTP API is at ${url} (what there is: ${url}/v1/openapi.json).`); });
  });
  (http as DevHttp | null)?.stop();
  return 0;
}

function facts(config: Config, { origin, vkey, ledgerId }: Daemon): object {
  return { socket: config.socket.path, origin, ledger_id: ledgerId, vkey, key_fingerprint: fingerprint(vkey), anchors: config.anchor.targets };
}

function greeting(config: Config, { origin, vkey, ledgerId }: Daemon): string {
  const socket = quoted(config.socket.path);
  const receipt = '{"system_id":"loan_scorer","decision":{"action":"APPROVE"},"inputs":{"credit_score":742}}';
  return [
    "receiptd takes receipts; stop it with Ctrl-C.",
    `  socket           ${config.socket.path}`,
    `  ledger           ${origin} (${ledgerId})`,
    `  vkey             ${vkey}`,
    `  key fingerprint  ${fingerprint(vkey)}`,
    ...config.anchor.targets.map((target) => `  anchors          ${target.type === "directory" ? `${target.path} (directory anchors: demo, not WORM)` : `s3://${target.bucket}`}`),
    "Send a receipt from another terminal, in either way:",
    `  ${commandName()} append --socket ${socket} --system loan_scorer --decision '{"action":"APPROVE"}' --inputs '{"credit_score":742}'`,
    `  echo '{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":${receipt}}}' | nc -U -N ${socket}`,
  ].join("\n");
}

/** How this program was started: in a source checkout npm finds the right Node, and makes what it starts. */
function commandName(): string {
  return process.argv[1]?.endsWith(".ts") === true || process.env["npm_lifecycle_event"] === "receiptd" ? "npm run -s receiptd --" : "receiptd";
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

const LEVELS: ReadonlyMap<unknown, string> = new Map([[10, "trace"], [20, "debug"], [30, "info"], [40, "warning"], [50, "error"], [60, "fatal"]]);

/** A line of the log for people: `16:04:05 warning: message (name=value, …)`. */
function readable(line: string): string {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const why = typeof err === "object" && err !== null && "message" in err ? `: ${String(err.message)}` : "";
  const more = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const at = new Date(Number(time)).toISOString().slice(11, 19);
  return printable(`${at} ${LEVELS.get(level) ?? String(level)}: ${String(msg)}${why}${more.length > 0 ? ` (${more.join(", ")})` : ""}`);
}
