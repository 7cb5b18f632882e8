/**
 * What only an audit asks of a ledger: tables and indexes apart from each other, so that none can vouch for another, and what
 * should not be there. Every call is one short statement; on a ledger that grows, the caller says how far it looks.
 */
import Database from "better-sqlite3";
import { migrations, openReadOnly } from "./database.ts";
import { ledgerError } from "./errors.ts";
import type { AnchorRow, OrganizationRow } from "./reader.ts";

export type { OrganizationRow } from "./reader.ts";

/** A row of the table `receipt`, whatever it says. */
export interface IndexRow {
  readonly logIndex: number;
  readonly org: number;
  readonly orgSeq: number;
  readonly receiptId: Uint8Array;
  readonly receiptHash: Uint8Array;
  /** ms */
  readonly recordedAt: number;
  readonly keyEpoch: number;
  readonly requestMac: Uint8Array | null;
}

export interface BlobRow {
  readonly logIndex: number;
  readonly bytes: Uint8Array;
}

export interface TreeNode {
  readonly level: number;
  readonly position: number;
}

/** The indexes over the table `receipt`. */
export const RECEIPT_INDEXES = ["receipt_by_id", "receipt_by_org", "receipt_by_time"] as const;
export type ReceiptIndex = (typeof RECEIPT_INDEXES)[number];

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
  readonly #s: ReturnType<typeof prepare>;

  /** Throws LedgerError: `ledger_missing`, `not_a_ledger`, `newer_ledger`, `ledger_corrupt`. */
  constructor(path: string) {
    this.#db = openReadOnly(path);
    try {
      this.#s = prepare(this.#db);
    } catch (error) {
      this.#db.close();
      throw ledgerError(error);
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Rows of the table `ledger`, of which there should be one. */
  identities(): { readonly format: number; readonly origin: string; readonly ledgerId: string }[] {
    const rows = get(() => this.#s.identities.all() as RawRow[]);
    return rows.map(([format, origin, ledgerId]) => ({ format: asNumber(format), origin: asText(origin), ledgerId: asText(ledgerId) }));
  }

  /** The lowest and highest log_index of receipts and of blobs, in one moment; null where there are none. */
  extent(): { readonly receipt: readonly [number, number] | null; readonly blob: readonly [number, number] | null } {
    const [receiptMin, receiptMax, blobMin, blobMax] = get(() => this.#s.extent.get()) as (number | null)[];
    const range = (min: number | null | undefined, max: number | null | undefined): [number, number] | null =>
      min === null || min === undefined || max === null || max === undefined ? null : [min, max];
    return { receipt: range(receiptMin, receiptMax), blob: range(blobMin, blobMax) };
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

  /** Rows of `receipt` in [first, end), in order, at most `limit`; no index and no other table is asked. */
  rows(first: number, end: number, limit: number): IndexRow[] {
    return get(() => this.#s.rows.all(first, end, limit) as RawRow[]).map((row) => ({
      logIndex: asNumber(row[0]),
      org: asNumber(row[1]),
      orgSeq: asNumber(row[2]),
      receiptId: asBytes(row[3]),
      receiptHash: asBytes(row[4]),
      recordedAt: asNumber(row[5]),
      keyEpoch: asNumber(row[6]),
      requestMac: row[7] === null ? null : asBytes(row[7]),
    }));
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

  /** Rows in [first, end) that this index does not lead to: log_index, and where the index leads instead. */
  notFoundBy(index: ReceiptIndex, first: number, end: number): { readonly logIndex: number; readonly found: number | null }[] {
    const rows = get(() => this.#s.notFoundBy[index].all(first, end) as (readonly [number, number | null])[]);
    return rows.map(([logIndex, found]) => ({ logIndex, found }));
  }

  /** Goes through `limit` entries of an index in its own order; `size` tells receipts that count from those that came later. */
  scanIndex(index: ReceiptIndex, after: IndexKey | null, size: number, limit: number): IndexScan {
    const scan = this.#s.scanIndex[index][after === null ? "first" : "next"];
    const from = after ?? [];
    return get(() => {
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
    const rows = get(() => this.#s.organizations.all() as RawRow[]);
    const index = <K>(statement: Database.Statement): Map<K, number> => new Map(get(() => statement.all() as [K, number][]));
    return {
      rows: rows.map(([org, name, prefix, firstIndex]) => (
        { org: asNumber(org), name: asText(name), prefix: asText(prefix), firstIndex: asNumber(firstIndex) })),
      byName: index<string>(this.#s.organizationNames),
      byPrefix: index<string>(this.#s.organizationPrefixes),
      byFirstIndex: index<number>(this.#s.organizationFirsts),
    };
  }

  /** Anchor rows with tree_size > after, in order, at most `limit`. */
  anchors(after: number, limit: number): AnchorRow[] {
    const rows = get(() => this.#s.anchors.all(after, limit) as RawRow[]);
    return rows.map(([treeSize, firstIndex, root]) => ({ treeSize: asNumber(treeSize), firstIndex: asNumber(firstIndex), root: asBytes(root) }));
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

  /** Tables, indexes and triggers that are not as receiptd creates them, or are missing, or came in addition. */
  schemaDifferences(): { readonly name: string; readonly expected: string | null; readonly found: string | null }[] {
    const db = new Database(":memory:");
    for (const { sql } of migrations()) db.exec(sql);
    const expected = readSchema(db);
    db.close();
    const found = get(() => readSchema(this.#db));
    return [...new Set([...expected.keys(), ...found.keys()])]
      .map((name) => ({ name, expected: expected.get(name) ?? null, found: found.get(name) ?? null }))
      .filter((part) => part.expected !== part.found);
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

function readSchema(db: Database.Database): Map<string, string> {
  const rows = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").all() as { type: string; name: string; tbl_name: string; sql: string | null }[];
  return new Map(rows.map((row) => [`${row.type} ${row.name}`, `${row.tbl_name}: ${row.sql ?? "automatic"}`]));
}

/**
 * INDEXED BY and NOT INDEXED say which tree is read: the columns asked for are all in the index, so SQLite reads nothing else.
 * A unique index that has a key twice leads to one of the two only, so the other is "not found".
 */
function prepare(db: Database.Database) {
  const raw = (sql: string): Database.Statement => db.prepare(sql).raw(true);
  const value = (sql: string): Database.Statement => db.prepare(sql).pluck(true);
  const found = (index: ReceiptIndex, key: string): string => `SELECT i.log_index FROM receipt i INDEXED BY ${index} WHERE ${key}`;
  const lookUp = (index: ReceiptIndex, key: string): Database.Statement =>
    raw(`SELECT r.log_index, (${found(index, key)}) FROM receipt r NOT INDEXED WHERE r.log_index >= ? AND r.log_index < ?
      AND (${found(index, key)}) IS NOT r.log_index`);
  const scan = (index: ReceiptIndex, key: string, where: string) => {
    const entries = `SELECT log_index FROM receipt INDEXED BY ${index} ${where} ORDER BY ${key} LIMIT ?`;
    return {
      key: raw(`SELECT ${key} FROM receipt INDEXED BY ${index} ${where} ORDER BY ${key} LIMIT 1 OFFSET ?`),
      count: value(`SELECT count(*) FROM (${entries}) WHERE log_index >= 0 AND log_index < ?`),
      strays: value(`SELECT e.log_index FROM (${entries}) e WHERE (e.log_index < 0 OR e.log_index >= ?)
        AND NOT EXISTS (SELECT 1 FROM receipt r NOT INDEXED WHERE r.log_index = e.log_index)`),
    };
  };
  const scans = (index: ReceiptIndex, key: string, marks: string) => ({
    first: scan(index, key, ""),
    next: scan(index, key, `WHERE (${key}) > (${marks})`),
  });
  return {
    identities: raw("SELECT format, origin, ledger_id FROM ledger"),
    extent: raw("SELECT (SELECT min(log_index) FROM receipt), (SELECT max(log_index) FROM receipt), (SELECT min(log_index) FROM blob), (SELECT max(log_index) FROM blob)"),
    lastBelow: value("SELECT max(log_index) FROM receipt WHERE log_index < ?"),
    rowOf: raw("SELECT log_index, receipt_hash FROM receipt WHERE org = ? AND org_seq = ?"),
    rows: raw(`SELECT log_index, org, org_seq, receipt_id, receipt_hash, recorded_at, key_epoch, request_mac FROM receipt NOT INDEXED
      WHERE log_index >= ? AND log_index < ? ORDER BY log_index LIMIT ?`),
    blobs: raw("SELECT log_index, bytes FROM blob WHERE log_index >= ? AND log_index < ? ORDER BY log_index"),
    notFoundBy: {
      receipt_by_id: lookUp("receipt_by_id", "i.receipt_id = r.receipt_id"),
      receipt_by_org: lookUp("receipt_by_org", "i.org = r.org AND i.org_seq = r.org_seq"),
      receipt_by_time: lookUp("receipt_by_time", "i.recorded_at = r.recorded_at AND i.log_index = r.log_index"),
    },
    scanIndex: {
      receipt_by_id: scans("receipt_by_id", "receipt_id", "?"),
      receipt_by_org: scans("receipt_by_org", "org, org_seq", "?, ?"),
      receipt_by_time: scans("receipt_by_time", "recorded_at, log_index", "?, ?"),
    },
    organizations: raw("SELECT org, name, prefix, first_index FROM organization NOT INDEXED ORDER BY org"),
    organizationNames: raw("SELECT name, org FROM organization ORDER BY name"),
    organizationPrefixes: raw("SELECT prefix, org FROM organization ORDER BY prefix"),
    organizationFirsts: raw("SELECT first_index, org FROM organization ORDER BY first_index"),
    anchors: raw("SELECT tree_size, first_index, root FROM anchor NOT INDEXED WHERE tree_size > ? ORDER BY tree_size LIMIT ?"),
    anchorByFirst: value("SELECT tree_size FROM anchor WHERE first_index = ?"),
    treeNode: value("SELECT hash FROM tree WHERE level = ? AND position = ?"),
    treeBeyond: db.prepare(`SELECT level, position FROM tree WHERE level > 52 OR position < 0
      OR (position + 1) * (1 << level) > coalesce((SELECT max(log_index) + 1 FROM receipt), 0) LIMIT 100`),
    treeWithin: value("SELECT count(*) FROM tree WHERE level <= 52 AND position >= 0 AND (position + 1) * (1 << level) <= ?"),
  };
}
