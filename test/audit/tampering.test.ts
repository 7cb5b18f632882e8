/** Every column of every table, changed by SQL on a real file: the audit says so, and of which receipt. */
import type Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditReport, Finding } from "../../src/audit/audit.ts";
import { TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy, receiptAt } from "./support.ts";

// genesis, 40 and 0, 480, 25 receipts in batches, 7 pending: 2 complete subtrees of 256 receipts and one of 512
let ledger: TestLedger;
let target: DirectoryTarget;

beforeAll(async () => {
  ledger = new TestLedger({ batches: [40, 0] });
  ledger.append(480, () => ({ inputs: {}, gates: [{ name: "kyc", status: "PASS" }], reasons: [] }));
  ledger.anchor();
  ledger.append(25);
  ledger.anchor();
  ledger.append(7);
  target = await publishToDirectory(ledger, "outside");
  ledger.close();
});
afterAll(() => ledger.remove());

async function tampered(change: (db: Database.Database) => void, check: (report: AuditReport) => void, options: Parameters<typeof auditOf>[2] = {}): Promise<void> {
  const copy = new Copy(ledger).tamper(change);
  try {
    check(await auditOf(copy, [target], options));
  } finally {
    copy.remove();
  }
}

function wrong(report: AuditReport): readonly Finding[] {
  return report.findings.filter(({ severity }) => severity !== "note");
}

it("finds nothing in a ledger as it was written", async () => {
  const report = await auditOf(ledger, [target]);
  expect(report).toMatchObject({
    exitCode: 0, verdict: "ok", findings: [], failedToCheck: [],
    counts: { receipts: 557, organizations: 4, batches: 4, anchors: 4, pending: 7, targets: [{ anchors: 4, batches: 3, objects: 7 }] },
    macsChecked: { key_v1: 557 },
  });
});

interface Case {
  readonly name: string;
  readonly sql: string;
  readonly code: string;
  /** The one finding: `at`, and the receipt. */
  readonly at?: string;
  readonly logIndex?: number;
  readonly expected?: string;
  readonly found?: string;
  readonly changedAfter?: number | undefined;
}

const bit = (table: string, column: string, where: string, byte = 5): string => // SQLite has no xor of blobs: another byte in its place
  `UPDATE ${table} SET ${column} = substr(${column}, 1, ${byte - 1}) ||
   CASE WHEN substr(${column}, ${byte}, 1) = x'41' THEN x'42' ELSE x'41' END || substr(${column}, ${byte + 1}) WHERE ${where}`;
const asBlob = (sql: string): string => sql.replace(/SET (\S+) = ([^]*?) WHERE/, "SET $1 = CAST($2 AS BLOB) WHERE");

