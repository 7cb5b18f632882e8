/** What a killed writer left in the write-ahead log of its SQLite file, made safe before anything is added to it. */
import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import Database from "better-sqlite3";

/** Before the file at `path` is opened: what was committed can be in the page cache only; from here on it counts as stored. */
export function syncLeftOver(path: string): void {
  const wal = `${path}-wal`;
  if (!existsSync(wal)) return;
  const fd = openSync(wal, "r+");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * After a failed fsync the kernel takes pages for written that are not, and no later fsync brings them to the disk; a power cut would
 * cost what is committed behind them, too. So what is left over is written again, into the database's own file. A full disk or a reader
 * that stays can keep it from that: then the sync above has to do.
 */
export function emptyLeftOver(db: Database.Database): void {
  try {
    db.pragma("wal_checkpoint(TRUNCATE)");
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || error.code !== "SQLITE_FULL") throw error;
  }
}
