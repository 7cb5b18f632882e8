/** The audit's own trees and hashes, against the definitions in format/. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { auditHash } from "../../src/audit/hash.ts";
import { EditableTree } from "../../src/audit/editable-tree.ts";
import { HashList } from "../../src/audit/hash-list.ts";
import { libraryRoot } from "../../src/audit/library-root.ts";
import { LogTree } from "../../src/audit/log-tree.ts";
import { SegmentTree } from "../../src/audit/segment-tree.ts";
import { Trail } from "../../src/audit/trail.ts";
import { toHex } from "../../src/format/bytes.ts";
import { pureHash } from "../../src/format/hash.ts";
import { CompactRange, rootOf } from "../../src/format/merkle.ts";

const { sha256 } = auditHash;
const leaf = (n: number): Uint8Array => sha256(Uint8Array.of(n >> 24, n >> 16, n >> 8, n));
const leaves = Array.from({ length: 1500 }, (_, n) => leaf(n));

describe("hashes", () => {
  it("are SHA-256 and HMAC", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 20_000, size: "max" }), (key, bytes) => {
      expect(toHex(sha256(bytes))).toBe(toHex(pureHash.sha256(bytes)));
      expect(toHex(auditHash.hmac(key, bytes))).toBe(createHmac("sha256", key).update(bytes).digest("hex"));
      expect(toHex(auditHash.hmac(key, bytes.subarray(1)))).toBe(createHmac("sha256", key).update(bytes.subarray(1)).digest("hex"));
    }), { numRuns: 50 });
  });

  it("are independent of what they were made from", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const [a, b] = [sha256(bytes), sha256(Uint8Array.of(4))];
    expect(toHex(a)).toBe(toHex(pureHash.sha256(Uint8Array.of(1, 2, 3))));
    expect(toHex(b)).not.toBe(toHex(a));
  });
});

describe("a tree whose leaves change", () => {
  it("has the root of its leaves, whatever was done to it", () => {
    const step = fc.record({ at: fc.nat(), value: fc.nat(1499), look: fc.boolean() });
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const tree = new EditableTree(sha256);
      const model: Uint8Array[] = [];
      for (const { at, value, look } of steps) {
        const index = at % (model.length + 1);
        tree.set(index, leaves[value]!);
        model[index] = leaves[value]!;
        if (look) expect(toHex(tree.root())).toBe(toHex(rootOf(model)));
      }
      expect(toHex(tree.root())).toBe(toHex(rootOf(model)));
    }));
  });

  it("has no holes", () => expect(() => new EditableTree(sha256).set(1, leaves[0]!)).toThrow(RangeError));
});

it("merkletreejs makes the same roots", () => {
  for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 1000]) {
    const list = new HashList();
    for (const one of leaves.slice(0, n)) list.push(one);
    expect(toHex(libraryRoot(list, sha256))).toBe(toHex(rootOf(leaves.slice(0, n))));
  }
});

describe("a log in segments", () => {
  it("has the roots and the stored subtrees of the whole log, wherever it is cut and anchored", () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 1499 }), { maxLength: 8 });
    fc.assert(fc.property(cuts, cuts, fc.integer({ min: 0, max: 5 }), (cutAt, anchorAt, startBlocks) => {
      const anchors = new Set(anchorAt);
      const first = startBlocks * 256;
      const nodes = new Map<string, string>();
      const whole = new CompactRange({ sha256, onNode: (level, index, hash) => void (level >= 8 && nodes.set(`${level}/${index}`, toHex(hash))) });
      const before = new CompactRange({ sha256 });
      for (const one of leaves.slice(0, first)) {
        whole.append(one);
        before.append(one);
      }
      nodes.clear();
      const seen = new Map<string, string>();
      const log = new LogTree(sha256, (level, index, hash) => void seen.set(`${level}/${index}`, toHex(hash)), { blocks: startBlocks, frontier: before.nodes });
      const bounds = [first, ...cutAt.filter((at) => at > first).sort((a, b) => a - b), leaves.length];
      for (let i = 0; i + 1 < bounds.length; i++) {
        const [from, to] = [bounds[i]!, bounds[i + 1]!];
        const segment = new SegmentTree(from, sha256);
        const sizes: number[] = [];
        const frontiers: (Uint8Array | null)[] = [];
        const expected: string[] = [];
        for (let n = from; n < to; n++) {
          segment.append(leaves[n]!);
          whole.append(leaves[n]!);
          if (!anchors.has(n)) continue;
          sizes.push(n + 1);
          frontiers.push(segment.frontier());
          expected.push(toHex(whole.root()));
        }
        const roots: string[] = [];
        log.appendFolded(segment.folded(), sizes, frontiers, (at, root) => void (roots[at] = toHex(root)));
        expect(roots).toEqual(expected);
        expect(log.size).toBe(to);
      }
      expect(toHex(log.root())).toBe(toHex(whole.root()));
      expect(seen).toEqual(nodes);
    }), { numRuns: 40 });
  });
});

it("a trail gives its anchors back, and the first published one over a receipt", () => {
  const trail = new Trail();
  for (let i = 1; i <= 1000; i++) {
    trail.push({ treeSize: i * 10, firstIndex: i * 10 - 10, root: leaves[i]!, entries: i % 2 === 0 ? null : leaves[i + 1]!, latest: i, latestIndex: i * 10 - 1 });
  }
  expect(trail.at(499)).toMatchObject({ treeSize: 5000, firstIndex: 4990, latest: 500, latestIndex: 4999, entries: null });
  expect(toHex(trail.at(500).root)).toBe(toHex(leaves[501]!));
  expect([trail.indexOf(5000), trail.indexOf(5001), trail.indexFrom(5001), trail.indexFrom(10_001)]).toEqual([499, -1, 500, 1000]);
  expect(trail.coverOf(5)).toBeNull();
  trail.publish(600, 70, "b", true);
  trail.publish(600, 60, "a", false);
  trail.publish(600, 65, "c", true);
  expect(trail.coverOf(4000)).toEqual({ treeSize: 6010, time: 60, target: "a" });
  expect(trail.coverOf(6010)).toBeNull();
  trail.publish(700, 80, "c", true);
  trail.publish(701, 50, "a", false);
  expect([65, 66, 80, 81, 1000].map((time) => trail.coveredBefore(time))).toEqual([0, 6010, 6010, 7010, 7010]);
});
