/** The statements of inspect.ts, and how the rows of the table `receipt` come out of them. */
import type { Database, Statement } from "better-sqlite3";
import { lazily, prepared } from "./statements.ts";

/** The indexes over the table `receipt`. */
export const RECEIPT_INDEXES = ["receipt_by_id", "receipt_by_org", "receipt_by_time"] as const;
export type ReceiptIndex = (typeof RECEIPT_INDEXES)[number];

export interface RowHashes {
  readonly receiptId: Uint8Array;
  readonly receiptHash: Uint8Array;
  readonly requestMac: Uint8Array | null;
}

/** A row's id and hashes are what they should be; one of the ledger's own has no request_mac. */
const USUAL = 1 + 2 + 8;
const USUAL_OWN = 1 + 2 + 4;

/** From the last two columns of `rows`; null where they are not what they should be. A string costs a quarter of what three Buffers do. */
export function usualHashes(form: unknown, hex: unknown): RowHashes | null {
  if ((form !== USUAL && form !== USUAL_OWN) || typeof hex !== "string") return null;
  return {
    receiptId: bytesOf(hex, 0, 16),
    receiptHash: bytesOf(hex, 16, 32),
    requestMac: form === USUAL ? bytesOf(hex, 48, 32) : null,
  };
}

/** `length` bytes from byte `at` on of SQLite's upper-case hex. */
function bytesOf(hex: string, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = 16 * nibble(hex.charCodeAt(2 * (at + i))) + nibble(hex.charCodeAt(2 * (at + i) + 1));
  return bytes;
}

function nibble(unit: number): number {
  return unit < 0x40 ? unit - 0x30 : unit - 0x37;
}

interface ScanStatements {
  readonly key: Statement;
  readonly count: Statement;
  readonly strays: Statement;
}

type Name = "identities" | "extent" | "lastRow" | "lastBlob" | "lastIndexed" | "lastBelow" | "rowOf" | "rowsOf" | "isRecorded" | "recordedElsewhere" | "rows" | "hashes" | "blobs" | "organizations" | "organizationNames" | "organizationPrefixes"
  | "organizationFirsts" | "anchors" | "anchorByFirst" | "treeNode" | "treeBeyond" | "treeWithin";

export type InspectionStatements = Readonly<Record<Name, Statement>> & {
  readonly namesFrom: Readonly<Record<"receipt" | "blob" | "receipt_by_id" | "receipt_by_time", Statement>>;
  readonly notFoundBy: Readonly<Record<ReceiptIndex, Statement>>;
  readonly scanIndex: Readonly<Record<ReceiptIndex, { readonly first: ScanStatements; readonly next: ScanStatements }>>;
};

/**
 * INDEXED BY and NOT INDEXED say which tree is read: the columns asked for are all in the index, so SQLite reads nothing else.
 * A unique index that has a key twice leads to one of the two only, so the other is "not found".
 */
