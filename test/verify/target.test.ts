/** Anchor objects, the walk over them, whole targets and single proofs; most cases are in anchors.json. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entryOf, leafOf, path, tlogProof, note, checkpointText, checkpointKey, fixed } from "../../scripts/vectors/ledger/primitives.ts";
import { LOG_KEY, ORIGIN, scenario } from "../../scripts/vectors/ledger/build.ts";
import { toHex } from "../../src/format/bytes.ts";
import { FormatError } from "../../src/format/errors.ts";
import { formatObjectName, parseObjectName } from "../../src/format/names.ts";
import { parseVkey } from "../../src/format/note.ts";
import { parseTlogProof } from "../../src/format/tlog-proof.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { type AnchorFacts, verifyAnchorObject } from "../../src/verify/anchor.ts";
import { AnchorWalk, compareWithLedger } from "../../src/verify/anchors.ts";
import { verifyLogged } from "../../src/verify/proof.ts";
import { verifyTarget } from "../../src/verify/target.ts";
import { BASE, goodTarget, LEDGER, VKEYS } from "./support.ts";

const objects = goodTarget();
const options = { hash: nodeHash };
const anchorObjects = objects.filter(({ name }) => parseObjectName(LEDGER, name).kind === "anchor");
const facts: readonly AnchorFacts[] = anchorObjects.map(({ name, bytes }) => verifyAnchorObject(name, bytes, LEDGER, VKEYS, options));
const coded = (code: string): unknown => expect.objectContaining({ name: "VerifyError", code });
const codesOf = (errors: readonly { readonly code: string }[]): string[] => errors.map(({ code }) => code);

describe("verifyAnchorObject", () => {
  it("gives what is signed", () => {
    const third = facts[2]!;
    expect(third).toMatchObject({ treeSize: 11, signedBy: [LOG_KEY.vkey], details: { reason: "schedule" }, receipt: { log_index: 10 } });
    expect([third.root, third.receiptHash, third.blob].map(toHex)).toEqual([BASE.rootAt(11), BASE.hashes[10]!, BASE.blobs[10]!].map(toHex));
    expect(third.name).toContain(third.sha256);
  });

  it("refuses the name of a batch and the name of nothing", () => {
    const batch = objects.find(({ name }) => parseObjectName(LEDGER, name).kind === "batch")!;
    expect(() => verifyAnchorObject(batch.name, batch.bytes, LEDGER, VKEYS, options)).toThrow(coded("bad_object_name"));
    expect(() => verifyAnchorObject("x", batch.bytes, LEDGER, VKEYS, options)).toThrow(coded("bad_object_name"));
  });

  it("takes nothing but these bytes, even under a name with the hash of others", () => {
    fc.assert(fc.property(fc.nat(), fc.nat(7), fc.boolean(), (place, bit, isRenamed) => {
      const { name, bytes } = anchorObjects[2]!;
      const flipped = Uint8Array.from(bytes);
      flipped[place % bytes.length]! ^= 1 << bit;
      const fresh = isRenamed ? formatObjectName(LEDGER, { kind: "anchor", treeSize: 11, sha256: toHex(nodeHash.sha256(flipped)) }) : name;
      expect(() => verifyAnchorObject(fresh, flipped, LEDGER, VKEYS, options)).toThrow(isRenamed ? coded(expect.any(String) as unknown as string) : coded("name_mismatch"));
    }), { numRuns: 150 });
  });
});

describe("AnchorWalk", () => {
  const hashesOf = ({ first_index, count }: { readonly first_index: number; readonly count: number }): Buffer[] => BASE.hashes.slice(first_index, first_index + count);

  it("rebuilds the roots from receipt hashes, or from leaf hashes", () => {
    const walk = new AnchorWalk(options);
    const byLeaves = new AnchorWalk({ ...options, holds: "leaf_hashes" });
    for (const anchor of facts) {
      expect(walk.step(anchor, hashesOf)).toEqual([]);
      expect(byLeaves.step(anchor, (batch) => hashesOf(batch).map((hash) => leafOf(entryOf(hash))))).toEqual([]);
    }
    expect([walk.rootsChecked, walk.rootsNotChecked, walk.newest!.treeSize, byLeaves.rootsChecked]).toEqual([4, 0, 13, 4]);
  });

  it("does not ask for an empty batch", () => {
    const asked: number[] = [];
    const walk = new AnchorWalk(options);
    for (const anchor of facts) {
      walk.step(anchor, (batch) => {
        asked.push(batch.first_index);
        return hashesOf(batch);
      });
    }
    expect(asked).toEqual([0, 6, 11]);
  });

  it("says one thing of a missing batch, and counts the roots that it then cannot rebuild", () => {
    const walk = new AnchorWalk(options);
    const found = facts.flatMap((anchor) => walk.step(anchor, (batch) => (batch.first_index === 0 ? null : hashesOf(batch))));
    expect(codesOf(found)).toEqual(["batch_missing"]);
    expect([walk.rootsChecked, walk.rootsNotChecked]).toEqual([0, 4]);
  });

  it("says one thing of a missing anchor", () => {
    const walk = new AnchorWalk(options);
    expect(codesOf([facts[0]!, facts[2]!, facts[3]!].flatMap((anchor) => walk.step(anchor, hashesOf)))).toEqual(["anchor_link_mismatch"]);
  });

  it("passes on what is wrong with an object, and throws mistakes of the program", () => {
    expect(codesOf(new AnchorWalk(options).step(facts[0]!, () => { throw new FormatError("bad_entries", "no"); }))).toEqual(["bad_entries"]);
    expect(() => new AnchorWalk(options).step(facts[0]!, () => { throw new TypeError("mistake"); })).toThrow(TypeError);
  });

  it("takes a second anchor of a size as no news, or as a fork", () => {
    const walk = new AnchorWalk(options);
    expect(walk.step(facts[0]!, hashesOf)).toEqual([]);
    expect(walk.step(facts[0]!, hashesOf)).toEqual([]);
    expect(codesOf(walk.step({ ...facts[0]!, root: fixed("another root") }, hashesOf))).toEqual(["fork"]);
    expect(walk.newest).toBe(facts[0]);
  });
});

describe("compareWithLedger", () => {
  it("finds a ledger that is cut, or another one", () => {
    const rootAt = (size: number): Buffer => BASE.rootAt(size);
    expect(compareWithLedger(facts[3]!, { size: 13, rootAt })).toBeNull();
    expect(compareWithLedger(facts[3]!, { size: 12, rootAt })).toMatchObject({ code: "ledger_behind", expected: "13", found: "12" });
    expect(compareWithLedger(facts[3]!, { size: 99, rootAt: () => rootAt(12) })).toMatchObject({ code: "log_root_mismatch" });
  });
});

describe("verifyTarget", () => {
  it("keeps both anchors of a fork and names one", () => {
    const other = scenario({ 6: { before: (m) => { m["decision"] = "deny"; } } });
    const bytes = tlogProof({
      extra: other.blobs[10]!, index: 10, path: path(10, other.leaves.slice(0, 11)), checkpoint: note(checkpointText(ORIGIN, 11, other.rootAt(11)), LOG_KEY),
    });
    const forked = { name: formatObjectName(LEDGER, { kind: "anchor", treeSize: 11, sha256: toHex(nodeHash.sha256(bytes)) }), bytes };
    for (const listing of [[...objects, forked], [forked, ...objects]]) {
      const report = verifyTarget(listing, LEDGER, VKEYS, options);
      expect(report.findings).toMatchObject([{ object: forked.name, error: { code: "fork" } }]);
      expect(report.anchors.filter(({ treeSize }) => treeSize === 11)).toHaveLength(2);
      expect(report.rootsChecked).toBe(4);
    }
  });

  it("names the object that is wrong", () => {
    const junk = new Uint8Array(3);
    const name = formatObjectName(LEDGER, { kind: "anchor", treeSize: 99, sha256: toHex(nodeHash.sha256(junk)) });
    expect(verifyTarget([...objects, { name, bytes: junk }], LEDGER, VKEYS, options).findings).toMatchObject([{ object: name, error: { code: "bad_tlog_proof" } }]);
  });
});

describe("verifyLogged", () => {
  const checkpoint = note(checkpointText(ORIGIN, 13, BASE.rootAt(13)), LOG_KEY);
  const proofOf = (index: number, with_: string = checkpoint): Buffer => tlogProof({ index, path: path(index, BASE.leaves.slice(0, 13)), checkpoint: with_ });
  const ask = (over: object): unknown => verifyLogged({ blob: BASE.blobs[7]!, proof: proofOf(7), origin: ORIGIN, vkeys: VKEYS, hash: nodeHash, ...over });

  it("shows every receipt of the tree, from bytes, text or a parsed proof", () => {
    for (let index = 0; index < 13; index++) {
      expect(ask({ blob: BASE.blobs[index]!, proof: proofOf(index) })).toMatchObject({ logIndex: index, treeSize: 13, signedBy: [LOG_KEY.vkey] });
    }
    expect(ask({ proof: proofOf(7).toString("utf8") })).toMatchObject({ logIndex: 7 });
    expect(ask({ proof: parseTlogProof(proofOf(7)) })).toMatchObject({ logIndex: 7, verified: { known: true } });
  });

  it.each([
    ["another receipt", { blob: BASE.blobs[11]! }, "inclusion_mismatch"],
    ["a receipt that was changed", { blob: Buffer.from(BASE.blobs[7]!.toString("utf8").replace('"approve"', '"approved"')) }, "inclusion_mismatch"],
    ["no receipt", { blob: Buffer.from("{}") }, "bad_receipt"],
    ["another log", { origin: "other.example" }, "ledger_mismatch"],
    ["no proof", { proof: Buffer.from("junk") }, "bad_tlog_proof"],
    ["another key", { vkeys: [parseVkey(checkpointKey(ORIGIN, fixed("another")).vkey)] }, "bad_note"],
    ["no key", { vkeys: [] }, "bad_note"],
    ["another root", { proof: proofOf(7, note(checkpointText(ORIGIN, 13, BASE.rootAt(12)), LOG_KEY)) }, "inclusion_mismatch"],
    ["the checkpoint of another log, signed", { proof: proofOf(7, note(checkpointText("other.example", 13, BASE.rootAt(13)), LOG_KEY)) }, "bad_checkpoint"],
    ["the path of another receipt", { proof: tlogProof({ index: 7, path: path(6, BASE.leaves.slice(0, 13)), checkpoint }) }, "inclusion_mismatch"],
  ])("refuses %s", (_, over, code) => {
    expect(() => ask(over)).toThrow(coded(code));
  });
});
