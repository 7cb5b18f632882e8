/** Keys that were rotated and revoked: what the audit says of each, and which receipts nothing vouches for any more. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { type AuditRecord, formatRecord, parseRecord, RecordError, type RevokedRecord } from "../../src/audit/record.ts";
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

  it("to accept of a key that signed nothing could not be checked either; of one that is not revoked it is said", async () => {
    const unknown = await auditAll(revoked(null, "key_v1", "key_vl"));
    expect([unknown.exitCode, unknown.failedToCheck]).toEqual([2, [expect.stringMatching(/signed with key_vl, which was given with --accept-suspect/)]]);
    const early = await auditAll(revoked(null, "key_v1", "key_v2"));
    expect([early.exitCode, early.notChecked]).toEqual([0, expect.arrayContaining([expect.stringMatching(/^anything of key_v2, whose suspect receipts are accepted: nobody says/)])]);
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

describe("the record of an audit", () => {
  const record = async (more: Partial<AuditOptions>): Promise<AuditRecord | null> => {
    let made: AuditRecord | null = null;
    await auditOf(ledger, [store], withKeys(more), { onRecord: (one) => { made = parseRecord(formatRecord(one)); } });
    return made;
  };
  const suspects = (): object => ({ first_index: sizes[0], last_index: sizes[1]! - 1 });

  it("that accepted suspects does not accept them for whoever goes on from it", async () => {
    const since = (await record(revoked(null, "key_v1")))!;
    expect(since.revoked).toEqual([{ key_id: "key_v1", since: formatTime(between), by: "ledger", announced: { since: formatTime(between), reason: "a backup was stolen", log_index: sizes[2]! - 2 }, suspect: suspects(), unread: false }]);
    const report = await auditAll({ since });
    expect([report.exitCode, wrong(report), report.scope.firstIndex]).toEqual([1, [`key_revoked ${sizes[0]}-${sizes[1]! - 1}`], sizes[2]]);
    expect(report.sentence).toContain(`; the audit of ${since.made_at} accepted that, which holds for that audit only (--accept-suspect)`);
    expect(await record({ since })).toBeNull();
    expect(wrong(await auditAll({ since, allReceipts: true }))).toEqual(wrong(report));
  });

  it("is handed on by whoever accepts them again, who is told of them", async () => {
    const since = (await record(revoked(null, "key_v1")))!;
    const report = await auditAll({ since, ...revoked(null, "key_v1") });
    expect([report.exitCode, report.findings.filter(({ code }) => code === "key_revoked")]).toMatchObject([0, [{ severity: "note", logIndex: sizes[0] }]]);
    expect((await record({ since, ...revoked(null, "key_v1") }))!.revoked).toEqual(since.revoked);
    expect((await record({ since, ledgerPath: null }))!.revoked).toEqual(since.revoked);
  });

  it("by which none were suspect says so for the same time, and for later ones", async () => {
    const after = Date.parse((await auditAll()).counts.targets[0]!.newestTime!) + 1;
    const since = (await record(revoked(after)))!;
    expect(since.revoked).toMatchObject([{ since: formatTime(after), by: "auditor", suspect: null, unread: false }]);
    for (const later of [0, 1]) expect(await auditAll({ since, ...revoked(after + later) })).toMatchObject({ exitCode: 0, failedToCheck: [] });
    expect(await auditAll({ since, ...revoked(after - 1) })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringMatching(/^which of the first/)] });
  });

  it("does not have its auditor overrule what the ledger says", async () => {
    const since = (await record(revoked(Date.parse((await auditAll()).counts.targets[0]!.newestTime!) + 1)))!;
    expect(await auditAll({ since })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringMatching(/^which of the first \d+ receipts are suspect: key_v1/)] });
  });

  it("keeps what its auditor said and the ledger does not", async () => {
    const since = (await record({ revoked: { since: new Map([["key_v2", 0]]), accepted: new Set(["key_v1", "key_v2"]) } }))!;
    const report = await auditAll({ since, ...revoked(null, "key_v1") });
    expect([wrong(report), report.sentence]).toEqual([[`key_revoked ${sizes[1]}-${sizes[2]! + 2}`], expect.stringContaining(`the key is revoked, as was said at the audit of ${since.made_at}`)]);
    expect(await auditAll({ since, allReceipts: true, ...revoked(null, "key_v1") })).toMatchObject({ exitCode: 1 });
  });

  it("from before the revocation: what is accepted without being read stays unread", async () => {
    const early = new TestLedger({ batches: [10] });
    const target = new VersionedTarget("s3");
    const next = (): Promise<unknown> => publish(early, target, { after: target.names("").filter((name) => name.includes("/anchors/")).length === 0 ? 0 : first, at: (at) => { target.now = at; } });
    const first = early.size;
    await next();
    const run = async (more: Partial<AuditOptions>): Promise<{ readonly report: AuditReport; readonly made: AuditRecord | null }> => {
      let made: AuditRecord | null = null;
      const report = await auditOf(early, [target], withKeys(more), { onRecord: (one) => { made = parseRecord(formatRecord(one)); } });
      return { report, made };
    };
    const before = (await run({})).made!;
    early.append(5);
    early.rotate("key_v2");
    early.revoke("key_v1", early.now - 3_600_000);
    early.anchor();
    await next();
    expect((await run({ since: before })).report).toMatchObject({ exitCode: 1, failedToCheck: [expect.stringMatching(/^which of the first/)] });
    const { report, made } = await run({ since: before, ...revoked(null, "key_v1") });
    expect([report.exitCode, report.notChecked, made?.revoked]).toMatchObject([0, expect.arrayContaining([expect.stringMatching(/^which of the first \d+ .* that is accepted$/)]), [{ unread: true, suspect: null }]]);
    expect((await run({ since: made! })).report).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringMatching(/^which of the first \d+ receipts are suspect: key_v1/)] });
    early.close();
    early.remove();
  });

  it("keeps what its auditor said, whatever the ledger announces later; and knows which keys had signed", async () => {
    const early = new TestLedger({ batches: [10] });
    const target = new VersionedTarget("s3");
    let published = 0;
    const next = async (): Promise<void> => {
      await publish(early, target, { after: published, at: (at) => { target.now = at; } });
      published = early.size;
    };
    const run = async (more: Partial<AuditOptions>): Promise<{ readonly report: AuditReport; readonly made: AuditRecord | null }> => {
      let made: AuditRecord | null = null;
      const report = await auditOf(early, [target], { keys: { starts: startsOf(early.keyring, null), requestSecret: early.keyring.requestSecret }, ...more }, { onRecord: (one) => { made = parseRecord(formatRecord(one)); } });
      return { report, made };
    };
    await next();
    const told = target.now + 1;
    const since = (await run(revoked(told))).made!;
    const { size } = early;
    early.append(5);
    early.rotate("key_v2");
    await next();
    const suspect = [`key_revoked ${size}-${early.size - 1}`];
    expect(wrong((await run({ since })).report)).toEqual(suspect);
    const accepted = (await run({ since, ...revoked(null, "key_v1") })).made!;
    early.append(3);
    early.revoke("key_v1", target.now + 3_600_000); // says less than the auditor knew
    early.anchor();
    await next();
    const { report } = await run({ since });
    expect([report.exitCode, wrong(report)]).toEqual([1, suspect]);
    const kept = (await run({ since, ...revoked(null, "key_v1") })).made!;
    expect(kept.revoked).toMatchObject([{ key_id: "key_v1", since: formatTime(told), by: "auditor", announced: { log_index: early.size - 2 } }]);
    // an audit without that record knows less, and does not take its place
    expect((await run({ replaces: kept })).report.record).toMatchObject({ isMade: false, why: expect.stringContaining(`key_v1 is revoked since ${formatTime(told)}`) });
    // key_v2 had signed nothing when the record was made that ends with the rotation
    const later = (await run({ since: accepted, revoked: { since: new Map([["key_v2", 0]]), accepted: new Set(["key_v1"]) } })).report;
    expect([later.exitCode, later.failedToCheck, wrong(later)]).toEqual([1, [], [`key_revoked ${size + 7}-${early.size - 1}`]]);
    early.close();
    early.remove();
  });

  it("is not replaced by one that knows less", async () => {
    const replaces = (await record({ revoked: { since: new Map([["key_v2", 0]]), accepted: new Set(["key_v1", "key_v2"]) } }))!;
    const report = await auditOf(ledger, [store], withKeys({ replaces, ...revoked(null, "key_v1") }), { onRecord: () => undefined });
    expect(report.record).toMatchObject({ isMade: false, why: expect.stringContaining("says that key_v2 is revoked") });
  });

  it.each([
    ["names a key twice", (one: RevokedRecord) => [one, one]], ["has a key that nobody revoked", (one: RevokedRecord) => [{ ...one, announced: null }]],
    ["has it announced behind the end", (one: RevokedRecord) => [{ ...one, announced: { ...one.announced!, log_index: 1000 } }]],
    ["has suspects behind the end", (one: RevokedRecord) => [{ ...one, suspect: { first_index: 0, last_index: 1000 } }]],
    ["has suspects that end before they begin", (one: RevokedRecord) => [{ ...one, suspect: { first_index: 2, last_index: 1 } }]],
  ] as const)("that %s is refused", async (_, change) => {
    const made = (await record(revoked(null, "key_v1")))!;
    expect(() => parseRecord(JSON.stringify({ ...made, revoked: change(made.revoked[0]!) }))).toThrow(RecordError);
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
