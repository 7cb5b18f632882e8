/**
 * What the record of an earlier audit knows is held against what is there now, whatever is read again and whatever the targets are
 * called: a rollback, a ledger in the place of another, locks and times that were judged otherwise.
 */
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { type AuditRecord, formatRecord, parseRecord } from "../../src/audit/record.ts";
import { formatReport } from "../../src/audit/text.ts";
import { LEDGER_ID, ORIGIN, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { DAY } from "../support/versioned-target.ts";
import { found, notes, PREFIX, Published } from "./bucket.ts";
import { auditOf } from "./support.ts";

const open: { remove(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.remove();
});

async function published(...counts: readonly number[]): Promise<Published> {
  const made = new Published();
  open.push(made.ledger);
  return await made.batches(...counts);
}

/** The same options make the same receipts: a smaller one is a larger one before it grew. */
async function inFolder(...batches: readonly number[]): Promise<{ readonly ledger: TestLedger; readonly target: DirectoryTarget }> {
  const ledger = new TestLedger({ batches });
  open.push(ledger);
  return { ledger, target: await publishToDirectory(ledger, "local") };
}

type Subject = Parameters<typeof auditOf>[0];

async function recorded(ledger: Subject, targets: readonly AnchorTarget[], options: Partial<AuditOptions> = {}): Promise<{ readonly report: AuditReport; readonly record: AuditRecord | null }> {
  let record: AuditRecord | null = null;
  const report = await auditOf(ledger, targets, options, { onRecord: (one) => { record = parseRecord(formatRecord(one)); } });
  return { report, record };
}

async function recordOf(ledger: Subject, targets: readonly AnchorTarget[], options: Partial<AuditOptions> = {}): Promise<AuditRecord> {
  const { report, record } = await recorded(ledger, targets, options);
  if (record === null) throw new Error(`no record: ${report.sentence}`);
  return record;
}

const codes = (report: AuditReport): readonly string[] => found(report).map(([, code]) => code);
const renamed = ({ name, path }: { readonly name: string; readonly path: string }): DirectoryTarget => new DirectoryTarget({ name, path });

describe.each([["what is new", {}], ["everything", { allReceipts: true }]] as const)("reading %s", (_, all) => {
  it("a ledger and a folder that were both rolled back", async () => {
    const late = await inFolder(10, 20, 30);
    const since = await recordOf(late.ledger, [late.target]);
    const early = await inFolder(10, 20);
    const now = late.ledger.now;
    const both = await recorded(early.ledger, [early.target], { ...all, since, now });
    expect([codes(both.report), both.record]).toEqual([["ledger_behind", "version_missing"], null]);
    const gone = await recorded(early.ledger, [early.target], { ...all, since, now, ledgerPath: null });
    expect([codes(gone.report), gone.record]).toEqual([["version_missing"], null]);
  });

  it("a past that was written anew from below the record, with anchors at other sizes", async () => {
    const made = await inFolder(10, 20);
    const since = await recordOf(made.ledger, [made.target]);
    const other = await inFolder(10, 19, 30);
    const { report, record } = await recorded(other.ledger, [other.target], { ...all, since });
    expect([codes(report), record]).toEqual([["log_root_mismatch", "version_missing"], null]);
    expect(codes(await auditOf(other.ledger, [other.target], { ...all, since, ledgerPath: null }))).toEqual(["version_missing"]);
  });

  it("a bucket that a folder has replaced, and a folder that a bucket has, rolled back with the ledger", async () => {
    const made = await published(10, 20, 30);
    const early = await inFolder(10, 20);
    const folder = renamed({ name: "s3", path: early.ledger.targetPath("local") });
    const now = made.ledger.now;
    const since = await recordOf(made.ledger, [made.target]);
    expect(codes(await auditOf(early.ledger, [folder], { ...all, since, now }))).toEqual(["ledger_behind", "version_missing"]);
    expect(codes(await auditOf(early.ledger, [folder], { ...all, since, now, ledgerPath: null }))).toEqual(["version_missing"]);
    const late = await inFolder(10, 20, 30);
    const before = await recordOf(late.ledger, [renamed({ name: "s3", path: late.ledger.targetPath("local") })]);
    const bucket = await published(10, 20);
    expect(codes(await auditOf(bucket.ledger, [bucket.target], { ...all, since: before, now }))).toEqual(["ledger_behind", "version_missing"]);
  });

  it("a target under another name, or left out, keeps its evidence", async () => {
    const late = await inFolder(10, 20, 30);
    const since = await recordOf(late.ledger, [late.target]);
    const early = await inFolder(10, 20);
    const now = late.ledger.now;
    for (const targets of [[renamed({ name: "other", path: early.ledger.targetPath("local") })], []]) {
      expect(codes(await auditOf(early.ledger, targets, { ...all, since, now }))).toEqual(["ledger_behind"]);
      const gone = await auditOf(early.ledger, targets, { ...all, since, now, ledgerPath: null });
      expect(gone).toMatchObject({ exitCode: 2, findings: targets.length === 0 ? [] : [{ severity: "note" }], failedToCheck: expect.arrayContaining([expect.stringMatching(/^the target local: .* is not given now/)]) });
    }
  });

  it("a target that is left out of a ledger that is as it was: said, and still in the next record", async () => {
    const made = await published(10);
    const second = await publishToDirectory(made.ledger, "second");
    const first = await recordOf(made.ledger, [made.target, second]);
    await made.batches(5);
    const { report, record } = await recorded(made.ledger, [made.target], { ...all, since: first });
    expect([report.exitCode, report.notChecked.filter((what) => what.startsWith("the target second"))]).toEqual([0, [
      `the target second, which the audit of ${first.made_at} saw and which is not given now: only that the ledger still has the root that was anchored there for 12 receipts`,
    ]]);
    expect(record!.targets).toEqual([expect.objectContaining({ target: "s3" }), first.targets[1]]);
    const rolled = await inFolder(3);
    expect(codes(await auditOf(rolled.ledger, [], { ...all, since: { ...record!, targets: [record!.targets[1]!] }, now: made.ledger.now }))).toEqual(["ledger_behind"]);
  });

  it("a record of another ledger, whatever its keys", async () => {
    const made = await published(10, 20);
    const since = await recordOf(made.ledger, [made.target]);
    const asked = { ...all, ledgerIdFrom: "the audited ledger itself" };
    const caveat = "whether this is the ledger that is meant: ";
    const judged = async (change: Partial<AuditRecord>): Promise<AuditReport> => {
      const { report, record } = await recorded(made.ledger, [made.target], { ...asked, since: { ...since, ...change } });
      expect(record).toBeNull();
      expect(report.notChecked.filter((what) => what.startsWith(caveat))).toHaveLength(1);
      return report;
    };
    const otherId = { ledger_id: "f".repeat(32) };
    expect(await judged(otherId)).toMatchObject({ exitCode: 1, findings: [{ code: "ledger_replaced", message: expect.stringContaining("the same origin and key: ") }, { code: "read_in_full" }] });
    expect(await judged({ ...otherId, vkeys: ["other+12345678+AQ"] })).toMatchObject({ exitCode: 1, findings: [{ code: "ledger_replaced", message: expect.stringContaining("none of the keys that are given now") }, { code: "read_in_full" }] });
    expect(await judged({ origin: "other.example" })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringContaining("of another origin")] });
    expect(await judged({ vkeys: [...since.vkeys, "other+12345678+AQ"] })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringMatching(/not given now: other\+12345678\+AQ$/)] });
    expect(await judged({ made_at: "2099-01-01T00:00:00.000Z" })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringContaining("still to come")] });
    const same = await auditOf(made.ledger, [made.target], { ...asked, since });
    expect([same.exitCode, same.notChecked.filter((what) => what.startsWith(caveat))]).toEqual([0, []]);
  });
});

