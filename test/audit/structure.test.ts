/**
 * The pages' own machinery: keys and counts that a walk through a table never looks at, and a look-up, or the daemon, does. Each byte
 * of the upper pages and of each table's page head is changed; the audit ends, and finds what a look-up by key would trip over.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { TestLedger } from "../support/ledger.ts";
import { auditOf } from "./support.ts";

const PAGE = 8192;

/** Does every key that a walk gives lead back to its row? The answer of whoever serves receipts. */
function looksUp(path: string): boolean {
  const db = new Database(path, { readonly: true });
  try {
    for (const [table, key] of [["receipt", "log_index"], ["blob", "log_index"], ["anchor", "tree_size"]] as const) {
      const keys = db.prepare(`SELECT ${key} FROM ${table}`).pluck().all() as number[];
      const find = db.prepare(`SELECT ${key} FROM ${table} WHERE ${key} = ?`).pluck();
      for (const [i, value] of keys.entries()) if ((i > 0 && !(value > keys[i - 1]!)) || find.get(value) !== value) return false;
    }
    return true;
  } catch {
    return false;
  } finally {
    db.close();
  }
}

it("a changed byte of a page's head or of an upper page is found, or changes no look-up", async () => {
  const ledger = new TestLedger({ batches: [12, 260, 9], tail: 4 });
  ledger.close();
  const dir = mkdtempSync(join(tmpdir(), "receiptd-structure-"));
  const path = join(dir, "ledger.db");
  copyFileSync(ledger.path, path);
  const pristine = readFileSync(path);
  const db = new Database(path, { readonly: true });
  const roots = db.prepare("SELECT name, rootpage FROM sqlite_schema WHERE name IN ('receipt', 'blob', 'anchor')").all() as { name: string; rootpage: number }[];
  db.close();
  let broken = 0;
  for (const { rootpage } of roots) {
    const start = (rootpage - 1) * PAGE;
    const isInterior = pristine[start] === 0x05;
    const cells = pristine.readUInt16BE(start + 3);
    const places = [3, 4, ...(isInterior ? Array.from({ length: cells }, (_, i) => pristine.readUInt16BE(start + 12 + 2 * i) + 4).filter((_, i) => i % 3 === 0) : [])];
    for (const at of places) {
      const bytes = Buffer.from(pristine);
      bytes[start + at]! ^= 0x40;
      writeFileSync(path, bytes);
      const report = await auditOf({ path, now: ledger.now });
      if (!looksUp(path)) {
        broken++;
        expect([rootpage, at, report.exitCode], report.sentence).toEqual([rootpage, at, 1]);
      }
    }
  }
  expect(broken).toBeGreaterThan(10);
  ledger.remove();
  rmSync(dir, { recursive: true });
}, 60_000);
