/** The statements that put receipts into the tables, in transactions. */
import type { Database, Statement } from "better-sqlite3";
import type { Stage } from "./stage.ts";

type Name = "begin" | "commit" | "rollback" | "organization" | "receipt" | "receipts" | "blob" | "blobs" | "tree" | "anchor";

type Statements = Readonly<Record<Name, Statement>>;

/** Rows of `receipts` and `blobs`: a statement costs as much as a row does. */
const ROWS = 16;

const RECEIPT = "INSERT INTO receipt (log_index, org, org_seq, receipt_id, receipt_hash, recorded_at, key_epoch, request_mac) VALUES ";
const BLOB = "INSERT INTO blob (log_index, bytes) VALUES ";
const times = (row: string): string => Array.from({ length: ROWS }, () => row).join(", ");

export function insertStatements(db: Database): Statements {
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

/** The staged receipts, in the transaction that is open. */
export function insertRows(s: Statements, rows: Stage["rows"]): void {
  const whole = rows.length - (rows.length % ROWS);
  for (let at = 0; at < whole; at += ROWS) {
    const receipts: unknown[] = [];
    const blobs: unknown[] = [];
    for (let i = at; i < at + ROWS; i++) {
      receipts.push(...receiptValues(rows[i]!));
      blobs.push(rows[i]!.stored.logIndex, rows[i]!.blob);
    }
    s.receipts.run(receipts);
    s.blobs.run(blobs);
  }
  for (let i = whole; i < rows.length; i++) {
    s.receipt.run(receiptValues(rows[i]!));
    s.blob.run(rows[i]!.stored.logIndex, rows[i]!.blob);
  }
}

function receiptValues({ org, idBytes, stored }: Stage["rows"][number]): readonly unknown[] {
  return [stored.logIndex, org, stored.orgSeq, idBytes, stored.receiptHash, stored.recordedAt, stored.keyEpoch, stored.requestMac];
}
