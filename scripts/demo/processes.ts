/** The real programs as processes of their own, as an operator would start them: `receiptd` commands, the daemon, the loan scorer. */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "./hosts.ts";

const ROOT = join(import.meta.dirname, "../..");
const RECEIPTD = join(ROOT, "dist/cli/main.js");
const SCORER = join(ROOT, "examples/loan-scorer/main.ts");
/** For `audit --replay`. */
export const replayCommand = `"${process.execPath}" "${join(ROOT, "examples/loan-scorer/replay.ts")}"`;
/** ms; nothing here takes as long unless it hangs. */
const PATIENCE = 60_000;

/** Whoever runs the demo may have a receiptd of his own: its settings are not the demo's. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RECEIPTD_")));
}

const running = new Set<ChildProcess>();

/** Ends what is still running, at once. */
export function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

function start(args: readonly string[], stdio: StdioOptions): ChildProcess {
  const child = spawn(process.execPath, args, { env: environment(), stdio });
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[]): Promise<Outcome> {
  const child = start(args, ["ignore", "pipe", "pipe"]);
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  let [stdout, stderr] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", (text: string) => { stdout += text; });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => { stderr += text; });
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

/** Runs a command on a host with --json. */
export function receiptd(host: Host, ...args: readonly string[]): Promise<Outcome> {
  return run([RECEIPTD, "--config", host.config, ...args, "--json"]);
}

/** The same where only success will do: the lines of JSON that it printed. */
export async function lines<T>(host: Host, ...args: readonly string[]): Promise<readonly T[]> {
  const { code, stdout, stderr } = await receiptd(host, ...args);
  if (code !== 0) throw new Error(`receiptd ${args[0]} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as T);
}

export async function json<T>(host: Host, ...args: readonly string[]): Promise<T> {
  return (await lines<T>(host, ...args))[0]!;
}

export interface Scored {
  readonly decisions: number;
  readonly acted: number;
  readonly APPROVE: number;
  readonly lent: number;
  readonly not_recorded: { readonly [why: string]: number };
  readonly seconds: number;
}

/** The loan scorer decides on `count` applicants from number `first` on, and keeps its acknowledgements in the folder `desk`. */
export async function scorer(host: Host, desk: string, first: number, count: number): Promise<Scored> {
  const { stdout, stderr } = await run([
    SCORER, "--socket", host.socket, "--first", String(first), "--count", String(count), "--json",
    "--key", join(desk, "pseudonyms.key"), "--acks", join(desk, "acknowledgements.ndjson"),
  ]);
  if (stdout === "") throw new Error(`the loan scorer failed: ${stderr.trim()}`);
  return JSON.parse(stdout) as Scored;
}

export class Daemon {
  readonly #child: ChildProcess;
  readonly #log: string;

  private constructor(child: ChildProcess, log: string) {
    this.#child = child;
    this.#log = log;
  }

  /** Resolves when it answers on its socket. */
  static async serve(host: Host): Promise<Daemon> {
    const log = join(host.folder, "daemon.log");
    const fd = openSync(log, "a");
    const daemon = new Daemon(start([RECEIPTD, "--config", host.config, "serve"], ["ignore", "ignore", fd]), log);
    closeSync(fd);
    await until(() => {
      if (daemon.#child.exitCode !== null) throw new Error(`the daemon did not start: ${daemon.#lastWords()}`);
      return canConnect(host.socket);
    });
    return daemon;
  }

  /** As systemd would stop it. */
  async stop(): Promise<void> {
    const code = await this.#end("SIGTERM");
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${this.#lastWords()}`);
  }

  /** As a power cut would, as far as the process goes. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, "exit");
      this.#child.kill(signal);
      await exit;
    }
    return this.#child.exitCode;
  }

  #lastWords(): string {
    return readFileSync(this.#log, "utf8").trim().split("\n").at(-1) ?? "";
  }
}

/** Asks again and again until it is so. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; !(await isSo()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`it took longer than ${PATIENCE / 1000} s`);
  }
}

function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
