/**
 * Socket activation, sd_listen_fds(3): systemd has made the socket and passes it as file descriptor 3, so that callers wait in its
 * queue while the daemon starts or restarts. What made the socket also removes it, and gave it owner and mode.
 */
import { fstatSync, readFileSync, statSync } from "node:fs";
import { SocketError } from "./server.ts";

/** SD_LISTEN_FDS_START */
const FIRST = 3;

export interface Process {
  readonly pid: number;
  readonly env: { [name: string]: string | undefined };
}

/**
 * The descriptor of the socket that was passed to this process, null where none was. The variables are removed: a child process must not
 * take them for its own. Throws `socket_not_possible` for more than one, for what is no Unix socket, and for one that is not at `path`,
 * where the clients look for it.
 */
export function inheritedSocket({ pid, env }: Process, path: string): number | null {
  const { LISTEN_PID: forPid, LISTEN_FDS: count } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (count === undefined || forPid !== String(pid)) return null; // meant for the process that started this one
  if (count !== "1") throw new SocketError("socket_not_possible", `LISTEN_FDS is ${count.slice(0, 20)}: one socket is wanted, that of receiptd.socket`);
  const at = pathOf(FIRST);
  if (at !== null && !isSameFile(at, path)) {
    throw new SocketError("socket_not_possible", `the socket that was passed on is ${at}, socket.path is ${path}; make ListenStream= and socket.path the same`);
  }
  return FIRST;
}

/** By what is there, since /run may be called /var/run. */
function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Where a Unix socket is bound, by the table of proc_pid_net(5); null where there is no such table to read. */
function pathOf(fd: number): string | null {
  let inode: number;
  try {
    const stat = fstatSync(fd);
    if (!stat.isSocket()) throw new SocketError("socket_not_possible", "what was passed on is no socket");
    inode = stat.ino;
  } catch (error) {
    if (error instanceof SocketError) throw error;
    throw new SocketError("socket_not_possible", "LISTEN_FDS is 1, but nothing was passed on", { cause: error });
  }
  let table: string;
  try {
    table = readFileSync("/proc/self/net/unix", "utf8");
  } catch {
    return null;
  }
  // Num RefCount Protocol Flags Type St Inode Path; type 0001 is SOCK_STREAM
  const rows = table.split("\n").map((line) => /^\S+: \S+ \S+ \S+ (\S+) \S+ +(\d+)(?: (.*))?$/.exec(line));
  const [, type, , path] = rows.find((row) => row?.[2] === String(inode)) ?? [];
  if (type !== "0001" || path === undefined) {
    throw new SocketError("socket_not_possible", "the socket that was passed on is no Unix stream socket with a path; use ListenStream=");
  }
  return path;
}
