/**
 * The names under which the writer continues the organizations' chains, against what is signed: each organization's first receipt. The index
 * is whoever's can write the file; under a changed name the next receipt would be an organization's second first one, for ever.
 */
import { equal } from "../format/bytes.ts";
import { parseNumber } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import type { Sha256 } from "../format/hash.ts";
import { readReceipt } from "../format/receipt.ts";
import { LedgerError } from "./errors.ts";

export interface OrganizationRow {
  readonly org: number;
  readonly name: string;
  readonly prefix: string;
}

/**
 * Throws `organization_mismatch` where the row is not of this first receipt, for which the table has it. Bytes that are missing, or not those of
 * the hash, say nothing: that is for the audit.
 */
export function requireName({ org, name, prefix }: OrganizationRow, first: { readonly receipt_hash: Uint8Array; readonly bytes: Uint8Array | null }, sha256: Sha256): void {
  const said = first.bytes === null || !equal(sha256(first.bytes), first.receipt_hash) ? null : read(first.bytes);
  if (said === null || (said.organization === name && said.prefix === prefix && said.orgSeq === 1)) return;
  throw mismatch(`the index calls organization ${org} ${name} (${prefix}), and what it has for its first receipt is ${said.number} of ${said.organization}`);
}

/** Organizations are numbered from 1, in order of appearance; `most`: the highest number in a receipt's row. */
export function requireAll(rows: readonly OrganizationRow[], most: number): void {
  if (rows.length !== most || rows.some(({ org }, i) => org !== i + 1)) throw mismatch(`the index names ${count(rows.length, "organization")}, and receipts are numbered for ${most}`);
}

function mismatch(what: string): LedgerError {
  return new LedgerError("organization_mismatch", `${what}: somebody has changed the index, or it is damaged; an organization's receipts would begin anew at 1. No receipt was added`);
}

function read(bytes: Uint8Array): { readonly organization: string; readonly prefix: string; readonly orgSeq: number; readonly number: string } | null {
  try {
    const { known, receipt } = readReceipt(bytes);
    const prefix = known ? parseNumber(receipt.receipt_number)?.prefix : undefined;
    return !known || prefix === undefined ? null : { organization: receipt.organization, prefix, orgSeq: receipt.org_seq, number: receipt.receipt_number };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
