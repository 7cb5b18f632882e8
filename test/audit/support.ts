/** Ledgers to be tampered with, and hands to do it: whoever owns the file can do all of this. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import { audit, type AuditHooks, type AuditOptions, type AuditReport } from "../../src/audit/audit.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { LEDGER_ID, ORIGIN, type TestLedger, testKeyring } from "../support/ledger.ts";

/** What an auditor with all keys asks. */
export function optionsFor(ledger: { readonly path: string; readonly now: number }, targets: readonly AnchorTarget[] = []): AuditOptions {
  const keyring = testKeyring();
  return {
    ledgerPath: ledger.path,
    ledger: { origin: ORIGIN, ledgerId: LEDGER_ID },
    targets,
    vkeys: [keyring.checkpointKeys[0]!.vkey],
    areVkeysPinned: true,
    keys: { starts: startsOf(keyring, null), requestSecret: keyring.requestSecret },
    now: ledger.now,
    workers: 0,
  };
}

export async function auditOf(
  ledger: { readonly path: string; readonly now: number }, targets: readonly AnchorTarget[] = [], options: Partial<AuditOptions> = {}, hooks: AuditHooks = {},
): Promise<AuditReport> {
  return await audit({ ...optionsFor(ledger, targets), ...options }, hooks);
}

/** Changes the file with SQL, past the triggers, which are put back. */
export function tamper(path: string, change: (db: Database.Database) => void): void {
  const db = new Database(path);
  try {
    db.pragma("ignore_check_constraints = ON");
    const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all() as { name: string; sql: string }[];
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    change(db);
    for (const { sql } of triggers) db.exec(sql);
    db.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    db.close();
  }
}

/** A copy of a closed ledger's file in a folder of its own. */
export class Copy {
  readonly dir = mkdtempSync(join(tmpdir(), "receiptd-copy-"));
  readonly path = join(this.dir, "ledger.db");
  readonly now: number;

  constructor(ledger: TestLedger) {
    this.now = ledger.now;
    copyFileSync(ledger.path, this.path);
  }

  tamper(change: (db: Database.Database) => void): this {
    tamper(this.path, change);
    return this;
  }

  /** Changes the file without touching the triggers. */
  untouched(change: (db: Database.Database) => void): this {
    const db = new Database(this.path);
    change(db);
    db.pragma("wal_checkpoint(TRUNCATE)");
    db.close();
    return this;
  }

  /** Changes the schema's own table. */
  schema(change: (db: Database.Database) => void): this {
    return this.untouched((db) => {
      db.unsafeMode(true);
      db.pragma("writable_schema = ON");
      change(db);
    });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** How the receipt in this place calls itself. */
export function receiptAt(ledger: { readonly path: string }, logIndex: number): { readonly logIndex: number; readonly receiptId: string; readonly receiptNumber: string } {
  const db = new Database(ledger.path, { readonly: true });
  try {
    const blob = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(logIndex) as Buffer;
    const { receipt_id: receiptId, receipt_number: receiptNumber } = JSON.parse(blob.toString()) as { receipt_id: string; receipt_number: string };
    return { logIndex, receiptId, receiptNumber };
  } finally {
    db.close();
  }
}
