/** Results as JSON text. Every string in them has a form that JSON does not escape, but those that come from `Json` values. */
import { fromUtf8, toHex } from "../format/bytes.ts";
import { formatNumber, HASH_PREFIX } from "../format/chain.ts";
import { formatTime } from "../format/time.ts";
import type { StoredReceipt } from "../ledger/stage.ts";
import type { Acknowledged } from "../ledger/admit.ts";
import type { Durability } from "../ledger/writer.ts";

/** What is guaranteed of a receipt: the disk holds the first `syncedSize` receipts. */
function guaranteed(stored: StoredReceipt, syncedSize: number): Durability {
  return stored.logIndex < syncedSize ? "disk" : "wal";
}

let lastTime = { at: Number.NaN, text: "" };

/** The receipts of a group have one time: the last one is remembered. */
function timeText(at: number): string {
  if (at !== lastTime.at) lastTime = { at, text: formatTime(at) };
  return lastTime.text;
}

function receiptMembers(stored: StoredReceipt): string {
  const recordedAt = timeText(stored.recordedAt);
  return `"receipt_id":"${stored.receiptId}","receipt_number":"${formatNumber(stored.prefix, recordedAt, stored.orgSeq)}"` +
    `,"organization":"${stored.organization}","org_seq":${stored.orgSeq},"log_index":${stored.logIndex},"recorded_at":"${recordedAt}"` +
    `,"receipt_hash":"${HASH_PREFIX}${toHex(stored.receiptHash)}","key_epoch":${stored.keyEpoch}`;
}

export function ackText({ stored, duplicate }: Acknowledged, syncedSize: number): string {
  return `{${receiptMembers(stored)},"ack":"${guaranteed(stored, syncedSize)}","duplicate":${duplicate}}`;
}

export function acksText(receipts: readonly Acknowledged[], syncedSize: number): string {
  const ack = receipts.every(({ stored }) => stored.logIndex < syncedSize) ? "disk" : "wal";
  return `{"receipts":[${receipts.map((receipt) => ackText(receipt, syncedSize)).join(",")}],"ack":"${ack}"}`;
}

/** `receipt` is the stored text itself: JCS of it gives the bytes under `receipt_hash`. */
export function foundText(stored: StoredReceipt & { readonly blob: Uint8Array }, syncedSize: number, anchoredSize: number): string {
  const receipt = fromUtf8(stored.blob);
  const status = stored.logIndex < anchoredSize ? "anchored" : "pending";
  return `{"receipt":${receipt},${receiptMembers(stored)},"ack":"${guaranteed(stored, syncedSize)}","status":"${status}"}`;
}
