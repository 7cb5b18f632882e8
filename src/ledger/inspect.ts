/**
 * What only an audit asks of a ledger: tables and indexes apart from each other, so that none can vouch for another, and what
 * should not be there. Every call is one short moment of the file; on a ledger that grows, the caller says how far it looks.
 */
import Database from "better-sqlite3";
import { migrations, openReadOnly } from "./database.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { type InspectionStatements, prepareInspection, type ReceiptIndex, type RowHashes, usualHashes } from "./inspect-statements.ts";
import type { AnchorRow, OrganizationRow } from "./reader.ts";

export { RECEIPT_INDEXES } from "./inspect-statements.ts";
export type { ReceiptIndex } from "./inspect-statements.ts";
export type { OrganizationRow } from "./reader.ts";

/** A row of the table `receipt`, whatever it says. */
export interface IndexRow extends RowHashes {
  readonly logIndex: number;
  readonly org: number;
  readonly orgSeq: number;
  /** ms */
  readonly recordedAt: number;
  readonly keyEpoch: number;
}

export interface BlobRow {
  readonly logIndex: number;
  readonly bytes: Uint8Array;
}

export interface TreeNode {
  readonly level: number;
  readonly position: number;
}

/** Where a scan of an index goes on: the key of its last entry. */
export type IndexKey = readonly (number | Uint8Array)[];

export interface IndexScan {
  /** Entries of receipts below the size that was asked for. */
  readonly entries: number;
  /** log_index of entries at or above it (or below 0) without a receipt. */
  readonly strays: readonly number[];
  /** null at the end. */
  readonly next: IndexKey | null;
}

/** Of a damaged file any value may come back, whatever the column's type. */
type RawRow = readonly unknown[];

export class Inspector {
  readonly #db: Database.Database;
  readonly #s: InspectionStatements;

