/**
 * Which open file a descriptor number stands for, in every process of a trace (open(2), dup(2), clone(2), execve(2)).
 *
 * Threads share one table (CLONE_FILES), a fork copies it, and copies still share the file offset: an `OpenFile` is what
 * POSIX calls an open file description. The traced programs are our own; what is not understood is refused.
 */
import { TraceError } from "./strace.ts";

/** An open file description. */
export interface OpenFile {
  /** The file or directory of the traced tree; undefined for everything else. */
  readonly node: number | undefined;
  readonly append: boolean;
  /** Opened O_RDWR: reads, which are not traced, may have moved the offset. */
  readonly readWrite: boolean;
  offset: number;
}

interface Entry {
  readonly file: OpenFile;
  readonly closeOnExec: boolean;
}

interface Process {
  table: Map<number, Entry>;
  directory: { path: string };
}

export class Descriptors {
  readonly #processes = new Map<number, Process>();
  readonly #cwd: string;

  /** `cwd` is the working directory of the first process of the trace. */
  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  get(pid: number, fd: number): OpenFile | undefined {
    return this.#process(pid).table.get(fd)?.file;
  }

  set(pid: number, fd: number, file: OpenFile, closeOnExec: boolean): void {
    this.#process(pid).table.set(fd, { file, closeOnExec });
  }

  duplicate(pid: number, from: number, to: number, closeOnExec: boolean): void {
    const { table } = this.#process(pid);
    const entry = table.get(from);
    if (entry) table.set(to, { file: entry.file, closeOnExec });
    else table.delete(to);
  }

  /** Closes the descriptors from `first` to `last`, both included. */
  close(pid: number, first: number, last: number): void {
    const { table } = this.#process(pid);
    for (const fd of table.keys()) if (fd >= first && fd <= last) table.delete(fd);
  }

  workingDirectory(pid: number): string {
    return this.#process(pid).directory.path;
  }

  changeDirectory(pid: number, path: string): void {
    this.#process(pid).directory.path = path;
  }

  /** `flags` as strace prints those of clone and clone3; empty for fork and vfork. */
  clone(parent: number, child: number, flags: string): void {
    const { table, directory } = this.#process(parent);
    this.#processes.set(child, {
      table: flags.includes("CLONE_FILES") ? table : new Map(table),
      directory: /CLONE_FS\b/.test(flags) ? directory : { ...directory },
    });
  }

  exec(pid: number): void {
    const process = this.#process(pid);
    process.table = new Map([...process.table].filter(([, entry]) => !entry.closeOnExec));
    process.directory = { ...process.directory };
  }

  #process(pid: number): Process {
    const known = this.#processes.get(pid);
    if (known) return known;
    if (this.#processes.size > 0) throw new TraceError(`nobody started process ${pid}`);
    const first = { table: new Map<number, Entry>(), directory: { path: this.#cwd } };
    this.#processes.set(pid, first);
    return first;
  }
}
