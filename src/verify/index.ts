/**
 * Verifying receipts, ledgers and anchors without receiptd: the checks of docs/FORMAT.md section 13, in its order. Runs in a
 * browser as in Node, and trusts nothing but the vkeys that you pin and the keys that you pass in.
 *
 *     import { verifyLogged } from "receiptd/verify";
 *     const { treeSize } = verifyLogged({ blob, proof, origin: "receipts.example.com/loans", vkeys: [parseVkey(pinned)] });
 *
 * Functions throw a VerifyError at the first thing that is wrong; walks return what they find and go on.
 */

/** Every finding: a stable `code`, and what was expected and found. */
export { VerifyError, type VerifyErrorCode } from "./errors.ts";

/** One receipt, alone (13.1). With the key of its epoch and organization, its MAC. */
export { type VerifiedReceipt, verifyMac, verifyReceipt } from "./receipt.ts";

/** One receipt under a signed checkpoint: all that a stranger with one file can know. */
export { type LoggedFacts, type LoggedQuestion, verifyLogged } from "./proof.ts";

/** One file of evidence (15): a receipt, its proof, and hints. */
export { type EvidenceFacts, verifyEvidence } from "./evidence.ts";

/** An export (16), piece by piece: the receipts of a time, and that none is left out. */
export { type ExportFacts, type ExportOptions, ExportReader } from "./export.ts";

/** A report on a period (17): that the ledger's key has signed it. */
export { type ReportFacts, verifyReport } from "./report.ts";

/** An auditor's word (18), and who has countersigned a checkpoint. */
export { type AttestationFacts, verifyAttestation } from "./attestation.ts";
export { type Cosigner, parseCosigner } from "../format/cosignature.ts";

/** A whole ledger in the order of the log (13.2). */
export { LedgerWalk, type LedgerWalkOptions } from "./ledger.ts";

/** MAC keys from a seed (section 6). Whoever has them can sign as well. */
export { type LedgerKeys, RatchetKeys, ratchetStart } from "./keys.ts";

/** One anchor object, and the complete listing of a target (13.3). */
export { type AnchorFacts, verifyAnchorObject } from "./anchor.ts";
export type { VerifyOptions } from "./checkpoint.ts";
export { type TargetObject, type TargetReport, verifyTarget } from "./target.ts";

/** An anchor against a ledger (13.4). */
export { compareWithLedger } from "./anchors.ts";

/** For pinning. */
export { parseVkey, type Vkey } from "../format/note.ts";
