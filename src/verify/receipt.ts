/** One receipt, alone (docs/FORMAT.md section 13.1). Its bytes may be anybody's. */
import { hashText } from "../format/chain.ts";
import { ASSEMBLED_TYPES, RESERVED_ANYWHERE, SYSTEM_TYPES } from "../format/fields.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { equalMac, signatureOf } from "../format/mac.ts";
import { type LinkedReceipt, numberMatches, type ReadReceipt, readReceipt, type Receipt, unsignedBytes } from "../format/receipt.ts";
import { type Json, pointerToken } from "../format/strict-json.ts";
import { asVerifyError, reading, VerifyError } from "./errors.ts";

/**
 * A receipt that passed steps 1 to 4. `known` is false for a schema_version other than 1: only what links and signs is certain
 * then, and the verdict on it is "could not check".
 */
export type VerifiedReceipt = {
  /** Names of members whose meaning this version does not know. */
  readonly notChecked: readonly string[];
  /** The receipt hash: SHA-256(blob), 32 bytes. */
  readonly hash: Uint8Array;
} & ({ readonly known: true; readonly receipt: Receipt } | { readonly known: false; readonly receipt: LinkedReceipt });

/** Steps 1 to 4. Throws VerifyError: the codes of strict JSON, `not_canonical`, `bad_receipt`, `number_mismatch`. */
export function verifyReceipt(blob: Uint8Array, hash: Hash = pureHash): VerifiedReceipt {
  let read: ReadReceipt;
  try {
    read = readReceipt(blob);
  } catch (error) {
    throw asVerifyError(error);
  }
  if (read.known) refuseReservedNames(read.receipt, read.text);
  if (read.known && !numberMatches(read.receipt)) {
    const { receipt_number, recorded_at, org_seq } = read.receipt;
    throw new VerifyError("number_mismatch", "the receipt number is not made of this year and org_seq", {
      pointer: "/receipt_number",
      expected: `…-${recorded_at.slice(0, 4)}-${String(org_seq).padStart(5, "0")}`,
      found: receipt_number,
    });
  }
  const receiptHash = hash.sha256(blob);
  return read.known
    ? { known: true, receipt: read.receipt, notChecked: read.notChecked, hash: receiptHash }
    : { known: false, receipt: read.receipt, notChecked: read.notChecked, hash: receiptHash };
}

/** Step 3: what a caller may not name at any depth (section 4.1), no stored receipt of a caller's has. A `chain` is the daemon's. */
function refuseReservedNames(receipt: Receipt, text: string): void {
  if (!text.includes('"_sd') && !text.includes('"...":')) return; // all but a few
  if (SYSTEM_TYPES.has(receipt.type) || ASSEMBLED_TYPES.has(receipt.type)) return;
  const pointer = reservedName(receipt);
  if (pointer !== null) throw new VerifyError("bad_receipt", "the name is reserved at every depth", { pointer });
}

function reservedName(value: Json): string | null {
  if (typeof value !== "object" || value === null) return null;
  for (const [name, inner] of Object.entries(value)) {
    const at = pointerToken(name);
    if (!Array.isArray(value) && RESERVED_ANYWHERE.has(name)) return at;
    const found = reservedName(inner);
    if (found !== null) return at + found;
  }
  return null;
}

/**
 * Step 5: the MAC of a receipt that passed `verifyReceipt`, under M of its epoch and organization (32 bytes, section 6).
 * Throws `mac_mismatch`.
 */
export function verifyMac(
  blob: Uint8Array,
  receipt: { readonly signature: string },
  macKey: Uint8Array,
  hash: Hash = pureHash,
): void {
  const unsigned = reading(() => unsignedBytes(blob, receipt.signature));
  if (!equalMac(signatureOf(macKey, unsigned, hash), receipt.signature)) {
    // what it should be is not told: it would sign the receipt
    throw new VerifyError("mac_mismatch", "the signature is not that of this receipt under this key", {
      pointer: "/signature",
      found: receipt.signature,
    });
  }
}

/** What messages and findings call a receipt: its number, or its place where the number is not known. */
export function nameOf(r: VerifiedReceipt): string {
  return r.known ? r.receipt.receipt_number : `receipt ${r.receipt.log_index} (${hashText(r.hash)})`;
}