export function prepareInspection(db: Database): InspectionStatements {
  const raw = (sql: string): Statement => prepared(db, sql).raw(true);
  const value = (sql: string): Statement => prepared(db, sql).pluck(true);
  const found = (index: ReceiptIndex, key: string): string => `SELECT i.log_index FROM receipt i INDEXED BY ${index} WHERE ${key}`;
  const lookUp = (index: ReceiptIndex, key: string): Statement =>
    raw(`SELECT r.log_index, (${found(index, key)}) FROM receipt r NOT INDEXED WHERE r.log_index >= ? AND r.log_index < ?
      AND (${found(index, key)}) IS NOT r.log_index`);
  const scan = (index: ReceiptIndex, key: string, where: string): ScanStatements => {
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
  return lazily<InspectionStatements>({
    identities: () => raw("SELECT one, format, origin, ledger_id FROM ledger"),
    extent: () => raw("SELECT (SELECT min(log_index) FROM receipt), (SELECT max(log_index) FROM receipt), (SELECT min(log_index) FROM blob), (SELECT max(log_index) FROM blob)"),
    lastRow: () => value("SELECT max(log_index) FROM receipt NOT INDEXED"),
    lastBlob: () => value("SELECT max(log_index) FROM blob"),
    lastIndexed: () => value("SELECT max(log_index) FROM receipt INDEXED BY receipt_by_time"),
    lastBelow: () => value("SELECT max(log_index) FROM receipt WHERE log_index < ?"),
    rowOf: () => raw("SELECT log_index, receipt_hash FROM receipt WHERE org = ? AND org_seq = ?"),
    rowsOf: () => raw("SELECT org_seq, log_index, receipt_hash FROM receipt WHERE org = ? AND org_seq > ? ORDER BY org_seq LIMIT ?"),
    isRecorded: () => value(`SELECT 1 FROM receipt NOT INDEXED WHERE log_index >= ? AND log_index < ? AND recorded_at >= ? AND recorded_at < ?
      AND (? IS NULL OR org = ?) LIMIT 1`),
    recordedElsewhere: () => value(`SELECT log_index FROM receipt INDEXED BY receipt_by_time WHERE recorded_at >= ? AND recorded_at < ?
      AND (log_index < ? OR log_index >= ?) AND log_index < ? LIMIT 1`),
    rows: () => raw(`SELECT log_index, org, org_seq, recorded_at, key_epoch,
      (typeof(receipt_id) = 'blob' AND length(receipt_id) = 16) + 2 * (typeof(receipt_hash) = 'blob' AND length(receipt_hash) = 32)
        + 4 * (request_mac IS NULL) + 8 * (typeof(request_mac) = 'blob' AND length(request_mac) = 32),
      hex(receipt_id) || hex(receipt_hash) || hex(request_mac)
      FROM receipt NOT INDEXED WHERE log_index >= ? AND log_index < ? ORDER BY log_index LIMIT ?`),
    hashes: () => raw("SELECT receipt_id, receipt_hash, request_mac FROM receipt WHERE log_index = ?"),
    blobs: () => raw("SELECT log_index, bytes FROM blob WHERE log_index >= ? AND log_index < ? ORDER BY log_index"),
    namesFrom: () => lazily<InspectionStatements["namesFrom"]>({
      receipt: () => value("SELECT log_index FROM receipt NOT INDEXED WHERE log_index >= ? LIMIT 65536"),
      blob: () => value("SELECT log_index FROM blob WHERE log_index >= ? LIMIT 65536"),
      receipt_by_id: () => value("SELECT log_index FROM receipt INDEXED BY receipt_by_id WHERE log_index >= ? LIMIT 65536"),
      receipt_by_time: () => value("SELECT log_index FROM receipt INDEXED BY receipt_by_time WHERE log_index >= ? LIMIT 65536"),
    }),
    notFoundBy: () => lazily<InspectionStatements["notFoundBy"]>({
      receipt_by_id: () => lookUp("receipt_by_id", "i.receipt_id = r.receipt_id"),
      receipt_by_org: () => lookUp("receipt_by_org", "i.org = r.org AND i.org_seq = r.org_seq"),
      receipt_by_time: () => lookUp("receipt_by_time", "i.recorded_at = r.recorded_at AND i.log_index = r.log_index"),
    }),
    scanIndex: () => lazily<InspectionStatements["scanIndex"]>({
      receipt_by_id: () => scans("receipt_by_id", "receipt_id", "?"),
      receipt_by_org: () => scans("receipt_by_org", "org, org_seq", "?, ?"),
      receipt_by_time: () => scans("receipt_by_time", "recorded_at, log_index", "?, ?"),
    }),
    organizations: () => raw("SELECT org, name, prefix, first_index FROM organization NOT INDEXED ORDER BY org"),
    organizationNames: () => raw("SELECT name, org FROM organization ORDER BY name"),
    organizationPrefixes: () => raw("SELECT prefix, org FROM organization ORDER BY prefix"),
    organizationFirsts: () => raw("SELECT first_index, org FROM organization ORDER BY first_index"),
    anchors: () => raw("SELECT tree_size, first_index, root FROM anchor NOT INDEXED WHERE tree_size > ? ORDER BY tree_size LIMIT ?"),
    anchorByFirst: () => value("SELECT tree_size FROM anchor WHERE first_index = ?"),
    treeNode: () => value("SELECT hash FROM tree WHERE level = ? AND position = ?"),
    treeBeyond: () => prepared(db, `SELECT level, position FROM tree WHERE level > 52 OR position < 0
      OR (position + 1) * (1 << level) > coalesce((SELECT max(log_index) + 1 FROM receipt), 0) LIMIT 100`),
    treeWithin: () => value("SELECT count(*) FROM tree WHERE level <= 52 AND position >= 0 AND (position + 1) * (1 << level) <= ?"),
  });
}
