/** The processes of the bench: what is measured, what loads it, and what it is compared with. None outlives the bench. */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const running = new Set<ChildProcess>();

/** Whoever runs the bench may have a receiptd of their own: its settings are not the bench's. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RECEIPTD_")));

export function start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, { env: environment, ...options });
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

/** Ends what is still running, at once. */
export function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

export interface Ended {
  readonly stdout: string;
  /** s, from before its start until its end. */
  readonly seconds: number;
  /** MiB, its highest resident set. */
  readonly peak: number;
}

/** Runs a program to its end, which has to be a good one. */
export async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
  const began = performance.now();
  const child = start(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr, peak] = ["", "", 0];
  child.stdout!.setEncoding("utf8").on("data", (text: string) => { stdout += text; });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => { stderr += text; });
  const timer = setInterval(() => { peak = Math.max(peak, memoryOf(child.pid!).peak); }, 20);
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    if (code !== 0) throw new Error(`${command} ${args.join(" ").slice(0, 300)} ended with ${code ?? signal}: ${stderr.trim() || stdout.trim()}`);
  } finally {
    clearInterval(timer);
  }
  return { stdout, seconds: (performance.now() - began) / 1000, peak };
}

/** Node with the time of processors that nobody else wants: sched(7), SCHED_IDLE. */
export const IDLE_NODE = ["chrt", "--idle", "0", process.execPath] as const;

/** Runs a script of this folder, which reads its task as JSON from its argument and prints JSON. */
export async function measured<Result>(script: string, task: object, node: readonly [string, ...string[]] = [process.execPath]): Promise<Result> {
  const [command, ...args] = node;
  const { stdout } = await run(command, [...args, join(import.meta.dirname, script), JSON.stringify(task)]);
  return JSON.parse(stdout) as Result;
}

/** MiB that the process has resident, and had at most; 0 of one that has ended. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return { now: 0, peak: 0 };
  }
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) / 1024;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}
