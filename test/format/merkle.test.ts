import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { MerkleTree } from "merkletreejs";
import { describe, expect, it } from "vitest";
import { entryOf } from "../../src/format/entries.ts";
import type { Sha256 } from "../../src/format/hash.ts";
import {
  CompactRange,
  consistencyPath,
  consistencyProof,
  emptyRoot,
  inclusionPath,
  inclusionProof,
  leafHash,
  nodeHash,
  rootFrom,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "../../src/format/merkle.ts";
import type { NodeAt } from "../../src/format/merkle.ts";

interface Flip {
  readonly in: string;
  readonly item?: number;
  readonly bit: number;
  readonly ok: boolean;
}
interface Vectors {
  readonly published: {
    readonly leaves: readonly string[];
    readonly roots: readonly string[];
    readonly inclusion: readonly { readonly index: number; readonly size: number; readonly path: readonly string[] }[];
    readonly consistency: readonly { readonly size1: number; readonly size2: number; readonly path: readonly string[] }[];
  };
  readonly trees: readonly { readonly size: number; readonly root: string }[];
  readonly inclusion: readonly {
    readonly index: number;
    readonly size: number;
    readonly leaf: string;
    readonly root: string;
    readonly path: readonly string[];
    readonly flips: readonly Flip[];
  }[];
  readonly consistency: readonly {
    readonly size1: number;
    readonly root1: string;
    readonly size2: number;
    readonly root2: string;
    readonly path: readonly string[];
    readonly flips: readonly Flip[];
  }[];
}
const vectors = JSON.parse(readFileSync(new URL("../vectors/merkle.json", import.meta.url), "utf8")) as Vectors;

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fastSha256: Sha256 = (bytes) => new Uint8Array(hash("sha256", bytes, "buffer"));
const leafNumber = (i: number): Uint8Array => leafHash(entryOf(fastSha256(Buffer.from(`receipt ${i}`))), fastSha256);
const leaves = Array.from({ length: 1100 }, (_, i) => leafNumber(i));

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3]! ^= 1 << (bit % 8);
  return out;
}
const flipItem = (path: readonly Uint8Array[], item: number, bit: number): Uint8Array[] =>
  path.map((bytes, i) => (i === item ? flipBit(bytes, bit) : bytes));

/** RFC 6962 section 2.1, word by word. */
function mth(d: readonly Uint8Array[]): Uint8Array {
  if (d.length === 0) return fastSha256(new Uint8Array(0));
  if (d.length === 1) return d[0]!;
  let k = 1;
  while (2 * k < d.length) k *= 2;
  return fastSha256(Buffer.concat([Uint8Array.of(1), mth(d.slice(0, k)), mth(d.slice(k))]));
}

/** A store of all perfect subtrees that refuses what is not wholly inside the tree. */
function store(leafHashes: readonly Uint8Array[]): NodeAt {
  const nodes = new Map(leafHashes.map((leaf, i) => [`0/${i}`, leaf]));
  const range = new CompactRange({ sha256: fastSha256, onNode: (level, index, node) => nodes.set(`${level}/${index}`, node) });
  for (const leaf of leafHashes) range.append(leaf);
  return (level, index) => {
    const node = nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error(`node ${level}/${index} is not in the tree`);
    return node;
  };
}

describe("published vectors (Certificate Transparency)", () => {
  const published = vectors.published.leaves.map((entry) => leafHash(fromHex(entry)));

  it.each(vectors.published.roots.map((root, size) => ({ root, size })))("root of $size leaves", ({ root, size }) => {
    expect(toHex(rootOf(published.slice(0, size)))).toBe(root);
  });
  it.each(vectors.published.inclusion)("inclusion of $index in $size", ({ index, size, path }) => {
    expect(inclusionProof(published, index, size).map(toHex)).toEqual(path);
    const root = fromHex(vectors.published.roots[size]!);
    expect(verifyInclusion({ leafHash: published[index]!, index, size, path: path.map(fromHex), root })).toBe(true);
  });
  it.each(vectors.published.consistency)("consistency of $size1 and $size2", ({ size1, size2, path }) => {
    expect(consistencyProof(published, size1, size2).map(toHex)).toEqual(path);
    const [root1, root2] = [fromHex(vectors.published.roots[size1]!), fromHex(vectors.published.roots[size2]!)];
    expect(verifyConsistency({ size1, root1, size2, root2, path: path.map(fromHex) })).toBe(true);
  });
});

