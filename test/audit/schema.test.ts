/** Parts of the file that are missing, changed, or go on behind the ledger: a finding, and no reason not to check the rest. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import { START, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy, receiptAt } from "./support.ts";

let ledger: TestLedger;
let target: DirectoryTarget;

beforeAll(async () => {
  ledger = new TestLedger({ batches: [20, 300, 20], tail: 3 });
  target = await publishToDirectory(ledger, "outside");
  ledger.close();
});
afterAll(() => ledger.remove());

const CHANGED = "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index = 30";

async function changed(sql: string, options = {}) {
  const copy = new Copy(ledger).tamper((db) => db.exec(sql));
  try {
    return await auditOf(copy, [target], options);
  } finally {
    copy.remove();
  }
}

it.each(["receipt_by_id", "receipt_by_org", "receipt_by_time"])("the index %s is gone: that, and what else is wrong", async (index) => {
  for (const options of [{}, { workers: 2 }, { range: { from: START, to: START + 1e6 } }]) {
    const report = await changed(`DROP INDEX ${index}; ${CHANGED}`, options);
    expect(report).toMatchObject({ verdict: "findings", exitCode: 1, counts: { receipts: 347, targets: [{ anchors: 3 }] } });
    expect(report.findings).toMatchObject([
      { severity: "violation", code: "schema_mismatch", at: `index ${index}`, found: "nothing" },
      { ...receiptAt(ledger, 30), code: "mac_mismatch", changedAfter: { target: "outside" } },
    ]);
  }
});

it.each([
  ["an index of the same name over other columns", "DROP INDEX receipt_by_time; CREATE INDEX receipt_by_time ON receipt (key_epoch)"],
  ["one that leaves receipts out", "DROP INDEX receipt_by_time; CREATE INDEX receipt_by_time ON receipt (recorded_at) WHERE log_index <> 30"],
  ["a table without a column", "ALTER TABLE anchor DROP COLUMN root"],
  ...["anchor", "tree", "organization", "ledger"].map((table): [string, string] => [`no table ${table}`, `DROP TABLE ${table}`]),
])("%s: a finding, and receipts are checked all the same", async (_, sql) => {
  const copy = new Copy(ledger).untouched((db) => {
    for (const name of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all() as string[]) db.exec(`DROP TRIGGER ${name}`);
    db.exec(`${sql}; ${CHANGED}`);
  });
  const report = await auditOf(copy, [target]);
  expect(report).toMatchObject({ exitCode: 1, counts: { receipts: 347 } });
  expect(report.findings).toContainEqual(expect.objectContaining({ code: "schema_mismatch", at: expect.stringMatching(/^(index|table)/) as unknown }));
  expect(report.findings).toContainEqual(expect.objectContaining({ code: "mac_mismatch", logIndex: 30 }));
  copy.remove();
});

it.each([
  ["an anchor", "INSERT INTO anchor VALUES (999, 900, zeroblob(32))", { code: "anchor_row_mismatch", at: "anchor.tree_size", found: "999" }],
  ["an organization", "INSERT INTO organization VALUES (9, 'acme', 'ACME', 900)", { code: "organization_mismatch", at: "organization.org", found: "9" }],
  ["a subtree", "INSERT INTO tree VALUES (8, 7, zeroblob(32))", { code: "tree_mismatch", at: "tree 8/7" }],
  ["bytes", "INSERT INTO blob VALUES (999, x'00')", { code: "row_missing", at: "blob" }],
])("%s behind the newest receipt", async (_, sql, finding) => {
  expect(await changed(sql)).toMatchObject({ exitCode: 1, findings: [{ severity: "violation", ...finding }] });
});
