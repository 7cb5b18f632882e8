import { describe, expect, test } from "vitest";
import { descriptor, output, quoted } from "./strace-text.ts";
import { TraceError, UndecidedTrace } from "./strace.ts";
import { type Trace, type TraceSource, readTrace } from "./trace.ts";

const CWD = descriptor("AT_FDCWD", "/w");
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

function read(lines: readonly string[], source: Partial<TraceSource> = {}): Trace {
  return readTrace({ output: output(...lines), roots: ["/d"], cwd: "/w", before: [], ...source });
}

/** The events without their ticks, data as text, as far as they are not of the past. */
function actions(trace: Trace): readonly unknown[] {
  return trace.events
    .filter((event) => event.begin >= trace.start)
    .map(({ begin: _begin, end: _end, ...action }) => ("data" in action ? { ...action, data: text(action.data) } : action));
}

const open = (pid: number, fd: number, path: string, flags = "O_RDWR|O_CREAT|O_CLOEXEC"): string =>
  `${pid}  openat(${CWD}, ${quoted(path)}, ${flags}, 0644) = ${descriptor(fd, path)}`;
const write = (pid: number, fd: number, path: string, data: string): string =>
  `${pid}  write(${descriptor(fd, path)}, ${quoted(data)}, ${data.length}) = ${data.length}`;
const vector = (...parts: readonly string[]): string =>
  `[${parts.map((part) => `{iov_base=${quoted(part)}, iov_len=${part.length}}`).join(", ")}]`;
const LOG = "O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC";

