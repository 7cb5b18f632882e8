/** Commands in the test's own process, for tests with many of them: what a process adds (start, exit code, pipes) has tests of its own. */
import { AsyncLocalStorage } from "node:async_hooks";
import { pino } from "pino";
import type { Env } from "../../src/cli/cli.ts";
import { complaintText } from "../../src/cli/errors.ts";
import { run } from "../../src/cli/program.ts";
import { loadConfig } from "../../src/config.ts";
import { startDaemon } from "../../src/daemon/daemon.ts";
import type { Host, Ran, Running } from "./host.ts";

interface Written {
  stdout: string;
  stderr: string;
}

const written = new AsyncLocalStorage<Written>();
const ROOT = process.cwd();
let running = 0;

/** What a command writes becomes its own, whichever run at the same time; what others write goes where it went. */
for (const name of ["stdout", "stderr"] as const) {
  const stream = process[name];
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
    const store = written.getStore();
    if (store === undefined) return write(chunk, ...rest);
    store[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    for (const done of rest) if (typeof done === "function") process.nextTick(done);
    return true;
  };
}

/** Runs it and throws unless it succeeds. */
export async function must(host: Host, args: readonly string[]): Promise<Ran> {
  const ran = await here(host, args);
  if (ran.code !== 0) throw new Error(`receiptd ${args.join(" ")} ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
  return ran;
}

/** Runs `receiptd` in the host's folder, with no variables of its own but these; several at once in one folder only. */
export async function here(host: Host, args: readonly string[], env: Env = {}): Promise<Ran> {
  if (args.includes("serve") || args.includes("dev")) throw new Error("a daemon's signals and fatal errors are its process's: use host.run, or serveHere");
  if (running > 0 && process.cwd() !== host.dir) throw new Error(`commands are running in ${process.cwd()}`);
  process.chdir(host.dir);
  running++;
  const output: Written = { stdout: "", stderr: "" };
  try {
    const code = await written.run(output, () => run(args, env));
    return { code, ...output };
  } finally {
    running--;
    if (running === 0) process.chdir(ROOT);
  }
}

/** Any signal stops it in order. */
export type Served = Pick<Running, "child" | "ended" | "stderr">;

/** A daemon in this process, for tests that start one and stop it in order: what a process adds has tests of its own. */
export async function serveHere(host: Host, env: Env = {}): Promise<Served> {
  const said: Written = { stdout: "", stderr: "" };
  const log = pino({ level: "info", base: null }, { write: (line: string) => { said.stderr += line; } });
  const ended = Promise.withResolvers<Ran>();
  const daemon = await startDaemon(loadConfig({ path: host.path("receiptd.yaml"), env }), log, (error) => ended.reject(error));
  const kill = (): boolean => {
    daemon.stop().then(() => ended.resolve({ code: 0, ...said }), ended.reject);
    return true;
  };
  return { child: { kill } as unknown as Running["child"], ended: ended.promise, stderr: () => said.stderr };
}

/** What `serve` says, and its exit code, where it does not start. */
export async function refusedHere(host: Host): Promise<Ran> {
  let isFatal = false;
  const config = loadConfig({ path: host.path("receiptd.yaml"), env: {} });
  const tried = await startDaemon(config, pino({ level: "silent" }), () => { isFatal = true; }).catch((error: unknown) => `${complaintText(error, false)}\n`);
  if (typeof tried === "string") return { code: isFatal ? 70 : 2, stdout: "", stderr: tried };
  await tried.stop();
  throw new Error("the daemon has started");
}
