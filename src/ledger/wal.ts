/**
 * SQLite's write-ahead log, read frame by frame (https://www.sqlite.org/fileformat2.html, section 4). SQLite takes the first frame that does
 * not fit for the log's end and never looks behind it; here that is done. The checksum of a frame goes on from the one that is stored in the
 * frame before: so a frame behind a damaged one can be told to be whole.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const WAL_HEADER = 32;
const FRAME_HEADER = 24;
const MAGIC = 0x377f0682;
const VERSION = 3_007_000;
/** As `createDatabase` makes it, where the log's header is damaged and nobody says. */
const PAGE_SIZE = 8192;

export interface WalFrame {
  /** From 0. */
  readonly index: number;
  /** Number of the page in the file, from 1. */
  readonly page: number;
  /** Pages of the file after the commit that this frame ends; 0: it ends none. */
  readonly commit: number;
  /** Has it the salts of the log's header? The others are of an earlier life of the log, or nothing. */
  readonly isLive: boolean;
  /** Do its bytes fit the checksum that is stored in the frame before? */
  readonly isWhole: boolean;
  /** The page, until the next frame is read. */
  readonly bytes: Uint8Array;
}

export interface WalHeader {
  /** The header's own 32 bytes. */
  readonly bytes: Buffer;
  /** null: the header is damaged, and SQLite takes the log for empty. The salts are those of the first frame then. */
  readonly seed: Checksum | null;
  readonly salts: Buffer;
  readonly pageSize: number;
  readonly isBigEndian: boolean;
}

type Checksum = readonly [number, number];

/** A log that is open; one that is not there has no frames. */
export class WalFile {
  readonly #fd: number | null;
  /** null: the log is empty. */
  readonly header: WalHeader | null;

  /** `pageSize`: where the log's header is damaged. */
  constructor(path: string, pageSize = PAGE_SIZE) {
    this.#fd = openIfThere(path);
    this.header = this.#readHeader(pageSize);
  }

  /** In order, to the file's end. */
  *frames(): Generator<WalFrame, void, undefined> {
    if (this.header === null) return;
    const { seed, salts, pageSize, isBigEndian } = this.header;
    const frame = Buffer.alloc(FRAME_HEADER + pageSize);
    let stored: Checksum | null = seed;
    for (let index = 0; this.#read(frame, WAL_HEADER + index * frame.length); index++) {
      const bytes = frame.subarray(FRAME_HEADER);
      const said: Checksum = [frame.readUInt32BE(16), frame.readUInt32BE(20)];
      const sum = stored === null ? null : checksum(bytes, isBigEndian, checksum(frame.subarray(0, 8), isBigEndian, stored));
      yield {
        index, bytes, page: frame.readUInt32BE(0), commit: frame.readUInt32BE(4),
        isLive: frame.subarray(8, 16).equals(salts), isWhole: sum !== null && sum[0] === said[0] && sum[1] === said[1],
      };
      stored = said;
    }
  }

