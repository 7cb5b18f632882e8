/**
 * Receipts drawn at random, uniformly and without replacement, in one pass over any number of them, by any number of threads: those with
 * the smallest ranks, a rank being a hash under a seed. So the draw follows from the seed alone, and can be made again (docs/AUDITING.md).
 */
import { concat, utf8 } from "../format/bytes.ts";
import type { Sha256 } from "../format/hash.ts";

export interface DrawAsk {
  /** 32 bytes, that nobody knew when the receipts were recorded. */
  readonly seed: Uint8Array;
  /** Receipts to draw. */
  readonly size: number;
}

export interface Drawn {
  readonly logIndex: number;
  /** Receipt hash, 32 bytes. */
  readonly hash: Uint8Array;
  /** 32 bytes, compared as they are. */
  readonly rank: Uint8Array;
}

/** Crosses threads. */
export interface DrawData {
  /** Receipts that it was drawn from. */
  readonly among: number;
  readonly drawn: readonly Drawn[];
}

const PREFIX = utf8("receiptd/1 draw\0");
const INDEX_BYTES = 8;

/** The rank of the receipt at this log index: SHA-256("receiptd/1 draw" ‖ 00 ‖ seed ‖ log_index as big-endian uint64). */
function ranker(seed: Uint8Array, sha256: Sha256): (logIndex: number) => Uint8Array {
  const message = concat(PREFIX, seed, new Uint8Array(INDEX_BYTES));
  const view = new DataView(message.buffer, message.byteOffset + message.length - INDEX_BYTES);
  return (logIndex) => {
    view.setBigUint64(0, BigInt(logIndex));
    return sha256(message);
  };
}

export class Draw {
  readonly #ask: DrawAsk;
  readonly #rank: (logIndex: number) => Uint8Array;
  /** Up to twice as many as are wanted; what is not among the smallest goes when it is full. */
  #kept: Drawn[] = [];
  #most: Uint8Array | null = null;
  #among = 0;

  constructor(ask: DrawAsk, sha256: Sha256) {
    this.#ask = ask;
    this.#rank = ranker(ask.seed, sha256);
  }

  offer(logIndex: number, hash: Uint8Array): void {
    this.#among++;
    this.#take({ logIndex, hash, rank: this.#rank(logIndex) });
  }

  /** What was drawn elsewhere, from other receipts. */
  add({ among, drawn }: DrawData): void {
    this.#among += among;
    for (const one of drawn) this.#take(one);
  }

  get data(): DrawData {
    this.#cut();
    return { among: this.#among, drawn: this.#kept };
  }

  #take(one: Drawn): void {
    if (this.#most !== null && compare(one.rank, this.#most) > 0) return;
    this.#kept.push(one);
    if (this.#kept.length >= 2 * this.#ask.size) this.#cut();
  }

  #cut(): void {
    this.#kept.sort((a, b) => compare(a.rank, b.rank));
    this.#kept.length = Math.min(this.#kept.length, this.#ask.size);
    if (this.#kept.length === this.#ask.size) this.#most = this.#kept.at(-1)?.rank ?? null;
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}
