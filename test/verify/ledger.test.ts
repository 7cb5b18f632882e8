import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scenario } from "../../scripts/vectors/ledger/build.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { compareWithLedger } from "../../src/verify/anchors.ts";
import { orgHeadsRoot } from "../../src/verify/heads.ts";
import { LedgerWalk } from "../../src/verify/ledger.ts";
import { BASE, walked } from "./support.ts";

/** What stands outside of the ledger: sizes and roots of its anchors. */
const anchored = BASE.anchors.map((treeSize) => ({ treeSize, root: BASE.rootAt(treeSize) }));

function outside(walk: LedgerWalk): string[] {
  const roots = new Map(walk.anchors.map(({ treeSize, root }) => [treeSize, root]));
  const tree = { size: walk.size, rootAt: (size: number) => roots.get(size) ?? new Uint8Array(32) };
  return anchored.flatMap((facts) => compareWithLedger(facts, tree)?.code ?? []);
}

const changed = (at: number, blob: Uint8Array): Uint8Array[] => BASE.blobs.with(at, Buffer.from(blob));

/** A blob of the ledger with one byte changed. */
const oneByte = (blobs: number): fc.Arbitrary<{ readonly at: number; readonly blob: Uint8Array }> =>
  fc.tuple(fc.nat(blobs - 1), fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, place, change]) => {
    const blob = Uint8Array.from(BASE.blobs[at]!);
    blob[place % blob.length]! ^= change;
    return { at, blob };
  });

describe("LedgerWalk", () => {
  it("finds nothing in the good ledger, and rebuilds it", () => {
    const { findings, walk } = walked(BASE.blobs);
    expect(findings).toEqual([]);
    expect(outside(walk)).toEqual([]);
    expect([...walk.notChecked]).toEqual([]);
    expect([walk.size, walk.pending, walk.heads.size]).toEqual([14, 1, 4]);
    expect(Buffer.from(walk.root())).toEqual(BASE.rootAt(14));
    expect(Buffer.from(orgHeadsRoot(walk.heads.values(), nodeHash)).toString("hex")).toBe(BASE.headsRoot().slice(7));
  });

  it("finds any changed byte of any receipt with keys", () => {
    fc.assert(fc.property(oneByte(14), ({ at, blob }) => {
      const { findings } = walked(changed(at, blob));
      expect(findings[0]).toMatch(new RegExp(`@${at}$`));
    }), { numRuns: 400 });
  });

  it("finds any changed byte of any anchored receipt without keys, with the anchors", () => {
    fc.assert(fc.property(oneByte(13), ({ at, blob }) => {
      const { findings, walk } = walked(changed(at, blob), false);
      expect([...findings, ...outside(walk)]).not.toEqual([]);
      expect(outside(walk)).toContain("log_root_mismatch");
    }), { numRuns: 400 });
  });

  it("finds any receipt taken away, put in twice, or exchanged", () => {
    for (let at = 0; at < 13; at++) {
      expect(walked(BASE.blobs.toSpliced(at, 1), false).findings[0]).toMatch(/^log_index_gap@/);
      expect(walked(BASE.blobs.toSpliced(at, 0, BASE.blobs[at]!), false).findings[0]).toBe(`log_index_gap@${at + 1}`);
      const exchanged = BASE.blobs.with(at, BASE.blobs[at + 1]!).with(at + 1, BASE.blobs[at]!);
      expect(walked(exchanged, false).findings[0]).toBe(`log_index_gap@${at}`);
    }
  });

  it("goes on from what is there: one forged place gives few findings", () => {
    const early = scenario({ 6: { before: (m) => { m["key_epoch"] = 9; } } });
    expect(walked(early.blobs).findings).toEqual(["epoch_mismatch@6", "epoch_mismatch@7"]);
    const forged = scenario({ 7: { after: (r) => { r["decision"] = "deny"; } } });
    expect(walked(forged.blobs).findings).toEqual(["mac_mismatch@7"]);
  });

  it("says of how many receipts it did not check the signature", () => {
    const { walk } = walked(BASE.blobs, false);
    expect([...walk.notChecked]).toEqual([["signature", 14]]);
  });

  it("takes the ledger of the first receipt where none is expected", () => {
    const walk = new LedgerWalk({ hash: nodeHash });
    const other = scenario({ 2: { before: (m) => { m["ledger"] = "other.example"; } } });
    expect(other.blobs.flatMap((blob) => walk.step(blob)).map(({ code, found }) => `${code} ${found}`)).toEqual(["ledger_mismatch other.example"]);
  });

  it("finds another ledger_id than the expected one", () => {
    const walk = new LedgerWalk({ ledgerId: "0".repeat(32), hash: nodeHash });
    expect(walk.step(BASE.blobs[0]!)).toMatchObject([{ code: "genesis_mismatch", pointer: "/details/ledger_id" }]);
  });
});