it("what was read with the ledger gone is held against the ledger when that is there", async () => {
  const { ledger, target } = await inFolder(10, 20);
  const folder = ledger.targetPath("local");
  const names: string[] = [];
  for await (const { name } of target.list(`${PREFIX}anchors/`)) names.push(name);
  utimesSync(join(folder, names[1]!), 0, (ledger.now - 3_600_000) / 1000);
  expect(codes(await auditOf(ledger, [target]))).toEqual(["recorded_after_anchor"]);
  const since = await recordOf(ledger, [target], { ledgerPath: null });
  expect(since).toMatchObject({ receipts: null, targets: [{ with_ledger: false }] });
  const report = await auditOf(ledger, [target], { since });
  expect([codes(report), notes(report), report.counts.targets[0]!.remembered]).toEqual([["recorded_after_anchor"], ["read_in_full"], null]);
});

it("locks that were judged by a shorter retention are judged again", async () => {
  const made = await published(10, 20);
  for (const versions of made.target.versions.values()) for (const version of versions) version.retention = { mode: "COMPLIANCE", until: made.ledger.now + 2 * DAY };
  await made.batches(5);
  Object.assign(made.target, { retain: DAY });
  const since = await recordOf(made.ledger, [made.target]);
  expect(since.targets[0]!.listing!.retention_ms).toBe(DAY);
  Object.assign(made.target, { retain: 0 });
  expect(await auditOf(made.ledger, [made.target], { since, sample: 0 })).toMatchObject({ exitCode: 0, counts: { targets: [{ remembered: { anchors: 3 } }] } });
  Object.assign(made.target, { retain: 30 * DAY });
  const report = await auditOf(made.ledger, [made.target], { since, sample: 0 });
  expect([report.findingCounts["retention_short"], notes(report)[0]]).toEqual([4, "read_in_full"]);
});

