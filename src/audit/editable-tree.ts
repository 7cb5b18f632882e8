/**
 * An RFC 6962 tree whose leaves can be changed: a changed leaf costs O(log n) hashes at the next root. For the organizations'
 * heads, of which each batch moves a few, and for asking "which of these two hashes was in this place when the root was made?".
 */
import type { Sha256 } from "../format/hash.ts";
import { emptyRoot, nodeHash } from "../format/merkle.ts";

export class EditableTree {
  readonly #sha256: Sha256;
  /** Lowest first; a node without a sibling goes up as it is, which is the shape of RFC 6962. */
  readonly #levels: Uint8Array[][] = [[]];
  readonly #changed = new Set<number>();

  constructor(sha256: Sha256, leaves: readonly Uint8Array[] = []) {
    this.#sha256 = sha256;
    for (const leaf of leaves) this.set(this.size, leaf);
  }

  get size(): number {
    return this.#levels[0]!.length;
  }

  /** Replaces leaf hash `index`, or appends it where `index` is the size. */
  set(index: number, leaf: Uint8Array): void {
    if (index > this.size) throw new RangeError(`no leaf ${index} in a tree of ${this.size}`);
    this.#levels[0]![index] = leaf;
    this.#changed.add(index);
  }

  root(): Uint8Array {
    let changed: ReadonlySet<number> = new Set(this.#changed);
    this.#changed.clear();
    let level = 0;
    for (let width = this.size; width > 1; width = Math.ceil(width / 2)) {
      changed = this.#lift(level, width, changed);
      level++;
    }
    return this.#levels[level]![0] ?? emptyRoot;
  }

  #lift(level: number, width: number, changed: ReadonlySet<number>): Set<number> {
    const below = this.#levels[level]!;
    const above = (this.#levels[level + 1] ??= []);
    const parents = new Set<number>();
    for (const index of changed) parents.add(Math.floor(index / 2));
    for (const parent of parents) {
      const left = below[2 * parent]!;
      above[parent] = 2 * parent + 1 < width ? nodeHash(left, below[2 * parent + 1]!, this.#sha256) : left;
    }
    return parents;
  }
}
