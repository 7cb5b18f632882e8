/**
 * One key, two ledgers: whoever holds the key of a ledger can begin it anew under another id, with another past, and show that. Whatever
 * the audited one says of itself is then whole; what tells is the other one (docs/FORMAT.md section 13.3 step 9).
 */
import { type AnchorTarget, TargetError } from "../anchor/target.ts";
import { count } from "../format/count.ts";
import type { LedgerName } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { auditHash } from "./hash.ts";
import type { Findings } from "./report.ts";
import { signedLedgers } from "./signed-ledgers.ts";
import type { NotChecked } from "./verdict.ts";

/** Looks at a target for other ledgers of this origin that the keys have signed. Throws TargetError `target_unavailable`. */
export async function checkSiblings(
  target: AnchorTarget, { origin, ledgerId }: LedgerName, vkeys: readonly Vkey[], findings: Findings, notChecked: NotChecked, onVersion: () => void,
): Promise<void> {
  const what = `whether the key has signed another ledger of this origin at ${target.name}`;
  try {
    const { signed, ids, leftOut, isCutShort } = await signedLedgers(target, { origin, own: ledgerId, vkeys, hash: auditHash, verify: verifyByNode, onVersion });
    for (const other of signed) {
      findings.add({
        severity: "violation", code: "ledger_replaced", object: { target: target.name, name: other.name }, expected: ledgerId, found: other.ledgerId,
        message: `the key has signed another ledger of this origin: ${other.ledgerId}, with anchors since ${formatTime(other.lastModified)}; one of the two is not the ledger that was meant`,
      });
    }
    if (isCutShort) notChecked.fail(`${what}: the listing of the origin was given up`);
    else if (leftOut.length > 0) notChecked.add(`${what}, to the last object: there are objects of ${count(ids.size, "other id")}${ids.size >= 1000 ? " or more" : ""}; ${leftOut.join("; ")}`);
  } catch (error) {
    if (!(error instanceof TargetError) || error.code !== "target_denied") throw error;
    notChecked.add(`${what}: ${error.message}`);
  }
}
