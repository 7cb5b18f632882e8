/** The statements that put receipts into the tables, in transactions. */
import type { Database, Statement } from "better-sqlite3";

type Name = "begin" | "commit" | "rollback" | "organization" | "receipt" | "receipts" | "blob" | "blobs" | "tree" | "anchor";

/** Rows of `receipts` and `blobs`: a statement costs as much as a row does. */
export const ROWS = 16;

const RECEIPT = "INSERT INTO receipt (log_index, org, org_seq, receipt_id, receipt_hash, recorded_at, key_epoch, request_mac) VALUES ";
const BLOB = "INSERT INTO blob (log_index, bytes) VALUES ";
const times = (row: string): string => Array.from({ length: ROWS }, () => row).join(", ");

export function insertStatements(db: Database): Readonly<Record<Name, Statement>> {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    organization: db.prepare("INSERT INTO organization (org, name, prefix, first_index) VALUES (?, ?, ?, ?)"),
    receipt: db.prepare(`${RECEIPT}(?, ?, ?, ?, ?, ?, ?, ?)`),
    receipts: db.prepare(RECEIPT + times("(?, ?, ?, ?, ?, ?, ?, ?)")),
    blob: db.prepare(`${BLOB}(?, ?)`),
    blobs: db.prepare(BLOB + times("(?, ?)")),
    tree: db.prepare("INSERT INTO tree (level, position, hash) VALUES (?, ?, ?)"),
    anchor: db.prepare("INSERT INTO anchor (tree_size, first_index, root) VALUES (?, ?, ?)"),
  };
}