describe("our vectors", () => {
  it.each(vectors.trees)("root of $size leaves", ({ size, root }) => {
    expect(toHex(rootOf(leaves.slice(0, size)))).toBe(root);
  });

  it.each(vectors.inclusion)("inclusion of $index in $size, and one flipped bit", (vector) => {
    const path = vector.path.map(fromHex);
    const proof = { leafHash: fromHex(vector.leaf), index: vector.index, size: vector.size, path, root: fromHex(vector.root) };
    expect(leaves[vector.index]).toEqual(proof.leafHash);
    expect(inclusionProof(leaves, vector.index, vector.size).map(toHex)).toEqual(vector.path);
    expect(verifyInclusion(proof)).toBe(true);
    for (const { in: where, item, bit, ok } of vector.flips) {
      const flipped = {
        leaf: { ...proof, leafHash: flipBit(proof.leafHash, bit % 256) },
        root: { ...proof, root: flipBit(proof.root, bit % 256) },
        path: { ...proof, path: flipItem(path, item ?? -1, bit) },
        index: { ...proof, index: vector.index ^ (1 << bit) },
        size: { ...proof, size: vector.size ^ (1 << bit) },
      }[where];
      expect(flipped, where).toBeDefined();
      expect(verifyInclusion(flipped!), `${where} ${item} bit ${bit}`).toBe(ok);
    }
  });

  it.each(vectors.consistency)("consistency of $size1 and $size2, and one flipped bit", (vector) => {
    const path = vector.path.map(fromHex);
    const proof = { ...vector, root1: fromHex(vector.root1), root2: fromHex(vector.root2), path };
    expect(consistencyProof(leaves, vector.size1, vector.size2).map(toHex)).toEqual(vector.path);
    expect(verifyConsistency(proof)).toBe(true);
    for (const { in: where, item, bit, ok } of vector.flips) {
      const flipped = {
        root1: { ...proof, root1: flipBit(proof.root1, bit % 256) },
        root2: { ...proof, root2: flipBit(proof.root2, bit % 256) },
        path: { ...proof, path: flipItem(path, item ?? -1, bit) },
        size1: { ...proof, size1: vector.size1 ^ (1 << bit) },
        size2: { ...proof, size2: vector.size2 ^ (1 << bit) },
      }[where];
      expect(flipped, where).toBeDefined();
      expect(verifyConsistency(flipped!), `${where} ${item} bit ${bit}`).toBe(ok);
    }
  });
});

