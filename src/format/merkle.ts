/**
 * Merkle trees of RFC 6962 section 2.1 with SHA-256; verification by the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
 *
 * Leaf = SHA-256(0x00 ‖ entry), node = SHA-256(0x01 ‖ left ‖ right); a tree of n > 1 leaves splits at the largest power of two
 * below n. "Node (level, index)" is the root of the perfect subtree over the leaves [index · 2^level, (index + 1) · 2^level).
 * Sizes and indexes are safe integers, so nothing here uses 32-bit operators. The two `verify…` functions take a stranger's
 * input and answer with a boolean; everything else works on one's own tree and throws `bad_hash` or `bad_proof` on misuse.
 */
import { equal } from "./bytes.ts";
import { FormatError } from "./errors.ts";
import { pureHash } from "./hash.ts";
import type { Sha256 } from "./hash.ts";

/** Bytes of a leaf, node or root hash. */
export const HASH_BYTES = 32;

/** The most hashes an inclusion or consistency path is read with; trees of 2^53 − 1 leaves need at most 54. */
export const MAX_PATH = 63;

type Hashes = readonly Uint8Array[];

/** The 32-byte hash of node (level, index); level 0 is the leaf hash. Only asked for nodes that lie wholly inside the tree. */
export type NodeAt = (level: number, index: number) => Uint8Array;

/** Told of each perfect subtree of two or more leaves when its last leaf arrives, lower levels first. */
export type OnNode = (level: number, index: number, hash: Uint8Array) => void;

/** SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array, sha256 = pureHash.sha256): Uint8Array {
  const bytes = new Uint8Array(1 + entry.length);
  bytes.set(entry, 1);
  return sha256(bytes);
}

/** 0x01 and two hashes, of one node at a time: a Sha256 does not keep what it is given. */
const pair = new Uint8Array(1 + 2 * HASH_BYTES);
pair[0] = 1;

/** SHA-256(0x01 ‖ left ‖ right). Throws `bad_hash` unless both are 32 bytes: other lengths would make the split ambiguous. */
export function nodeHash(left: Uint8Array, right: Uint8Array, sha256 = pureHash.sha256): Uint8Array {
  requireHash(left);
  requireHash(right);
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return sha256(pair);
}

/** The root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot: Uint8Array = pureHash.sha256(new Uint8Array(0));

/** The root over the given leaf hashes. */
export function rootOf(leafHashes: Hashes, sha256 = pureHash.sha256): Uint8Array {
  const range = new CompactRange({ sha256 });
  for (const leaf of leafHashes) range.append(leaf);
  return range.root();
}

/**
 * The frontier of a growing tree: the roots of its perfect subtrees from left to right, largest first, one for each one-bit of
 * the size. Enough to append and to give the root in O(log n), without any leaf.
 */
export class CompactRange {
  #size: number;
  #nodes: Uint8Array[];
  readonly #onNode: OnNode | undefined;
  readonly #sha256: Sha256;

