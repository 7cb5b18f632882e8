import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { anchorObject, anchorRowAt, batchObject, beforeAnchor, checkpointText } from "../../src/anchor/objects.ts";
import { parseCheckpoint } from "../../src/format/checkpoint.ts";
import { entryOf, parseEntries } from "../../src/format/entries.ts";
import { leafHash, rootOf, verifyInclusion } from "../../src/format/merkle.ts";
import { formatObjectName, parseObjectName } from "../../src/format/names.ts";
import { parseNote } from "../../src/format/note.ts";
import { parseTlogProof } from "../../src/format/tlog-proof.ts";
import { toHex } from "../../src/format/bytes.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { TestLedger } from "../support/ledger.ts";
import { signCheckpoint } from "../support/publish.ts";
import { LEDGER } from "./support.ts";

let ledger: TestLedger;
let reader: Reader;
beforeEach(() => {
  ledger = new TestLedger({ batches: [300, 0, 5], tail: 2 });
  reader = new Reader(ledger.path, nodeHash.sha256);
});
afterEach(() => {
  reader.close();
  ledger.remove();
});

const sizes = (): number[] => reader.anchors(0, 100).map((row) => row.treeSize);
const note = (size: number): Promise<string> => signCheckpoint(checkpointText(reader, size), ledger.keyring);

/** Changes the ledger's file as somebody with the disk would. */
function tamper(sql: string, ...values: unknown[]): void {
  const db = new Database(ledger.path);
  for (const { name } of db.prepare<[], { name: string }>("SELECT name FROM sqlite_master WHERE type = 'trigger'").all()) db.exec(`DROP TRIGGER ${name}`);
  expect(db.prepare(sql).run(...values).changes).toBeGreaterThan(0);
  db.close();
}

describe("the objects of an anchor", () => {
  test("the batch's entries are those of its receipts, under their own hash", () => {
    for (const row of reader.anchors(0, 100)) {
      const object = batchObject(reader, row);
      const count = row.treeSize - 1 - row.firstIndex;
      if (count === 0) {
        expect(object).toBeNull();
        continue;
      }
      const hashes = parseEntries(object!.bytes);
      expect(hashes.map(toHex)).toEqual(reader.page(row.firstIndex, row.treeSize - 1, 1000).map(({ blob }) => toHex(nodeHash.sha256(blob!))));
      expect(parseObjectName(LEDGER, object!.name)).toEqual({
        kind: "batch", firstIndex: row.firstIndex, lastIndex: row.treeSize - 2, sha256: toHex(nodeHash.sha256(object!.bytes)),
      });
    }
    expect(sizes()).toHaveLength(3);
  });

  test("the anchor proves its own receipt in the tree that it ends", async () => {
    const leaves = reader.page(0, reader.size(), 1000).map(({ blob }) => leafHash(entryOf(nodeHash.sha256(blob!)), nodeHash.sha256));
    for (const size of sizes()) {
      const object = anchorObject(reader, size, await note(size));
      const proof = parseTlogProof(object.bytes);
      const { root } = parseCheckpoint(parseNote(proof.checkpoint).text);
      expect(toHex(root)).toBe(toHex(rootOf(leaves.slice(0, size))));
      expect(proof.index).toBe(size - 1);
      const leaf = leafHash(entryOf(nodeHash.sha256(proof.extra!)));
      expect(verifyInclusion({ leafHash: leaf, index: proof.index, size, path: proof.path, root })).toBe(true);
      expect(parseObjectName(LEDGER, object.name)).toEqual({ kind: "anchor", treeSize: size, sha256: toHex(nodeHash.sha256(object.bytes)) });
    }
  });

  test("there is an anchor only where the ledger has one", () => {
    for (let size = 1; size <= reader.size(); size++) expect(anchorRowAt(reader, size)?.treeSize ?? null).toBe(sizes().includes(size) ? size : null);
    expect(() => checkpointText(reader, 5)).toThrow(expect.objectContaining({ code: "ledger_corrupt" }));
  });

  test("names sort from before an anchor of the same size", () => {
    const name = (treeSize: number, sha256: string): string => formatObjectName(LEDGER, { kind: "anchor", treeSize, sha256 });
    expect(beforeAnchor(LEDGER, 10) < name(10, "0".repeat(64))).toBe(true);
    expect(beforeAnchor(LEDGER, 10) > name(9, "f".repeat(64))).toBe(true);
  });

  test("a checkpoint of another root or size makes no object", async () => {
    const [first, second] = sizes() as [number, number];
    const other = await signCheckpoint(`${LEDGER.origin}\n${first}\n${Buffer.alloc(32).toString("base64")}\n`, ledger.keyring);
    expect(() => anchorObject(reader, first, other)).toThrow(expect.objectContaining({ code: "ledger_corrupt" }));
    const later = await note(second);
    expect(() => anchorObject(reader, first, later)).toThrow(expect.objectContaining({ code: "ledger_corrupt" }));
  });
});

test("an anchor's root that was changed is not signed", () => {
  tamper("UPDATE anchor SET root = zeroblob(32)");
  for (const size of sizes()) expect(() => checkpointText(reader, size)).toThrow(expect.objectContaining({ code: "ledger_corrupt" }));
});

describe("a ledger that was changed is not signed and not published", () => {
  const all = async (): Promise<void> => {
    for (const row of reader.anchors(0, 100)) {
      batchObject(reader, row);
      anchorObject(reader, row.treeSize, await note(row.treeSize));
    }
  };

  test.each<[what: string, sql: string]>([
    ["a receipt's hash", "UPDATE receipt SET receipt_hash = zeroblob(32) WHERE log_index = 7"],
    ["the hash of an anchor's receipt", "UPDATE receipt SET receipt_hash = zeroblob(32) WHERE log_index = (SELECT min(tree_size) - 1 FROM anchor)"],
    ["an anchor's receipt", "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'schedule', 'shutdown') AS BLOB) WHERE log_index = (SELECT min(tree_size) - 1 FROM anchor)"],
    ["an anchor's receipt, gone", "DELETE FROM blob WHERE log_index = (SELECT min(tree_size) - 1 FROM anchor)"],
    ["an anchor's root", "UPDATE anchor SET root = zeroblob(32) WHERE tree_size = (SELECT max(tree_size) FROM anchor)"],
    ["where a batch begins", "UPDATE anchor SET first_index = first_index + 1 WHERE tree_size = (SELECT max(tree_size) FROM anchor)"],
    ["a stored subtree", "UPDATE tree SET hash = zeroblob(32)"],
    ["a receipt, gone", "DELETE FROM receipt WHERE log_index = 9"],
  ])("%s", async (_, sql) => {
    await all();
    tamper(sql);
    await expect(all()).rejects.toMatchObject({ code: "ledger_corrupt" });
  });
});