describe("CompactRange", () => {
  it("has the root of RFC 6962 at every size, restored from its nodes or not", () => {
    let range = new CompactRange({ sha256: fastSha256 });
    expect(range.root()).toEqual(emptyRoot);
    for (let size = 1; size <= 260; size++) {
      if (size % 3 === 0) range = new CompactRange({ size: range.size, nodes: range.nodes, sha256: fastSha256 });
      range.append(leaves[size - 1]!);
      expect(range.size).toBe(size);
      expect(toHex(range.root())).toBe(toHex(mth(leaves.slice(0, size))));
    }
  });

  it("tells of every perfect subtree once, in order", () => {
    const told: string[] = [];
    const range = new CompactRange({
      sha256: fastSha256,
      onNode: (level, index, node) => {
        expect(toHex(node)).toBe(toHex(mth(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level))));
        told.push(`${level}/${index}`);
      },
    });
    for (const leaf of leaves.slice(0, 11)) range.append(leaf);
    expect(told).toEqual(["1/0", "1/1", "2/0", "1/2", "1/3", "2/1", "3/0", "1/4"]);
  });

  it("goes on telling after a restart", () => {
    const told: string[] = [];
    const before = new CompactRange();
    for (const leaf of leaves.slice(0, 7)) before.append(leaf);
    const { size, nodes } = before;
    new CompactRange({ size, nodes, onNode: (level, index) => told.push(`${level}/${index}`) }).append(leaves[7]!);
    expect(told).toEqual(["1/3", "2/1", "3/0"]);
  });

  it("is unchanged when onNode throws", () => {
    let fail = true;
    const range = new CompactRange({
      onNode: (level) => {
        if (fail && level === 2) throw new Error("disk full");
      },
    });
    for (const leaf of leaves.slice(0, 3)) range.append(leaf);
    expect(() => range.append(leaves[3]!)).toThrow("disk full");
    expect(range.size).toBe(3);
    expect(range.root()).toEqual(mth(leaves.slice(0, 3)));
    fail = false;
    range.append(leaves[3]!);
    expect(range.root()).toEqual(mth(leaves.slice(0, 4)));
  });

  it("clones into an independent and silent range", () => {
    let told = 0;
    const range = new CompactRange({ onNode: () => told++ });
    range.append(leaves[0]!);
    const clone = range.clone();
    clone.append(leaves[1]!);
    expect([told, range.size, clone.size]).toEqual([0, 1, 2]);
    expect(range.root()).toEqual(leaves[0]);
    expect(clone.root()).toEqual(mth(leaves.slice(0, 2)));
    range.clone(() => told++).append(leaves[1]!);
    expect(told).toBe(1);
  });

  it("shares no memory with its caller", () => {
    const leaf = leaves[0]!.slice();
    const range = new CompactRange();
    range.append(leaf);
    leaf.fill(0);
    range.nodes[0]!.fill(0);
    range.root().fill(0);
    expect(range.root()).toEqual(leaves[0]);
    new CompactRange().root().fill(0);
    expect(toHex(emptyRoot)).toBe(vectors.published.roots[0]);
  });

  it("refuses a frontier that does not fit its size", () => {
    expect(() => new CompactRange({ size: 3, nodes: [leaves[0]!] })).toThrow(expect.objectContaining({ code: "bad_proof" }));
    expect(() => new CompactRange({ size: 1, nodes: [new Uint8Array(31)] })).toThrow(expect.objectContaining({ code: "bad_hash" }));
    expect(() => new CompactRange({ size: 2 ** 53, nodes: [leaves[0]!] })).toThrow(expect.objectContaining({ code: "bad_proof" }));
    expect(() => new CompactRange().append(new Uint8Array(33))).toThrow(expect.objectContaining({ code: "bad_hash" }));
    const full = new CompactRange({ size: 2 ** 53 - 1, nodes: leaves.slice(0, 53) });
    expect(() => full.append(leaves[0]!)).toThrow(expect.objectContaining({ code: "bad_proof" }));
  });
});

