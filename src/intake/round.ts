/**
 * One round: what it works on, and when it has enough. Who sends much waits for others' commits and they for its; so a round is full when there
 * is much in it, and when there is somebody in it who sends little, with little more. While both are there, rounds are short: whoever comes
 * in the midst of one waits for its end.
 */
import type { Durability } from "../ledger/writer.ts";
import type { Connection, Slot } from "./connection.ts";
import type { ReadAppend } from "./quick-append.ts";

export interface Append extends ReadAppend {
  readonly connection: Connection;
  readonly slot: Slot;
  readonly durability: Durability;
}

interface Most {
  /** Receipts to store, and other lines. */
  readonly lines: number;
  readonly bytes: number;
}

const FULL: Most = { lines: 256, bytes: 1024 * 1024 };
const SHORT: Most = { lines: 32, bytes: 256 * 1024 };
const WITH_LITTLE: Most = { lines: 16, bytes: 64 * 1024 };
/** Lines of a connection that has no more, at most: it sends little. */
const LITTLE = 4;
/** ms since both were there. */
const SHORT_FOR = 100;

export class Round {
  /** Appends, to be committed together. */
  readonly group: Append[] = [];
  readonly inGroup = new Set<Connection>();
  /** How many lines were taken of each. */
  readonly touched = new Map<Connection, number>();
  readonly #most: Most;
  #lines = 0;
  /** Length of the messages, and of answers that were made at once. */
  #bytes = 0;
  /** Of connections that send little. */
  #little = 0;

  constructor(most: Most) {
    this.#most = most;
  }

  get isFull(): boolean {
    const { lines, bytes } = this.#little === 0 ? this.#most : WITH_LITTLE;
    return this.#lines >= Math.max(lines, 2 * this.#little) || this.#bytes >= bytes;
  }

  /** Does somebody who sends little share it with somebody who sends more than that? */
  get isMixed(): boolean {
    return this.#little > 0 && this.isFull;
  }

  took(connection: Connection, bytes: number): void {
    this.touched.set(connection, (this.touched.get(connection) ?? 0) + 1);
    this.add(1, bytes);
  }

  add(lines: number, bytes: number): void {
    this.#lines += lines;
    this.#bytes += bytes;
  }

  /** It has no further line. */
  hasNoMore(connection: Connection): void {
    const lines = this.touched.get(connection) ?? 0;
    if (lines <= LITTLE) this.#little += lines;
  }
}

/** How long the next round may be. */
export class Rounds {
  #mixedAt = Number.NEGATIVE_INFINITY;

  next(): Round {
    return new Round(performance.now() - this.#mixedAt < SHORT_FOR ? SHORT : FULL);
  }

  ended(round: Round): void {
    if (round.isMixed) this.#mixedAt = performance.now();
  }
}
