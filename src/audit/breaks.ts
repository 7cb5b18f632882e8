/**
 * Keys that begin with a `ratchet_break` (docs/FORMAT.md section 7). Nothing in the ledger can vouch for such a key: whoever has the host's
 * root key can begin one. So each is a violation, until the auditor says that it is known who did.
 */
import { receiptRange } from "../format/count.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { AuditOptions } from "./audit.ts";
import type { BreakSeen } from "./keys-seen.ts";
import type { BreakRecord } from "./record.ts";
import type { Findings } from "./report.ts";
import type { PartSeen } from "./verdict.ts";

const WAS: Readonly<Record<BreakSeen["ratchet"], string>> = { lost: "was lost", ahead: "was ahead of the ledger", wrong: "was not the one that was published" };

/**
 * Also of those that a time range leaves out: what is in it may be signed with a key that began so. And of those that the record of an
 * earlier audit knows, whose auditor accepted them for that audit, and not for whoever goes on from it. Returns what a record keeps.
 */
export function judgeBreaks({ acceptedBreaks, since, ledger }: AuditOptions, seen: PartSeen | null, findings: Findings): readonly BreakRecord[] {
  const known = since?.origin === ledger.origin && since.ledger_id === ledger.ledgerId ? since.breaks : [];
  const own = seen?.part.breaks ?? [];
  const others = (seen?.joined.keys.breaks ?? []).filter(({ logIndex }) => !own.some((one) => one.logIndex === logIndex));
  const before = known.filter(({ log_index }) => seen === null || log_index < seen.part.first);
  const read = [...own, ...others].map((broken): BreakRecord => ({
    key_id: broken.keyId, log_index: broken.logIndex, receipt_id: broken.receiptId, receipt_number: broken.receiptNumber, receipt_hash: broken.receiptHash, says: textOf(broken),
  }));
  for (const { log_index: logIndex, receipt_id: receiptId, receipt_number: receiptNumber, receipt_hash: hash, says } of [...before, ...read]) {
    findings.add({
      severity: isAccepted(hash, acceptedBreaks) ? "note" : "violation", code: "ratchet_break",
      message: says, found: hash ?? undefined, logIndex, receiptId, receiptNumber, organization: LEDGER_ORGANIZATION,
    });
  }
  return [...before, ...read];
}

/** By the receipt's hash, which has the ledger's whole history behind it: another one, or this one made once more, has another. */
export function isAccepted(receiptHash: string | null, accepted: ReadonlySet<string> | undefined): boolean {
  return receiptHash !== null && accepted?.has(receiptHash) === true;
}

/** One sentence. */
export function textOf({ keyId, previousKeyId: previous, ratchet, reason, logIndex, anchored, isNew }: BreakSeen): string {
  const again = isNew ? "" : `, though ${keyId} was in use before`;
  const open = anchored === logIndex ? "" : `; ${receiptRange(anchored, logIndex - 1)}, signed with ${previous}, ${logIndex - anchored === 1 ? "has" : "have"} no anchor but by ${keyId}`;
  return `from receipt ${logIndex} on the ledger goes on with ${keyId}, which ${previous} has not named${again}: the ratchet of ${previous} ${WAS[ratchet]}, it says (${reason}); `
    + `whoever has the host's root key can do that, and cut off or write anew what was not anchored outside by then${open}`;
}
