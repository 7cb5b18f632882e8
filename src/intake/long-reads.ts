/**
 * Which long line is read next, and what was read of those before. A connection has one at a time, in the thread or waiting to be stored, and
 * nothing else of it is taken meanwhile: its receipts are stored in the order in which they were sent. While one is stored the next one is read.
 */
import type { Connection, Slot } from "./connection.ts";
import type { FromLongLines, LongLines } from "./long-lines.ts";

export interface LongRead {
  readonly connection: Connection;
  readonly slot: Slot;
  /** By performance.now(). */
  readonly startedAt: number;
  readonly read: FromLongLines;
}

/** That were read and not stored. */
const AHEAD = 2;

export class LongReads {
  readonly #thread: LongLines;
  readonly #onRead: () => void;
  readonly #held = new Set<Connection>();
  readonly #waiting = new Set<Connection>();
  readonly #done: LongRead[] = [];

  /** `onRead`: there is one to be stored. */
  constructor(thread: LongLines, onRead: () => void) {
    this.#thread = thread;
    this.#onRead = onRead;
  }

  /** Is anything of it in the thread, or not stored? */
  holds(connection: Connection): boolean {
    return this.#held.has(connection);
  }

  get isEmpty(): boolean {
    return this.#done.length === 0;
  }

  /** The connection's next line is a long one; it is read in its turn. */
  add(connection: Connection): void {
    this.#waiting.add(connection);
    this.#readNext();
  }

  /** What is to be stored next. Its connection is free once `take` has returned. */
  takeNext(take: (read: LongRead) => void): Connection {
    const next = this.#done.shift()!;
    const { connection } = next;
    this.#readNext();
    this.#held.delete(connection);
    connection.beingRead = 0;
    if (!connection.closed) take(next);
    return connection;
  }

  forget(connection: Connection): void {
    this.#waiting.delete(connection);
  }

  #readNext(): void {
    for (const connection of this.#waiting) {
      if (this.#thread.isBusy || this.#done.length >= AHEAD) return;
      this.#waiting.delete(connection);
      const line = connection.nextLine(); // null: it is held back, and will be ready again
      if (line !== null) this.#read(connection, line);
    }
  }

  #read(connection: Connection, line: Buffer): void {
    const [slot, startedAt] = [connection.slot(), performance.now()];
    this.#held.add(connection);
    connection.beingRead = line.length;
    this.#thread.read(line, (read) => {
      this.#done.push({ connection, slot, startedAt, read });
      this.#readNext();
      this.#onRead();
    });
  }
}
