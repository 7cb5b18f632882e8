/**
 * The Unix socket: made with its mode and group before anyone can connect, taken over from a dead daemon but never from a live one,
 * with a bound on connections and on the memory that all of them hold together.
 */
import { chmodSync, chownSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { Connection, type ConnectionLimits } from "./connection.ts";
import { errorLine, RpcError } from "./protocol.ts";

export interface SocketOptions {
  readonly path: string;
  /** A listening socket at `path` that somebody else has made (./activation.ts): owner, mode and removal are theirs. */
  readonly inherited?: number | null;
  /** e.g. 0o660 */
  readonly mode: number;
  /** Numeric group, or null for the daemon's own. */
  readonly group: number | null;
  readonly maxConnections: number;
  /** Bytes that all connections together may hold of what was not worked on yet. */
  readonly maxBuffered: number;
  readonly limits: ConnectionLimits;
}

/** Connections beyond the limit that are told so; those beyond these are closed without a word. */
const REFUSED_AT_A_TIME = 64;

export class SocketError extends Error {
  override readonly name = "SocketError";
  readonly code: "socket_in_use" | "socket_not_possible" | "no_such_group";

  constructor(code: SocketError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What works on the lines. */
export interface LineServer {
  /** The connection has something to do: bytes, room for answers, or its end. */
  ready(connection: Connection): void;
  forget(connection: Connection): void;
  /** Something went wrong that no client caused. */
  report(error: unknown): void;
}

export interface IntakeServer {
  connections(): number;
  /** Takes no new connections or calls, answers what is due (at most `ms` long), and closes. */
  drain(ms: number): Promise<void>;
}

export async function listen(options: SocketOptions, intake: LineServer): Promise<IntakeServer> {
  const inherited = options.inherited ?? null;
  if (inherited === null) await removeStale(options.path);
  const connections = new Set<Connection>();
  // highWaterMark: a paused socket holds the piece that it was reading, and no more
  const server = createServer({ allowHalfOpen: true, highWaterMark: 1 }, (socket) => {
    if (connections.size >= options.maxConnections) {
      refuse(socket, options.maxConnections);
      return;
    }
    const connection = new Connection(socket, options.limits, (ready) => {
      keepWithin(options.maxBuffered, connections);
      intake.ready(ready);
    });
    connections.add(connection);
    socket.on("close", () => {
      connections.delete(connection);
      intake.forget(connection);
    });
  });
  server.maxConnections = options.maxConnections + REFUSED_AT_A_TIME;
  await (inherited === null ? bind(server, options) : listening(server, { fd: inherited }, options.path));
  server.on("error", (error) => intake.report(error)); // of one connection that could not be accepted
  const timer = setInterval(() => {
    const now = performance.now();
    for (const connection of connections) connection.checkTimes(now);
  }, 1000);
  timer.unref();
  return {
    connections: () => connections.size,
    async drain(ms) {
      clearInterval(timer);
      const closed = [new Promise<void>((resolve) => server.close(() => resolve())), ...[...connections].map((connection) => connection.end())];
      const deadline = setTimeout(() => {
        for (const connection of connections) connection.destroy();
      }, ms);
      await Promise.all(closed);
      clearTimeout(deadline);
    },
  };
}

/** A flood of half-sent messages over many connections: the one that gives back the most is let go, until the rest is within the bound. */
function keepWithin(maxBuffered: number, connections: ReadonlySet<Connection>): void {
  for (;;) {
    let total = 0;
    let largest: Connection | null = null;
    for (const connection of connections) {
      total += connection.held;
      if (!connection.closed && connection.unread > (largest?.unread ?? 0)) largest = connection;
    }
    if (total <= maxBuffered || largest === null) return;
    largest.fail(new RpcError("overloaded", "too much unfinished input on all connections together; this one held the most and is closed"));
  }
}

function refuse(socket: Socket, most: number): void {
  socket.on("error", () => socket.destroy());
  socket.end(errorLine(null, new RpcError("too_many_connections", `the daemon serves ${most} connections at a time; reuse one, or raise limits.max_connections`)));
  socket.resume();
  setTimeout(() => socket.destroy(), 2000).unref();
}

async function bind(server: Server, { path, mode, group }: SocketOptions): Promise<void> {
  // bound with no rights for anyone else; opened to the group only when owner and mode are what they should be
  const umask = process.umask(0o177);
  let bound: Promise<void>;
  try {
    bound = listening(server, { path }, path); // the file is there when this returns: other threads must not make theirs under this umask
  } finally {
    process.umask(umask);
  }
  await bound;
  try {
    if (group !== null) chownSync(path, -1, group);
    chmodSync(path, mode);
  } catch (error) {
    server.close();
    throw new SocketError("socket_not_possible", `cannot give ${path} its group and mode: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function listening(server: Server, at: ListenOptions & { readonly fd?: number }, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(new SocketError("socket_not_possible", `cannot listen on ${path}: ${error.message}`, { cause: error }));
    server.once("error", onError);
    server.listen(at, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

/** Removes a socket that nobody listens on; refuses to touch anything else. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new SocketError("socket_not_possible", `${path} is there and is not a socket; it is left alone`);
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  if (alive) throw new SocketError("socket_in_use", `another process is listening on ${path}`);
  unlinkSync(path);
}