describe("paths from a store of nodes", () => {
  it("equal those from all leaves, at every index and size up to 40", () => {
    const nodeAt = store(leaves.slice(0, 40));
    for (let size = 1; size <= 40; size++) {
      const root = rootFrom(size, nodeAt, fastSha256);
      expect(toHex(root)).toBe(toHex(mth(leaves.slice(0, size))));
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(index, size, nodeAt, fastSha256);
        expect(path).toEqual(inclusionProof(leaves, index, size, fastSha256));
        expect(verifyInclusion({ leafHash: leaves[index]!, index, size, path, root }, fastSha256)).toBe(true);
      }
    }
  });

  it("are consistent for every pair of sizes up to 40", () => {
    const nodeAt = store(leaves.slice(0, 40));
    for (let size2 = 0; size2 <= 40; size2++) {
      const root2 = rootFrom(size2, nodeAt, fastSha256);
      for (let size1 = 0; size1 <= size2; size1++) {
        const path = consistencyPath(size1, size2, nodeAt, fastSha256);
        const root1 = rootFrom(size1, nodeAt, fastSha256);
        expect(path).toEqual(consistencyProof(leaves, size1, size2, fastSha256));
        expect(verifyConsistency({ size1, root1, size2, root2, path }, fastSha256)).toBe(true);
      }
    }
  });

  it("need few leaves where the subtrees of 256 leaves and more are kept", () => {
    const all = store(leaves);
    const read = new Set<number>();
    const nodeAt: NodeAt = (level, index) => {
      if (level >= 8) return all(level, index);
      for (let i = index * 2 ** level; i < (index + 1) * 2 ** level; i++) read.add(i);
      return all(level, index);
    };
    const path = inclusionPath(700, 1100, nodeAt, fastSha256);
    expect(path).toEqual(inclusionProof(leaves, 700, 1100, fastSha256));
    expect(Math.min(...read)).toBe(512);
    expect(read.size).toBe(255 + (1100 - 1024)); // the leaf's own subtree without it, and the open right edge
  });

  it("reach trees of 2^53 - 1 leaves", () => {
    const perfect = [leaves[0]!]; // all leaves alike, so a node depends on its level only
    for (let level = 1; level <= 52; level++) perfect.push(nodeHash(perfect.at(-1)!, perfect.at(-1)!));
    const nodeAt: NodeAt = (level, index) => {
      expect(Number.isSafeInteger((index + 1) * 2 ** level)).toBe(true);
      return perfect[level]!;
    };
    const size = Number.MAX_SAFE_INTEGER;
    const root = rootFrom(size, nodeAt);
    for (const index of [0, 1, 2 ** 31, 2 ** 32 + 1, 2 ** 52 - 1, 2 ** 52, size - 2, size - 1]) {
      const path = inclusionPath(index, size, nodeAt);
      expect(verifyInclusion({ leafHash: leaves[0]!, index, size, path, root })).toBe(true);
      expect(verifyInclusion({ leafHash: leaves[1]!, index, size, path, root })).toBe(false);
    }
    for (const size1 of [1, 2 ** 31, 2 ** 32 + 1, 2 ** 52, size - 1]) {
      const path = consistencyPath(size1, size, nodeAt);
      const root1 = rootFrom(size1, nodeAt);
      expect(verifyConsistency({ size1, root1, size2: size, root2: root, path })).toBe(true);
      expect(verifyConsistency({ size1, root1: leaves[1]!, size2: size, root2: root, path })).toBe(false);
    }
  });

  it("are refused outside the tree, and with a damaged node", () => {
    const nodeAt = store(leaves.slice(0, 4));
    for (const [index, size] of [[4, 4], [0, 0], [-1, 4], [0.5, 4], [0, 2 ** 53], [Number.NaN, 4]] as const) {
      expect(() => inclusionPath(index, size, nodeAt)).toThrow(expect.objectContaining({ code: "bad_proof" }));
    }
    for (const [size1, size2] of [[5, 4], [-1, 4], [1, Number.NaN]] as const) {
      expect(() => consistencyPath(size1, size2, nodeAt)).toThrow(expect.objectContaining({ code: "bad_proof" }));
    }
    expect(() => inclusionProof(leaves.slice(0, 3), 0, 4)).toThrow(expect.objectContaining({ code: "bad_proof" }));
    expect(() => inclusionPath(0, 2, () => new Uint8Array(31))).toThrow(expect.objectContaining({ code: "bad_hash" }));
    for (const [left, right] of [[31, 32], [32, 33], [33, 31]] as const) {
      const run = () => nodeHash(new Uint8Array(left), new Uint8Array(right));
      expect(run).toThrow(expect.objectContaining({ code: "bad_hash" }));
    }
  });
});