  /** Throws LedgerError: `ledger_missing`, `not_a_ledger`, `newer_ledger`, `ledger_corrupt`. */
  constructor(path: string) {
    this.#db = openReadOnly(path);
    this.#s = prepareInspection(this.#db);
    try {
      this.#db.prepare("SELECT name FROM sqlite_schema").all(); // SQLite reads the schema with the first statement
    } catch (error) {
      this.#db.close();
      throw ledgerError(error);
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Rows of the table `ledger`, of which there should be one. */
  identities(): { readonly one: number; readonly format: number; readonly origin: string; readonly ledgerId: string }[] {
    const rows = get(() => this.#s.identities.all() as RawRow[]);
    return rows.map(([one, format, origin, ledgerId]) => ({ one: asNumber(one), format: asNumber(format), origin: asText(origin), ledgerId: asText(ledgerId) }));
  }

  /** What SQLite finds wrong with the file's trees and pages, at most 100 sentences: rows that a walk meets and a look-up does not. */
  structure(): readonly string[] {
    const rows = get(() => this.#db.pragma("quick_check(100)")) as readonly { readonly quick_check: string }[];
    return rows.map((row) => row.quick_check).filter((text) => text !== "ok");
  }

  /** The lowest and highest log_index of receipts and of blobs, in one moment; null where there are none. */
  extent(): { readonly receipt: readonly [number, number] | null; readonly blob: readonly [number, number] | null } {
    const [receiptMin, receiptMax, blobMin, blobMax] = get(() => this.#s.extent.get()) as (number | null)[];
    const range = (min: number | null | undefined, max: number | null | undefined): [number, number] | null =>
      min === null || min === undefined || max === null || max === undefined ? null : [min, max];
    return { receipt: range(receiptMin, receiptMax), blob: range(blobMin, blobMax) };
  }

  /** The highest log_index in the table of rows, in that of blobs, or in an index over the rows: any of them may be damaged. */
  last(where: "lastRow" | "lastBlob" | "lastIndexed"): number | null {
    return get(() => this.#s[where].get()) as number | null;
  }

  /** log_index from `first` on, at most 65,536, of all that a table or an index has. */
  namesFrom(where: "receipt" | "blob" | "receipt_by_id" | "receipt_by_time", first: number): readonly number[] {
    return get(() => this.#s.namesFrom[where].all(first) as number[]);
  }

  /** The highest log_index of a row below `bound`, or null. */
  lastRowBelow(bound: number): number | null {
    return get(() => this.#s.lastBelow.get(bound)) as number | null;
  }

  /** An organization's receipt by its number in the table and its sequence. */
  rowOf(org: number, orgSeq: number): { readonly logIndex: number; readonly receiptHash: Uint8Array } | null {
    const row = get(() => this.#s.rowOf.get(org, orgSeq)) as RawRow | undefined;
    return row === undefined ? null : { logIndex: asNumber(row[0]), receiptHash: asBytes(row[1]) };
  }

  /** An organization's receipts with org_seq > after, in order, at most `limit`. */
  rowsOf(org: number, after: number, limit: number): { readonly orgSeq: number; readonly logIndex: number; readonly receiptHash: Uint8Array }[] {
    const rows = get(() => this.#s.rowsOf.all(org, after, limit) as RawRow[])
      .map(([orgSeq, logIndex, receiptHash]) => ({ orgSeq: asNumber(orgSeq), logIndex: asNumber(logIndex), receiptHash: asBytes(receiptHash) }));
    requireOrder(after, rows.map(({ orgSeq }) => orgSeq));
    return rows;
  }

  /** Has a row in [first, end) a `recorded_at` from `from` on and before `to` (ms)? `org` null: any organization's. */
  isRecorded(first: number, end: number, from: number, to: number, org: number | null): boolean {
    return get(() => this.#s.isRecorded.get(first, end, from, to, org, org)) !== undefined;
  }

  /** A receipt below `size`, but not in [first, end), that the index over times leads to from `from` (ms) on and before `to`; or null. */
  recordedElsewhere(first: number, end: number, from: number, to: number, size: number): number | null {
    return (get(() => this.#s.recordedElsewhere.get(from, to, first, end, size)) as number | undefined) ?? null;
  }

  /** Rows of `receipt` in [first, end), in order, at most `limit`; no index and no other table is asked. */
  rows(first: number, end: number, limit: number): IndexRow[] {
    return get(() => this.#s.rows.all(first, end, limit) as RawRow[]).map((row) => {
      const hashes = usualHashes(row[5], row[6]) ?? this.#unusualHashes(row[0]);
      return { logIndex: asNumber(row[0]), org: asNumber(row[1]), orgSeq: asNumber(row[2]), recordedAt: asNumber(row[3]), keyEpoch: asNumber(row[4]), ...hashes };
    });
  }

  /** Values of any type and length. */
  #unusualHashes(logIndex: unknown): RowHashes {
    const [receiptId, receiptHash, requestMac] = this.#s.hashes.get(logIndex) as RawRow;
    return { receiptId: asBytes(receiptId), receiptHash: asBytes(receiptHash), requestMac: requestMac === null ? null : asBytes(requestMac) };
  }

  /** Blobs in [first, end), in order, until `maxBytes` are passed: `next` is where to go on, `end` if that is all. */
  blobs(first: number, end: number, maxBytes: number): { readonly blobs: readonly BlobRow[]; readonly next: number } {
    return get(() => {
      const blobs: BlobRow[] = [];
      let bytes = 0;
      for (const row of this.#s.blobs.iterate(first, end) as IterableIterator<RawRow>) {
        const blob = { logIndex: asNumber(row[0]), bytes: asBytes(row[1]) };
        blobs.push(blob);
        bytes += blob.bytes.length;
        if (bytes >= maxBytes) return { blobs, next: Math.max(first, blob.logIndex) + 1 };
      }
      return { blobs, next: end };
    });
  }

  /** Is the index there, and one that leads to receipts? */
  hasIndex(index: ReceiptIndex): boolean {
    try {
      return this.#s.notFoundBy[index].reader;
    } catch (error) {
      const { code } = ledgerError(error);
      if (code !== "ledger_corrupt") throw error;
      return false;
    }
  }

  /** Rows in [first, end) that this index does not lead to: log_index, and where the index leads instead. Of an index that is not there, none. */
  notFoundBy(index: ReceiptIndex, first: number, end: number): { readonly logIndex: number; readonly found: number | null }[] {
    if (!this.hasIndex(index)) return [];
    const rows = get(() => this.#s.notFoundBy[index].all(first, end) as (readonly [number, number | null])[]);
    return rows.map(([logIndex, found]) => ({ logIndex, found }));
  }

  /** Goes through `limit` entries of an index in its own order; `size` tells receipts that count from those that came later. */
  scanIndex(index: ReceiptIndex, after: IndexKey | null, size: number, limit: number): IndexScan {
    const scan = this.#s.scanIndex[index][after === null ? "first" : "next"];
    const from = after ?? [];
    return this.#inOneMoment(() => {
      const next = scan.key.get(...from, limit - 1) as IndexKey | undefined;
      const entries = scan.count.get(...from, limit, size) as number;
      const strays = scan.strays.all(...from, limit, size) as number[];
      return { entries, strays, next: next ?? null };
    });
  }

  /** The organizations by the table, and what each unique index says: org for name, prefix and first_index. */
  organizations(): {
    readonly rows: OrganizationRow[];
    readonly byName: ReadonlyMap<string, number>;
    readonly byPrefix: ReadonlyMap<string, number>;
    readonly byFirstIndex: ReadonlyMap<number, number>;
  } {
    const index = <K>(statement: Database.Statement): Map<K, number> => new Map(statement.all() as [K, number][]);
    return this.#inOneMoment(() => ({
      rows: (this.#s.organizations.all() as RawRow[]).map(([org, name, prefix, firstIndex]) => (
        { org: asNumber(org), name: asText(name), prefix: asText(prefix), firstIndex: asNumber(firstIndex) })),
      byName: index<string>(this.#s.organizationNames),
      byPrefix: index<string>(this.#s.organizationPrefixes),
      byFirstIndex: index<number>(this.#s.organizationFirsts),
    }));
  }

  /** Anchor rows with tree_size > after, in order, at most `limit`. */
  anchors(after: number, limit: number): AnchorRow[] {
    const rows = get(() => this.#s.anchors.all(after, limit) as RawRow[])
      .map(([treeSize, firstIndex, root]) => ({ treeSize: asNumber(treeSize), firstIndex: asNumber(firstIndex), root: asBytes(root) }));
    requireOrder(after, rows.map(({ treeSize }) => treeSize));
    return rows;
  }

  /** tree_size as the unique index over first_index has it, or null. */
  anchorByFirstIndex(firstIndex: number): number | null {
    return (get(() => this.#s.anchorByFirst.get(firstIndex)) as number | undefined) ?? null;
  }

  treeNode(level: number, position: number): Uint8Array | null {
    const hash = get(() => this.#s.treeNode.get(level, position));
    return hash === undefined ? null : asBytes(hash);
  }

  /** Stored subtrees that reach beyond the newest receipt, and the number of those within the first `size` receipts. */
  treeExtent(size: number): { readonly beyond: readonly TreeNode[]; readonly within: number } {
    return get(() => ({
      beyond: this.#s.treeBeyond.all() as TreeNode[],
      within: this.#s.treeWithin.get(size) as number,
    }));
  }

  /** Several statements, between which a writer may commit: all see what the first one does. */
  #inOneMoment<T>(query: () => T): T {
    return get(() => this.#db.transaction(query)());
  }

  /** Tables, indexes and triggers that are not as receiptd creates them, or are missing, or came in addition. */
  schemaDifferences(): { readonly name: string; readonly expected: string | null; readonly found: string | null }[] {
    expectedSchema ??= createdSchema();
    const expected = expectedSchema;
    const found = get(() => readSchema(this.#db));
    return [...new Set([...expected.keys(), ...found.keys()])]
      .map((name) => ({ name, expected: expected.get(name) ?? null, found: found.get(name) ?? null }))
      .filter((part) => part.expected !== part.found);
  }
}

/** A damaged page can give rows out of order, and the same ones for ever to whoever asks for the next. */
function requireOrder(after: number, keys: readonly number[]): void {
  let last = after;
  for (const key of keys) {
    if (!(key > last)) throw new LedgerError("ledger_corrupt", `the row ${key} comes after the row ${last}: the table is damaged`);
    last = key;
  }
}

function get<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw ledgerError(error);
  }
}

const NO_BYTES = new Uint8Array(0);

function asBytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : NO_BYTES;
}

function asNumber(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** By this version of receiptd; the same for every ledger. */
let expectedSchema: ReadonlyMap<string, string> | undefined;

function createdSchema(): ReadonlyMap<string, string> {
  const db = new Database(":memory:");
  try {
    for (const { sql } of migrations()) db.exec(sql);
    return readSchema(db);
  } finally {
    db.close();
  }
}

function readSchema(db: Database.Database): Map<string, string> {
  const rows = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").all() as { type: string; name: string; tbl_name: string; sql: string | null }[];
  return new Map(rows.map((row) => [`${row.type} ${row.name}`, `${row.tbl_name}: ${row.sql ?? "automatic"}`]));
}
