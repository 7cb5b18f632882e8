/**
 * From the system calls of a process to the two things a power cut is about: what it did to the files of one directory,
 * and what it told others (acknowledgements: bytes written to sockets and pipes).
 *
 * Whatever reaches the files by a way that is not modelled (a writable mapping, O_SYNC, copy_file_range, symbolic links,
 * a file moved in or out) is refused: a trace is complete, or there is none.
 */
import { resolve } from "node:path";
import { CWD, atForm, dataOf, refusal } from "./calls.ts";
import { Descriptors, type OpenFile } from "./descriptors.ts";
import { type Call, TraceError, UndecidedTrace, decodeDescriptor, decodePath, parseStrace, splitArguments } from "./strace.ts";
import { type Event, type Names, type NodeType, Tree } from "./tree.ts";

export interface Trace {
  /** In the order in which the calls returned; those that never did are last. */
  readonly events: readonly Event[];
  /** Types by node number; node 0 is the directory under test. */
  readonly types: readonly NodeType[];
  /** The tick at which the process started: what was in the directory before counts as durable. */
  readonly start: number;
  /** The first tick at which everything in the trace has happened. */
  readonly end: number;
  /** A thread died inside a call that changes files: whether it took effect is not known. Nothing was started after it. */
  readonly undecided: boolean;
}

/** A file or directory that was there before; parents come before what is in them. */
export interface FoundFile {
  readonly names: Names;
  readonly type: NodeType;
  readonly data: Uint8Array;
}

export interface TraceSource {
  /** What strace wrote. */
  readonly output: Uint8Array;
  /** Absolute paths of the directory under test: as given, and with symbolic links resolved. */
  readonly roots: readonly string[];
  /** Working directory of the first process. */
  readonly cwd: string;
  readonly before: readonly FoundFile[];
}

/**
 * Throws TraceError when the trace cannot be read, is cut off, or has a call that is not modelled; UndecidedTrace when a program was started
 * after one that died inside a call that changes files: the new one knows whether it took effect, and builds on it.
 */
export function readTrace(source: TraceSource): Trace {
  return new Reader(source).read();
}

const STREAM = /^(?:socket|pipe):\[\d+\]$/;
const WRITES = new Set(["write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg"]);
const BY_DESCRIPTOR = new Set([...WRITES, "fsync", "fdatasync", "ftruncate", "fallocate", "lseek"]);
/** Calls that move bytes without showing them, with the position of the descriptor they write to. */
const UNSEEN: ReadonlyMap<string, number> = new Map([
  ["copy_file_range", 2],
  ["splice", 2],
  ["sendfile", 0],
]);
const CHANGES = /^(?:open|creat|f?truncate|fallocate|rename|unlink|rmdir|link|mkdir|mknod|bind)/;

class Reader {
  readonly #roots: readonly string[];
  readonly #calls: readonly Call[];
  readonly #tree = new Tree();
  readonly #descriptors: Descriptors;
  /** What a descriptor stood for when the call was entered: another thread may close it meanwhile. */
  readonly #targets = new Map<Call, OpenFile>();
  readonly #start: number;
  #undecided = false;

