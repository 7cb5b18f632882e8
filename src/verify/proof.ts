/**
 * One receipt with an offline proof: `logged` is the best that it can say (docs/FORMAT.md sections 8.1 and 9). When the
 * checkpoint was published, and if it was, the proof does not show.
 */
import { entryOf } from "../format/entries.ts";
import { pureHash } from "../format/hash.ts";
import { leafHash, verifyInclusion } from "../format/merkle.ts";
import type { Vkey } from "../format/note.ts";
import { parseTlogProof, type TlogProof } from "../format/tlog-proof.ts";
import { verifyCheckpoint, type VerifyOptions } from "./checkpoint.ts";
import { reading, VerifyError } from "./errors.ts";
import { type VerifiedReceipt, verifyReceipt } from "./receipt.ts";

export interface LoggedQuestion extends VerifyOptions {
  readonly blob: Uint8Array;
  /** Parsed, or the object's bytes or text. Its `extra` is not looked at. */
  readonly proof: TlogProof | Uint8Array | string;
  readonly origin: string;
  /** Pinned. */
  readonly vkeys: readonly Vkey[];
}

export interface LoggedFacts {
  readonly verified: VerifiedReceipt;
  readonly logIndex: number;
  readonly treeSize: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** The pinned keys that signed, as vkeys. */
  readonly signedBy: readonly string[];
}

/**
 * Is the receipt a leaf of the tree under a checkpoint that a pinned key signed? The MAC is not looked at. Throws the codes of
 * `verifyReceipt`, then `ledger_mismatch`, `bad_tlog_proof`, `bad_note`, `bad_checkpoint`, `inclusion_mismatch`.
 */
export function verifyLogged(question: LoggedQuestion): LoggedFacts {
  const { blob, origin, vkeys, hash = pureHash } = question;
  const verified = verifyReceipt(blob, hash);
  const { ledger, log_index } = verified.receipt;
  if (ledger !== origin) {
    throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger", { pointer: "/ledger", expected: origin, found: ledger });
  }
  const proof = isParsed(question.proof) ? question.proof : parsed(question.proof);
  const { size, root, signedBy } = verifyCheckpoint(proof.checkpoint, origin, vkeys, question);
  if (proof.index !== log_index) {
    throw new VerifyError("inclusion_mismatch", "the proof is one of another receipt", { pointer: "/log_index", expected: log_index, found: proof.index });
  }
  const leaf = leafHash(entryOf(verified.hash), hash.sha256);
  if (!verifyInclusion({ leafHash: leaf, index: log_index, size, path: proof.path, root }, hash.sha256)) {
    throw new VerifyError("inclusion_mismatch", "the path does not lead from the receipt to the signed root");
  }
  return { verified, logIndex: log_index, treeSize: size, root, signedBy };
}

function isParsed(proof: LoggedQuestion["proof"]): proof is TlogProof {
  return typeof proof === "object" && !(proof instanceof Uint8Array);
}

function parsed(proof: Uint8Array | string): TlogProof {
  return reading(() => parseTlogProof(proof));
}
