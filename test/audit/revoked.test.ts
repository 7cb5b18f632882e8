/** Keys that were rotated and revoked: what the audit says of each, and which receipts nothing vouches for any more. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { formatTime } from "../../src/format/time.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { TestLedger } from "../support/ledger.ts";
import { publish, publishToDirectory } from "../support/publish.ts";
import { VersionedTarget } from "../support/versioned-target.ts";
import { auditOf, Copy } from "./support.ts";

const store = new VersionedTarget("s3");
let ledger: TestLedger;
let folder: DirectoryTarget;
/** Tree sizes: of the first anchor, of the rotation's, of the one that closes the batch with the revocation. */
let sizes: readonly number[];
/** ms, between the first anchor's time at the target and the second's. */
let between: number;

/** 10 receipts of key_v1 anchored, 20 more up to the rotation, 30 of key_v2, the revocation of key_v1, 3 that are not anchored. */
beforeAll(async () => {
  ledger = new TestLedger({ batches: [10] });
  const first = ledger.size;
  between = ledger.now + 1500;
  ledger.append(20);
  const second = ledger.rotate("key_v2");
  ledger.append(30);
  ledger.anchor();
  ledger.revoke("key_v1", between);
  sizes = [first, second, ledger.anchor()];
  ledger.append(3);
  await publish(ledger, store, { at: (published) => { store.now = published; } });
  await publishToDirectory(ledger, "folder");
  folder = new DirectoryTarget({ name: "folder", path: ledger.targetPath("folder") });
  ledger.close();
});
afterAll(() => ledger.remove());

const withKeys = (more: Partial<AuditOptions> = {}): Partial<AuditOptions> => ({ keys: { starts: startsOf(ledger.keyring, null), requestSecret: ledger.keyring.requestSecret }, ...more });
const auditAll = (more: Partial<AuditOptions> = {}): Promise<AuditReport> => auditOf(ledger, [store], withKeys(more));
const revoked = (since: number | null, ...accepted: readonly string[]): Pick<AuditOptions, "revoked"> => ({ revoked: { since: new Map(since === null ? [] : [["key_v1", since]]), accepted: new Set(accepted) } });
const wrong = ({ findings }: AuditReport): readonly string[] => findings.filter(({ severity }) => severity !== "note").map(({ code, logIndex, lastIndex }) => `${code} ${logIndex}-${lastIndex}`);

describe("what the ledger announces", () => {
  it("makes suspect what no anchor from before covers, and nothing else", async () => {
    const report = await auditAll();
    expect(wrong(report)).toEqual([`key_revoked ${sizes[0]}-${sizes[1]! - 1}`]);
    expect(report.exitCode).toBe(1);
    expect(report.sentence).toBe(`Something is wrong: receipts ${sizes[0]} to ${sizes[1]! - 1}: 22 receipts signed with key_v1 are suspect: the key is revoked, as receipt ${sizes[2]! - 2} says (${formatTime(between)}: a backup was stolen), and no anchor that was stored before covers them.`);
  });

  it("is reported by key and period", async () => {
    const { keys } = await auditAll();
    expect(keys).toMatchObject([
      { keyId: "key_v1", receipts: sizes[1], firstIndex: 0, lastIndex: sizes[1]! - 1, macsChecked: sizes[1], revoked: { since: formatTime(between), by: "ledger" }, suspect: 22 },
      { keyId: "key_v2", receipts: sizes[2]! + 3 - sizes[1]!, firstIndex: sizes[1], revoked: null, suspect: 0 },
    ]);
    expect(keys[0]!.lastAt! <= keys[1]!.firstAt!).toBe(true);
  });

  it("is the same by several threads", async () => {
    expect((await auditAll({ workers: 2 })).keys).toEqual((await auditAll()).keys);
  });

  it("makes everything of the key suspect where no target has a clock of its own", async () => {
    const report = await auditOf(ledger, [folder], withKeys());
    expect(wrong(report)).toEqual([`key_revoked 0-${sizes[1]! - 1}`]);
    expect(report.sentence).toContain("no target here has a clock of its own");
  });

  it("and where no target was given", async () => {
    expect((await auditOf(ledger, [], withKeys())).keys[0]).toMatchObject({ suspect: sizes[1] });
  });

  it("is a note once the auditor knows of it", async () => {
    const report = await auditAll(revoked(null, "key_v1"));
    expect([report.exitCode, report.keys[0]!.suspect]).toEqual([0, 22]);
    expect(report.findings.filter(({ code }) => code === "key_revoked")).toMatchObject([{ severity: "note" }]);
  });
});

