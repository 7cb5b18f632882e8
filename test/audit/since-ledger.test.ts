/** An audit of a ledger that goes on from the record of an earlier one: where it begins, what it takes over, and what it still finds. */
import { chmodSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AnchorTarget, TargetVersion } from "../../src/anchor/target.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { type AuditRecord, formatRecord, parseRecord } from "../../src/audit/record.ts";
import { Findings } from "../../src/audit/report.ts";
import { formatReport } from "../../src/audit/text.ts";
import { Times } from "../../src/audit/times.ts";
import type { AnchorDetails, Observed } from "../../src/format/fields.ts";
import { TestLedger } from "../support/ledger.ts";
import { publish, publishToDirectory } from "../support/publish.ts";
import { found, notes, PREFIX, Published, wrong } from "./bucket.ts";
import { auditOf, Copy, optionsFor } from "./support.ts";

/** Genesis, 40, 300 and 10 receipts in batches: a stored subtree of 256 receipts, and 98 leaves after it. */
const FIRST = 354;
/** The last one before it of an organization that has none later. */
const EARLY = 6;

let made: Published;
let record: AuditRecord;
beforeAll(async () => {
  made = new Published();
  made.ledger.append(40, (n) => (n === 5 ? { organization: "early" } : {}));
  made.ledger.anchor();
  await made.publish();
  await made.batches(300, 10);
  record = await recordOf(made.ledger, [made.target]);
  await made.batches(5, 270);
  made.ledger.append(3);
  made.ledger.close();
});
afterAll(() => made.ledger.remove());

async function recordOf(ledger: TestLedger, targets: readonly AnchorTarget[], options: Partial<AuditOptions> = {}): Promise<AuditRecord> {
  let made: AuditRecord | null = null;
  const report = await auditOf(ledger, targets, options, { onRecord: (one) => { made = parseRecord(formatRecord(one)); } });
  if (made === null) throw new Error(`no record: ${report.sentence}`);
  return made;
}

async function tampered(change: (db: Database.Database) => void, options: Partial<AuditOptions> = {}): Promise<AuditReport> {
  const copy = new Copy(made.ledger).tamper(change);
  try {
    return await auditOf(copy, [made.target], { since: record, ...options });
  } finally {
    copy.remove();
  }
}

const run = (sql: string) => (db: Database.Database): void => { db.exec(sql); };
const blob = (logIndex: number): string => `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'a', 'b') AS BLOB) WHERE log_index = ${logIndex}`;
const row = (logIndex: number): string => `UPDATE receipt SET receipt_hash = randomblob(32) WHERE log_index = ${logIndex}`;

it("begins behind the recorded anchor, and claims nothing of what is before", async () => {
  const report = await auditOf(made.ledger, [made.target], { since: record });
  expect(report).toMatchObject({
    exitCode: 0, findings: [], failedToCheck: [],
    scope: { ledger: true, firstIndex: FIRST, endIndex: FIRST + 6 + 271 + 3, since: record.made_at },
    counts: { receipts: 280, organizations: 5, batches: 2, pending: 3 }, macsChecked: { key_v1: 280 },
  });
  expect(report.sentence).toBe(`The 280 receipts after the first 354 receipts, which the audit of ${record.made_at} found as they were recorded, are as they were recorded and continue them, as anchored at s3 (locked until at least ${report.counts.targets[0]!.lockedUntil!.slice(0, 10)}); 3 of them are not anchored yet.`);
  expect(formatReport(report)).toContain(`  - the first 354 receipts again, and the ledger's tables and indexes as a whole: the audit of ${record.made_at} found them as they were recorded; with --all-receipts they are read again\n`);
});

it("everything again, but for what is under a lock", async () => {
  const report = await auditOf(made.ledger, [made.target], { since: record, allReceipts: true });
  expect(report).toMatchObject({ exitCode: 0, scope: { firstIndex: 0, since: null }, counts: { receipts: FIRST + 280, targets: [{ remembered: { anchors: 3, isLocked: true } }] } });
  expect(report.sentence).toMatch(/^All 634 receipts are as they were recorded, /);
  expect(report.notChecked.join()).not.toContain("--all-receipts");
});

