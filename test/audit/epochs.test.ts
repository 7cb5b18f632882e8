/**
 * What receipts claim of their epochs and keys (docs/FORMAT.md section 13.2 steps 8 and 9). A claim costs its writer a few letters in
 * the file; it must not cost the audit a key for each epoch up to it, nor take a receipt out of the check of its MAC.
 */
import type Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditReport } from "../../src/audit/audit.ts";
import { auditHash } from "../../src/audit/hash.ts";
import { planSegments, Ratchet } from "../../src/audit/plan.ts";
import { WHOLE } from "../../src/audit/join.ts";
import { SegmentAudit } from "../../src/audit/segment.ts";
import type { SegmentTask } from "../../src/audit/segment-result.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { Inspector } from "../../src/ledger/inspect.ts";
import { LEDGER_ID, ORIGIN, TestLedger, testKeyring } from "../support/ledger.ts";
import { auditOf, Copy } from "./support.ts";

/** Forty batches of 2, then one of 30: genesis and receipts 0 to 151, and 30 pending. */
let ledger: TestLedger;
const TAIL = 1 + 40 * 3 + 31;
const SIZE = TAIL + 30;

beforeAll(() => {
  ledger = new TestLedger({ batches: [...Array.from({ length: 40 }, () => 2), 30], tail: 30 });
  ledger.close();
});
afterAll(() => ledger.remove());

/** Other bytes in the place of a receipt's, with their hash in the index. */
function rewrite(db: Database.Database, logIndex: number, change: (text: string) => string): void {
  const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(logIndex) as Buffer;
  const changed = Buffer.from(change(bytes.toString("utf8")));
  expect(changed.equals(bytes)).toBe(false);
  db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(changed, logIndex);
  db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(changed), logIndex);
}

const claim = (epoch: number) => (text: string): string => text.replace(/"key_epoch":[0-9]+/, `"key_epoch":${epoch}`).replace('"system_id":"', '"system_id":"forged');

const codes = ({ findings }: AuditReport): readonly string[] =>
  findings.filter(({ severity }) => severity === "violation").flatMap(({ code, also = [], logIndex }) => [code, ...also].map((one) => `${one}@${logIndex}`));

async function audited(change: (db: Database.Database) => void, check: (report: AuditReport) => void): Promise<void> {
  const copy = new Copy(ledger).tamper(change);
  try {
    // without the request secret: nothing but the MAC says who wrote the receipt
    check(await auditOf(copy, [], { keys: { starts: startsOf(testKeyring(), null), requestSecret: null } }));
  } finally {
    copy.remove();
  }
}

/** The runs of a ledger, and how many HMACs it took to plan and to check them. */
function hmacs(path: string, aim: number): { readonly count: number; readonly tasks: readonly SegmentTask[] } {
  let count = 0;
  const hash = { ...auditHash, hmac: (key: Uint8Array, bytes: Uint8Array): Uint8Array => (count++, auditHash.hmac(key, bytes)) };
  const inspector = new Inspector(path);
  try {
    const ratchet = new Ratchet(startsOf(testKeyring(), null), hash);
    const tasks = [...planSegments(inspector, { first: 0, end: SIZE, epoch: 0, commitment: null, start: WHOLE }, aim, ratchet, hash)];
    const options = { ledger: { origin: ORIGIN, ledgerId: LEDGER_ID }, requestKey: null, organization: null, disclosed: [] };
    for (const task of tasks) new SegmentAudit(inspector, task, options, hash).run(() => undefined);
    return { count, tasks };
  } finally {
    inspector.close();
  }
}