  /** Is the log as it was when it was opened, but for frames that were added? One that begins anew gets another header first. */
  isSameLife(): boolean {
    const now = Buffer.alloc(WAL_HEADER);
    return this.header === null || (this.#read(now, 0) && now.equals(this.header.bytes));
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }

  #readHeader(pageSize: number): WalHeader | null {
    const bytes = Buffer.alloc(WAL_HEADER);
    if (this.#fd === null || fstatSync(this.#fd).size <= WAL_HEADER || !this.#read(bytes, 0)) return null;
    const magic = bytes.readUInt32BE(0);
    const isBigEndian = (magic & 1) === 1;
    const seed = checksum(bytes.subarray(0, 24), isBigEndian, [0, 0]);
    const isRight = (magic & ~1) === MAGIC && seed[0] === bytes.readUInt32BE(24) && seed[1] === bytes.readUInt32BE(28);
    if (isRight) return { bytes, seed, salts: bytes.subarray(16, 24), pageSize: bytes.readUInt32BE(8), isBigEndian };
    const first = Buffer.alloc(FRAME_HEADER);
    return { bytes, seed: null, salts: this.#read(first, WAL_HEADER) ? first.subarray(8, 16) : first, pageSize, isBigEndian: false };
  }

  /** All of it, or false. */
  #read(into: Buffer, position: number): boolean {
    let read = 0;
    while (read < into.length) {
      const n = readSync(this.#fd!, into, read, into.length - read, position + read);
      if (n === 0) return false;
      read += n;
    }
    return true;
  }
}

export interface WalDamage {
  /** Of the first frame that does not fit, from 0; -1: the log's header. */
  readonly frame: number;
  readonly frames: number;
  /** Commits behind it that are whole, and that SQLite does not look at; 0: the frame that ends the last one does not fit itself. */
  readonly commits: number;
  /**
   * Transactions that those and the frame are of, at least: no transaction has a page twice, so one that comes again is of the next. (Only its
   * last frame can repeat a page, of a transaction that the cache does not hold.)
   */
  readonly transactions: number;
  /** Frames up to the end of the last commit before that frame. */
  readonly end: number;
}

/** Are there commits behind a frame that does not fit, or in it? Looked at twice: a writer may be in the midst of that frame. */
export function walDamage(path: string, pageSize = PAGE_SIZE): WalDamage | null {
  const first = lookThrough(path, pageSize);
  const again = first === null ? null : lookThrough(path, pageSize);
  return again?.frame === first?.frame ? again : null;
}

/** null where there are none, or the log began anew meanwhile. */
function lookThrough(path: string, pageSize: number): WalDamage | null {
  const wal = new WalFile(path, pageSize);
  try {
    let frame = wal.header?.seed === null ? -1 : null;
    let [frames, commits, transactions, ended, end, isEnded] = [0, 0, 0, 0, 0, false];
    const pages = new Set<number>(); // of the transaction
    for (const { index, page, commit, isLive, isWhole } of wal.frames()) {
      frames++;
      if (!isLive || !isWhole) {
        frame ??= index;
        isEnded ||= isLive && commit > 0;
      } else if (commit > 0) {
        pages.clear();
        if (frame === null) [ended, end] = [0, frames];
        else [ended, commits, transactions] = [ended + 1, commits + 1, ended + 1];
      } else {
        if (pages.has(page)) {
          pages.clear();
          ended++;
        }
        pages.add(page);
      }
    }
    return frame === null || (commits === 0 && !isEnded) || !wal.isSameLife() ? null : { frame, frames, commits, transactions, end };
  } finally {
    wal.close();
  }
}

/** Bytes of a log with so many frames. */
export function walLength(path: string, frames: number): number {
  const wal = new WalFile(path);
  wal.close();
  return WAL_HEADER + frames * (FRAME_HEADER + (wal.header?.pageSize ?? PAGE_SIZE));
}

/** The bytes of a log with these frames, its salts those of `header`: header, then each frame's header and page. */
export function* formatWal({ salts, pageSize }: WalHeader, frames: Iterable<Pick<WalFrame, "page" | "commit" | "bytes">>): Generator<Uint8Array, void, undefined> {
  const header = Buffer.alloc(WAL_HEADER);
  [MAGIC, VERSION, pageSize, 0].forEach((word, i) => header.writeUInt32BE(word, 4 * i));
  header.set(salts, 16);
  let sum = checksum(header.subarray(0, 24), false, [0, 0]);
  sum.forEach((word, i) => header.writeUInt32BE(word, 24 + 4 * i));
  yield header;
  for (const { page, commit, bytes } of frames) {
    const head = Buffer.alloc(FRAME_HEADER);
    head.writeUInt32BE(page, 0);
    head.writeUInt32BE(commit, 4);
    head.set(salts, 8);
    sum = checksum(bytes, false, checksum(head.subarray(0, 8), false, sum));
    sum.forEach((word, i) => head.writeUInt32BE(word, 16 + 4 * i));
    yield head;
    yield bytes;
  }
}

/** Section 4.2. `bytes`: a multiple of 8 of them. */
function checksum(bytes: Uint8Array, isBigEndian: boolean, [before0, before1]: Checksum): Checksum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [s0, s1] = [before0, before1];
  for (let at = 0; at < bytes.length; at += 8) {
    s0 = (s0 + view.getUint32(at, !isBigEndian) + s1) >>> 0;
    s1 = (s1 + view.getUint32(at + 4, !isBigEndian) + s0) >>> 0;
  }
  return [s0, s1];
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
