/** The whole log's tree, from the folded leaves of its segments in order. */
import type { Sha256 } from "../format/hash.ts";
import { CompactRange, type OnNode } from "../format/merkle.ts";
import { STORED_LEVEL } from "../ledger/state.ts";
import { BLOCK, type FoldedLeaves, unpack } from "./segment-tree.ts";

export class LogTree {
  readonly #sha256: Sha256;
  readonly #onNode: OnNode;
  /** A range whose leaves are blocks: its nodes are those of the log, `STORED_LEVEL` higher. */
  readonly #blocks: CompactRange;
  /** Leaves after the last block. */
  #open: CompactRange;

  /** `onNode` is told of every complete subtree of 256 leaves and more. `frontier`: the blocks before, for a part of a log. */
  constructor(sha256: Sha256, onNode: OnNode, start: { readonly blocks: number; readonly frontier: readonly Uint8Array[] } = { blocks: 0, frontier: [] }) {
    this.#sha256 = sha256;
    this.#onNode = onNode;
    this.#blocks = new CompactRange({
      size: start.blocks, nodes: start.frontier, sha256, onNode: (level, position, hash) => onNode(level + STORED_LEVEL, position, hash),
    });
    this.#open = new CompactRange({ sha256 });
  }

  get size(): number {
    return this.#blocks.size * BLOCK + this.#open.size;
  }

  append(leaf: Uint8Array): void {
    this.#open.append(leaf);
    if (this.#open.size < BLOCK) return;
    this.#appendBlock(this.#open.root());
    this.#open = new CompactRange({ sha256: this.#sha256 });
  }

  /**
   * Appends a segment's leaves and calls `at` with the root at each of the `sizes` on the way, which rise. `frontiers` are those
   * of `SegmentTree.frontier` at these sizes.
   */
  appendFolded(folded: FoldedLeaves, sizes: readonly number[], frontiers: readonly (Uint8Array | null)[], at: (i: number, root: Uint8Array) => void): void {
    let i = 0;
    const plain = (leaf: Uint8Array): void => {
      this.append(leaf);
      while (sizes[i] === this.size) at(i++, this.root());
    };
    for (const leaf of unpack(folded.head)) plain(leaf);
    for (const block of unpack(folded.blocks)) {
      for (; i < sizes.length && sizes[i]! < this.size + BLOCK; i++) at(i, this.#rootOf(sizes[i]!, unpack(frontiers[i]!)));
      this.#appendBlock(block);
      while (sizes[i] === this.size) at(i++, this.root());
    }
    for (const leaf of unpack(folded.tail)) plain(leaf);
  }

  root(): Uint8Array {
    return this.#rootOf(this.size, this.#open.nodes);
  }

  #rootOf(size: number, open: readonly Uint8Array[]): Uint8Array {
    return new CompactRange({ size, nodes: [...this.#blocks.nodes, ...open], sha256: this.#sha256 }).root();
  }

  #appendBlock(hash: Uint8Array): void {
    this.#onNode(STORED_LEVEL, this.#blocks.size, hash);
    this.#blocks.append(hash);
  }
}