const CASES: readonly Case[] = [
  { name: "receipt.org", sql: "UPDATE receipt SET org = 9 WHERE log_index = 300", code: "index_mismatch", at: "receipt.org", logIndex: 300, found: "9" },
  { name: "receipt.org_seq", sql: "UPDATE receipt SET org_seq = 5000 WHERE log_index = 300", code: "index_mismatch", at: "receipt.org_seq", logIndex: 300, found: "5000" },
  { name: "receipt.receipt_id", sql: asBlob(bit("receipt", "receipt_id", "log_index = 300")), code: "index_mismatch", at: "receipt.receipt_id", logIndex: 300 },
  { name: "receipt.receipt_hash", sql: asBlob(bit("receipt", "receipt_hash", "log_index = 300")), code: "index_mismatch", at: "receipt.receipt_hash", logIndex: 300, changedAfter: 524 },
  { name: "receipt.receipt_hash of another length", sql: "UPDATE receipt SET receipt_hash = x'00' WHERE log_index = 300", code: "index_mismatch", at: "receipt.receipt_hash", logIndex: 300, changedAfter: 524 },
  { name: "receipt.recorded_at", sql: "UPDATE receipt SET recorded_at = recorded_at + 1 WHERE log_index = 300", code: "index_mismatch", at: "receipt.recorded_at", logIndex: 300 },
  { name: "receipt.key_epoch", sql: "UPDATE receipt SET key_epoch = 1 WHERE log_index = 300", code: "index_mismatch", at: "receipt.key_epoch", logIndex: 300, expected: "2", found: "1" },
  { name: "receipt.request_mac", sql: asBlob(bit("receipt", "request_mac", "log_index = 300")), code: "request_mac_mismatch", at: "receipt.request_mac", logIndex: 300 },
  { name: "receipt.request_mac taken away", sql: "UPDATE receipt SET request_mac = NULL WHERE log_index = 300", code: "request_mac_mismatch", logIndex: 300 },
  { name: "receipt.request_mac given to the ledger's own", sql: "UPDATE receipt SET request_mac = receipt_hash WHERE log_index = 0", code: "request_mac_mismatch", logIndex: 0 },
  { name: "receipt.log_index", sql: "UPDATE receipt SET log_index = 570 WHERE log_index = 556", code: "row_missing", logIndex: 556 },
  { name: "blob.log_index", sql: "UPDATE blob SET log_index = 100000 WHERE log_index = 300", code: "blob_missing", logIndex: 300, changedAfter: 524 },
  { name: "blob.bytes", sql: "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index = 300", code: "mac_mismatch", logIndex: 300, changedAfter: 524 },
  { name: "blob.bytes, not canonical", sql: "UPDATE blob SET bytes = CAST(CAST(bytes AS TEXT) || ' ' AS BLOB) WHERE log_index = 300", code: "not_canonical", logIndex: 300, changedAfter: 524 },
  { name: "blob.bytes of an anchor receipt", sql: "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'schedule', 'schedulf') AS BLOB) WHERE log_index = 523", code: "bad_receipt", logIndex: 523, changedAfter: 524 },
  { name: "blob.bytes of genesis", sql: "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'retained', 'retainee') AS BLOB) WHERE log_index = 0", code: "bad_receipt", logIndex: 0, changedAfter: 42 },
  { name: "blob.bytes after the newest anchor", sql: "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index = 553", code: "mac_mismatch", logIndex: 553 },
  { name: "receipt deleted", sql: "DELETE FROM receipt WHERE log_index = 300; DELETE FROM blob WHERE log_index = 300", code: "receipt_missing", logIndex: 300, changedAfter: 524 },
  { name: "row deleted", sql: "DELETE FROM receipt WHERE log_index = 300", code: "row_missing", logIndex: 300, changedAfter: 524 },
  { name: "blob deleted", sql: "DELETE FROM blob WHERE log_index = 300", code: "blob_missing", logIndex: 300, changedAfter: 524 },
  { name: "blob behind the end", sql: "INSERT INTO blob VALUES (557, x'00')", code: "row_missing", logIndex: 557 },
  { name: "organization.name", sql: "UPDATE organization SET name = 'org-9' WHERE org = 3", code: "organization_mismatch", at: "organization.name", expected: "org-1", found: "org-9", logIndex: 2 },
  { name: "organization.prefix", sql: "UPDATE organization SET prefix = 'ORG9' WHERE org = 3", code: "organization_mismatch", at: "organization.prefix", expected: "ORG1", found: "ORG9", logIndex: 2 },
  { name: "organization.first_index", sql: "UPDATE organization SET first_index = 20 WHERE org = 3", code: "organization_mismatch", at: "organization.first_index", expected: "2", found: "20", logIndex: 2 },
  { name: "organization.org", sql: "UPDATE organization SET org = 7 WHERE org = 3", code: "organization_mismatch", at: "organization.org", expected: "3", logIndex: 2 },
  { name: "organization added", sql: "INSERT INTO organization VALUES (5, 'org-5', 'ORG5', 30)", code: "organization_mismatch", at: "organization.org", found: "5" },
  { name: "anchor.tree_size", sql: "UPDATE anchor SET tree_size = 500 WHERE tree_size = 524", code: "anchor_row_mismatch", at: "anchor.tree_size", logIndex: 523 },
  { name: "anchor.first_index", sql: "UPDATE anchor SET first_index = 44 WHERE tree_size = 524", code: "anchor_row_mismatch", at: "anchor.first_index", logIndex: 523, expected: "43", found: "44" },
  { name: "anchor.root", sql: asBlob(bit("anchor", "root", "tree_size = 524")), code: "anchor_row_mismatch", at: "anchor.root", logIndex: 523 },
  { name: "root of the newest anchor", sql: asBlob(bit("anchor", "root", "tree_size = 550")), code: "anchor_row_mismatch", at: "anchor.root", logIndex: 549 },
  { name: "anchor deleted", sql: "DELETE FROM anchor WHERE tree_size = 524", code: "anchor_row_mismatch", at: "anchor.tree_size", logIndex: 523 },
  { name: "anchor added", sql: "INSERT INTO anchor VALUES (556, 551, zeroblob(32))", code: "anchor_row_mismatch", at: "anchor.tree_size", logIndex: 555 },
  { name: "tree.hash", sql: asBlob(bit("tree", "hash", "level = 8 AND position = 1")), code: "tree_mismatch", at: "tree 8/1", logIndex: 511 },
  { name: "tree.hash of level 9", sql: asBlob(bit("tree", "hash", "level = 9")), code: "tree_mismatch", at: "tree 9/0", logIndex: 511 },
  { name: "tree.position", sql: "UPDATE tree SET position = 7 WHERE level = 8 AND position = 1", code: "tree_mismatch", at: "tree 8/1" },
  { name: "tree.level", sql: "UPDATE tree SET level = 10 WHERE level = 9", code: "tree_mismatch", at: "tree 9/0" },
  { name: "tree added", sql: "INSERT INTO tree VALUES (8, 2, zeroblob(32))", code: "tree_mismatch", at: "tree 8/2" },
  { name: "ledger.origin", sql: "UPDATE ledger SET origin = 'other.example/receipts'", code: "ledger_mismatch", at: "ledger" },
  { name: "ledger.ledger_id", sql: "UPDATE ledger SET ledger_id = '00000000000000000000000000000000'", code: "ledger_mismatch", at: "ledger" },
  { name: "ledger.one", sql: "UPDATE ledger SET one = 2", code: "ledger_mismatch", at: "ledger" },
  { name: "ledger.format", sql: "UPDATE ledger SET format = 2", code: "ledger_mismatch", at: "ledger" },
  { name: "ledger row deleted", sql: "DELETE FROM ledger", code: "ledger_mismatch", at: "ledger" },
  { name: "an index added", sql: "CREATE INDEX extra ON receipt (key_epoch)", code: "schema_mismatch", at: "index extra" },
];

