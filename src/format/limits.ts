/** Sizes of receipts, in bytes (docs/FORMAT.md section 14). */
export const MAX_RECEIPT = 1_048_576;
/** A sealed receipt is what the caller sent and what the daemon added. */
export const MAX_BLOB = MAX_RECEIPT + 4096;
/** UTF-16 code units of each of the two notes of an attestation (docs/FORMAT.md section 18). */
export const MAX_ATTESTATION_NOTE = 16_384;