describe("what was changed", () => {
  it.each([
    ["a new receipt", blob(FIRST + 2), FIRST + 2],
    ["a new receipt's row", row(FIRST + 2), FIRST + 2],
    ["a pending receipt", blob(FIRST + 279), FIRST + 279],
    ["a new anchor receipt", blob(FIRST + 5), FIRST + 5],
    ["a new receipt, gone", `DELETE FROM blob WHERE log_index = ${FIRST + 100}`, FIRST + 100],
  ])("%s is found, and nothing else is read for it", async (_, sql, logIndex) => {
    const report = await tampered(run(sql));
    expect([report.exitCode, wrong(report)[0]?.logIndex, report.scope.firstIndex]).toEqual([1, logIndex, FIRST]);
  });

  it.each([
    ["an old receipt", blob(20), 20],
    ["an old receipt's row, in a subtree that is stored", row(20), 20],
    ["an old anchor's row", "UPDATE anchor SET root = randomblob(32) WHERE tree_size = 42", 41],
  ])("%s is not read, which is said, and found with all receipts", async (_, sql, logIndex) => {
    const report = await tampered(run(sql));
    expect([report.exitCode, found(report), report.scope.firstIndex]).toEqual([0, [], FIRST]);
    expect(report.notChecked.join("\n")).toContain("the first 354 receipts again");
    const all = await tampered(run(sql), { allReceipts: true });
    expect([all.exitCode, wrong(all)[0]?.logIndex]).toEqual([1, logIndex]);
  });

  it.each([
    ["a row whose leaf the tree goes on from", row(300), "log_root_mismatch"],
    ["the subtree that the tree goes on from", "UPDATE tree SET hash = randomblob(32) WHERE level = 8 AND position = 0", "log_root_mismatch"],
    ["the subtree that the tree goes on from, gone", "DELETE FROM tree WHERE level = 8 AND position = 0", "log_root_mismatch"],
    ["the anchor receipt before", blob(FIRST - 1), "bad_receipt"],
    ["the newest receipt of an organization with none later, in the index", row(EARLY), "index_mismatch"],
    ["an organization's name, so that it could begin anew", "UPDATE organization SET name = 'other' WHERE name = 'early'", "organization_mismatch"],
    ["an organization's prefix", "UPDATE organization SET prefix = 'OTHER' WHERE name = 'early'", "organization_mismatch"],
    ["an organization that hides", `UPDATE organization SET first_index = ${FIRST + 200} WHERE name = 'early'`, "organization_mismatch"],
    ["an organization's first receipt", blob(EARLY), "bad_receipt"],
  ])("%s: the beginning is not what was anchored, so everything is read", async (_, sql, code) => {
    const report = await tampered(run(sql));
    expect([report.exitCode, report.scope.firstIndex, report.scope.since]).toEqual([1, 0, null]);
    expect(notes(report)).toContain("read_in_full");
    expect(found(report).map(([, one]) => one)).toContain(code);
  });

  it("a row far behind all others is a finding, and no reason to look at billions of places", async () => {
    const report = await tampered(run(`INSERT INTO receipt (log_index, org, org_seq, receipt_id, recorded_at, receipt_hash, key_epoch, request_mac) SELECT 9000000000, org, 99999, randomblob(16), recorded_at, receipt_hash, key_epoch, request_mac FROM receipt WHERE log_index = 20`));
    expect(found(report)).toContainEqual(["violation", "log_index_gap"]);
    expect(report.scope.endIndex).toBe(FIRST + 280);
  });
});

it("a ledger that was cut below the recorded anchor", async () => {
  const copy = new Copy(made.ledger).tamper((db) => {
    for (const table of ["receipt", "blob"]) db.exec(`DELETE FROM ${table} WHERE log_index >= 342`);
    db.exec("DELETE FROM anchor WHERE tree_size > 342");
  });
  const report = await auditOf(copy, [made.target], { since: record });
  copy.remove();
  expect([report.scope.firstIndex, notes(report)]).toEqual([0, expect.arrayContaining(["read_in_full"])]);
  expect(found(report)).toContainEqual(["violation", "ledger_behind"]);
});