describe("one thing changed", () => {
  it.each(CASES)("$name", async ({ sql, code, at, logIndex, expected, found, changedAfter }) => {
    await tampered((db) => void db.exec(sql), (report) => {
      const findings = wrong(report);
      const finding = findings.find((one) => one.code === code && (at === undefined || one.at === at) && (logIndex === undefined || one.logIndex === logIndex));
      expect(finding, JSON.stringify(findings, null, 1)).toMatchObject({ severity: "violation", ...(expected === undefined ? {} : { expected }), ...(found === undefined ? {} : { found }) });
      if (logIndex !== undefined && at?.startsWith("receipt.") === true && at !== "receipt.org") expect(finding).toMatchObject(receiptAt(ledger, logIndex));
      expect(finding!.changedAfter?.treeSize).toBe(changedAfter);
      expect(report.exitCode).toBe(1);
      // one cause, few findings
      expect(findings.length, JSON.stringify(findings, null, 1)).toBeLessThanOrEqual(4);
    });
  });

  it.each([
    ["in the middle", 300, "the index receipt_by_time has another number of entries"],
    ["at the end", 556, "has an entry for a receipt that is not there"],
  ])("an index entry that outlives its row, %s", async (_, logIndex, message) => {
    const copy = new Copy(ledger);
    let index: unknown;
    // SQLite forgets the index for a while
    copy.schema((db) => {
      index = db.prepare("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = 'receipt_by_time'").raw().get();
      db.exec("DELETE FROM sqlite_schema WHERE name = 'receipt_by_time'");
    });
    copy.tamper((db) => db.exec(`DELETE FROM receipt WHERE log_index = ${logIndex}; DELETE FROM blob WHERE log_index = ${logIndex}`));
    copy.schema((db) => void db.prepare("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)").run(...(index as unknown[])));
    const findings = wrong(await auditOf(copy, [target]));
    expect(findings).toContainEqual(expect.objectContaining({ code: "index_lookup", at: "receipt_by_time", message: expect.stringContaining(message) }));
    copy.remove();
  });

  it("a row far behind all others does not make the audit look at what is between", async () => {
    await tampered((db) => void db.exec("UPDATE receipt SET log_index = 9007199254740000 WHERE log_index = 556; UPDATE blob SET bytes = x'00' WHERE log_index = 300"), (report) => {
      const found = wrong(report).map(({ code, logIndex }) => [code, logIndex]);
      expect(found).toContainEqual(["log_index_gap", 9007199254740000]);
      expect(found).toContainEqual(["bad_json", 300]);
    });
  });

  it("a trigger taken away", async () => {
    const copy = new Copy(ledger);
    copy.untouched((db) => void db.exec("DROP TRIGGER blob_no_update"));
    expect(wrong(await auditOf(copy, [target]))).toMatchObject([{ code: "schema_mismatch", at: "trigger blob_no_update", found: "nothing" }]);
    copy.remove();
  });
});