describe("verification of a stranger's input", () => {
  const size = 7;
  const inclusion = { leafHash: leaves[3]!, index: 3, size, path: inclusionProof(leaves, 3, size), root: mth(leaves.slice(0, size)) };
  const consistency = {
    size1: 3,
    root1: mth(leaves.slice(0, 3)),
    size2: size,
    root2: inclusion.root,
    path: consistencyProof(leaves, 3, size),
  };
  const short = new Uint8Array(31);
  const long = new Uint8Array(33);

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 7])("refuses index %d", (index) => {
    expect(verifyInclusion({ ...inclusion, index })).toBe(false);
  });
  it.each([-1, 0, 6.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, Number.MAX_SAFE_INTEGER])("refuses size %d", (wrong) => {
    expect(verifyInclusion({ ...inclusion, size: wrong })).toBe(false);
    expect(verifyConsistency({ ...consistency, size1: wrong })).toBe(false);
    expect(verifyConsistency({ ...consistency, size2: wrong })).toBe(false);
  });
  it("refuses hashes of other lengths", () => {
    for (const wrong of [short, long, new Uint8Array(0)]) {
      expect(verifyInclusion({ ...inclusion, leafHash: wrong })).toBe(false);
      expect(verifyInclusion({ ...inclusion, root: wrong })).toBe(false);
      expect(verifyInclusion({ ...inclusion, path: [wrong, ...inclusion.path.slice(1)] })).toBe(false);
      expect(verifyInclusion({ leafHash: wrong, index: 0, size: 1, path: [], root: wrong })).toBe(false);
      expect(verifyConsistency({ ...consistency, root1: wrong })).toBe(false);
      expect(verifyConsistency({ ...consistency, root2: wrong })).toBe(false);
      expect(verifyConsistency({ ...consistency, path: [...consistency.path.slice(1), wrong] })).toBe(false);
      expect(verifyConsistency({ size1: 4, root1: wrong, size2: 4, root2: wrong, path: [] })).toBe(false);
    }
    // the same 64 bytes, split elsewhere
    const joined = Buffer.concat([inclusion.leafHash, inclusion.path[0]!]);
    const moved = { leafHash: new Uint8Array(joined.subarray(0, 31)), path: [new Uint8Array(joined.subarray(31)), ...inclusion.path.slice(1)] };
    expect(verifyInclusion({ ...inclusion, ...moved })).toBe(false);
  });
  it("refuses paths that are too short, too long or prolonged by a root", () => {
    const path = inclusion.path;
    for (const wrong of [[], path.slice(1), path.slice(0, -1), [...path, path[0]!], [...path, inclusion.root], [inclusion.root, ...path]]) {
      expect(verifyInclusion({ ...inclusion, path: wrong })).toBe(false);
    }
    const proof = consistency.path;
    for (const wrong of [[], proof.slice(1), proof.slice(0, -1), [...proof, proof[0]!], [...proof, inclusion.root]]) {
      expect(verifyConsistency({ ...consistency, path: wrong })).toBe(false);
    }
  });
  it("refuses a path that goes on above the root, to a root made for it", () => {
    const [above] = inclusion.path;
    const path = [...inclusion.path, above!];
    expect(verifyInclusion({ ...inclusion, path, root: nodeHash(above!, inclusion.root) })).toBe(false);
    expect(verifyInclusion({ ...inclusion, path, root: nodeHash(inclusion.root, above!) })).toBe(false);
    const [root1, root2] = [nodeHash(above!, consistency.root1), nodeHash(above!, consistency.root2)];
    expect(verifyConsistency({ ...consistency, root1, root2, path: [...consistency.path, above!] })).toBe(false);
    expect(verifyConsistency({ ...consistency, root2: nodeHash(consistency.root2, above!), path: [...consistency.path, above!] })).toBe(false);
  });
  it("hashes nothing for a path of more than 63 hashes", () => {
    let calls = 0;
    const counting: Sha256 = (bytes) => {
      calls++;
      return fastSha256(bytes);
    };
    const path = Array.from({ length: 64 }, () => leaves[0]!);
    expect(verifyInclusion({ ...inclusion, index: 1, size: 2 ** 52, path }, counting)).toBe(false);
    expect(verifyConsistency({ ...consistency, size1: 1, size2: 2 ** 52, path }, counting)).toBe(false);
    expect(calls).toBe(0);
    expect(verifyInclusion(inclusion, counting)).toBe(true);
    expect(calls).toBe(3);
  });
  it("takes an inner node for a leaf only by way of its preimage, never by its hash", () => {
    const four = leaves.slice(0, 4);
    const inner = mth(four.slice(0, 2));
    expect(verifyInclusion({ leafHash: inner, index: 0, size: 2, path: [mth(four.slice(2))], root: mth(four) })).toBe(true);
    expect(verifyInclusion({ leafHash: inner, index: 0, size: 4, path: [mth(four.slice(2))], root: mth(four) })).toBe(false);
    expect(leafHash(Buffer.concat(four.slice(0, 2)))).not.toEqual(inner);
  });
  it("knows only one empty tree, and lets only that be the beginning of all", () => {
    const root2 = mth(leaves.slice(0, 2));
    expect(verifyConsistency({ size1: 0, root1: emptyRoot, size2: 2, root2, path: [] })).toBe(true);
    expect(verifyConsistency({ size1: 0, root1: emptyRoot, size2: 0, root2: emptyRoot, path: [] })).toBe(true);
    expect(verifyConsistency({ size1: 0, root1: root2, size2: 2, root2, path: [] })).toBe(false);
    expect(verifyConsistency({ size1: 0, root1: root2, size2: 0, root2, path: [] })).toBe(false);
    expect(verifyConsistency({ size1: 0, root1: emptyRoot, size2: 0, root2, path: [] })).toBe(false);
    expect(verifyConsistency({ size1: 0, root1: emptyRoot, size2: 2, root2, path: [root2] })).toBe(false);
  });
  it("refuses two roots for one size", () => {
    expect(verifyConsistency({ size1: 7, root1: leaves[0]!, size2: 7, root2: inclusion.root, path: [] })).toBe(false);
    expect(verifyConsistency({ size1: 7, root1: inclusion.root, size2: 7, root2: inclusion.root, path: [leaves[0]!] })).toBe(false);
  });

  it("refuses any flipped bit of leaf, path and root", () => {
    const nodeAt = store(leaves.slice(0, 300));
    const cases = fc
      .integer({ min: 1, max: 300 })
      .chain((n) => fc.record({ n: fc.constant(n), index: fc.nat(n - 1), size1: fc.integer({ min: 1, max: n }), at: fc.nat(), bit: fc.nat(255) }));
    fc.assert(
      fc.property(cases, ({ n, index, size1, at, bit }) => {
        const root = rootFrom(n, nodeAt, fastSha256);
        const path = inclusionPath(index, n, nodeAt, fastSha256);
        const parts = [leaves[index]!, root, ...path];
        const [leaf, top, ...rest] = flipItem(parts, at % parts.length, bit);
        expect(verifyInclusion({ leafHash: leaf!, index, size: n, path: rest, root: top! }, fastSha256)).toBe(false);
        expect(verifyInclusion({ leafHash: leaves[index]!, index, size: n, path, root }, fastSha256)).toBe(true);

        const roots = [rootFrom(size1, nodeAt, fastSha256), root, ...consistencyPath(size1, n, nodeAt, fastSha256)];
        const [root1, root2, ...between] = flipItem(roots, at % roots.length, bit);
        expect(verifyConsistency({ size1, root1: root1!, size2: n, root2: root2!, path: between }, fastSha256)).toBe(false);
      }),
    );
  });
});

