/** A key that begins with a ratchet_break: one finding, whatever else is asked, until the auditor says that it is known; then a note. */
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import type { AuditRecord } from "../../src/audit/record.ts";
import { checkRound } from "../../src/audit/round.ts";
import { Pace } from "../../src/audit/pace.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { announcedIn, keyInUse } from "../../src/ledger/keys-said.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { LEDGER_ID, ORIGIN, TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { VersionedTarget } from "../support/versioned-target.ts";
import { auditOf, Copy } from "./support.ts";

const store = new VersionedTarget("s3");
let ledger: TestLedger;
/** Log indexes of the two of them. */
let first: number;
let second: number;
/** ms: behind the first, and behind the second. */
let between: number;
let after: number;
let record: AuditRecord | null = null;

/** 10 receipts anchored, 5 of the open epoch, key_v2; 20 anchored, key_v3 as the first receipt of its epoch; 8 anchored and 3 not. */
beforeAll(async () => {
  ledger = new TestLedger({ batches: [10], tail: 5 });
  first = ledger.size;
  ledger.breakRatchet("key_v2");
  ledger.append(10);
  ledger.anchor();
  between = ledger.now + 500;
  ledger.append(10);
  ledger.anchor();
  await publish(ledger, store, { at: (published) => { store.now = published; } });
  await auditAll(accepting(ledger.breaks[0]!), { onRecord: (made) => { record = made; } });
  second = ledger.size;
  ledger.breakRatchet("key_v3");
  ledger.append(8);
  after = ledger.now + 500;
  ledger.anchor();
  ledger.append(3);
  await publish(ledger, store, { at: (published) => { store.now = published; } });
  ledger.close();
});
afterAll(() => ledger.remove());

const withKeys = (more: Partial<AuditOptions> = {}): Partial<AuditOptions> => ({ keys: { starts: startsOf(ledger.keyring, null), requestSecret: ledger.keyring.requestSecret }, ...more });
const auditAll = (more: Partial<AuditOptions> = {}, ...hooks: readonly [Parameters<typeof auditOf>[3]] | readonly []): Promise<AuditReport> => auditOf(ledger, [store], withKeys(more), ...hooks);
const found = ({ findings }: AuditReport, severity = "violation"): readonly string[] => findings.filter((finding) => finding.severity === severity && finding.code !== "read_in_full").map(({ code, logIndex }) => `${code} ${logIndex}`);
const both = (): readonly string[] => [`ratchet_break ${first}`, `ratchet_break ${second}`];
const accepting = (...keys: readonly string[]): Pick<AuditOptions, "acceptedBreaks"> => ({ acceptedBreaks: new Set(keys) });

describe("the whole ledger", () => {
  it("has a violation for each, and no other finding", async () => {
    const report = await auditAll();
    expect([report.exitCode, found(report), report.findings.length, report.consequences]).toEqual([1, both(), 2, {}]);
    expect(report.findings[0]!.message).toBe(`from receipt ${first} on the ledger goes on with key_v2, which key_v1 has not named: the ratchet of key_v1 was lost, it says (the disk failed); `
      + `whoever has the host's root key can do that, and cut off or write anew what was not anchored outside by then; receipts 12 to 16, signed with key_v1, have no anchor but by key_v2`);
    expect(report.findings[1]!.message).toMatch(/not anchored outside by then$/); // nothing of the open epoch was key_v2's
    expect(Object.keys(report.macsChecked)).toEqual(["key_v1", "key_v2", "key_v3"]);
    expect(Object.values(report.macsChecked).reduce((sum, n) => sum + n, 0)).toBe(report.counts.receipts);
  });

  it.each<[string, Partial<AuditOptions>]>([["by several threads", { workers: 2 }], ["without keys", { keys: null }], ["of one organization", { range: { organization: "org-1" } }]])("the same %s", async (_, more) => {
    expect(found(await auditAll(more))).toEqual(both());
  });

  it("without the new keys says that their MACs were not checked, and has no finding but these", async () => {
    const report = await auditAll({ keys: { starts: startsOf({ ...ledger.keyring, hmacKeys: ledger.keyring.hmacKeys.slice(0, 1) }, null), requestSecret: null } });
    expect([found(report), report.failedToCheck.length]).toEqual([both(), 2]);
  });

  it("what the auditor accepts is a note, by the receipt's hash, and no other", async () => {
    const all = await auditAll(accepting(...ledger.breaks));
    expect([all.exitCode, found(all), found(all, "note")]).toEqual([0, [], both()]);
    expect(found(await auditAll(accepting(ledger.breaks[0]!)))).toEqual([both()[1]]);
    expect(found(await auditAll(accepting("key_v2", `sha256:${"0".repeat(64)}`)))).toEqual(both());
  });
});

describe("a part", () => {
  it.each<[string, () => number]>([["behind the first", () => between], ["behind both", () => after]])("%s reports both: what is in it may rest on them", async (_, from) => {
    const report = await auditAll({ range: { from: from() } });
    expect([report.scope.firstIndex > first, found(report)]).toEqual([true, both()]);
    expect(found(await auditAll({ range: { from: from() }, ...accepting(...ledger.breaks) }))).toEqual([]);
  });

  it("since an audit that accepted the first: both, unless they are accepted now", async () => {
    const report = await auditAll({ since: record! });
    expect([report.scope.firstIndex, found(report)]).toEqual([second, both()]);
    expect(found(await auditAll({ since: record!, ...accepting(ledger.breaks[1]!) }))).toEqual([both()[0]]);
    const all = await auditAll({ since: record!, ...accepting(...ledger.breaks) });
    expect([all.exitCode, found(all, "note")]).toEqual([0, both()]);
  });
});

test("a key that was in use before, and begins again, says so, and is not accepted with the first", async () => {
  const again = new TestLedger({ batches: [3], tail: 1 });
  try {
    again.breakRatchet("key_v2");
    again.append(2);
    again.rotate("key_v3");
    again.append(2);
    const at = again.size;
    again.breakRatchet("key_v2");
    again.close();
    const report = await auditOf(again, [], { keys: null, ...accepting(again.breaks[0]!) });
    expect([found(report), found(report, "note")]).toEqual([[`ratchet_break ${at}`], ["ratchet_break 6"]]);
    expect(report.findings.find(({ severity }) => severity === "violation")!.message).toContain("though key_v2 was in use before");
    const ranged = await auditOf(again, [], { keys: null, range: { from: again.now + 1 }, ...accepting(again.breaks[0]!) });
    expect(found(ranged)).toEqual([`ratchet_break ${at}`]);
  } finally {
    again.remove();
  }
});

test("nor by an audit that goes on from one that had accepted it", async () => {
  const again = new TestLedger({ batches: [3], tail: 1 });
  const at = new VersionedTarget("s3");
  try {
    again.breakRatchet("key_v2");
    again.append(2);
    again.rotate("key_v3");
    await publish(again, at, { at: (published) => { at.now = published; } });
    const keys = { starts: startsOf(again.keyring, null), requestSecret: again.keyring.requestSecret };
    let kept: AuditRecord | null = null;
    await auditOf(again, [at], { keys, ...accepting(again.breaks[0]!) }, { onRecord: (made) => { kept = made; } });
    const second = again.size;
    again.breakRatchet("key_v2");
    again.append(1);
    again.anchor();
    await publish(again, at, { at: (published) => { at.now = published; } });
    again.close();
    const report = await auditOf(again, [at], { keys: { ...keys, starts: startsOf(again.keyring, null) }, since: kept!, ...accepting(again.breaks[0]!) });
    expect([report.scope.firstIndex > 6, report.exitCode, found(report).filter((one) => one.startsWith("ratchet_break"))]).toEqual([true, 1, [`ratchet_break ${second}`]]);
  } finally {
    again.remove();
  }
});

test("a clock that was turned back is for the next receipt to tell: nothing of the new key stands before the ratchet_break", async () => {
  const turned = new TestLedger({ batches: [3], tail: 1 });
  try {
    turned.now -= 60_000;
    const at = turned.size;
    turned.breakRatchet("key_v2");
    turned.append(1);
    turned.close();
    const report = await auditOf(turned, [], { keys: { starts: startsOf(turned.keyring, null), requestSecret: null } });
    expect([found(report), report.counts.receipts]).toEqual([[`ratchet_break ${at}`], at + 4]); // the step before the last one
  } finally {
    turned.remove();
  }
});

test("another key under a name that is accepted is found by whoever has the seed", async () => {
  const hmacKeys = ledger.keyring.hmacKeys.map((key) => (key.keyId === "key_v2" ? { ...key, seed: new Uint8Array(32).fill(1) } : key));
  const report = await auditAll({ keys: { starts: startsOf({ ...ledger.keyring, hmacKeys }, null), requestSecret: null }, ...accepting(...ledger.breaks) });
  expect([report.exitCode, found(report)[0]]).toEqual([1, `commitment_mismatch ${first}`]);
});

test("receipts of the open epoch before it are the old key's: one that was changed is found beside it", async () => {
  const copy = new Copy(ledger).tamper((db) => {
    const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(first - 1) as Buffer;
    const changed = Buffer.from(bytes.toString().replace('"system_id":"loan', '"system_id":"moan'));
    db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(changed, first - 1);
  });
  try {
    const report = await auditOf(copy, [store], withKeys());
    expect(found(report)).toEqual([`mac_mismatch ${first - 1}`, ...both()]);
  } finally {
    copy.remove();
  }
});

test("the ledger says which key begins where, and the self-check calls it no damage", async () => {
  const reader = new Reader(ledger.path, nodeHash.sha256);
  try {
    expect(keyInUse(reader)).toBe("key_v3");
    const said = (epoch: number): unknown => announcedIn(reader, epoch).map(({ key_id, first: begins }) => [key_id, begins]);
    expect([said(0), said(1), said(2), said(4)]).toEqual([[["key_v1", 0]], [["key_v2", first]], [], [["key_v3", second]]]);
    const told: unknown[] = [];
    const round = await checkRound({
      ledgerPath: ledger.path, ledger: { origin: ORIGIN, ledgerId: LEDGER_ID }, requestKey: null, size: reader.size(), root: reader.rootAt(reader.size()), starts: startsOf(ledger.keyring, null),
    }, new Pace(new Int32Array(new SharedArrayBuffer(4)), 1, () => undefined), { onFound: (finding) => told.push(finding), onProgress: () => undefined });
    expect([round.found, told]).toEqual([0, []]);
  } finally {
    reader.close();
  }
});
