/**
 * Receipts' bytes in the pages of a SQLite file that SQLite itself does not find any more: because the first page is damaged, or one of those
 * that lead to others (https://www.sqlite.org/fileformat2.html, sections 1.6 "B-tree pages", 2.1 "Record format", 4.1 "WAL file format").
 * Every page that looks like a leaf of a table is looked at, whatever table it is of. What is found is a candidate and nothing more.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { MAX_BLOB } from "../format/limits.ts";

const TABLE_LEAF = 0x0d;
/** As `createDatabase` makes it, where the file's header does not say. */
const PAGE_SIZE = 8192;
const FILE_HEADER = 100;
const WAL_HEADER = 32;
const FRAME_HEADER = 24;
const BRACE = 0x7b;

interface Varint {
  readonly value: number;
  /** Behind it. */
  readonly end: number;
}

export class RawPages {
  readonly #fd: number;
  readonly #wal: number | null;
  readonly #pageSize: number;
  readonly #pages: number;
  /** Of the write-ahead log, where the newest version of a page is. */
  readonly #frames = new Map<number, number>();
  /** By log index, versions of pages and cells in them. */
  readonly #cells = new Map<number, { readonly fd: number; readonly position: number; readonly at: number }[]>();

  /** Reads the whole file, and the write-ahead log beside it, once. */
  constructor(path: string) {
    this.#fd = openSync(path, "r");
    this.#wal = existsSync(`${path}-wal`) ? openSync(`${path}-wal`, "r") : null;
    const header = this.#read(this.#fd, 0, FILE_HEADER);
    const said = header.length < 18 ? 0 : header.readUInt16BE(16);
    this.#pageSize = said >= 512 && (said & (said - 1)) === 0 ? said : PAGE_SIZE;
    this.#readFrames();
    this.#pages = Math.max(Math.ceil(fstatSync(this.#fd).size / this.#pageSize), ...this.#frames.keys());
    for (let page = 1; page <= this.#pages; page++) this.#scan(this.#fd, (page - 1) * this.#pageSize);
  }

  close(): void {
    closeSync(this.#fd);
    if (this.#wal !== null) closeSync(this.#wal);
  }

  /** Behind the newest candidate. */
  get end(): number {
    let end = 0;
    for (const logIndex of this.#cells.keys()) end = Math.max(end, logIndex + 1);
    return end;
  }

  /** log_index of the candidates from `first` on. */
  from(first: number): readonly number[] {
    return [...this.#cells.keys()].filter((logIndex) => logIndex >= first);
  }

  /** What may be the bytes of this receipt. */
  *candidates(logIndex: number): Generator<Uint8Array, void, undefined> {
    for (const { fd, position, at } of this.#cells.get(logIndex) ?? []) {
      const bytes = this.#blob(this.#read(fd, position, this.#pageSize), at);
      if (bytes !== null) yield bytes;
    }
  }

  #readFrames(): void {
    if (this.#wal === null) return;
    const salts = this.#read(this.#wal, 0, WAL_HEADER).subarray(16, 24);
    const step = FRAME_HEADER + this.#pageSize;
    for (let at = WAL_HEADER; at + step <= fstatSync(this.#wal).size; at += step) {
      const frame = this.#read(this.#wal, at, FRAME_HEADER);
      if (!frame.subarray(8, 16).equals(salts)) return; // of an earlier life of the log
      const page = frame.readUInt32BE(0);
      if (page === 0 || page > 0x7fff_fffe) continue;
      this.#frames.set(page, at + FRAME_HEADER);
      this.#scan(this.#wal, at + FRAME_HEADER); // a version that is not the newest may be the one that is whole
    }
  }

  #page(page: number): Buffer {
    const frame = this.#frames.get(page);
    return frame === undefined ? this.#read(this.#fd, (page - 1) * this.#pageSize, this.#pageSize) : this.#read(this.#wal!, frame, this.#pageSize);
  }

  #scan(fd: number, position: number): void {
    const bytes = this.#read(fd, position, this.#pageSize);
    if (bytes.length < this.#pageSize || bytes[0] !== TABLE_LEAF) return; // the first page is that of the schema
    const cells = bytes.readUInt16BE(3);
    for (let i = 0; i < cells && 8 + 2 * i + 2 <= bytes.length; i++) {
      const at = bytes.readUInt16BE(8 + 2 * i);
      const cell = headOf(bytes, at);
      if (cell === null) continue;
      const known = this.#cells.get(cell.rowid);
      if (known === undefined) this.#cells.set(cell.rowid, [{ fd, position, at }]);
      else known.push({ fd, position, at });
    }
  }

  /** The blob of a cell, with what is on overflow pages; null where that is not all there. */
  #blob(bytes: Buffer, at: number): Uint8Array | null {
    const cell = headOf(bytes, at);
    if (cell === null) return null;
    const { payload, start, head } = cell;
    const usable = this.#pageSize;
    const most = usable - 35;
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const fitting = least + ((payload - least) % (usable - 4));
    const local = payload <= most ? payload : fitting <= most ? fitting : least;
    const parts = [bytes.subarray(start, start + local)];
    let next = local === payload || start + local + 4 > bytes.length ? 0 : bytes.readUInt32BE(start + local);
    for (let left = payload - local; left > 0 && next > 0 && next <= this.#pages; left -= usable - 4) {
      const page = this.#page(next);
      if (page.length < usable) return null;
      parts.push(page.subarray(4, 4 + Math.min(left, usable - 4)));
      next = page.readUInt32BE(0);
    }
    const record = Buffer.concat(parts);
    return record.length === payload ? record.subarray(head) : null;
  }

  #read(fd: number, position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    let read = 0;
    while (read < length) {
      const n = readSync(fd, bytes, read, length - read, position + read);
      if (n === 0) break;
      read += n;
    }
    return bytes.subarray(0, read);
  }
}

/** A record of two columns, a rowid in the place of the first and a blob that may be a JSON object: as in the table `blob`. */
function headOf(bytes: Buffer, at: number): { readonly rowid: number; readonly payload: number; readonly start: number; readonly head: number } | null {
  const payload = varint(bytes, at);
  const rowid = payload === null ? null : varint(bytes, payload.end);
  const size = rowid === null ? null : varint(bytes, rowid.end);
  const first = size === null ? null : varint(bytes, size.end);
  const second = first === null ? null : varint(bytes, first.end);
  if (payload === null || rowid === null || size === null || first === null || second === null) return null;
  const start = rowid.end;
  const length = (second.value - 12) / 2;
  const isBlob = first.value === 0 && Number.isInteger(length) && length > 0 && length <= MAX_BLOB;
  if (!isBlob || size.value !== second.end - start || payload.value !== size.value + length || bytes[second.end] !== BRACE) return null;
  return { rowid: rowid.value, payload: payload.value, start, head: size.value };
}

/** null where it is cut short, or too large to be meant. */
function varint(bytes: Buffer, at: number): Varint | null {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return null;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return Number.isSafeInteger(value) ? { value, end: at + i + 1 } : null;
  }
  return null;
}
