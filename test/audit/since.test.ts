/** An audit that goes on from the record of an earlier one: what it reads, what it says, and what makes it read everything. */
import { afterEach, describe, expect, it } from "vitest";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { type AuditRecord, formatRecord, parseRecord, RecordError } from "../../src/audit/record.ts";
import { formatReport } from "../../src/audit/text.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import { TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { DAY } from "../support/versioned-target.ts";
import { found, notes, PREFIX, Published, wrong } from "./bucket.ts";
import { auditOf } from "./support.ts";

const open: Published[] = [];
afterEach(() => {
  for (const { ledger } of open.splice(0)) ledger.remove();
});

async function published(...counts: readonly number[]): Promise<Published> {
  const made = new Published();
  open.push(made);
  return await made.batches(...counts);
}

async function recorded({ ledger, target }: Published, options: Partial<AuditOptions> = {}): Promise<{ readonly report: AuditReport; readonly record: AuditRecord | null }> {
  let record: AuditRecord | null = null;
  target.reads = 0;
  const report = await auditOf(ledger, [target], options, { onRecord: (made) => { record = made === null ? null : parseRecord(formatRecord(made)); } });
  return { report, record };
}

async function since(made: Published, options: Partial<AuditOptions> = {}): Promise<AuditRecord> {
  const { record } = await recorded(made, options);
  if (record === null) throw new Error("the first audit found something");
  return record;
}

const both = [["with the ledger", {}], ["with the ledger gone", { ledgerPath: null }]] as const;

describe.each(both)("%s", (where, options) => {
  const isGone = where === "with the ledger gone";

  it("reads what is new, the newest old anchor and the sample; and tells them apart", async () => {
    const made = await published(10, 20, 0, 30, 5, 5);
    const record = await since(made, options);
    await made.batches(3, 4);
    const { report } = await recorded(made, { ...options, since: record, sample: 2 });
    expect(made.target.reads).toBe(4 + 1 + 2);
    expect(report).toMatchObject({
      exitCode: 0, findings: [],
      counts: { targets: [{ objects: 15, read: 7, anchors: 8, batches: 7, remembered: { since: record.made_at, anchors: 6, batches: 5, versions: 11, readAgain: 3 } }] },
    });
    expect(report.notChecked.join("\n")).toContain(`the bytes of 8 older versions at s3: they are listed exactly as at the audit of ${record.made_at}`);
    expect(formatReport(report)).toContain("2 anchors and 2 batches were read now; 6 anchors and 5 batches are listed");
    if (isGone) expect(report.sentence).toMatch(/^The newest 2 anchors and their batches are whole and continue the 6 anchors that were whole at the audit of /);
  });

  it("its own record serves the next one, as well as that of a full audit", async () => {
    const made = await published(10, 20);
    const record = await since(made, options);
    await made.batches(3);
    const step = await since(made, { ...options, since: record });
    const full = await since(made, options);
    expect(step).toEqual({ ...full, audit: step.audit, receipts: isGone ? null : { ...full.receipts, read_at: record.made_at }, targets: [{ ...full.targets[0]!, read_at: record.made_at }] });
    const { report } = await recorded(made, { ...options, since: step, sample: 0 });
    expect([report.exitCode, made.target.reads]).toEqual([0, 1]);
    if (isGone) expect(report.sentence).toMatch(/^There is no anchor beyond the 3 anchors that the audits from .* to .* found whole/);
  });

  it("the tree goes on from any size", async () => {
    const made = await published(1);
    for (let size = 0; size < 9; size++) {
      const record = await since(made, options);
      await made.batches(1 + (size % 3));
      expect((await recorded(made, { ...options, since: record })).report).toMatchObject({ exitCode: 0, findings: [] });
    }
  });

  it.each([
    ["a retry's duplicate", 0, [], (made: Published) => made.target.store(made.anchor(0), made.target.only(made.anchor(0)).bytes!)],
    ["a delete marker", 1, ["interference delete_marker"], (made: Published) => made.target.mark(made.anchor(0))],
    ["junk", 1, ["interference name_mismatch"], (made: Published) => made.target.store(made.batch(0), utf8("junk"))],
    ["another time", 1, ["violation version_missing", "violation observed_mismatch"], (made: Published) => { made.target.only(made.anchor(0)).lastModified += 60_000; }],
  ] as const)("%s in the old part: read in full", async (_, code, codes, change) => {
    const made = await published(10, 20, 30);
    const record = await since(made, options);
    change(made);
    const { report, record: next } = await recorded(made, { ...options, since: record });
    expect([report.exitCode, found(report).map((one) => one.join(" "))]).toEqual([code, codes]);
    expect(notes(report)).toContain("read_in_full");
    expect(report.counts.targets[0]).toMatchObject({ remembered: null, read: made.target.reads });
    expect(next === null).toBe(code !== 0);
  });

  it.each([
    ["anchors", (size: number) => size + 1],
    ["batches", (size: number) => size],
  ] as const)("junk in %s that is named exactly as what comes next begins is seen", async (folder, next) => {
    const made = await published(10, 20);
    const record = await since(made, options);
    await made.batches(5);
    made.target.store(`${PREFIX}${folder}/${String(next(record.targets[0]!.newest.tree_size)).padStart(20, "0")}`, utf8("junk"));
    const { report } = await recorded(made, { ...options, since: record });
    expect(found(report)).toEqual([["interference", "bad_object_name"]]);
  });

  it("the newest recorded anchor destroyed", async () => {
    const made = await published(10, 20, 30);
    const record = await since(made, options);
    made.target.destroy(made.anchor(-1));
    const { report } = await recorded(made, { ...options, since: record });
    expect(found(report)[0]).toEqual(["violation", "version_missing"]);
  });

  it("an old version destroyed: nobody else would know of a duplicate; unless its lock has ended", async () => {
    const made = await published(10, 20, 30);
    const { versionId } = made.target.store(made.anchor(0), made.target.only(made.anchor(0)).bytes!);
    const record = await since(made, options);
    made.target.destroy(made.anchor(0), versionId);
    const { report } = await recorded(made, { ...options, since: record });
    expect(found(report)).toEqual([["violation", "version_missing"]]);
    const later = await recorded(made, { ...options, since: record, now: made.ledger.now + 400 * DAY });
    expect(found(later.report)).toEqual([["violation", "anchor_late"]]);
  });

  it("a copy without a lock, which whoever put it may remove: no record says that it is locked", async () => {
    const made = await published(10, 20, 30);
    const { versionId } = made.target.store(made.anchor(0), made.target.only(made.anchor(0)).bytes!, { retention: null });
    const { report: first, record } = await recorded(made, options);
    expect([first.exitCode, notes(first), record!.targets]).toMatchObject([0, ["duplicate_object"], [{ listing: null, newest: { tree_size: 64 } }]]);
    expect(first.record).toEqual({ isMade: true, why: null, readInFull: [{ target: "s3", why: "not everything there is locked as it should be" }] });
    expect(first.notChecked.join("\n")).toContain("1 version at s3 is not locked as was promised");
    made.target.destroy(made.anchor(0), versionId);
    const { report } = await recorded(made, { ...options, since: record! });
    expect([report.exitCode, notes(report)]).toEqual([0, ["read_in_full"]]);
  });

  it("other bytes behind the same listing: found where the sample falls on them", async () => {
    const made = await published(10, 20, 30);
    const record = await since(made, options);
    const before = made.target.get.bind(made.target);
    const changed = made.anchor(0);
    made.target.get = async (version, most) => {
      const stored = await before(version, most);
      if (version.name === changed) stored.bytes[20]! ^= 1;
      return stored;
    };
    const { report } = await recorded(made, { ...options, since: record });
    expect(found(report)[0]).toEqual(["violation", "version_changed"]);
    expect(notes(report)).toContain("read_in_full");
    const { report: unlucky } = await recorded(made, { ...options, since: record, sample: 0 });
    expect(unlucky.exitCode).toBe(0);
    expect(unlucky.notChecked.join()).toContain("the bytes of 5 older versions");
  });

  it("a lock that is shorter than is demanded now: the full audit judges", async () => {
    const made = await published(10, 20);
    const record = await since(made, options);
    Object.assign(made.target, { retain: 1000 * DAY });
    const { report } = await recorded(made, { ...options, since: record });
    expect(notes(report)).toContain("read_in_full");
    expect(found(report).every(([, code]) => code === "retention_short")).toBe(true);
  });

  it("the record of an audit without this target is of no use, which is said", async () => {
    const made = await published(10, 20);
    const record = { ...(await since(made, options)), targets: [] };
    const { report } = await recorded(made, { ...options, since: record });
    expect([report.exitCode, notes(report), made.target.reads]).toEqual([0, ["read_in_full"], 4]);
  });
});