  constructor({ output, roots, cwd, before }: TraceSource) {
    this.#roots = roots;
    this.#descriptors = new Descriptors(cwd);
    // The past has ticks of its own: everything that was there, and one sync of all of it.
    for (const { names, type, data } of before) {
      const node = this.#tree.create({ begin: 0, end: 0 }, names, type);
      if (type === "file") this.#tree.write({ begin: 0, end: 0 }, node, 0, data);
    }
    this.#tree.sync({ begin: 1, end: 1 }, "all", false);
    const start = 2;
    this.#start = start;
    this.#calls = parseStrace(output).map((call) => ({ ...call, begin: call.begin + start, end: call.end + start }));
    if (this.#calls.length === 0) throw new TraceError("strace saw no call at all: it could not trace the program");
  }

  read(): Trace {
    const steps: { readonly tick: number; readonly run: () => void }[] = [];
    let end = this.#start;
    for (const call of this.#calls) {
      steps.push({ tick: call.begin, run: () => this.#enter(call) });
      if (Number.isFinite(call.end)) steps.push({ tick: call.end, run: () => this.#leave(call) });
    }
    for (const step of steps.sort((a, b) => a.tick - b.tick)) {
      step.run();
      end = step.tick + 1;
    }
    const { events, types } = this.#tree;
    return { events, types, start: this.#start, end, undecided: this.#undecided };
  }

  #enter(call: Call): void {
    const { name, pid, result } = call;
    if (name === "execve" && this.#undecided) throw new UndecidedTrace(`process ${pid} was started after another died inside a call`);
    if (name === "close") {
      // Already here: another thread's open may return the number before this call is seen to return.
      const { fd } = decodeDescriptor(call.text);
      this.#descriptors.close(pid, fd, fd);
    } else if (/^(?:clone3?|v?fork)$/.test(name)) {
      // Already here: the child may be seen to run before its parent is seen to return.
      const flags = /flags=([\w|]+)/.exec(call.text)?.[1] ?? "";
      if (result !== undefined && result > 0) this.#descriptors.clone(pid, result, flags);
    } else if (name === "mmap") {
      this.#refuseWritableMapping(call);
    } else if (BY_DESCRIPTOR.has(name)) {
      const file = this.#openFile(call, splitArguments(call.text)[0]);
      if (file) this.#targets.set(call, file);
    } else if (UNSEEN.has(name)) {
      const token = splitArguments(call.text)[UNSEEN.get(name) ?? 0];
      if (this.#openFile(call, token)?.node !== undefined) throw refusal(call, "strace does not show the bytes");
    }
    if (result === undefined) this.#neverReturned(call);
  }

  /** The process was killed inside the call: a write may be on the disk, an acknowledgement cannot be counted on. */
  #neverReturned(call: Call): void {
    const file = this.#targets.get(call);
    if (WRITES.has(call.name)) {
      if (file?.node === undefined) return;
      this.#undecided = true;
      this.#writeFile(call, file, file.node, dataOf(call));
    } else if (CHANGES.test(call.name)) {
      this.#undecided = true;
    }
  }

  #leave(call: Call): void {
    const { pid, result = -1 } = call;
    if (result < 0) return;
    if (WRITES.has(call.name)) return this.#wrote(call, dataOf(call).subarray(0, result));
    const { name, args } = atForm(call);
    const arg = (index: number): string => args[index] ?? "";
    const names = (index: number): Names | undefined => this.#names(call, arg(index), arg(index + 1));
    const node = this.#targets.get(call)?.node;
    switch (name) {
      case "openat":
      case "openat2":
        return this.#opened(call, arg(2));
      case "dup":
      case "dup2":
      case "dup3":
      case "fcntl": {
        if (name === "fcntl" && !arg(1).startsWith("F_DUPFD")) return;
        const { fd } = decodeDescriptor(arg(0));
        if (fd !== result) this.#descriptors.duplicate(pid, fd, result, /CLOEXEC/.test(`${arg(1)} ${arg(2)}`));
        return;
      }
      case "close_range":
        if (!arg(2).includes("CLOEXEC")) this.#descriptors.close(pid, Number(arg(0)), Number(arg(1)));
        return;
      case "execve":
      case "execveat":
        return this.#descriptors.exec(pid);
      case "chdir":
        return this.#descriptors.changeDirectory(pid, this.#path(call, CWD, arg(0)));
      case "fchdir":
        return this.#descriptors.changeDirectory(pid, this.#path(call, arg(0), '""'));
      case "lseek": {
        const file = this.#targets.get(call);
        if (file) file.offset = result;
        return;
      }
      case "ftruncate":
        return node === undefined ? undefined : this.#tree.truncate(call, node, Number(arg(1)));
      case "truncate": {
        const found = this.#names(call, CWD, arg(0));
        return found ? this.#tree.truncate(call, this.#known(call, found), Number(arg(1))) : undefined;
      }
      case "fallocate":
        if (node === undefined || arg(1) === "FALLOC_FL_KEEP_SIZE") return;
        if (arg(1) !== "0") throw refusal(call, "only mode 0 is modelled");
        return this.#tree.truncate(call, node, Math.max(this.#tree.size(node), Number(arg(2)) + Number(arg(3))));
      case "fsync":
      case "fdatasync":
        return node === undefined ? undefined : this.#tree.sync(call, node, call.injected);
      case "sync":
      case "syncfs":
        return this.#tree.sync(call, "all", call.injected);
      case "mkdirat":
        return this.#made(call, "directory", names(0));
      case "mknodat":
        return this.#made(call, "other", names(0));
      case "bind": {
        const path = /sun_path=("[^"]*")/.exec(call.text)?.[1];
        return path === undefined ? undefined : this.#made(call, "other", this.#names(call, CWD, path));
      }
      case "unlinkat": {
        const found = names(0);
        return found ? this.#tree.unlink(call, found) : undefined;
      }
      case "linkat":
      case "renameat":
      case "renameat2":
        return this.#moved(call, names(0), names(2), arg(4));
      case "symlinkat":
        if (names(1)) throw refusal(call, "symbolic links are not modelled");
    }
  }

  #opened(call: Call, flagText: string): void {
    const { pid, result = -1, resultPath } = call;
    if (resultPath === undefined) throw refusal(call, "no path: run strace with -y");
    const flags = new Set(/\bO_[A-Z_|]+/.exec(flagText)?.[0].split("|"));
    const names = this.#inside(resultPath);
    let node: number | undefined;
    if (names) {
      if (["O_SYNC", "O_DSYNC", "O_TMPFILE"].some((flag) => flags.has(flag))) throw refusal(call, "flags are not modelled");
      node = flags.has("O_CREAT") ? this.#tree.find(names) : this.#known(call, names);
      node ??= this.#tree.create(call, names, "file");
      if (flags.has("O_TRUNC")) this.#tree.truncate(call, node, 0);
    }
    const file = { node, append: flags.has("O_APPEND"), readWrite: flags.has("O_RDWR"), offset: 0 };
    this.#descriptors.set(pid, result, file, flags.has("O_CLOEXEC"));
  }

  #wrote(call: Call, data: Uint8Array): void {
    const file = this.#targets.get(call);
    if (file?.node !== undefined) return this.#writeFile(call, file, file.node, data);
    const { path = "" } = decodeDescriptor(splitArguments(call.text)[0] ?? "");
    if (STREAM.test(path)) this.#tree.acknowledge(call, path, data);
  }

  #writeFile(call: Call, file: OpenFile, node: number, data: Uint8Array): void {
    const args = splitArguments(call.text);
    if (call.name === "pwritev2" && args[4] !== "0") throw refusal(call, "flags are not modelled");
    const explicit = call.name.startsWith("pwrite") ? Number(args[3]) : -1;
    if (explicit < 0 && file.readWrite && !file.append) throw refusal(call, "reads may have moved the offset; use pwrite");
    const offset = file.append ? this.#tree.size(node) : explicit < 0 ? file.offset : explicit;
    if (explicit < 0) file.offset = offset + data.length;
    this.#tree.write(call, node, offset, data);
  }

  #made(call: Call, type: NodeType, names: Names | undefined): void {
    if (names) this.#tree.create(call, names, type);
  }

  #moved(call: Call, from: Names | undefined, to: Names | undefined, flags: string): void {
    if (!from && !to) return;
    if (!from || !to) throw refusal(call, "into or out of the directory under test");
    if (/EXCHANGE|WHITEOUT|AT_/.test(flags)) throw refusal(call, "flags that are not modelled");
    if (call.name.startsWith("link")) this.#tree.link(call, from, to);
    else this.#tree.rename(call, from, to);
  }

