/**
 * `--profile`: the daemon at saturation under V8's sampling profiler, and the functions in which most time was spent, by themselves and
 * without those that they called, for each thread.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Bench, newFolder, saturate } from "./bench.ts";
import { startReceiptd } from "./servers.ts";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** µs */
  readonly timeDeltas: readonly number[];
}

export interface Hot {
  readonly function: string;
  /** Of the thread's time that it was not idle. */
  readonly share: number;
  readonly ms: number;
}

export interface ThreadProfile {
  readonly thread: number;
  readonly busyMs: number;
  readonly idleMs: number;
  readonly hottest: readonly Hot[];
}

export interface ProfileMeasured {
  readonly perSecond: number;
  readonly threads: readonly ThreadProfile[];
}

const SHOWN = 20;

/** `keep`: the folder in which V8's files stay, or null. */
export async function profile(bench: Bench, keep: string | null): Promise<ProfileMeasured> {
  const profiles = newFolder(bench, "profiles");
  mkdirSync(profiles);
  const server = await startReceiptd(newFolder(bench, "profile"), ["--cpu-prof", `--cpu-prof-dir=${profiles}`]);
  bench.progress("profile: saturation");
  const { perSecond } = await saturate(bench, server, { seconds: bench.quick ? 3 : 15 });
  await server.stop();
  if (keep !== null) cpSync(profiles, keep, { recursive: true });
  return { perSecond, threads: readdirSync(profiles).filter((name) => name.endsWith(".cpuprofile")).map((name) => read(join(profiles, name))).sort((a, b) => a.thread - b.thread) };
}

/** Node names the file CPU.<date>.<time>.<pid>.<thread>.<sequence>.cpuprofile; the main thread is 0. */
function read(path: string): ThreadProfile {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, "utf8")) as CpuProfile;
  const names = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => (
    [id, url === "" ? functionName || "(native)" : `${functionName || "(anonymous)"} ${basename(url)}:${lineNumber + 1}`]
  )));
  const times = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = names.get(id)!;
    times.set(name, (times.get(name) ?? 0) + timeDeltas[i]! / 1000);
  }
  const idleMs = times.get("(idle)") ?? 0;
  times.delete("(idle)");
  const busyMs = [...times.values()].reduce((sum, ms) => sum + ms, 0);
  const hottest = [...times].sort(([, a], [, b]) => b - a).slice(0, SHOWN).map(([name, ms]) => ({ function: name, share: ms / busyMs, ms }));
  return { thread: Number(basename(path).split(".")[4]), busyMs, idleMs, hottest };
}

export function profileText({ perSecond, threads }: ProfileMeasured): string {
  const lines = [`${Math.round(perSecond).toLocaleString("en")} receipts/s under the profiler. Time of functions by themselves:`];
  for (const { thread, busyMs, idleMs, hottest } of threads) {
    lines.push("", `${thread === 0 ? "main thread" : `thread ${thread}`}: ${Math.round(busyMs).toLocaleString("en")} ms busy, ${Math.round(idleMs).toLocaleString("en")} ms idle`);
    for (const { function: name, share, ms } of hottest) lines.push(`${`${(share * 100).toFixed(1)} %`.padStart(8)} ${`${Math.round(ms)} ms`.padStart(9)}  ${name}`);
  }
  return `${lines.join("\n")}\n`;
}
