/** A row of the index against the receipt that it is about: every column but `org`, whose meaning another table has, and the hash. */
import { equal } from "../format/bytes.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Receipt } from "../format/receipt.ts";
import { formatTime } from "../format/time.ts";
import type { IndexRow } from "../ledger/inspect.ts";
import type { Problem } from "./suspects.ts";

/** `requestMac`: what it must be, undefined where that is not known. */
export function compareRow(row: IndexRow, receipt: Receipt, requestMac: Uint8Array | undefined): Problem[] {
  const problems: Problem[] = [];
  if (row.orgSeq !== receipt.org_seq) problems.push(column("org_seq", receipt.org_seq, row.orgSeq));
  if (row.keyEpoch !== receipt.key_epoch) problems.push(column("key_epoch", receipt.key_epoch, row.keyEpoch));
  if (row.recordedAt !== timeOf(receipt.recorded_at)) problems.push(column("recorded_at", receipt.recorded_at, timeText(row.recordedAt)));
  if (!isUuid(row.receiptId, receipt.receipt_id)) problems.push(column("receipt_id", receipt.receipt_id, hex(row.receiptId)));
  problems.push(...compareRequestMac(row, receipt, requestMac));
  return problems;
}

function compareRequestMac(row: IndexRow, receipt: Receipt, requestMac: Uint8Array | undefined): Problem[] {
  const isOwn = receipt.organization === LEDGER_ORGANIZATION;
  if (!isOwn && row.requestMac === null && requestMac === undefined) return []; // a ledger that was restored without its keyring
  if (isOwn !== (row.requestMac === null)) {
    return [column("request_mac", isOwn ? "null" : "the MAC of the request", row.requestMac === null ? "null" : "a MAC", "request_mac_mismatch")];
  }
  if (row.requestMac === null || requestMac === undefined) return [];
  // what it should be is not told: it would let a caller pass for the one who sent it
  return equal(requestMac, row.requestMac) ? [] : [column("request_mac", "the MAC of the request", hex(row.requestMac), "request_mac_mismatch")];
}

function column(name: string, expected: string | number, found: string | number, code: Problem["code"] = "index_mismatch"): Problem {
  return {
    code, message: `the index's ${name} is not that of the receipt`, at: `receipt.${name}`, expected: String(expected), found: String(found),
  };
}

let lastTime = "";
let lastMs = Number.NaN;

/** A group of receipts has one time: the last one is remembered. */
function timeOf(recordedAt: string): number {
  if (recordedAt !== lastTime) {
    lastMs = Date.parse(recordedAt);
    lastTime = recordedAt;
  }
  return lastMs;
}

/** Are these the 16 bytes of the UUID, which is in lower case? */
function isUuid(bytes: Uint8Array, text: string): boolean {
  if (bytes.length !== 16) return false;
  let at = 0;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) at++;
    if (bytes[i] !== nibble(text.charCodeAt(at)) * 16 + nibble(text.charCodeAt(at + 1))) return false;
    at += 2;
  }
  return true;
}

/** Of 0-9 and a-f, which the text was checked to have. */
function nibble(unit: number): number {
  return unit < 0x40 ? unit - 0x30 : unit - 0x57;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

function timeText(ms: number): string {
  return Number.isSafeInteger(ms) && Math.abs(ms) <= 8.64e15 ? formatTime(ms) : String(ms);
}
