/** What the ledger says of its own recoveries (docs/FORMAT.md section 7): worth knowing, and proof of nothing. */
import { count } from "../format/count.ts";
import type { RecoveryDetails } from "../format/fields.ts";
import type { Receipt } from "../format/receipt.ts";
import { detailsOf } from "../verify/log.ts";
import type { OpenFinding } from "./report.ts";

export function recoveryNote(receipt: Receipt): OpenFinding {
  const { log_size: size, replaced_count: replaced, lost: named, lost_count: lost, reason } = detailsOf<RecoveryDetails>(receipt);
  const dropped = named.find(({ log_index: at }) => at >= size);
  return {
    severity: "note", code: "recovered", logIndex: receipt.log_index, receiptId: receipt.receipt_id, receiptNumber: receipt.receipt_number, organization: receipt.organization,
    message: `receipt ${receipt.log_index} says that the ledger's file was made anew when it had ${count(size, "receipt")}, ${count(replaced)} of them from what was published and ${count(lost)} without their bytes${dropped === undefined ? "" : `, those from log index ${dropped.log_index} on without anything, so that others have their places`} (${reason})`,
  };
}