describe("what the auditor says", () => {
  it("counts in place of what the ledger says, later", async () => {
    const after = Date.parse((await auditAll()).counts.targets[0]!.newestTime!) + 1;
    const report = await auditAll(revoked(after));
    expect([report.exitCode, report.keys[0]]).toMatchObject([0, { revoked: { by: "auditor" }, suspect: 0 }]);
  });

  it("or earlier", async () => {
    expect(wrong(await auditAll(revoked(0)))).toEqual([`key_revoked 0-${sizes[1]! - 1}`]);
  });

  it("an anchor of the very same moment is not one from before", async () => {
    const anchored = store.names("").filter((name) => name.includes("/anchors/")).map((name) => store.only(name).lastModified);
    expect((await auditAll(revoked(anchored[1]!))).keys[0]!.suspect).toBe(22);
    expect((await auditAll(revoked(anchored[1]! + 1))).keys[0]!.suspect).toBe(0);
  });

  it("of a key that signed nothing could not be checked: its id may be mistyped", async () => {
    const report = await auditAll({ revoked: { since: new Map([["key_v9", 0]]), accepted: new Set(["key_v1"]) } });
    expect([report.exitCode, report.failedToCheck]).toEqual([2, [expect.stringMatching(/signed with key_v9, which was given as revoked/)]]);
  });

  it("cannot be held against a ledger that was not read", async () => {
    expect(await auditOf(ledger, [store], { ledgerPath: null, ...revoked(0) })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringMatching(/^which receipts are suspect: key_v1 is revoked/)] });
  });
});

describe("a part of the ledger", () => {
  it("does not say of receipts before it that they are not suspect", async () => {
    const from = Date.parse((await auditAll()).keys[1]!.firstAt!) + 1000; // behind the rotation's batch
    const report = await auditAll({ range: { from }, ...revoked(0) });
    expect(report.keys.map(({ keyId }) => keyId)).toEqual(["key_v2"]);
    expect([report.exitCode, report.failedToCheck]).toMatchObject([2, [expect.stringMatching(/^which of the first \d+ receipts are suspect: key_v1/)]]);
    expect((await auditAll({ range: { from }, ...revoked(0, "key_v1") })).exitCode).toBe(0);
  });

  it("that begins in the midst of the key's receipts does not either", async () => {
    const report = await auditAll({ range: { from: between + 1 }, ...revoked(0) });
    expect([report.scope.firstIndex, report.keys[0]!.keyId]).toEqual([sizes[0], "key_v1"]);
    expect(report.failedToCheck).toEqual([expect.stringMatching(/^which of the first/)]);
  });
});

describe("a rotation", () => {
  it("passes in parts: each begins with the key that was named before it", async () => {
    const from = Date.parse((await auditAll()).keys[1]!.firstAt!);
    const report = await auditAll({ range: { from }, ...revoked(null, "key_v1") });
    expect([wrong(report), report.scope.firstIndex]).toEqual([[], sizes[1]]);
  });

  it("is caught where the index has another receipt in its place", async () => {
    const copy = new Copy(ledger).tamper((db) => db.prepare("UPDATE blob SET bytes = (SELECT bytes FROM blob WHERE log_index = 1) WHERE log_index = ?").run(sizes[1]! - 2));
    const from = Date.parse((await auditAll()).keys[1]!.firstAt!);
    const report = await auditOf(copy, [store], withKeys({ range: { from }, ...revoked(null, "key_v1") }));
    expect(report.exitCode).toBe(1);
    copy.remove();
  });
});
