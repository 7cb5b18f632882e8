/**
 * Keys that begin with a `ratchet_break` (docs/FORMAT.md section 7). Nothing in the ledger can vouch for such a key: whoever has the host's
 * root key can begin one. So each is a violation, until the auditor says that it is known who did.
 */
import { receiptRange } from "../format/count.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { AuditOptions } from "./audit.ts";
import type { BreakSeen } from "./keys-seen.ts";
import type { Findings } from "./report.ts";
import type { PartSeen } from "./verdict.ts";

const WAS: Readonly<Record<BreakSeen["ratchet"], string>> = { lost: "was lost", ahead: "was ahead of the ledger", wrong: "was not the one that was published" };

/** Also of those that a time range leaves out: what is in it may be signed with a key that began so. */
export function judgeBreaks({ acceptedBreaks }: AuditOptions, seen: PartSeen | null, findings: Findings): void {
  if (seen === null) return;
  const own = seen.part.breaks ?? [];
  const others = seen.joined.keys.breaks.filter(({ logIndex }) => !own.some((one) => one.logIndex === logIndex));
  for (const broken of [...own, ...others]) {
    const { keyId, isNew, logIndex, receiptId, receiptNumber } = broken;
    findings.add({
      severity: isNew && acceptedBreaks?.has(keyId) === true ? "note" : "violation", code: "ratchet_break",
      message: textOf(broken), logIndex, receiptId, receiptNumber, organization: LEDGER_ORGANIZATION,
    });
  }
}

/** One sentence. */
export function textOf({ keyId, previousKeyId: previous, ratchet, reason, logIndex, anchored, isNew }: BreakSeen): string {
  const again = isNew ? "" : `, though ${keyId} was in use before`;
  const open = anchored === logIndex ? "" : `; ${receiptRange(anchored, logIndex - 1)}, signed with ${previous}, ${logIndex - anchored === 1 ? "has" : "have"} no anchor but by ${keyId}`;
  return `from receipt ${logIndex} on the ledger goes on with ${keyId}, which ${previous} has not named${again}: the ratchet of ${previous} ${WAS[ratchet]}, it says (${reason}); `
    + `whoever has the host's root key can do that, and cut off or write anew what was not anchored outside by then${open}`;
}