describe("a claimed key_epoch", () => {
  it.each([
    ["far ahead and back", 999_999, 0],
    ["the first and the last of the ledger", 0, 41],
    ["just ahead", 42, 43],
  ])("%s: takes no more hashes than the truth, but for a few", (_, one, other) => {
    const honest = hmacs(ledger.path, SIZE);
    const copy = new Copy(ledger).tamper((db) => {
      for (let i = TAIL; i < SIZE; i++) rewrite(db, i, claim(i % 2 === 0 ? one : other));
    });
    // a step to the key, the secret and the organization's key: for each receipt again, where honest ones share them
    expect(hmacs(copy.path, SIZE).count).toBeLessThanOrEqual(honest.count + 30 * 20);
    copy.remove();
  });

  it("is a finding, and does not take the receipts around it out of the check", async () => {
    await audited((db) => {
      rewrite(db, TAIL + 5, claim(999_999));
      rewrite(db, TAIL + 6, (text) => text.replace('"system_id":"', '"system_id":"forged'));
    }, (report) => {
      expect(codes(report)).toEqual(expect.arrayContaining([`epoch_mismatch@${TAIL + 5}`, `mac_mismatch@${TAIL + 6}`]));
      expect(report.macsChecked).toEqual({ key_v1: SIZE - 1 });
      expect(report.exitCode).toBe(1);
    });
  });

  it("of an anchor receipt where the ledger is cut neither lengthens the ratchet nor the run", () => {
    const honest = hmacs(ledger.path, 12);
    expect(honest.tasks.length).toBeGreaterThan(8);
    const cut = honest.tasks[2]!.end;
    const copy = new Copy(ledger).tamper((db) => rewrite(db, cut - 1, (text) => text.replace(/"key_epoch":[0-9]+/, `"key_epoch":${cut - 1}`)));
    const forged = hmacs(copy.path, 12);
    expect(forged.count).toBeLessThan(honest.count + 20);
    expect(forged.tasks.length).toBeGreaterThanOrEqual(honest.tasks.length - 1);
    expect(forged.tasks.map(({ epoch }) => epoch).every((epoch) => epoch <= 41)).toBe(true);
    copy.remove();
  });

  it("is believed behind anchor receipts that are gone, rows and all: the ledger is cut and its MACs are checked", async () => {
    const isGone = [10, 13, 16, 19].map((i) => i - 1 + 1);
    const copy = new Copy(ledger).tamper((db) => {
      for (const i of isGone) db.exec(`DELETE FROM anchor WHERE tree_size = ${i}; DELETE FROM receipt WHERE log_index = ${i - 1}; DELETE FROM blob WHERE log_index = ${i - 1}`);
    });
    expect(hmacs(copy.path, 12).tasks.length).toBeGreaterThan(5);
    const report = await auditOf(copy, []);
    expect(codes(report)).toEqual(expect.arrayContaining(["receipt_missing@9"]));
    expect(report.macsChecked).toEqual({ key_v1: SIZE - isGone.length });
    copy.remove();
  });
});

describe("a key_id that nobody knows", () => {
  const nobody = (text: string): string => text.replace(/"key_id":"[^"]*"/, '"key_id":"nobody"').replace('"system_id":"', '"system_id":"forged');

  it.each([
    ["first pending receipt, at the end of a run", TAIL],
    ["first receipt of an epoch in the middle of a run", 4],
    ["anchor receipt of an epoch", 3],
  ])("%s: its key is published and is another one", async (_, logIndex) => {
    await audited((db) => rewrite(db, logIndex, nobody), (report) => {
      expect(codes(report).find((code) => code.endsWith(`@${logIndex}`))).toBe(`key_mismatch@${logIndex}`);
      expect(report).toMatchObject({ exitCode: 1 });
    });
  });

  it("first receipt of a run, whose anchor receipt before is in another run", () => {
    const { tasks } = hmacs(ledger.path, 12);
    const { first } = tasks[3]!;
    const copy = new Copy(ledger).tamper((db) => rewrite(db, first, nobody));
    const inspector = new Inspector(copy.path);
    const result = new SegmentAudit(inspector, tasks[3]!, { ledger: { origin: ORIGIN, ledgerId: LEDGER_ID }, requestKey: null, organization: null, disclosed: [] }, auditHash).run(() => undefined);
    expect(result.findings.kept.flatMap(({ code, logIndex, also = [] }) => [code, ...also].map((one) => `${one}@${logIndex}`))).toContain(`key_mismatch@${first}`);
    inspector.close();
    copy.remove();
  });
});
