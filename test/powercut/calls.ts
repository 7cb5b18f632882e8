/**
 * The system calls that matter to a trace: which ones strace has to show, and what all forms of one call have in common.
 */
import { type Call, TraceError, decodeBytes, decodeVector, splitArguments } from "./strace.ts";

/** The calls that readTrace needs to see. */
export const TRACED_CALLS: readonly string[] = [
  ...optional("open openat openat2 creat close close_range dup dup2 dup3 fcntl clone clone3 fork vfork execve execveat"),
  ...optional("chdir fchdir lseek write writev pwrite64 pwritev pwritev2 sendto sendmsg ftruncate truncate fallocate"),
  ...optional("fsync fdatasync msync sync syncfs sync_file_range rename renameat renameat2 unlink unlinkat rmdir"),
  ...optional("link linkat symlink symlinkat mkdir mkdirat mknod mknodat bind mmap copy_file_range sendfile splice"),
];

/** The calls that make data durable: injected together, the disk is a liar. */
export const SYNC_CALLS: readonly string[] = optional("fsync fdatasync msync sync syncfs sync_file_range");

/** The working directory, in place of a directory descriptor. */
export const CWD = "AT_FDCWD";

/** The older calls without a directory descriptor, written as the newer ones. */
export function atForm(call: Call): { readonly name: string; readonly args: readonly string[] } {
  const args = splitArguments(call.text);
  const [first = "", second = ""] = args;
  switch (call.name) {
    case "creat":
      return { name: "openat", args: [CWD, first, "O_WRONLY|O_CREAT|O_TRUNC"] };
    case "rmdir":
      return { name: "unlinkat", args: [CWD, first] };
    case "open":
    case "mkdir":
    case "mknod":
    case "unlink":
      return { name: `${call.name}at`, args: [CWD, ...args] };
    case "link":
    case "rename":
      return { name: `${call.name}at`, args: [CWD, first, CWD, second] };
    case "symlink":
      return { name: "symlinkat", args: [first, CWD, second] };
    default:
      return { name: call.name, args };
  }
}

/** All bytes that the call was given; it may have taken fewer. */
export function dataOf(call: Call): Uint8Array {
  const { name, text } = call;
  return /v/.test(name) || name === "sendmsg" ? decodeVector(text) : decodeBytes(splitArguments(text)[1] ?? "");
}

/** The error for a call that is not modelled. */
export function refusal(call: Call, reason: string): TraceError {
  const text = call.text.length > 200 ? `${call.text.slice(0, 200)}…` : call.text;
  return new TraceError(`${call.name}(${text}): ${reason}`);
}

/** With "?" strace accepts a name that this architecture does not have. */
function optional(names: string): readonly string[] {
  return names.split(" ").map((name) => `?${name}`);
}
