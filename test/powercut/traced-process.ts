/**
 * Runs a program under strace(1) and returns the trace of what it did to one directory and what it acknowledged.
 *
 * strace runs as a grandchild (-D), so the program is our own child: signals reach it, its exit is its own.
 */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { SYNC_CALLS, TRACED_CALLS } from "./calls.ts";
import { cachedImage } from "./disk.ts";
import { differences, findFiles, imageOf } from "./image.ts";
import { TraceError } from "./strace.ts";
import { type Trace, readTrace } from "./trace.ts";

/** Longer single writes are refused by the reader, not cut short. */
const MAX_WRITE_BYTES = 4 * 1024 * 1024;
const FLAGS: readonly string[] = ["-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", String(MAX_WRITE_BYTES)];

type Output = "pipe" | "ignore" | "inherit";

export interface TraceOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The directory whose files are followed; it exists, and what is in it now counts as durable. */
  readonly dir: string;
  /** Lets every call that syncs do nothing and report success. */
  readonly injectNoSync?: boolean;
  /** In place of this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Standard input, output and error; pipe, pipe, inherit when omitted. A pipe must be read, or the program stops. */
  readonly stdio?: readonly ["pipe" | "ignore", Output, Output];
}

export interface TracedProcess {
  readonly child: ChildProcess;
  /**
   * Waits until the program and all its children have ended (it does not end them) and reads the trace. Throws TraceError
   * when something in it is not modelled, and when the files it adds up to are not those in the directory: call it before
   * anyone else changes them.
   */
  readonly finish: () => Promise<Trace>;
}

/** Why processes cannot be traced here; undefined when they can. */
export function straceProblem(): string | undefined {
  const { error, stderr } = spawnSync("strace", [...FLAGS, "-e", "trace=execve,exit_group", "true"], { encoding: "utf8" });
  if (error) return `strace does not start (${error.message}); it is Debian's package strace`;
  // Where ptrace(2) is forbidden, strace -D complains and lets the program run on, untraced and successfully.
  return stderr.includes("exit_group(") ? undefined : `strace cannot trace: ${stderr.trim()}`;
}

export function traceProcess(options: TraceOptions): TracedProcess {
  const scratch = mkdtempSync(join(tmpdir(), "powercut-"));
  const output = join(scratch, "strace");
  const dir = resolve(options.dir);
  const before = findFiles(dir);
  const inject = options.injectNoSync === true ? ["-e", `inject=${SYNC_CALLS.join(",")}:retval=0`] : [];
  // The tracer inherits the fourth descriptor: its end of file says that the trace is complete.
  const stdio: StdioOptions = [...(options.stdio ?? ["pipe", "pipe", "inherit"]), "pipe"];
  const child = spawn(
    "strace",
    [...FLAGS, "-e", `trace=${TRACED_CALLS.join(",")}`, ...inject, "-o", output, "--", options.command, ...options.args],
    // Node's writes to files through io_uring would not be seen.
    { stdio, cwd: options.cwd, env: { ...(options.env ?? process.env), UV_USE_IO_URING: "0" } },
  );
  const tracer = child.stdio[3];
  if (!tracer) throw new TraceError("no pipe to the tracer");
  const ended = Promise.all([once(child, "exit"), once(tracer, "close")]);
  // Whoever awaits finish() gets the error; a caller that gives up before must not die of it.
  ended.catch(() => undefined);
  tracer.on("data", () => undefined);

  const finish = async (): Promise<Trace> => {
    try {
      await ended;
      const roots = [...new Set([dir, realpathSync(dir)])];
      const trace = readTrace({ output: readFileSync(output), roots, cwd: resolve(options.cwd ?? "."), before });
      const different = trace.undecided ? [] : differences(cachedImage(trace), imageOf(findFiles(dir)));
      if (different.length > 0) throw new TraceError(`changed in a way that strace did not show: ${different.join(", ")}`);
      return trace;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  };
  return { child, finish };
}