describe("what was read behind the newest anchor", () => {
  const END = FIRST + 280;
  let tail: AuditRecord;
  beforeAll(async () => { tail = await recordOf(made.ledger, [made.target], { since: record }); });

  it("is in the record", () => {
    expect([record.ledger, tail.ledger]).toEqual([expect.objectContaining({ size: FIRST }), { size: END, root: expect.stringMatching(/^sha256:/) as unknown }]);
    expect(record.ledger!.root).toBe(record.targets[0]!.newest.root);
  });

  it("rewritten with the host's own keys", async () => {
    const copy = new TestLedger({ from: made.ledger });
    copy.close();
    copy.forge(END - 1, (text) => text.replace('"APPROVE"', '"FORGED"').replace('"DENY"', '"FORGED"'));
    const options = { keys: { ...optionsFor(copy).keys!, requestSecret: null } };
    expect((await auditOf(copy, [made.target], options)).exitCode).toBe(0);
    for (const all of [{}, { allReceipts: true }]) {
      const report = await auditOf(copy, [made.target], { ...options, ...all, since: { ...tail, receipts: { ...tail.receipts!, request_macs: false } } });
      expect([report.exitCode, found(report)]).toEqual([1, [["violation", "log_root_mismatch"]]]);
      expect(report.sentence).toContain(`which read ${END} of them: the root of ${END} is another`);
    }
    copy.remove();
  });

  it("cut", async () => {
    const report = await tampered(run(`DELETE FROM receipt WHERE log_index >= ${END - 2}; DELETE FROM blob WHERE log_index >= ${END - 2}`), { since: tail });
    expect([report.exitCode, found(report)]).toEqual([1, [["violation", "ledger_behind"]]]);
  });

  it("goes on, is carried over where the ledger is gone, and is not replaced by a record of less", async () => {
    const more = new TestLedger({ from: made.ledger });
    more.append(3);
    more.close();
    expect((await recordOf(more, [made.target], { since: tail })).ledger!.size).toBe(END + 3);
    expect((await recordOf(more, [made.target], { ledgerPath: null, since: tail })).ledger).toEqual(tail.ledger);
    more.remove();
    const copy = new Copy(made.ledger).tamper(run(`DELETE FROM receipt WHERE log_index >= ${END - 2}; DELETE FROM blob WHERE log_index >= ${END - 2}`));
    const report = await auditOf(copy, [made.target], { replaces: tail }, { onRecord: () => expect.unreachable() });
    copy.remove();
    expect([report.exitCode, report.record]).toEqual([0, expect.objectContaining({ isMade: false, why: expect.stringContaining(`of an audit that read ${END} receipts`) as unknown })]);
  });

  it("was not in records of before, which are refused", () => {
    const { ledger: _, ...old } = { ...tail, receiptd_audit: 1 };
    expect(() => parseRecord(JSON.stringify(old))).toThrow(/version 1, and this program makes and reads version 5/);
    expect(() => parseRecord(JSON.stringify({ ...tail, ledger: null }))).toThrow(/ledger: must say how far/);
  });
});

it.each([
  ["one without the MACs", { receipts: { read_at: "2026-06-01T10:00:00Z", macs: false, request_macs: false } }],
  ["one without the MACs of requests", { receipts: { read_at: "2026-06-01T10:00:00Z", macs: true, request_macs: false } }],
])("the record of an audit that checked less serves the targets and not the ledger: %s", async (_, change) => {
  const report = await auditOf(made.ledger, [made.target], { since: { ...record, ...change } });
  expect([report.exitCode, report.scope.firstIndex, notes(report), report.counts.targets[0]!.remembered?.anchors]).toEqual([0, 0, ["read_in_full"], 3]);
});

it("what an audit checked is in its record, of a chain of them what all did", async () => {
  const without = { keys: null };
  const gone = { ledgerPath: null };
  const { ledger, target } = made;
  const all = { read_at: record.made_at, macs: true, request_macs: true };
  expect(record.receipts).toEqual(all);
  expect((await recordOf(ledger, [target], { since: record })).receipts).toEqual(all);
  expect((await recordOf(ledger, [target], { since: record, ...without })).receipts).toEqual({ ...all, macs: false, request_macs: false });
  expect((await recordOf(ledger, [target], { since: record, ...gone })).receipts).toBeNull();
  const later = await recordOf(ledger, [target], { since: record, allReceipts: true });
  expect(later.receipts).toEqual({ ...all, read_at: later.made_at });
});

