/**
 * The receipt format, as functions of bytes: what docs/FORMAT.md says and no more. Nothing here reads a clock, a file or the
 * network, so it runs in a browser as it does in Node. Inputs may be anybody's; what is not as the format says is thrown as a
 * FormatError with a stable `code`. To check receipts and anchors use receiptd/verify, which is made of this.
 *
 *     import { canonicalize, parseStrict } from "receiptd/format";
 *     const text = canonicalize(parseStrict(line)); // RFC 8785, or a FormatError that names the place
 */

/** Every error, its `code` (section 14) and the JSON pointer of the place. */
export { FormatError, type FormatErrorCode } from "./errors.ts";

/** Strict I-JSON (section 3), from text or bytes. Numbers that would not keep their value are refused, never rounded. */
export { type Json, parseStrict, parseStrictBytes } from "./strict-json.ts";

/** JCS, RFC 8785: the one text of a value. */
export { canonicalize } from "./canonical.ts";

/** A stored receipt (section 4): its form is checked, whether it is genuine is not. */
export { type ReadReceipt, type Receipt, readReceipt } from "./receipt.ts";

/** `sha256:<hex>` and its 32 bytes; receipt numbers (section 4.3). */
export { hashText, parseHash, parseNumber, type ReceiptNumber } from "./chain.ts";

/** SHA-256 and HMAC, for passing in faster ones than the portable default. */
export { type Hash, pureHash } from "./hash.ts";

/** RFC 6962 trees (section 8): leaves, roots, and the two proofs, verified as RFC 9162 says. */
export { leafHash, rootOf, verifyConsistency, verifyInclusion } from "./merkle.ts";

/** Entries of the log and batch objects (sections 8.1 and 11). */
export { entryOf, parseEntries } from "./entries.ts";

/** C2SP texts (sections 9 and 10): signed notes and their keys, checkpoints, proofs. Only `verifyNote` authenticates anything. */
export { parseVkey, verifyNote, type VerifiedNote, type Vkey } from "./note.ts";
export { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
export { parseTlogProof, type TlogProof } from "./tlog-proof.ts";

/** Names of the objects in a target (section 11). */
export { type LedgerName, type ObjectName, objectPrefix, parseObjectName } from "./names.ts";
