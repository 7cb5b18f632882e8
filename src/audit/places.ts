/**
 * Reading the places of a ledger one after the other: the row of the index and the blob, each from its own table, in short pages.
 * A damaged page of the file costs what cannot be read of it, not the audit.
 */
import { LedgerError } from "../ledger/errors.ts";
import type { IndexRow, Inspector } from "../ledger/inspect.ts";

export interface Place {
  readonly logIndex: number;
  /** null: not there. */
  readonly row: IndexRow | null;
  readonly blob: Uint8Array | null;
  /** Why SQLite could not read one or both of them. */
  readonly unreadable: string | null;
}

const ROWS = 512;
/** Bytes of blobs that are held at a time, about: one more blob can come on top. */
const BLOB_BYTES = 1 << 20;

interface Page<T> {
  readonly items: ReadonlyMap<number, T>;
  /** Not included. */
  readonly end: number;
  readonly failed: ReadonlyMap<number, string>;
}

/** Every place in [first, end), with or without something in it. `wantsBlob` false: its blob is not read (and is null). */
export function* readPlaces(
  inspector: Inspector, first: number, end: number, wantsBlob?: (row: IndexRow) => boolean,
): Generator<Place, void, undefined> {
  for (let at = first; at < end;) {
    const rows = readRows(inspector, at, Math.min(end, at + ROWS));
    const blobs = wantsBlob === undefined
      ? readBlobs(inspector, at, rows.end)
      : readWantedBlobs(inspector, at, rows, wantsBlob);
    for (; at < blobs.end; at++) {
      yield {
        logIndex: at,
        row: rows.items.get(at) ?? null,
        blob: blobs.items.get(at) ?? null,
        unreadable: rows.failed.get(at) ?? blobs.failed.get(at) ?? null,
      };
    }
  }
}

/** What `read` gives, or undefined where SQLite finds the file damaged; any other failure is thrown. */
export function unlessCorrupt<T>(read: () => T, onCorrupt: (message: string) => void): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LedgerError) || (error.code !== "ledger_corrupt" && error.code !== "ledger_io")) throw error;
    onCorrupt(error.message);
    return undefined;
  }
}

function readRows(inspector: Inspector, first: number, end: number): Page<IndexRow> {
  const failed = new Map<number, string>();
  const items = new Map<number, IndexRow>();
  const rows = unlessCorrupt(() => inspector.rows(first, end, end - first), () => undefined);
  for (const row of rows ?? readOneByOne(first, end, failed, (at) => inspector.rows(at, at + 1, 1))) items.set(row.logIndex, row);
  return { items, end, failed };
}

function readBlobs(inspector: Inspector, first: number, end: number): Page<Uint8Array> {
  const failed = new Map<number, string>();
  const items = new Map<number, Uint8Array>();
  const page = unlessCorrupt(() => inspector.blobs(first, end, BLOB_BYTES), () => undefined);
  const blobs = page?.blobs ?? readOneByOne(first, end, failed, (at) => inspector.blobs(at, at + 1, 1).blobs);
  for (const { logIndex, bytes } of blobs) items.set(logIndex, bytes);
  return { items, end: page?.next ?? end, failed };
}

function readWantedBlobs(inspector: Inspector, first: number, rows: Page<IndexRow>, wants: (row: IndexRow) => boolean): Page<Uint8Array> {
  const failed = new Map<number, string>();
  const items = new Map<number, Uint8Array>();
  let bytes = 0;
  for (let at = first; at < rows.end; at++) {
    const row = rows.items.get(at);
    if (row !== undefined && !wants(row)) continue;
    for (const blob of readOneByOne(at, at + 1, failed, () => inspector.blobs(at, at + 1, 1).blobs)) {
      items.set(at, blob.bytes);
      bytes += blob.bytes.length;
    }
    if (bytes >= BLOB_BYTES) return { items, end: at + 1, failed };
  }
  return { items, end: rows.end, failed };
}

function* readOneByOne<T>(first: number, end: number, failed: Map<number, string>, read: (at: number) => readonly T[]): Generator<T, void, undefined> {
  for (let at = first; at < end; at++) {
    const items = unlessCorrupt(() => read(at), (message) => void failed.set(at, message));
    if (items !== undefined) yield* items;
  }
}