describe("files", () => {
  test("what a writer of a file does", () => {
    const trace = read([
      open(1, 3, "/d/a"),
      `1  pwrite64(${descriptor(3, "/d/a")}, ${quoted("xyz")}, 3, 8192) = 3`,
      `1  pwritev(${descriptor(3, "/d/a")}, ${vector("p", "q")}, 2, 4) = 2`,
      `1  fdatasync(${descriptor(3, "/d/a")}) = 0`,
      `1  fsync(${descriptor(3, "/d/a")}) = 0 (INJECTED)`,
      `1  fsync(${descriptor(3, "/d/a")}) = -1 EIO (Input/output error)`,
      `1  ftruncate(${descriptor(3, "/d/a")}, 5) = 0`,
      `1  close(${descriptor(3, "/d/a")}) = 0`,
      `1  openat(${CWD}, ${quoted("/d")}, O_RDONLY|O_CLOEXEC) = ${descriptor(3, "/d")}`,
      `1  fsync(${descriptor(3, "/d")}) = 0`,
    ]);
    expect(actions(trace)).toEqual([
      { kind: "link", entry: { directory: 0, name: "a" }, node: 1 },
      { kind: "write", file: 1, offset: 8192, data: "xyz" },
      { kind: "write", file: 1, offset: 4, data: "pq" },
      { kind: "sync", node: 1, injected: false },
      { kind: "sync", node: 1, injected: true },
      { kind: "truncate", file: 1, length: 5 },
      { kind: "sync", node: 0, injected: false },
    ]);
    expect(trace).toMatchObject({ types: ["directory", "file"], undecided: false });
  });

  test("offsets: appends, descriptors that share one, lseek, a short write, a truncating open", () => {
    const trace = read(
      [
        open(1, 3, "/d/log", LOG),
        write(1, 3, "/d/log", "+1"),
        `1  dup(${descriptor(3, "/d/log")}) = ${descriptor(4, "/d/log")}`,
        `1  close(${descriptor(3, "/d/log")}) = 0`,
        write(1, 4, "/d/log", "+2"),
        open(1, 3, "/d/b", "O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC"),
        write(1, 3, "/d/b", "ab"),
        `1  dup2(${descriptor(3, "/d/b")}, 9) = ${descriptor(9, "/d/b")}`,
        `1  write(${descriptor(9, "/d/b")}, ${quoted("cdef")}, 4) = 2`,
        write(1, 3, "/d/b", "e"),
        `1  lseek(${descriptor(9, "/d/b")}, 1, SEEK_SET) = 1`,
        write(1, 3, "/d/b", "B"),
        open(1, 5, "/d/log", "O_WRONLY|O_TRUNC"),
      ],
      { before: [{ names: ["log"], type: "file", data: new TextEncoder().encode("old") }] },
    );
    expect(actions(trace).filter((action) => JSON.stringify(action).includes('"file"'))).toEqual([
      { kind: "write", file: 1, offset: 3, data: "+1" },
      { kind: "write", file: 1, offset: 5, data: "+2" },
      { kind: "write", file: 2, offset: 0, data: "ab" },
      { kind: "write", file: 2, offset: 2, data: "cd" },
      { kind: "write", file: 2, offset: 4, data: "e" },
      { kind: "write", file: 2, offset: 1, data: "B" },
      { kind: "truncate", file: 1, length: 0 },
    ]);
  });

  test("a name that is given to another file is another file", () => {
    const trace = read([
      open(1, 3, "/d/a", LOG),
      `1  unlink(${quoted("/d/a")}) = 0`,
      open(1, 4, "/d/a", LOG),
      `1  write(3<${quoted("/d/a").slice(1, -1)}>(deleted), ${quoted("old")}, 3) = 3`,
      write(1, 4, "/d/a", "new"),
    ]);
    expect(actions(trace)).toMatchObject([
      { kind: "link", node: 1 },
      { kind: "unlink" },
      { kind: "link", node: 2 },
      { kind: "write", file: 1, data: "old" },
      { kind: "write", file: 2, data: "new" },
    ]);
  });

  test("names: relative paths, directories, links, renames, sockets", () => {
    const trace = read(
      [
        `1  mkdir(${quoted("../d/s")}, 0777) = 0`,
        `1  chdir(${quoted("/d/s")}) = 0`,
        `1  openat(AT_FDCWD, ${quoted("t")}, ${LOG}, 0600) = ${descriptor(3, "/d/s/t")}`,
        `1  link(${quoted("t")}, ${quoted("../l")}) = 0`,
        `1  rename(${quoted("t")}, ${quoted("./u")}) = 0`,
        `1  renameat2(${descriptor("AT_FDCWD", "/d")}, ${quoted("s")}, ${CWD}, ${quoted("/d/v")}, RENAME_NOREPLACE) = 0`,
        `1  unlinkat(${descriptor(7, "/d/v")}, ${quoted("u")}, 0) = 0`,
        `1  rmdir(${quoted("/d/v")}) = 0`,
        `1  bind(8<socket:[5]>, {sa_family=AF_UNIX, sun_path=${quoted("/d/sock")}}, 110) = 0`,
        `1  mkdir(${quoted("/elsewhere")}, 0777) = 0`,
        `1  mkdir(${quoted("/d/no")}, 0777) = -1 ENOSPC (No space left on device)`,
      ],
    );
    expect(actions(trace)).toEqual([
      { kind: "link", entry: { directory: 0, name: "s" }, node: 1 },
      { kind: "link", entry: { directory: 1, name: "t" }, node: 2 },
      { kind: "link", entry: { directory: 0, name: "l" }, node: 2 },
      { kind: "rename", from: { directory: 1, name: "t" }, to: { directory: 1, name: "u" }, node: 2 },
      { kind: "rename", from: { directory: 0, name: "s" }, to: { directory: 0, name: "v" }, node: 1 },
      { kind: "unlink", entry: { directory: 1, name: "u" } },
      { kind: "unlink", entry: { directory: 0, name: "v" } },
      { kind: "link", entry: { directory: 0, name: "sock" }, node: 3 },
    ]);
    expect(trace.types).toEqual(["directory", "directory", "file", "other"]);
  });

  test("two names of one file stay when one is renamed to the other", () => {
    const trace = read([
      open(1, 3, "/d/a"),
      `1  link(${quoted("/d/a")}, ${quoted("/d/b")}) = 0`,
      `1  rename(${quoted("/d/a")}, ${quoted("/d/b")}) = 0`,
    ]);
    expect(actions(trace)).toMatchObject([{ kind: "link" }, { kind: "link" }]);
  });

  test("calls at the same time come in the order in which they returned", () => {
    const trace = read([
      open(1, 3, "/d/a"),
      "1  clone3({flags=CLONE_FILES|CLONE_FS, exit_signal=0}, 88) = 2",
      `1  pwrite64(${descriptor(3, "/d/a")}, ${quoted("x")}, 1, 0 <unfinished ...>`,
      `2  pwrite64(${descriptor(3, "/d/a")}, ${quoted("y")}, 1, 0) = 1`,
      "1  <... pwrite64 resumed>) = 1",
    ]);
    expect(actions(trace)).toMatchObject([{ kind: "link" }, { data: "y" }, { data: "x" }]);
  });

  test("the directory is found under its real path too", () => {
    const trace = read([open(1, 3, "/real/d/a")], { roots: ["/d", "/real/d"] });
    expect(actions(trace)).toMatchObject([{ kind: "link", entry: { directory: 0, name: "a" } }]);
  });
});