  /** SQLite's -shm is the one file that is written through a mapping; it is rebuilt after a crash and never on the disk. */
  #refuseWritableMapping(call: Call): void {
    const [, , protection = "", flags = "", token = ""] = splitArguments(call.text);
    if (!protection.includes("PROT_WRITE") || !flags.includes("MAP_SHARED")) return;
    const { path = "" } = decodeDescriptor(token);
    if (this.#inside(path) && !path.endsWith("-shm")) throw refusal(call, "a writable mapping of a file under test");
  }

  #known(call: Call, names: Names): number {
    const node = this.#tree.find(names);
    if (node === undefined) throw refusal(call, "a file that the traced process did not make");
    return node;
  }

  /** The open file of a descriptor argument, when it is one under test. */
  #openFile(call: Call, token = ""): OpenFile | undefined {
    const { fd, path } = decodeDescriptor(token);
    const file = this.#descriptors.get(call.pid, fd);
    if (path === undefined || !this.#inside(path)) return undefined;
    if (file?.node === undefined) throw refusal(call, "a descriptor that was never seen to be opened");
    return file;
  }

  #path(call: Call, directory: string, path: string): string {
    return resolve(decodeDescriptor(directory).path ?? this.#descriptors.workingDirectory(call.pid), decodePath(path));
  }

  #names(call: Call, directory: string, path: string): Names | undefined {
    return this.#inside(this.#path(call, directory, path));
  }

  #inside(path: string): Names | undefined {
    for (const root of this.#roots) {
      if (path === root) return [];
      if (path.startsWith(`${root}/`)) return path.slice(root.length + 1).split("/");
    }
    return undefined;
  }
}
