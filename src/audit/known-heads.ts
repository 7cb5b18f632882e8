/**
 * The organizations as they are before the first receipt of a part, by the index. Their newest receipts are bound by `org_heads_root`
 * of the anchor receipts in the part; their names and prefixes are not, and so each is compared with its first receipt, whose hash is.
 */
import { equal } from "../format/bytes.ts";
import { parseNumber } from "../format/chain.ts";
import type { Hash } from "../format/hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { OrganizationRow } from "../ledger/reader.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import type { JoinStart } from "./join.ts";

/** An organization as it is before the first receipt of a part. */
export type KnownHead = JoinStart["heads"][number] & { readonly prefix: string };

/** Of all organizations with a receipt before `first`. Throws LedgerError `ledger_corrupt` and VerifyError. */
export function headsBefore(inspector: Inspector, first: number, hash: Hash): readonly KnownHead[] {
  return inspector.organizations().rows.filter((row) => row.firstIndex < first).map((row) => {
    const head = headBefore(inspector, row, first);
    requireFirst(inspector, row, head.firstHash, hash);
    return head;
  });
}

/** The organization's newest receipt before `first`: its sequence rises with log_index, so it is found by halving. */
function headBefore(inspector: Inspector, { org, name, prefix, firstIndex }: OrganizationRow, first: number): KnownHead {
  const place = (orgSeq: number): { readonly logIndex: number; readonly receiptHash: Uint8Array } | null => inspector.rowOf(org, orgSeq);
  let low = 1;
  let high = 2;
  for (let at = place(high); at !== null && at.logIndex < first; at = place(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const at = place(middle);
    if (at !== null && at.logIndex < first) low = middle;
    else high = middle;
  }
  const newest = place(low);
  const oldest = place(1);
  if (newest?.receiptHash.length !== 32 || oldest?.receiptHash.length !== 32) throw new LedgerError("ledger_corrupt", `the organization ${name} has no first or last receipt`);
  return { organization: name, orgSeq: low, hash: newest.receiptHash, firstIndex, firstHash: oldest.receiptHash, prefix };
}

/** A renamed organization could begin anew, or have its receipts looked for among those of another. */
function requireFirst(inspector: Inspector, { name, prefix, firstIndex }: OrganizationRow, firstHash: Uint8Array, hash: Hash): void {
  const bytes = inspector.blobs(firstIndex, firstIndex + 1, 1).blobs[0]?.bytes;
  if (bytes === undefined) throw new LedgerError("ledger_corrupt", `receipt ${firstIndex} is not there`);
  const { known, receipt, hash: found } = verifyReceipt(bytes, hash);
  const isFirst = equal(found, firstHash) && receipt.organization === name && (!known || parseNumber(receipt.receipt_number)?.prefix === prefix);
  if (!isFirst) throw new LedgerError("ledger_corrupt", `the first receipt of the organization ${name} is another`);
}