it("a ledger that does not continue what was audited", async () => {
  const made = await published(10, 20);
  const record = await since(made);
  const other = new TestLedger({ batches: [10, 19, 30] });
  const report = await auditOf(other, [made.target], { since: record });
  other.remove();
  expect(found(report)[0]).toEqual(["violation", "log_root_mismatch"]);
  expect(notes(report)).toContain("read_in_full");
});

it("a past that was written anew by whoever holds the key, in a bucket without the old one: the record tells", async () => {
  const made = await published(10, 20);
  const record = await since(made);
  const other = await published(9, 21, 5);
  const report = await auditOf(other.ledger, [other.target], { since: record, ledgerPath: null });
  expect(report.exitCode).toBe(1);
  expect(wrong(report).map(({ code }) => code)).toEqual(expect.arrayContaining(["version_missing", "fork"]));
});

it("a folder in the place of a bucket: what was under a lock then is under none now", async () => {
  const bucket = await published(10);
  const record = await since(bucket);
  const ledger = new TestLedger({ batches: [10] });
  await publishToDirectory(ledger, "outside");
  ledger.close();
  const report = await auditOf(ledger, [new DirectoryTarget({ name: "s3", path: ledger.targetPath("outside") })], { since: record });
  expect([report.exitCode, notes(report)]).toEqual([0, ["read_in_full"]]);
  const next = await auditOf(ledger, [new DirectoryTarget({ name: "s3", path: ledger.targetPath("outside") })], { since: record, ledgerPath: null });
  expect([next.exitCode, notes(next)]).toEqual([0, ["read_in_full"]]);
  ledger.remove();
});

it.each(["", "{}", "[]", '{"receiptd_audit":4}'])("no record: %j", (text) => {
  expect(() => parseRecord(text)).toThrow(RecordError);
});
