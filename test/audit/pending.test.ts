/** How much is said to be anchored: what was found at the targets, and not what the ledger's anchor receipts say; and what vouches for the rest. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDirectoryTarget, DirectoryTarget } from "../../src/anchor/directory.ts";
import { formatTime } from "../../src/format/time.ts";
import { ratchetAt } from "../../src/keys/epoch-keys.ts";
import { LEDGER_ID, ORIGIN, START, TestLedger, testKeyring } from "../support/ledger.ts";
import { publish, publishToDirectory } from "../support/publish.ts";
import { auditOf } from "./support.ts";

let ledger: TestLedger;
let behind: DirectoryTarget;
let further: DirectoryTarget;
/** Receipts: genesis and 10, an anchor; 4 and an anchor; 5 and an anchor; 2. `behind` has the first anchor, `further` the first two. */
const [FIRST, SECOND, SIZE] = [12, 17, 25];

beforeAll(async () => {
  ledger = new TestLedger({ batches: [10] });
  behind = await publishToDirectory(ledger, "behind");
  ledger.append(4);
  ledger.anchor();
  further = await publishToDirectory(ledger, "further");
  ledger.append(5);
  ledger.anchor();
  ledger.append(2);
  ledger.close();
});
afterAll(() => ledger.remove());

describe("anchor receipts of which no target has the anchor", () => {
  it("do not count", async () => {
    const report = await auditOf(ledger, [behind]);
    expect(report).toMatchObject({ exitCode: 0, counts: { pending: SIZE - FIRST, targets: [{ newestSize: FIRST, anchoredSize: FIRST }] } });
    expect(report.sentence).toBe("All 25 receipts are as they were recorded, as anchored at behind; 13 of them are not anchored yet.");
    expect(report.notChecked).toContain("the 13 receipts that are under no anchor at a target, by anything outside: the HMAC key alone vouches for them");
    expect((await auditOf(ledger, [behind], { keys: null })).notChecked).toContain("the 13 receipts that are under no anchor at a target: without a key nothing authenticates them");
  });

  it("of several targets the one that has most counts, and the others are said to have less", async () => {
    const report = await auditOf(ledger, [behind, further]);
    expect([report.counts.pending, report.sentence]).toEqual([SIZE - SECOND, "All 25 receipts are as they were recorded, as anchored at behind (the first 12 only), further; 8 of them are not anchored yet."]);
  });

  it("of one organization, and of a part", async () => {
    const one = await auditOf(ledger, [behind], { range: { organization: "org-1" } });
    expect([one.exitCode, one.sentence]).toEqual([0, expect.stringMatching(/as anchored at behind; 13 receipts of the ledger are not anchored yet\.$/)]);
    const part = await auditOf(ledger, [further], { range: { from: START + 2500 } });
    expect([part.exitCode, part.scope.firstIndex, part.counts.pending, part.sentence]).toEqual([0, FIRST, SIZE - SECOND, expect.stringMatching(/^All 13 receipts .* as anchored at further; 8 of them are not anchored yet\.$/)]);
  });

  it("a target without an anchor: none", async () => {
    const fresh = new TestLedger();
    fresh.append(3);
    const path = fresh.targetPath("empty");
    await createDirectoryTarget(path);
    const report = await auditOf(fresh, [new DirectoryTarget({ name: "empty", path })]);
    fresh.remove();
    expect([report.exitCode, report.sentence]).toEqual([0, "All 4 receipts are as they were recorded; none of the 4 is anchored yet."]);
  });

  it("without a target the ledger's own word is all there is", async () => {
    const report = await auditOf(ledger, []);
    expect(report).toMatchObject({ counts: { pending: 2 } });
    expect(report.notChecked).toContain("the 2 receipts after the newest anchor, by anything outside: the HMAC key alone vouches for them");
  });
});

describe("the key vouches for what it was asked about, and for nothing else", () => {
  /** As on the host of a forward-secure key: K of the open epoch. */
  const keysFrom = (epoch: number) => {
    const { keyId, key } = ratchetAt(LEDGER_ID, testKeyring().hmacKeys[0]!, epoch, null);
    return { starts: [{ keyId, epoch, key }], sealed: ["key_v1"], requestSecret: null };
  };

  it.each([
    ["all but the open epoch", 3, "by anything outside: not all MACs of receipts 12 to 22 were checked, so that nothing vouches for them, and the HMAC key alone for the others"],
    ["everything", 4, "by anything: no MAC of them was checked"],
    ["what is anchored", 1, "by anything outside: the HMAC key alone vouches for them"],
  ])("sealed: %s", async (_, epoch, what) => {
    const report = await auditOf(ledger, [behind], { keys: keysFrom(epoch) });
    expect(report.exitCode).toBe(0);
    expect(report.notChecked).toContain(`the 13 receipts that are under no anchor at a target, ${what}`);
  });
});

describe("a copy of a folder of anchors, without the newest", () => {
  let hidden: TestLedger;
  let path: string;

  beforeAll(async () => {
    hidden = new TestLedger({ batches: [3, 3] });
    path = hidden.targetPath("archive");
    await createDirectoryTarget(path);
    const seen = (await publish(hidden, new DirectoryTarget({ name: "archive", path }), { folder: path }))!;
    hidden.observed = (at) => [{ ...seen, last_modified: formatTime(at) }];
    hidden.append(2);
    hidden.anchor();
    hidden.close();
    for (const kind of ["anchors", "batches"]) rmSync(join(path, "v1", ORIGIN, LEDGER_ID, kind, readdirSync(join(path, "v1", ORIGIN, LEDGER_ID, kind)).sort().at(-1)!));
  });
  afterAll(() => hidden.remove());

  it("under the name that anchor receipts have for it, it is missing; under another it is said that nothing was compared", async () => {
    const named = await auditOf(hidden, [new DirectoryTarget({ name: "archive", path })]);
    expect([named.exitCode, named.findings.map(({ code }) => code)]).toEqual([1, expect.arrayContaining(["anchor_missing"])]);
    const other = await auditOf(hidden, [new DirectoryTarget({ name: "anchors", path })]);
    expect([other.exitCode, other.counts.pending]).toEqual([0, 7]);
    expect(other.notChecked).toContain("what was confirmed at anchors against what anchor receipts saw: they name archive, and nothing at anchors; if it is one of these, say so with --target");
  });
});