it("what the first new anchor receipt says of the recorded anchor, by whoever holds the HMAC key", async () => {
  const forged = await new Published().batches(10);
  const before = await recordOf(forged.ledger, [forged.target]);
  forged.ledger.append(2);
  forged.ledger.anchor();
  forged.ledger.close();
  forged.ledger.forge(14, (text) => text.replace(/("previous_anchor":\{"root":"sha256:)[0-9a-f]{64}/, `$1${"0".repeat(64)}`));
  const report = await auditOf(forged.ledger, [forged.target], { since: before });
  forged.ledger.remove();
  expect([report.scope.firstIndex, wrong(report).find(({ code }) => code === "log_root_mismatch")]).toMatchObject([12, { logIndex: 11 }]);
});

it("new receipts that say that they are older than what the anchor before them had seen", () => {
  const findings = new Findings();
  const times = new Times(findings, new Set(["s3"]));
  const observed: Observed = { target: "s3", tree_size: 5, version_id: "v", last_modified: "2026-06-01T10:00:00.000Z" };
  times.begin({ observed: [observed] } as unknown as AnchorDetails);
  times.open({ time: "2026-06-01T10:00:00.000Z", logIndex: 7 }, 0);
  expect(findings.kept).toEqual([]);
  times.open({ time: "2026-06-01T09:00:00.000Z", logIndex: 8 }, 0);
  expect([times.observed.get("s3"), findings.kept]).toMatchObject([observed, [{ code: "recorded_before_observed", logIndex: 8 }]]);
});

it("a chain of audits, from any size around a stored subtree, says which was the last that read everything", async () => {
  const grown = new Published();
  await grown.batches(247);
  const first = await recordOf(grown.ledger, [grown.target]);
  for (let before = first, size = 249; size < 262;) {
    await grown.batches(1 + (size % 3));
    const report = await auditOf(grown.ledger, [grown.target], { since: before });
    expect(report).toMatchObject({ exitCode: 0, findings: [], scope: { firstIndex: size } });
    if (before !== first) expect(report.notChecked.join("\n")).toContain(`itself one of what was new: the last that read all receipts was that of ${first.made_at};`);
    before = await recordOf(grown.ledger, [grown.target], { since: before });
    size = before.targets[0]!.newest.tree_size;
  }
  grown.ledger.remove();
});

it("several targets: from the first that the oldest of them has; all of it where one is not as it was", async () => {
  const grown = await new Published().batches(10);
  const lagging = await publishToDirectory(grown.ledger, "lagging");
  await grown.batches(4);
  const targets = [grown.target, lagging];
  const before = await recordOf(grown.ledger, targets);
  await grown.batches(7);
  await publish(grown.ledger, lagging, { after: 12, folder: grown.ledger.targetPath("lagging") });
  expect(await auditOf(grown.ledger, targets, { since: before })).toMatchObject({ exitCode: 0, scope: { firstIndex: 12 } });
  const old = await auditOf(grown.ledger, [grown.target, new DirectoryTarget({ name: "new", path: grown.ledger.targetPath("lagging") })], { since: before });
  expect([old.exitCode, old.scope.firstIndex, notes(old)]).toEqual([0, 0, ["read_in_full"]]);
  const down = new DirectoryTarget({ name: "lagging", path: grown.ledger.targetPath("nowhere") });
  expect(await auditOf(grown.ledger, [grown.target, down], { since: before })).toMatchObject({ exitCode: 2, scope: { firstIndex: 17 }, failedToCheck: [expect.stringMatching(/^the target lagging: /)] });
  grown.ledger.remove();
});

describe("a folder", () => {
  let ledger: TestLedger;
  let target: DirectoryTarget;
  let before: AuditRecord;
  beforeAll(async () => {
    ledger = new TestLedger({ batches: [10, 20, 30] });
    target = await publishToDirectory(ledger, "local");
    before = await recordOf(ledger, [target]);
    ledger.append(5);
    ledger.anchor();
    await publish(ledger, target, { after: 64, folder: ledger.targetPath("local") });
    ledger.close();
  });
  afterAll(() => ledger.remove());

  /** Other bytes of the same length in a file, and its times as they were, as far as its owner can set them. */
  async function change(name: string, byte: (was: number) => number): Promise<void> {
    const path = join(ledger.targetPath("local"), name);
    const { mtime, atime } = statSync(path);
    const { bytes } = await target.get({ name, versionId: "1" }, 1e6);
    bytes[bytes.length - 1] = byte(bytes.at(-1)!);
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
    chmodSync(path, 0o444);
  }
  const flip = (was: number): number => was ^ 1;
  const listing = async (prefix: string): Promise<TargetVersion[]> => {
    const all: TargetVersion[] = [];
    for await (const version of target.list(prefix)) all.push(version);
    return all;
  };
  const batches = async (): Promise<string[]> => (await listing(`${PREFIX}batches/`)).map(({ name }) => name);

  /** As the folder of a host that turned its clock back for the change. */
  class Pretending extends DirectoryTarget {
    listed: readonly TargetVersion[] = [];
    override async *list(prefix: string, after?: string): AsyncGenerator<TargetVersion> {
      for await (const version of super.list(prefix, after)) yield this.listed.find(({ name }) => name === version.name) ?? version;
    }
  }

  it("is not read again either, which is said to prove less; but for a sample", async () => {
    expect(before.targets).toMatchObject([{ target: "local", listing: { locked_until: null, anchors: { objects: 3 }, batches: { objects: 3 } } }]);
    const report = await auditOf(ledger, [target], { since: before, sample: 2 });
    expect(report).toMatchObject({ exitCode: 0, findings: [], counts: { targets: [{ objects: 8, read: 2 + 1 + 2, remembered: { anchors: 3, batches: 3, isLocked: false, readAgain: 3 } }] } });
    expect(report.notChecked.join("\n")).toContain(`the bytes of 3 older objects at local that the audit of ${before.made_at} has read: a folder has no locks, so they may have been changed since`);
    const sampled = await auditOf(ledger, [target], { since: before, sample: 32 });
    expect(sampled.counts.targets[0]).toMatchObject({ read: 2 + 6, remembered: { versions: 6, readAgain: 6 } });
    expect(sampled.notChecked.join()).not.toContain("no locks");
    const all = await auditOf(ledger, [target], { since: before, allReceipts: true });
    expect([all.exitCode, notes(all), all.counts.targets[0]]).toMatchObject([0, ["read_in_full"], { read: 8, remembered: null }]);
  });

  it("a new object that was changed is found", async () => {
    const name = (await batches()).at(-1)!;
    await change(name, flip);
    const report = await auditOf(ledger, [target], { since: before, sample: 0 });
    await change(name, flip);
    expect([found(report), report.scope.firstIndex]).toEqual([[["interference", "name_mismatch"], ["violation", "batch_missing"]], 64]);
  });

  it("an old one, too, by the time of its change, which its owner cannot set: the listing is another", async () => {
    const pretending = new Pretending({ name: "local", path: ledger.targetPath("local") });
    const name = (await batches())[0]!;
    pretending.listed = await listing(name);
    await change(name, flip);
    const report = await auditOf(ledger, [target], { since: before, sample: 0 });
    expect([found(report), notes(report), report.scope.firstIndex]).toEqual([[["interference", "name_mismatch"], ["violation", "batch_missing"]], ["read_in_full"], 0]);
    const hidden = await auditOf(ledger, [pretending], { since: before, sample: 0 });
    const drawn = await auditOf(ledger, [pretending], { since: before });
    const all = await auditOf(ledger, [pretending], { since: before, allReceipts: true });
    await change(name, flip);
    expect([hidden.exitCode, found(hidden)]).toEqual([0, []]);
    expect(hidden.notChecked.join("\n")).toContain("by whoever can hide that from the listing; 1 of 6 were read again");
    expect(found(drawn)[0]).toEqual(["violation", "version_changed"]);
    expect(found(all)).toContainEqual(["violation", "batch_missing"]);
  });
});
