/** The index row of a receipt, from its bytes alone. */
import { auditHash } from "../audit/hash.ts";
import { requestMac } from "../audit/request-mac.ts";
import { parseNumber } from "../format/chain.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Receipt } from "../format/receipt.ts";
import { parseTime } from "../format/time.ts";
import type { StoredReceipt } from "../ledger/stage.ts";

/**
 * Of a receipt that `verifyReceipt` has passed, whose log_index is that of its place. `requestKey` is R (docs/FORMAT.md section 12), null
 * where it is not known; `stored`: the `request_mac` that there is already, for which a quicker way may do, and which is kept without R.
 */
export function storedReceipt(receipt: Receipt, receiptHash: Uint8Array, blob: Uint8Array, requestKey: Uint8Array | null, stored: Uint8Array | null): StoredReceipt {
  const isOwn = receipt.organization === LEDGER_ORGANIZATION;
  return {
    logIndex: receipt.log_index,
    organization: receipt.organization,
    prefix: parseNumber(receipt.receipt_number)!.prefix,
    orgSeq: receipt.org_seq,
    receiptId: receipt.receipt_id,
    receiptHash,
    recordedAt: parseTime(receipt.recorded_at)!,
    keyEpoch: receipt.key_epoch,
    requestMac: isOwn ? null : requestKey === null ? stored : requestMac(blob, receipt, requestKey, stored, auditHash),
  };
}