/**
 * merkletreejs builds the same tree only when used exactly so: leaves hashed here and handed over as Buffers, SHA-256(0x01 ‖ …)
 * as its hash function, nothing sorted, no duplicateOdd. Its traps: by default leaves and nodes are hashed alike, so a node passes
 * as a leaf; duplicateOdd and sortPairs make different lists collide; `verify` accepts an inner node and knows neither index nor
 * size; the root without leaves is an empty Buffer; without the index, getProof searches all leaves and finds the first of equals.
 */
describe("merkletreejs", () => {
  it("agrees on roots and paths for 1 to 300 leaves", () => {
    const nodeAt = store(leaves.slice(0, 300));
    const node = (children: Buffer): Buffer => Buffer.from(fastSha256(Buffer.concat([Uint8Array.of(1), children])));
    const buffers = leaves.map((leaf) => Buffer.from(leaf));
    for (let n = 1; n <= 300; n++) {
      const tree = new MerkleTree(buffers.slice(0, n), node, { hashLeaves: false, sort: false, duplicateOdd: false });
      const root = tree.getRoot();
      expect(root.equals(rootFrom(n, nodeAt, fastSha256)), `root of ${n}`).toBe(true);
      for (let index = n % 7; index < n; index += 7) {
        const theirs = tree.getProof(buffers[index]!, index).map(({ data }) => data);
        const path = inclusionPath(index, n, nodeAt, fastSha256);
        expect(Buffer.concat(theirs).equals(Buffer.concat(path)), `path of ${index} in ${n}`).toBe(true);
        expect(verifyInclusion({ leafHash: leaves[index]!, index, size: n, path: theirs, root }, fastSha256)).toBe(true);
      }
    }
  });
});
