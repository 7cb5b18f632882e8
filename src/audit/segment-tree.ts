/**
 * The log's leaves of one segment, folded as far as a segment alone can: complete blocks of 256 leaves become one hash. What is
 * before its first and after its last complete block stays as it is, for the one who joins the segments (log-tree.ts).
 */
import { CompactRange } from "../format/merkle.ts";
import type { Sha256 } from "../format/hash.ts";

/** Leaves in a block: the lowest subtrees that a ledger stores. */
export const BLOCK = 256;

export interface FoldedLeaves {
  readonly first: number;
  /** Leaf hashes before the first block, 32 bytes each. */
  readonly head: Uint8Array;
  /** Hashes of the blocks, 32 bytes each. */
  readonly blocks: Uint8Array;
  /** Leaf hashes after the last block. */
  readonly tail: Uint8Array;
}

export class SegmentTree {
  readonly #first: number;
  readonly #sha256: Sha256;
  readonly #head: Uint8Array[] = [];
  readonly #blocks: Uint8Array[] = [];
  #tail: Uint8Array[] = [];
  #open: CompactRange;
  #size: number;

  constructor(first: number, sha256: Sha256) {
    this.#first = first;
    this.#size = first;
    this.#sha256 = sha256;
    this.#open = new CompactRange({ sha256 });
  }

  append(leaf: Uint8Array): void {
    const isHead = this.#size < Math.ceil(this.#first / BLOCK) * BLOCK;
    this.#size++;
    if (isHead) {
      this.#head.push(leaf);
      return;
    }
    this.#tail.push(leaf);
    this.#open.append(leaf);
    if (this.#open.size < BLOCK) return;
    this.#blocks.push(this.#open.root());
    this.#open = new CompactRange({ sha256: this.#sha256 });
    this.#tail = [];
  }

  /** The frontier of the incomplete block at the end, or null where that began before the segment. */
  frontier(): Uint8Array | null {
    return this.#size < Math.ceil(this.#first / BLOCK) * BLOCK ? null : pack(this.#open.nodes);
  }

  folded(): FoldedLeaves {
    return { first: this.#first, head: pack(this.#head), blocks: pack(this.#blocks), tail: pack(this.#tail) };
  }
}

function pack(hashes: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, i) => out.set(hash, i * 32));
  return out;
}

export function unpack(packed: Uint8Array): Uint8Array[] {
  return Array.from({ length: packed.length / 32 }, (_, i) => packed.subarray(i * 32, i * 32 + 32));
}
