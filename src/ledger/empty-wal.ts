/** A ledger's file without its write-ahead log, before another takes its place: a log that is left would be played into that one. */
import { rmSync } from "node:fs";
import { openForCheckpoints } from "./database.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { syncLeftOver } from "./left-over.ts";
import { syncPath } from "./sync-path.ts";

/**
 * Moves the log into the file and removes it; the caller holds the lock. `ledger_busy` where somebody reads in it; `not_a_ledger` or
 * `ledger_corrupt` where SQLite cannot open the file, which is then as it was.
 */
export function emptyWal(path: string): void {
  try {
    syncLeftOver(path);
    const db = openForCheckpoints(path);
    try {
      const [result] = db.pragma("wal_checkpoint(TRUNCATE)") as readonly { readonly busy: number }[];
      if (result?.busy !== 0) throw new LedgerError("ledger_busy", `somebody is reading ${path}; try again when that has ended`);
    } finally {
      db.close();
    }
    syncPath(path);
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
  } catch (error) {
    throw ledgerError(error);
  }
}
