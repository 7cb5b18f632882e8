/**
 * One writer per ledger. The lock is an open exclusive transaction on a small SQLite file beside the ledger: the kernel gives it
 * up when the process ends, however it ends, and the ledger itself stays readable for others.
 */
import Database from "better-sqlite3";
import { LedgerError, ledgerError } from "./errors.ts";

export interface WriterLock {
  release(): void;
}

/** Takes the lock or throws `ledger_locked` at once. */
export function lockLedger(ledgerPath: string): WriterLock {
  let db: Database.Database | undefined;
  try {
    db = new Database(`${ledgerPath}.lock`, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    const translated = ledgerError(error);
    if (translated.code !== "ledger_busy") throw translated;
    throw new LedgerError("ledger_locked", `another receiptd is writing to ${ledgerPath}; stop it first, or write through its socket`, { cause: error });
  }
  const held = db;
  return { release: () => void held.close() };
}
