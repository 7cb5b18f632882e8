/** Whose record of an earlier audit is believed. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { AuditRecord } from "../../src/audit/record.ts";
import { readRecord, writeRecord } from "../../src/cli/audit-record.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-record-"));
afterAll(() => rmSync(dir, { recursive: true }));
const uid = process.getuid!();
const record: AuditRecord = { receiptd_audit: 1, made_at: "2026-06-01T10:00:00Z", made_by: "test", origin: "test.example/receipts", ledger_id: "0".repeat(32), vkeys: ["key"], receipts: null, targets: [] };

test("one's own and root's, through a link too", () => {
  const path = join(dir, "own.json");
  writeRecord(path, record);
  symlinkSync(path, join(dir, "link.json"));
  expect([readRecord(path), readRecord(join(dir, "link.json"))]).toEqual([record, record]);
});

test("another user's is refused", () => {
  const path = join(dir, "other.json");
  writeRecord(path, record);
  if (uid === 0) execFileSync("chown", ["65534", path]);
  expect(() => readRecord(path, uid + 1)).toThrow(expect.objectContaining({ code: "bad_usage", message: expect.stringContaining("belongs to user") }));
});

test("so is what is no file, which would keep it waiting, or is too large", () => {
  const [pipe, large] = [join(dir, "pipe"), join(dir, "large.json")];
  execFileSync("mkfifo", ["-m", "600", pipe]);
  writeRecord(large, record);
  truncateSync(large, 1_048_577);
  for (const path of [pipe, dir, large]) expect(() => readRecord(path), path).toThrow(expect.objectContaining({ code: "bad_usage" }));
});
