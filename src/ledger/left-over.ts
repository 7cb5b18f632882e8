/**
 * What a killed writer left in the write-ahead log of its SQLite file, looked at and made safe before anything is added to it.
 *
 * SQLite ends the log at the first frame that does not fit. A power cut leaves such a frame, and whole ones behind it, in what was not synced
 * yet, since the disk takes writes in any order: of a ledger that syncs each commit before the next one begins that is the last commit, and
 * nobody was told of it. So whole commits behind a bad frame are damage where there are two of them (the bad frame is of the first at the
 * latest, which was synced then), where the log was written since this machine was started, so that no power cut came between, and where the
 * header is damaged, which is synced before any frame. What was acknowledged as `wal` only may be lost with any number of commits.
 */
import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, statSync } from "node:fs";
import { uptime } from "node:os";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { acksSaid } from "./acks.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { syncPath } from "./sync-path.ts";
import { type WalDamage, walDamage } from "./wal.ts";

/** In words, that there are whole commits in the log that SQLite does not look at, and that no power cut explains; null where there are none. */
export function damagedLog(path: string): string | null {
  try {
    const damage = walDamage(`${path}-wal`);
    return damage === null || isTorn(path, damage) ? null : textOf(path, damage);
  } catch (error) {
    throw ledgerError(error);
  }
}

function isTorn(path: string, { frame, commits, commitsBegun }: WalDamage): boolean {
  if (frame < 0 || statSync(`${path}-wal`).mtimeMs >= Date.now() - 1000 * uptime()) return false;
  return acksSaid(path) === "wal" || (commits === 1 && commitsBegun === 1);
}

function textOf(path: string, { frame, frames, commits }: WalDamage): string {
  const what = frame < 0 ? "its header" : `frame ${frame} of ${frames}`;
  return `the write-ahead log ${path}-wal is damaged (${what}): ${commits === 1 ? "one commit" : `${commits} commits`} behind it ${commits === 1 ? "is" : "are"} whole, and SQLite would drop ${commits === 1 ? "it" : "them"}`;
}

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
 * The same for a ledger, whose log is looked at, too: throws `wal_damaged`, and nothing is changed. Where a power cut has torn commits that
 * nobody was promised, the log is copied, and goes on without them: `onTorn` is told.
 */
export function checkLeftOver(path: string, now: number, onTorn: (copy: string) => void): void {
  const wal = `${path}-wal`;
  syncLeftOver(path);
  const damaged = damagedLog(path);
  if (damaged !== null) throw new LedgerError("wal_damaged", `${damaged}; nothing was changed`);
  if (walDamage(wal) === null) return;
  const copy = `${wal}.damaged-${new Date(now).toISOString().replaceAll(/[-:.]/g, "")}`;
  copyFileSync(wal, copy);
  syncPath(copy);
  syncPath(dirname(copy));
  onTorn(copy);
}

/**
 * After a failed fsync the kernel takes pages for written that are not, and no later fsync brings them to the disk; a power cut would
 * cost what is committed behind them, too. So what is left over is written again, into the database's own file. A full disk or a reader
 * that stays can keep it from that: then the sync above has to do. Is the log empty?
 */
export function emptyLeftOver(db: Database.Database): boolean {
  try {
    const [result] = db.pragma("wal_checkpoint(TRUNCATE)") as readonly { readonly busy: number }[];
    return result?.busy === 0;
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || error.code !== "SQLITE_FULL") throw error;
    return false;
  }
}
