import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEY_ID, scenario, SEED } from "../../scripts/vectors/ledger/build.ts";
import { jcs, type Members } from "../../scripts/vectors/ledger/primitives.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { compareWithLedger } from "../../src/verify/anchors.ts";
import { orgHeadsRoot } from "../../src/verify/heads.ts";
import { RatchetKeys, ratchetStart } from "../../src/verify/keys.ts";
import { LedgerWalk } from "../../src/verify/ledger.ts";
import { BASE, LEDGER, walked } from "./support.ts";

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

  it("derives no key for an epoch above the number of anchor receipts, and few for those below, whatever receipts claim", () => {
    // `claims` in turn from receipt 6 on, in the place of what was signed
    const steps = (claims: readonly number[]): { readonly hashes: number; readonly findings: string[]; readonly notChecked: number | undefined } => {
      const blobs = BASE.blobs.map((blob, i) => {
        const receipt = JSON.parse(blob.toString("utf8")) as Members;
        return i < 6 || claims.length === 0 ? blob : Buffer.from(jcs({ ...receipt, key_epoch: claims[i % claims.length]! }));
      });
      let hashes = 0;
      const hash = { ...nodeHash, hmac: (key: Uint8Array, bytes: Uint8Array): Uint8Array => (hashes++, nodeHash.hmac(key, bytes)) };
      const start = ratchetStart(LEDGER.ledgerId, { keyId: KEY_ID, firstEpoch: 0, seed: SEED }, nodeHash);
      const walk = new LedgerWalk({ ...LEDGER, hash, keys: new RatchetKeys([start], { hash }) });
      const findings = blobs.flatMap((blob, at) => walk.step(blob).map(({ code }) => `${code}@${at}`));
      return { hashes, findings, notChecked: walk.notChecked.get("signature") };
    };
    const honest = steps([]);
    const far = steps([99_999, 0]);
    expect(far.findings).toEqual(expect.arrayContaining(["epoch_mismatch@6", "epoch_mismatch@7", "epoch_mismatch@8", "mac_mismatch@7"]));
    expect(far.notChecked).toBe(4); // receipts 6, 8, 10 and 12
    expect(far.hashes).toBeLessThanOrEqual(honest.hashes);
    expect(steps([1, 2]).hashes).toBeLessThanOrEqual(honest.hashes + 8 * 5);
    // the first epoch above, right as its signature may be
    const early = scenario({ 7: { before: (m) => { m["key_epoch"] = 3; } } });
    expect(walked(early.blobs).walk.notChecked.get("signature")).toBe(1);
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