describe("processes", () => {
  const THREAD = "clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, exit_signal=0}";

  test("threads share descriptors; the thread may run before clone returns", () => {
    const trace = read([
      `1  ${THREAD} <unfinished ...>`,
      open(2, 3, "/d/a", LOG),
      "1  <... clone3 resumed> => {parent_tid=[2]}, 88) = 2",
      write(1, 3, "/d/a", "x"),
      `2  close(${descriptor(3, "/d/a")} <unfinished ...>`,
      open(1, 3, "/d/b", LOG),
      "2  <... close resumed>) = 0",
      write(1, 3, "/d/b", "y"),
    ]);
    expect(actions(trace)).toMatchObject([
      { kind: "link", node: 1 },
      { kind: "write", file: 1, data: "x" },
      { kind: "link", node: 2 },
      { kind: "write", file: 2, data: "y" },
    ]);
  });

  test("a fork has its own descriptors and working directory, and shares the offsets", () => {
    const trace = read([
      open(1, 3, "/d/a", "O_WRONLY|O_CREAT"),
      "1  clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x1) = 2",
      write(2, 3, "/d/a", "ab"),
      `2  close(${descriptor(3, "/d/a")}) = 0`,
      `2  chdir(${quoted("/d")}) = 0`,
      `2  mkdir(${quoted("in")}, 0777) = 0`,
      `1  mkdir(${quoted("out")}, 0777) = 0`,
      write(1, 3, "/d/a", "c"),
    ]);
    expect(actions(trace)).toMatchObject([
      { kind: "link" },
      { kind: "write", offset: 0 },
      { kind: "link", entry: { name: "in" } },
      { kind: "write", offset: 2 },
    ]);
  });

  test("execve closes what is to be closed", () => {
    const exec = `1  execve(${quoted("/bin/x")}, [${quoted("x")}], 0x1 /* 3 vars */) = 0`;
    const kept = read([open(1, 3, "/d/a", "O_WRONLY|O_CREAT|O_APPEND"), exec, write(1, 3, "/d/a", "x")]);
    expect(actions(kept)).toHaveLength(2);
    expect(() => read([open(1, 3, "/d/a", LOG), exec, write(1, 3, "/d/a", "x")])).toThrow(TraceError);
  });
});

describe("acknowledgements", () => {
  test("are what sockets and pipes took", () => {
    const trace = read([
      "1  write(5<socket:[7]>, \"\\x61\\x62\\x63\", 3) = 2",
      "1  write(5<socket:[7]>, \"\\x63\", 1) = -1 EAGAIN (Resource temporarily unavailable)",
      `1  writev(6<pipe:[8]>, ${vector("d", "e")}, 2) = 2`,
      `1  sendto(5<socket:[7]>, ${quoted("f")}, 1, MSG_NOSIGNAL, NULL, 0) = 1`,
      `1  sendmsg(5<socket:[7]>, {msg_name=NULL, msg_namelen=0, msg_iov=${vector("g")}, msg_iovlen=1}, 0) = 1`,
      `1  write(9<anon_inode:[eventfd]>, ${quoted("h")}, 1) = 1`,
      `1  write(2</dev/pts/0>, ${quoted("i")}, 1) = 1`,
      `1  write(5<socket:[7]>, ${quoted("j")}, 1 <unfinished ...>) = ?`,
    ]);
    expect(actions(trace)).toEqual([
      { kind: "acknowledge", stream: "socket:[7]", data: "ab" },
      { kind: "acknowledge", stream: "pipe:[8]", data: "de" },
      { kind: "acknowledge", stream: "socket:[7]", data: "f" },
      { kind: "acknowledge", stream: "socket:[7]", data: "g" },
    ]);
    expect(trace.undecided).toBe(false);
  });
});