describe("a locked version that vanished, and was stored anew", () => {
  it.each([
    ["later", 60_000, 0, 1],
    ["later, and others beside it", 60_000, 0, 3],
    ["in the same instant as the newest", 0, -1, 1],
  ])("%s", async (_, later, place, times) => {
    const made = await published(10, 20, 30);
    const since = await recordOf(made.ledger, [made.target]);
    const name = made.batch(place);
    const { bytes } = made.target.only(name);
    made.target.destroy(name);
    made.target.now += later;
    for (let n = 0; n < times; n++) made.target.store(name, bytes!);
    for (const options of [{}, { allReceipts: true }, { ledgerPath: null }]) {
      expect(codes(await auditOf(made.ledger, [made.target], { ...options, since, sample: 0 }))).toEqual(["version_missing"]);
    }
  });

  it("is told from one that was stored beside", async () => {
    const made = await published(10, 20, 30);
    const since = await recordOf(made.ledger, [made.target]);
    for (const later of [0, 60_000]) {
      made.target.now += later;
      made.target.store(made.batch(0), made.target.versions.get(made.batch(0))![0]!.bytes!);
      expect(codes(await auditOf(made.ledger, [made.target], { since, sample: 0 }))).toEqual([]);
    }
  });
});

describe("a chain of audits says who read what", () => {
  it("in a bucket, and of a ledger", async () => {
    const made = await published(10, 20);
    const a = await recordOf(made.ledger, [made.target]);
    await made.batches(3);
    const b = await recordOf(made.ledger, [made.target], { since: a, sample: 0 });
    await made.batches(4);
    const report = await auditOf(made.ledger, [made.target], { since: b, sample: 0 });
    expect(report).toMatchObject({ scope: { since: b.made_at, readAt: a.made_at }, counts: { targets: [{ remembered: { since: b.made_at, readAt: a.made_at } }] } });
    expect(report.sentence).toContain(`which the audits from ${a.made_at} to ${b.made_at} found as they were recorded`);
    expect(report.notChecked).toContain(`the bytes of 5 older versions at s3: they are listed exactly as at the audit of ${b.made_at}, and the audits from ${a.made_at} to ${b.made_at} read them; 1 of 6 were read again`);
    expect(formatReport(report)).not.toMatch(new RegExp(`the audit of ${b.made_at}[^:]*(which (read|found)|has read|whole)`));
    const gone = await auditOf(made.ledger, [made.target], { since: b, sample: 0, ledgerPath: null });
    expect(gone.sentence).toContain(`the 3 anchors that the audits from ${a.made_at} to ${b.made_at} found whole`);
    const c = await recordOf(made.ledger, [made.target], { since: b, sample: 0 });
    expect([c.receipts!.read_at, c.targets[0]!.read_at]).toEqual([a.made_at, a.made_at]);
  });

  it("in a folder", async () => {
    const { ledger, target } = await inFolder(10, 20);
    const a = await recordOf(ledger, [target]);
    ledger.now += 1000;
    const b = await recordOf(ledger, [target], { since: a, sample: 0, now: ledger.now });
    const report = await auditOf(ledger, [target], { since: b, sample: 0 });
    expect(report.notChecked.join("\n")).toContain(`the bytes of 3 older objects at local that the audits from ${a.made_at} to ${b.made_at} have read: a folder has no locks`);
  });
});

it("a lock that has ended is none", async () => {
  const made = await published(10, 20);
  const since = await recordOf(made.ledger, [made.target]);
  const until = since.targets[0]!.listing!.locked_until!;
  const now = Date.parse(until);
  const before = await auditOf(made.ledger, [made.target], { since, sample: 0, now: now - 1, allReceipts: true });
  expect(before.counts.targets[0]!.remembered).toMatchObject({ isLocked: true, lockedUntil: until });
  const plain = await auditOf(made.ledger, [made.target], { since, sample: 0, now });
  expect(plain.counts.targets[0]!.remembered).toMatchObject({ isLocked: false, lockedUntil: until });
  expect(plain.notChecked.join("\n")).toContain(`has read: the first of their locks ended at ${until}, so they may have been changed`);
  expect([before, plain].map(({ counts }) => counts.targets[0]!.lockedUntil)).toEqual([until, null]);
  const all = await auditOf(made.ledger, [made.target], { since, sample: 0, now, allReceipts: true });
  expect([all.counts.targets[0]!.remembered, notes(all)[0]]).toEqual([null, "read_in_full"]);
});

