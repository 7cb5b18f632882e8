/**
 * A damaged ledger as SQLite can read it all the same: under another name beside it, `ledger.db.view`, which is gone when it was read. Neither
 * the ledger's file nor its log is changed.
 *
 * Of a damaged log all frames up to the last whole commit are in it, the damaged ones as they are: what is wrong there shows in the receipts.
 * Where more receipts were promised than are found so, frames behind that are, too: the last commit itself is damaged then.
 * A file that was cut short has zeros for the pages that are missing, so that what is left of the index is found. In place of a first page
 * that cannot be read there is that of a new ledger: every ledger of one schema has its tables' roots in the same places.
 */
import { closeSync, constants, copyFileSync, linkSync, openSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { createDatabase } from "../ledger/database.ts";
import { ledgerError } from "../ledger/errors.ts";
import { damagedLog, promisedSize, shownSize } from "../ledger/left-over.ts";
import { formatWal, type WalFrame, WalFile } from "../ledger/wal.ts";

/** As `createDatabase` makes it. */
const PAGE_SIZE = 8192;
const FILE_HEADER = 100;
/** Offsets in the file's header (https://www.sqlite.org/fileformat2.html, section 1.3). */
const PAGES = 28;
const CHANGES = 24;
const VALID_FOR = 92;

export interface View {
  readonly path: string;
  /** What it makes up for, in words. */
  readonly why: readonly { readonly code: "wal_damaged" | "file_cut"; readonly message: string }[];
}

/** null where SQLite can read the ledger itself; `removeView` when it was read. Throws LedgerError (`disk_full` …). */
export function viewOf(path: string): View | null {
  const log = damagedLog(path);
  const size = statSync(path).size;
  const pages = pagesOf(path, size);
  const isCut = pages * PAGE_SIZE > size;
  if (log === null && !isCut) return null;
  try {
    const view = begin(path, isCut ? pages : null);
    writeLogs(path, view);
    const cut = { code: "file_cut", message: `the file ${path} was cut short: it says that it has ${pages} pages, and there are ${size / PAGE_SIZE}` } as const;
    return { path: view, why: [...(log === null ? [] : [{ code: "wal_damaged", message: log } as const]), ...(isCut ? [cut] : [])] };
  } catch (error) {
    removeView(path);
    throw ledgerError(error);
  }
}

/** The same, with the first page of a new ledger in place of the ledger's own. */
export function viewWithFirstPage(path: string): string {
  const size = statSync(path).size;
  const pages = Math.max(1, Math.ceil(size / PAGE_SIZE));
  try {
    const view = begin(path, pages);
    const first = firstPage(view);
    first.writeUInt32BE(pages, PAGES);
    first.copy(first, VALID_FOR, CHANGES, CHANGES + 4);
    const fd = openSync(view, "r+");
    try {
      writeSync(fd, first, 0, first.length, 0);
    } finally {
      closeSync(fd);
    }
    writeLogs(path, view);
    return view;
  } catch (error) {
    removeView(path);
    throw ledgerError(error);
  }
}

export function removeView(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}.view${suffix}`, { force: true });
}

/** `pages` null: the file as it is, under one more name; else a copy of so many pages. */
function begin(path: string, pages: number | null): string {
  removeView(path);
  const view = `${path}.view`;
  if (pages === null) linkSync(path, view);
  else {
    copyFileSync(path, view, constants.COPYFILE_FICLONE);
    truncateSync(view, pages * PAGE_SIZE);
  }
  return view;
}

/** Pages that the file says it has, or has; those in its log are not missing. */
function pagesOf(path: string, size: number): number {
  const header = Buffer.alloc(FILE_HEADER);
  const fd = openSync(path, "r");
  try {
    if (readSync(fd, header, 0, FILE_HEADER, 0) < FILE_HEADER) return 0;
  } finally {
    closeSync(fd);
  }
  const isSaid = header.readUInt16BE(16) === PAGE_SIZE && header.readUInt32BE(CHANGES) === header.readUInt32BE(VALID_FOR);
  const pages = isSaid ? header.readUInt32BE(PAGES) : 0;
  // a bit that is wrong in the number itself is no reason to make a file of a terabyte
  if (pages * PAGE_SIZE <= size || pages * PAGE_SIZE > 64 * size + 2 ** 26) return 0;
  const logged = new Set(framesOf(path, "commit").indexes.values());
  for (let page = Math.floor(size / PAGE_SIZE) + 1; page <= pages; page++) if (!logged.has(page)) return pages;
  return 0;
}

/** Where the log ends: with the last whole commit, the last frame that says that it ends one, or the last frame of its present life. */
type End = "commit" | "said" | "frame";

const ENDS: readonly End[] = ["commit", "said", "frame"];
/** More pages than a transaction adds. */
const GROWTH = 4096;

interface Frames {
  /** The page of each that is taken, by its index. */
  readonly indexes: ReadonlyMap<number, number>;
  /** Pages of the file behind them. */
  readonly pages: number;
}

/**
 * What is in the log up to its end; also frames that are not whole, if they are of its present life. What does not say which page it is gets a
 * place behind all others, where it is looked through for receipts.
 */
function framesOf(path: string, end: End): Frames {
  const wal = new WalFile(`${path}-wal`);
  try {
    const frames = Array.from(wal.frames(), ({ index, page, commit, isLive, isWhole }) => ({ index, page, commit, isLive, isWhole }));
    const last = frames.findLast(({ isLive, isWhole, commit }) => isLive && (end === "frame" || commit > 0) && (end !== "commit" || isWhole));
    if (last === undefined) return { indexes: new Map(), pages: 0 };
    const known = frames.reduce((most, { isLive, isWhole, page, commit }) => (isLive && isWhole ? Math.max(most, page, commit) : most), 0);
    const said = Math.max(last.page, last.commit);
    let pages = end === "commit" ? last.commit : said <= known + GROWTH ? Math.max(said, known) : known;
    const isOurs = ({ index, isLive, isWhole }: (typeof frames)[number]): boolean => isLive || (isWhole && frames[index - 1]?.isLive === true); // or its salts are damaged
    const most = pages;
    const isPlaced = (frame: (typeof frames)[number]): boolean => isOurs(frame) && frame.page > 0 && frame.page <= most;
    const taken = frames.filter(({ index }) => index <= last.index + (end === "frame" ? 1 : 0));
    return { indexes: new Map(taken.map((frame) => [frame.index, isPlaced(frame) ? frame.page : ++pages])), pages };
  } finally {
    wal.close();
  }
}

/** The log with the first end at which all that was promised is found; else that with the most. */
function writeLogs(path: string, view: string): void {
  const promised = promisedSize(path);
  let best: { readonly size: number; readonly end: End } = { size: -1, end: "commit" };
  for (const end of ENDS) {
    writeLog(path, view, end);
    const size = promised === 0 ? 0 : shownSize(view) ?? 0;
    if (size >= promised) return;
    if (size > best.size) best = { size, end };
  }
  writeLog(path, view, best.end);
}

function writeLog(path: string, view: string, end: End): void {
  rmSync(`${view}-shm`, { force: true });
  const frames = framesOf(path, end);
  const wal = new WalFile(`${path}-wal`);
  const fd = openSync(`${view}-wal`, "w", 0o600);
  try {
    if (wal.header === null || frames.indexes.size === 0) return;
    for (const bytes of formatWal(wal.header, chosen(wal, frames))) writeSync(fd, bytes);
  } finally {
    closeSync(fd);
    wal.close();
  }
}

function* chosen(wal: WalFile, { indexes, pages }: Frames): Generator<Pick<WalFrame, "page" | "commit" | "bytes">, void, undefined> {
  let left = indexes.size;
  for (const { index, commit, bytes, isLive, isWhole } of wal.frames()) {
    if (indexes.has(index)) yield { page: indexes.get(index)!, commit: --left === 0 ? pages : isLive && isWhole ? commit : 0, bytes };
  }
}

function firstPage(view: string): Buffer {
  const fresh = `${view}.first`;
  const remove = (): void => { for (const suffix of ["", "-wal", "-shm"]) rmSync(fresh + suffix, { force: true }); };
  remove();
  try {
    const db = createDatabase(fresh);
    db.pragma("wal_checkpoint(TRUNCATE)");
    db.close();
    return readFileSync(fresh).subarray(0, PAGE_SIZE);
  } finally {
    remove();
  }
}
