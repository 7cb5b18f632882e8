/**
 * What a killed writer left in the write-ahead log of its SQLite file, looked at and made safe before anything is added to it.
 *
 * SQLite ends the log at the first frame that does not fit, and never says so. What must be there all the same is known from two places:
 *
 * - the mark (acks.ts). Written since this machine was started, it says what was acknowledged: all that is in the page cache then. Else the power
 *   may have been cut: it says what was on the disk when it was itself written to the disk, so at least that must be there.
 * - the log itself. A power cut tears what was not synced yet, and leaves whole commits behind it, since the disk takes writes in any order: of a
 *   ledger that syncs each commit before the next one begins that is the last one. So it is damage where what stands there is of two (the
 *   first was synced then), where no power cut came between, and where the header is damaged, which is synced before any frame. Where
 *   commits were made that nobody waited for, a power cut can have torn any number of those that the mark does not know to be on the disk.
 */
import { closeSync, copyFileSync, existsSync, fsyncSync, ftruncateSync, openSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { count } from "../format/count.ts";
import { bootId, type Mark, markPath, readMark } from "./acks.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { syncPath } from "./sync-path.ts";
import { type WalDamage, walDamage, walLength } from "./wal.ts";

/** What the file and its log are to SQLite, before it changes anything; null where it cannot say. */
interface Shown {
  readonly ledgerId: string;
  /** Receipts. */
  readonly size: number;
}

interface LeftOver {
  readonly shown: Shown | null;
  /** Of this ledger. */
  readonly mark: Mark | null;
  /** Receipts that must be there. */
  readonly promised: number;
  /** What SQLite does not look at; commits, or what a power cut has left of one. */
  readonly damage: WalDamage | null;
  /** Why this is no ledger to go on with, in words. */
  readonly wrong: string | null;
}

/**
 * In words, that receipts are missing that were promised, or that there are whole commits in the log that SQLite does not look at, and that no
 * power cut explains; null where all is well. A daemon may be at work. Throws LedgerError.
 */
export function damagedLog(path: string): string | null {
  return lookAt(path).wrong;
}

/** Receipts that must be in the ledger, by what was promised; 0 where nothing says. Throws LedgerError. */
export function promisedSize(path: string): number {
  return lookAt(path).promised;
}

/** Receipts that SQLite finds in a ledger's file and its log; null where it cannot say. Nothing is changed. */
export function shownSize(path: string): number | null {
  return shownIn(path)?.size ?? null;
}

function lookAt(path: string): LeftOver {
  try {
    const known = readMark(path); // before the ledger: a daemon that is at work raises it after each commit
    const shown = shownIn(path);
    const mark = shown !== null && known?.ledgerId !== shown.ledgerId ? null : known;
    const isSameStart = mark !== null && mark.boot !== null && mark.boot === bootId();
    const promised = (isSameStart ? mark.acknowledged : mark?.synced) ?? 0;
    const found = walDamage(`${path}-wal`);
    const damage = found?.commits === 0 && isSameStart ? null : found; // killed in the midst of a commit: nobody was told
    const isTorn = damage !== null && damage.frame >= 0 && !isSameStart && (mark?.isMixed === true || damage.transactions <= 1);
    const wrong = [
      ...(damage === null || isTorn ? [] : [damageText(path, damage)]),
      ...(shown === null || shown.size >= promised ? [] : [shortText(path, shown.size, promised, isSameStart)]),
    ];
    return { shown, mark, promised, damage, wrong: wrong.length === 0 ? null : wrong.join("; ") };
  } catch (error) {
    throw ledgerError(error);
  }
}

function damageText(path: string, { frame, frames, commits }: WalDamage): string {
  const what = frame < 0 ? "its header" : `frame ${frame} of ${frames}`;
  return `the write-ahead log ${path}-wal is damaged (${what}): ${commits === 1 ? "one commit" : `${commits} commits`} behind it ${commits === 1 ? "is" : "are"} whole, and SQLite would drop ${commits === 1 ? "it" : "them"}`;
}

function shortText(path: string, size: number, promised: number, isSameStart: boolean): string {
  const how = isSameStart ? "acknowledged" : "known to be on the disk";
  return `${path} ends at ${count(size, "receipt")}, and ${promised} were ${how} (${markPath(path)}): the end of its write-ahead log is damaged or gone, or an older copy was put in its place`;
}

/** By a connection that reads: SQLite plays the log into memory. */
function shownIn(path: string): Shown | null {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
    const row = db.prepare("SELECT ledger_id, (SELECT max(log_index) FROM receipt) AS last FROM ledger").get() as { readonly ledger_id: string; readonly last: number | null } | undefined;
    return row === undefined ? null : { ledgerId: row.ledger_id, size: (row.last ?? -1) + 1 };
  } catch (error) {
    if (error instanceof Database.SqliteError || !existsSync(path)) return null;
    throw error;
  } finally {
    db?.close();
  }
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

/** What a power cut took. */
export interface Torn {
  /** Of the log as it was; null: what is gone has left no trace in it. */
  readonly copy: string | null;
  /** Receipts that were acknowledged as `wal` only and are gone, at least. */
  readonly receipts: number;
  /** False: there was no mark to say what was acknowledged. */
  readonly isMarked: boolean;
}

export function tornText({ copy, receipts, isMarked }: Torn): string {
  return [
    ...(copy === null ? [] : [`${isMarked ? "a power cut has torn the write-ahead log" : "the write-ahead log is torn at its end, by a power cut or otherwise, and there is no mark (ledger.db-acks) that says what was acknowledged"}: what stood there behind the last commit that is whole, and is not known to have been acknowledged as stored on the disk, is left out; a copy of the log is kept`]),
    ...(receipts === 0 ? [] : [`${count(receipts, "receipt")} or more that ${receipts === 1 ? "was" : "were"} acknowledged as \`wal\` only did not outlive the end of the power; the next receipts get their log indexes and numbers`]),
  ].join("; ");
}

/** For commands without a log. */
export function warnOfTorn(torn: Torn): void {
  process.emitWarning(`${tornText(torn)}${torn.copy === null ? "" : ` (${torn.copy})`}`);
}

/**
 * The same for a ledger, whose log is looked at, too: throws `wal_damaged`, and nothing is changed. Where a power cut has torn commits of which
 * nobody was told that they are on the disk, the log is copied, and goes on without them.
 */
export function checkLeftOver(path: string, now: number, onTorn: (torn: Torn) => void): void {
  syncLeftOver(path);
  const { shown, mark, damage, wrong } = lookAt(path);
  if (wrong !== null) throw new LedgerError("wal_damaged", `${wrong}; nothing was changed`);
  const receipts = shown === null || mark === null ? 0 : Math.max(0, mark.acknowledged - shown.size);
  const copy = damage === null ? null : cutLog(`${path}-wal`, damage.end, now);
  if (copy !== null || receipts > 0) onTorn({ copy, receipts, isMarked: mark !== null });
}

/** Keeps a copy, and so many frames: what is behind them must not be taken for whole by whoever reads the log after more was written. */
function cutLog(wal: string, frames: number, now: number): string {
  const copy = `${wal}.damaged-${new Date(now).toISOString().replaceAll(/[-:.]/g, "")}`;
  copyFileSync(wal, copy);
  syncPath(copy);
  syncPath(dirname(copy));
  const fd = openSync(wal, "r+");
  try {
    ftruncateSync(fd, walLength(wal, frames));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return copy;
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
