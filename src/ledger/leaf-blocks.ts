/**
 * The nodes of the log's tree below those that are stored: a block of leaves is read and hashed once, and the newest that were asked for are
 * kept. Leaves never change, so a kept block holds; where what comes of it does not lead to a signed root, the file may have been damaged when
 * it was read, and it is to be read anew (`forget`).
 */
import { HASH_BYTES, nodeHash } from "../format/merkle.ts";
import type { Sha256 } from "../format/hash.ts";
import { STORED_LEVEL } from "./state.ts";

/** Leaves of a block. */
const BLOCK = 2 ** STORED_LEVEL;

/** The hashes of up to `limit` leaves from `first` on. */
export type ReadLeaves = (first: number, limit: number) => readonly Uint8Array[];

export class LeafBlocks {
  readonly #most: number;
  readonly #sha256: Sha256;
  /** By the first leaf; the one that was asked for last is at the end. */
  readonly #blocks = new Map<number, LeafBlock>();

  /** Keeps `most` blocks, of 16 KiB each. */
  constructor(most: number, sha256: Sha256) {
    this.#most = most;
    this.#sha256 = sha256;
  }

  /** Node (level, position), level < STORED_LEVEL; undefined where leaves of it are not there. */
  nodeAt(level: number, position: number, read: ReadLeaves): Uint8Array | undefined {
    const leaf = position * 2 ** level;
    const first = leaf - (leaf % BLOCK);
    const index = (leaf - first) / 2 ** level;
    const kept = this.#blocks.get(first);
    this.#blocks.delete(first);
    const block = kept?.has(level, index) === true ? kept : new LeafBlock(read(first, BLOCK), this.#sha256); // there may be more leaves now
    this.#blocks.set(first, block);
    if (this.#blocks.size > this.#most) this.#blocks.delete(this.#blocks.keys().next().value!);
    return block.has(level, index) ? block.node(level, index) : undefined;
  }

  forget(): void {
    this.#blocks.clear();
  }
}

class LeafBlock {
  /** By level, the hashes of its whole nodes one after the other. */
  readonly #levels: Uint8Array[] = [];

  constructor(leaves: readonly Uint8Array[], sha256: Sha256) {
    let level = new Uint8Array(leaves.length * HASH_BYTES);
    leaves.forEach((leaf, i) => level.set(leaf, i * HASH_BYTES));
    this.#levels.push(level);
    while (level.length >= 2 * HASH_BYTES) {
      const next = new Uint8Array(Math.floor(level.length / (2 * HASH_BYTES)) * HASH_BYTES);
      for (let at = 0; at < next.length; at += HASH_BYTES) {
        next.set(nodeHash(level.subarray(2 * at, 2 * at + HASH_BYTES), level.subarray(2 * at + HASH_BYTES, 2 * at + 2 * HASH_BYTES), sha256), at);
      }
      this.#levels.push(level = next);
    }
  }

  has(level: number, index: number): boolean {
    return (this.#levels[level]?.length ?? 0) >= (index + 1) * HASH_BYTES;
  }

  node(level: number, index: number): Uint8Array {
    return this.#levels[level]!.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }
}