describe("a record that was made or changed by hand", () => {
  type Changeable<T> = { -readonly [K in keyof T]: T[K] extends object | null ? Changeable<T[K]> : T[K] };
  const LATER = "2099-01-01T00:00:00.000Z";

  it.each<readonly [string, (record: Changeable<AuditRecord>) => void]>([
    ["targets read after it was made", ({ targets: [one] }) => { one!.read_at = LATER; }],
    ["receipts read after it was made", ({ receipts }) => { receipts!.read_at = LATER; }],
    ["a name that is none", ({ targets: [one] }) => { one!.newest.name = "x"; }],
    ["the anchor of another ledger", (record) => { record.ledger_id = "f".repeat(32); }],
    ["another size than its anchor's", ({ targets: [one] }) => { one!.newest.tree_size++; }],
    ["an anchor after everything that was listed", ({ targets: [one] }) => { one!.newest.last_modified = LATER; }],
    ["more objects than versions", ({ targets: [one] }) => { one!.listing!.anchors.objects = 900; }],
    ["no version", ({ targets: [one] }) => { one!.listing!.anchors.versions = 0; }],
    ["no anchor", ({ targets: [one] }) => { one!.listing!.anchors.versions = one!.listing!.anchors.objects = 0; }],
    ["locks by no retention", ({ targets: [one] }) => { one!.listing!.retention_ms = null; }],
    ["a target twice", ({ targets }) => { targets.push(targets[0]!); }],
  ])("cannot have %s", async (_, change) => {
    const made = await published(10, 20);
    const record = await recordOf(made.ledger, [made.target]);
    change(record as Changeable<AuditRecord>);
    expect(() => parseRecord(formatRecord(record))).toThrow(expect.objectContaining({ code: "bad_record" }));
  });

  it.each<readonly [string, readonly string[], (record: Changeable<AuditRecord>) => void]>([
    ["another version of the newest anchor", ["version_missing"], ({ targets: [one] }) => { one!.newest.version_id = "x"; }],
    ["another time of it", [], ({ targets: [one] }) => { one!.newest.last_modified = "2026-06-01T10:00:00.000Z"; }],
    ["fewer objects than there are", [], ({ targets: [one] }) => { one!.listing!.anchors.objects = 1; }],
    ["another newest time", [], ({ targets: [one] }) => { one!.listing!.newest_at = LATER; }],
  ])("%s: everything is read", async (_, expected, change) => {
    const made = await published(10, 20);
    const record = await recordOf(made.ledger, [made.target]);
    change(record as Changeable<AuditRecord>);
    for (const options of [{}, { ledgerPath: null }]) {
      const report = await auditOf(made.ledger, [made.target], { ...options, since: parseRecord(formatRecord(record)) });
      expect([codes(report), notes(report)[0], report.counts.targets[0]!.remembered]).toEqual([expected, "read_in_full", null]);
    }
  });
});

it("a new record does not take the place of one that knows more", async () => {
  const late = await inFolder(10, 20, 30);
  const replaces = await recordOf(late.ledger, [late.target]);
  const early = await inFolder(10, 20);
  const { report, record } = await recorded(early.ledger, [early.target], { replaces });
  expect([report.exitCode, report.record, record]).toEqual([0, { isMade: false, why: expect.stringContaining("has seen 64 receipts anchored at local"), readInFull: [] }, null]);
  expect((await recorded(late.ledger, [], { replaces })).record).toBeNull();
  expect((await recorded(late.ledger, [late.target], { replaces })).record).not.toBeNull();
  expect((await recorded(early.ledger, [early.target], { replaces: { ...replaces, ledger_id: "f".repeat(32) } })).record).not.toBeNull();
});

it("says of a record that was asked for and is not made why, and nothing where nobody asked", async () => {
  const made = await published(10, 20);
  const { report, record } = await recorded(made.ledger, [made.target]);
  expect([report.record, record === null]).toEqual([{ isMade: true, why: null, readInFull: [] }, false]);
  expect((await auditOf(made.ledger, [made.target])).record).toBeNull();
  const unsure = await recorded(made.ledger, [made.target], { ledger: { origin: ORIGIN, ledgerId: LEDGER_ID }, vkeys: [] });
  expect([unsure.report.record, unsure.record]).toEqual([{ isMade: false, why: "not everything could be checked", readInFull: [] }, null]);
  made.target.mark(made.anchor(0));
  const wrong = await recorded(made.ledger, [made.target]);
  expect([wrong.report.record?.why, wrong.record]).toEqual(["something is wrong", null]);
  expect(formatReport(wrong.report)).toContain("No record of this audit is kept, because something is wrong.\n");
});
