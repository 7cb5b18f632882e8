/** One object of a target that says it is an anchor (docs/FORMAT.md sections 10 and 13.3 steps 1 and 2). It may be anybody's. */
import { toHex } from "../format/bytes.ts";
import { entryOf } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { leafHash, verifyInclusion } from "../format/merkle.ts";
import { type LedgerName, type ObjectName, parseObjectName } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import type { Receipt } from "../format/receipt.ts";
import { parseTlogProof } from "../format/tlog-proof.ts";
import { verifyCheckpoint, type VerifyOptions } from "./checkpoint.ts";
import { reading, VerifyError } from "./errors.ts";
import { detailsOf } from "./log.ts";
import { verifyReceipt } from "./receipt.ts";

/** An anchor that stands by itself: a pinned key signed the root, and the anchor receipt is the last leaf under it. */
export interface AnchorFacts {
  readonly name: string;
  readonly treeSize: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Of the anchor receipt, 32 bytes. */
  readonly receiptHash: Uint8Array;
  /** Its inclusion path. */
  readonly path: readonly Uint8Array[];
  readonly details: AnchorDetails;
  readonly receipt: Receipt;
  /** The anchor receipt's bytes. */
  readonly blob: Uint8Array;
  /** Of the object, hex. */
  readonly sha256: string;
  /** The pinned keys that signed, as vkeys. */
  readonly signedBy: readonly string[];
  /** Key ids, in hex, of signature lines with the ledger's name by keys that are not pinned; anybody can add one. */
  readonly others: readonly string[];
}

/**
 * The parts of an object's name, checked against its bytes (step 1). Throws `bad_object_name`, and `name_mismatch` where the hash
 * in the name is not that of the bytes: such an object is interference and counts for nothing.
 */
export function verifyObjectName(name: string, bytes: Uint8Array, ledger: LedgerName, hash: Hash = pureHash): ObjectName {
  const parsed = reading(() => parseObjectName(ledger, name));
  const found = toHex(hash.sha256(bytes));
  if (found !== parsed.sha256) {
    throw new VerifyError("name_mismatch", "the hash in the name is not that of the object", { expected: parsed.sha256, found });
  }
  return parsed;
}

/**
 * Steps 1 and 2 for an object with the name of an anchor. Throws VerifyError `bad_object_name`, `name_mismatch`, `bad_tlog_proof`,
 * `bad_note`, `bad_checkpoint`, `bad_receipt`, `ledger_mismatch`, `inclusion_mismatch`.
 */
export function verifyAnchorObject(
  name: string, bytes: Uint8Array, ledger: LedgerName, vkeys: readonly Vkey[], options: VerifyOptions = {},
): AnchorFacts {
  const hash = options.hash ?? pureHash;
  const parsed = verifyObjectName(name, bytes, ledger, hash);
  if (parsed.kind !== "anchor") throw new VerifyError("bad_object_name", "the name is not that of an anchor");
  const proof = reading(() => parseTlogProof(bytes));
  const { size, root, signedBy, others } = verifyCheckpoint(proof.checkpoint, ledger.origin, vkeys, options);
  if (size !== parsed.treeSize) {
    throw new VerifyError("bad_checkpoint", "the checkpoint is not of the size in the name", { expected: parsed.treeSize, found: size });
  }
  if (proof.index !== size - 1) {
    throw new VerifyError("bad_tlog_proof", "the index is not that of the last leaf", { expected: size - 1, found: proof.index });
  }
  const { receipt, receiptHash, blob } = anchorReceipt(proof.extra, proof.index, ledger.origin, hash);
  const leaf = leafHash(entryOf(receiptHash), hash.sha256);
  if (!verifyInclusion({ leafHash: leaf, index: proof.index, size, path: proof.path, root }, hash.sha256)) {
    throw new VerifyError("inclusion_mismatch", "the path does not lead from the anchor receipt to the signed root");
  }
  return {
    name, treeSize: size, root, receiptHash, path: proof.path, details: detailsOf<AnchorDetails>(receipt), receipt, blob, sha256: parsed.sha256, signedBy, others,
  };
}

function anchorReceipt(
  blob: Uint8Array | undefined, index: number, origin: string, hash: Hash,
): { readonly receipt: Receipt; readonly receiptHash: Uint8Array; readonly blob: Uint8Array } {
  if (blob === undefined) throw new VerifyError("bad_receipt", "the proof carries no receipt");
  const verified = reading(() => verifyReceipt(blob, hash), "bad_receipt");
  if (!verified.known || verified.receipt.type !== "anchor") {
    throw new VerifyError("bad_receipt", "the receipt is not an anchor receipt of schema_version 1", { pointer: "/type" });
  }
  const { receipt } = verified;
  if (receipt.log_index !== index) {
    throw new VerifyError("bad_receipt", "the receipt is not the leaf of the proof", { pointer: "/log_index", expected: index, found: receipt.log_index });
  }
  if (receipt.ledger !== origin) {
    throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger", { pointer: "/ledger", expected: origin, found: receipt.ledger });
  }
  return { receipt, receiptHash: verified.hash, blob };
}