  /** An empty range, or with `size` and `nodes` the one whose `size` and `nodes` were kept earlier. */
  constructor(options: Readonly<{ size?: number; nodes?: Hashes; onNode?: OnNode | undefined; sha256?: Sha256 }> = {}) {
    const { size = 0, nodes = [] } = options;
    requireSize(size);
    let bits = 0;
    for (let rest = size; rest > 0; rest = half(rest)) bits += rest % 2;
    if (nodes.length !== bits) {
      throw new FormatError("bad_proof", `a frontier of ${size} leaves has ${bits} nodes, not ${nodes.length}`);
    }
    nodes.forEach(requireHash);
    this.#size = size;
    this.#nodes = nodes.map((node) => node.slice());
    this.#onNode = options.onNode;
    this.#sha256 = options.sha256 ?? pureHash.sha256;
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** A copy of the frontier, for the constructor. */
  get nodes(): Uint8Array[] {
    return this.#nodes.map((node) => node.slice());
  }

  /** Appends one leaf hash, which is copied. If `onNode` throws, the range is as it was before. */
  append(leaf: Uint8Array): void {
    requireHash(leaf);
    requireSize(this.#size + 1);
    let node: Uint8Array = leaf.slice();
    let kept = this.#nodes.length;
    let level = 0;
    let index = this.#size;
    while (index % 2 === 1) {
      kept--;
      node = nodeHash(this.#nodes[kept]!, node, this.#sha256);
      level++;
      index = half(index);
      this.#onNode?.(level, index, node);
    }
    this.#nodes.length = kept;
    this.#nodes.push(node);
    this.#size++;
  }

  root(): Uint8Array {
    return fold(this.#nodes, this.#sha256);
  }

  /** An independent range of the same leaves. It does not inherit `onNode`: appending to it is by default a trial. */
  clone(onNode?: OnNode): CompactRange {
    return new CompactRange({ size: this.#size, nodes: this.#nodes, onNode, sha256: this.#sha256 });
  }
}

/** The root of the first `size` leaves, from at most 53 nodes. */
export function rootFrom(size: number, nodeAt: NodeAt, sha256 = pureHash.sha256): Uint8Array {
  requireSize(size);
  return rangeRoot([0, size], nodeAt, sha256);
}

/**
 * The inclusion path of leaf `index` in the tree of the first `size` leaves (RFC 6962 section 2.1.1), the leaf's sibling first.
 * It asks `nodeAt` for O(log size) nodes and hashes incomplete right edges itself. Throws `bad_proof` unless index < size.
 */
export function inclusionPath(index: number, size: number, nodeAt: NodeAt, sha256 = pureHash.sha256): Uint8Array[] {
  requireSize(size);
  requireSize(index);
  if (index >= size) throw new FormatError("bad_proof", `there is no leaf ${index} in a tree of ${size}`);
  const { siblings } = descend(index, size, ([from, to]) => to - from === 1);
  return siblings.map((range) => rangeRoot(range, nodeAt, sha256));
}

/**
 * The consistency path from the tree of `size1` to that of `size2` leaves (RFC 6962 section 2.1.2). Empty if the sizes are equal
 * or size1 is 0, which the RFC leaves open. Throws `bad_proof` unless size1 ≤ size2.
 */
export function consistencyPath(size1: number, size2: number, nodeAt: NodeAt, sha256 = pureHash.sha256): Uint8Array[] {
  requireSize(size1);
  requireSize(size2);
  if (size1 > size2) throw new FormatError("bad_proof", `a tree of ${size1} leaves is not the beginning of one of ${size2}`);
  if (size1 === 0) return [];
  const { siblings, end } = descend(size1 - 1, size2, ([, to]) => to === size1);
  const ranges = end[0] === 0 ? siblings : [end, ...siblings]; // from leaf 0 it is the old tree, whose root the verifier has
  return ranges.map((range) => rangeRoot(range, nodeAt, sha256));
}

/** `inclusionPath` from all leaf hashes, in O(n); `size` may name an earlier tree. */
export function inclusionProof(leafHashes: Hashes, index: number, size = leafHashes.length, sha256 = pureHash.sha256): Uint8Array[] {
  return inclusionPath(index, size, subtreesOf(leafHashes, sha256), sha256);
}

/** `consistencyPath` from all leaf hashes, in O(n). */
export function consistencyProof(leafHashes: Hashes, size1: number, size2 = leafHashes.length, sha256 = pureHash.sha256): Uint8Array[] {
  return consistencyPath(size1, size2, subtreesOf(leafHashes, sha256), sha256);
}

/**
 * Whether `path` shows that the tree with this root has this leaf hash at `index` (RFC 9162 section 2.1.3.2). Every argument may
 * come from an attacker. The path binds index and size only as far as they shape it: trust in `size` comes from the checkpoint.
 */
export function verifyInclusion(
  proof: Readonly<{ leafHash: Uint8Array; index: number; size: number; path: Hashes; root: Uint8Array }>,
  sha256 = pureHash.sha256,
): boolean {
  const { leafHash, index, size, path, root } = proof;
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (!isHash(leafHash) || !isHash(root) || !isPath(path)) return false;
  let fn = index;
  let sn = size - 1;
  let r = leafHash;
  for (const p of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r, sha256);
      for (; fn % 2 === 0 && fn !== 0; fn = half(fn)) sn = half(sn);
    } else {
      r = nodeHash(r, p, sha256);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && equal(r, root);
}

/**
 * Whether `path` shows that the tree (size1, root1) is the beginning of (size2, root2) (RFC 9162 section 2.1.4.2). Every argument
 * may come from an attacker. The empty tree is the beginning of every tree, but root1 must then be the empty root.
 */
export function verifyConsistency(
  proof: Readonly<{ size1: number; root1: Uint8Array; size2: number; root2: Uint8Array; path: Hashes }>,
  sha256 = pureHash.sha256,
): boolean {
  const { size1, root1, size2, root2, path } = proof;
  if (!isSize(size1) || !isSize(size2) || size1 > size2) return false;
  if (!isHash(root1) || !isHash(root2) || !isPath(path)) return false;
  if (size1 === 0 && !equal(root1, emptyRoot)) return false;
  if (size1 === size2) return path.length === 0 && equal(root1, root2);
  if (size1 === 0) return path.length === 0;
  const isPerfect = 2 ** floorLog2(size1) === size1;
  const [first, ...rest] = isPerfect ? [root1, ...path] : path;
  if (first === undefined) return false;
  let fn = size1 - 1;
  let sn = size2 - 1;
  for (; fn % 2 === 1; fn = half(fn)) sn = half(sn);
  let fr = first;
  let sr = first;
  for (const c of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(c, fr, sha256);
      sr = nodeHash(c, sr, sha256);
      for (; fn % 2 === 0 && fn !== 0; fn = half(fn)) sn = half(sn);
    } else {
      sr = nodeHash(sr, c, sha256);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && equal(fr, root1) && equal(sr, root2);
}

/** Leaves [from, to); `from` is a multiple of every power of two below to − from, as for all subtrees of RFC 6962. */
type Range = readonly [from: number, to: number];

/** From the root of `size` leaves down towards `leaf` until `arrived`: where that ends, and the subtrees beside, lowest first. */
function descend(leaf: number, size: number, arrived: (range: Range) => boolean): { siblings: Range[]; end: Range } {
  const siblings: Range[] = [];
  let end: Range = [0, size];
  while (!arrived(end)) {
    const [from, to] = end;
    const middle = from + 2 ** floorLog2(to - from - 1);
    const left: Range = [from, middle];
    const right: Range = [middle, to];
    siblings.unshift(leaf < middle ? right : left);
    end = leaf < middle ? left : right;
  }
  return { siblings, end };
}

function rangeRoot(range: Range, nodeAt: NodeAt, sha256: Sha256): Uint8Array {
  const nodes: Uint8Array[] = [];
  let [from] = range;
  while (from < range[1]) {
    const level = floorLog2(range[1] - from);
    const node = nodeAt(level, from / 2 ** level);
    requireHash(node); // a damaged store must not leak into a published path
    nodes.push(node);
    from += 2 ** level;
  }
  return fold(nodes, sha256);
}

/** The root over perfect subtrees from left to right, largest first: the right edge is hashed from below. */
function fold(nodes: Hashes, sha256: Sha256): Uint8Array {
  const last = nodes.at(-1);
  if (last === undefined) return emptyRoot.slice();
  return nodes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right, sha256), last.slice());
}

function subtreesOf(leafHashes: Hashes, sha256: Sha256): NodeAt {
  const nodeAt: NodeAt = (level, index) => {
    if (level > 0) return nodeHash(nodeAt(level - 1, 2 * index), nodeAt(level - 1, 2 * index + 1), sha256);
    const leaf = leafHashes[index];
    if (leaf === undefined) throw new FormatError("bad_proof", `there is no leaf ${index} among ${leafHashes.length}`);
    requireHash(leaf);
    return leaf;
  };
  return nodeAt;
}

/** The largest level with 2^level ≤ n, for 1 ≤ n < 2^53. */
function floorLog2(n: number): number {
  let level = 0;
  for (let rest = half(n); rest > 0; rest = half(rest)) level++;
  return level;
}

const half = (n: number): number => Math.floor(n / 2);
const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isHash = (bytes: Uint8Array): boolean => bytes.length === HASH_BYTES;
const isPath = (path: Hashes): boolean => path.length <= MAX_PATH && path.every(isHash);

function requireSize(value: number): void {
  if (!isSize(value)) throw new FormatError("bad_proof", `not a tree size or leaf index: ${value}`);
}

function requireHash(bytes: Uint8Array): void {
  if (!isHash(bytes)) throw new FormatError("bad_hash", `a hash has ${HASH_BYTES} bytes, not ${bytes.length}`);
}