test("a write in which the process died may be there", () => {
  const trace = read([
    open(1, 3, "/d/a"),
    `1  pwrite64(${descriptor(3, "/d/a")}, ${quoted("xyz")}, 3, 0 <unfinished ...>`,
    "1  +++ killed by SIGKILL +++",
  ]);
  expect(trace.undecided).toBe(true);
  expect(trace.events.at(-1)).toMatchObject({ kind: "write", end: Infinity });
});

test("but not where a program that was started afterwards knows whether it is: what that wrote over it would be under it", () => {
  const lines = (died: string): readonly string[] => [
    "1  clone3({flags=CLONE_VFORK, exit_signal=SIGCHLD}, 88) = 2",
    open(2, 3, "/d/a"),
    `2  pwrite64(${descriptor(3, "/d/a")}, ${quoted("xyz")}, 3, 0${died}`,
    "2  +++ killed by SIGKILL +++",
    `1  execve(${quoted("/bin/again")}, [], 0x7f00 /* 0 vars */) = 0`,
    open(1, 3, "/d/a"),
    `1  pwrite64(${descriptor(3, "/d/a")}, ${quoted("uvw")}, 3, 0) = 3`,
  ];
  expect(() => read(lines(" <unfinished ...>"))).toThrow(UndecidedTrace);
  expect(read(lines(") = 3")).undecided).toBe(false);
});

describe("refuses", () => {
  const file = descriptor(3, "/d/a");
  test.each([
    ["a descriptor that was never opened", `1  fsync(${descriptor(9, "/d/a")}) = 0`],
    ["a descriptor that was closed", `1  close(${file}) = 0\n1  fsync(${file}) = 0`],
    ["a process that nobody started", `9  chdir(${quoted("/")}) = 0`],
    ["a file that somebody else made", `1  openat(${CWD}, ${quoted("/d/other")}, O_RDONLY) = ${descriptor(4, "/d/other")}`],
    ["a name that somebody else made", `1  unlink(${quoted("/d/other")}) = 0`],
    ["write after reads that are not seen", `1  write(${file}, ${quoted("x")}, 1) = 1`],
    ["O_DSYNC", open(1, 4, "/d/b", "O_WRONLY|O_CREAT|O_DSYNC")],
    ["a writable mapping", `1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, ${file}, 0) = 0x7f0000000000`],
    ["copy_file_range", `1  copy_file_range(${descriptor(4, "/x")}, NULL, ${file}, NULL, 5, 0) = 5`],
    ["sendfile", `1  sendfile(${file}, ${descriptor(4, "/x")}, NULL, 5) = 5`],
    ["a punched hole", `1  fallocate(${file}, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 0, 4096) = 0`],
    ["a symbolic link", `1  symlink(${quoted("a")}, ${quoted("/d/b")}) = 0`],
    ["a file moved in", `1  rename(${quoted("/x")}, ${quoted("/d/x")}) = 0`],
    ["a file moved out", `1  rename(${quoted("/d/a")}, ${quoted("/x")}) = 0`],
    ["files exchanged", `1  renameat2(${CWD}, ${quoted("/d/a")}, ${CWD}, ${quoted("/d/a2")}, RENAME_EXCHANGE) = 0`],
  ])("%s", (_, line) => {
    expect(() => read([open(1, 3, "/d/a"), line])).toThrow(TraceError);
  });

  test("a trace without a single call", () => {
    expect(() => read([])).toThrow(TraceError);
  });

  test("but not the mapping of SQLite's -shm, nor a private one", () => {
    const shm = descriptor(4, "/d/x-shm");
    const trace = read([
      open(1, 3, "/d/a"),
      open(1, 4, "/d/x-shm"),
      `1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, ${shm}, 0) = 0x7f0000000000`,
      `1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE, ${file}, 0) = 0x7f0000000000`,
      "1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000",
    ]);
    expect(actions(trace)).toHaveLength(2);
  });
});
