/**
 * A file of evidence, offline (docs/FORMAT.md section 15): all that a stranger needs beside it is the ledger's vkey, from elsewhere. `logged`
 * is what the ledger's key can say: these bytes are in this place of the ledger, under a root that the ledger's key has signed. Where an auditor that is pinned has countersigned that root it is `anchored`: it was seen outside. The receipt's
 * own fields, its chain and its MAC are for whoever audits the ledger.
 */
import { equal, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { type Cosigned, type Cosigner, verifyCosignatures } from "../format/cosignature.ts";
import { entryOf } from "../format/entries.ts";
import { type Evidence, readEvidence } from "../format/evidence.ts";
import { pureHash } from "../format/hash.ts";
import { MAX_BLOB } from "../format/limits.ts";
import { leafHash, verifyInclusion } from "../format/merkle.ts";
import { parseNote, verifyEd25519, type Vkey } from "../format/note.ts";
import { isArray, type Json, parseStrictBytes } from "../format/strict-json.ts";
import { parseTlogProof } from "../format/tlog-proof.ts";
import { verifyCheckpoint, type VerifyOptions } from "./checkpoint.ts";
import { reading, VerifyError } from "./errors.ts";

export interface EvidenceFacts {
  readonly evidence: Evidence;
  /** The receipt's members, as they stand in it: canonical JSON, and no more is checked of them but `ledger` and `log_index`. */
  readonly receipt: { readonly [name: string]: Json };
  /** 32 bytes. */
  readonly receiptHash: Uint8Array;
  readonly logIndex: number;
  readonly treeSize: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  readonly path: readonly Uint8Array[];
  /** The pinned keys that signed, as vkeys. */
  readonly signedBy: readonly string[];
  /** The pinned auditors that countersigned, in the order of the note; none: the ledger's key alone speaks for the root. */
  readonly cosigned: readonly Cosigned[];
}

export interface EvidenceOptions extends VerifyOptions {
  /** Pinned, too: who countersigns. */
  readonly auditors?: readonly Cosigner[] | undefined;
}

/** `vkeys`: pinned, not those of the file. Throws VerifyError with the codes of section 15.1, in its order. */
export function verifyEvidence(bytes: Uint8Array, vkeys: readonly Vkey[], options: EvidenceOptions = {}): EvidenceFacts {
  const hash = options.hash ?? pureHash;
  const evidence = reading(() => readEvidence(bytes, hash));
  const { ledger, receipt: blob } = evidence;
  const receipt = readFields(blob);
  if (receipt["ledger"] !== ledger) {
    throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger than the file says", { pointer: "/receipt", expected: ledger, found: String(receipt["ledger"]) });
  }
  const proof = reading(() => parseTlogProof(evidence.proof));
  if (proof.extra !== undefined) throw new VerifyError("bad_tlog_proof", "the proof has extra data, which nobody has signed", { pointer: "/proof" });
  const { size, root, signedBy } = verifyCheckpoint(proof.checkpoint, ledger, vkeys, options);
  const cosigned = reading(() => verifyCosignatures(parseNote(proof.checkpoint), options.auditors ?? [], options.verify ?? verifyEd25519));
  const logIndex = receipt["log_index"] as number;
  if (proof.index !== logIndex) throw new VerifyError("inclusion_mismatch", "the proof is one of another receipt", { pointer: "/proof", expected: logIndex, found: proof.index });
  const receiptHash = hash.sha256(blob);
  const leaf = leafHash(entryOf(receiptHash), hash.sha256);
  if (!verifyInclusion({ leafHash: leaf, index: logIndex, size, path: proof.path, root }, hash.sha256)) {
    throw new VerifyError("inclusion_mismatch", "the path does not lead from the receipt to the signed root", { pointer: "/proof" });
  }
  return { evidence, receipt, receiptHash, logIndex, treeSize: size, root, path: proof.path, signedBy, cosigned };
}

/** One reading of the bytes, and no other: canonical JSON, an object with the place that it is to have. */
function readFields(blob: Uint8Array): { readonly [name: string]: Json } {
  const value = reading(() => parseStrictBytes(blob, { maxBytes: MAX_BLOB, basePointer: "/receipt" }));
  if (!equal(utf8(canonicalize(value)), blob)) throw new VerifyError("not_canonical", "the receipt is not canonical JSON", { pointer: "/receipt" });
  if (typeof value !== "object" || value === null || isArray(value)) throw new VerifyError("bad_receipt", "the receipt is not an object", { pointer: "/receipt" });
  const { ledger, log_index: index } = value;
  if (typeof ledger !== "string" || typeof index !== "number" || !Number.isSafeInteger(index) || index < 0) {
    throw new VerifyError("bad_receipt", "the receipt does not say its ledger and log_index", { pointer: "/receipt" });
  }
  return value;
}
