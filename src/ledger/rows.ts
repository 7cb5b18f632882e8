/** The index row of a receipt as SQLite returns it, and as everyone else uses it. */
import { uuidText } from "../format/uuid.ts";
import type { StoredReceipt } from "./stage.ts";

export interface ReceiptRow {
  readonly log_index: number;
  readonly name: string;
  readonly prefix: string;
  readonly org_seq: number;
  readonly receipt_id: Uint8Array;
  readonly receipt_hash: Uint8Array;
  readonly recorded_at: number;
  readonly key_epoch: number;
  readonly request_mac: Uint8Array | null;
}

/** LEFT JOIN: a row whose organization is gone must be seen by the audit, not vanish from it. */
export const SELECT_RECEIPT = `SELECT r.log_index, coalesce(o.name, '') AS name, coalesce(o.prefix, '') AS prefix, r.org_seq, r.receipt_id,
  r.receipt_hash, r.recorded_at, r.key_epoch, r.request_mac FROM receipt r LEFT JOIN organization o ON o.org = r.org`;

export function receiptRow(row: ReceiptRow): StoredReceipt {
  return {
    logIndex: row.log_index,
    organization: row.name,
    prefix: row.prefix,
    orgSeq: row.org_seq,
    receiptId: uuidText(row.receipt_id),
    receiptHash: row.receipt_hash,
    recordedAt: row.recorded_at,
    keyEpoch: row.key_epoch,
    requestMac: row.request_mac,
  };
}
