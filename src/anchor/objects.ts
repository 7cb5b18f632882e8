/**
 * What is published for one anchor: the checkpoint's text, the batch's entries and the anchor itself (docs/FORMAT.md sections 9
 * to 11), built from the ledger by its reader.
 *
 * A published object can never be taken back, so everything is checked against the anchor receipt and the log root first: a
 * ledger that was damaged or edited gives `ledger_corrupt` here, not an object.
 */
import { equal, toHex, utf8 } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { formatCheckpoint, parseCheckpoint } from "../format/checkpoint.ts";
import { entryOf, formatEntries, receiptLeaf } from "../format/entries.ts";
import { FormatError } from "../format/errors.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { CompactRange, leafHash, verifyInclusion } from "../format/merkle.ts";
import { formatObjectName, type LedgerName, objectPrefix } from "../format/names.ts";
import { parseNote } from "../format/note.ts";
import { readReceipt } from "../format/receipt.ts";
import { formatTlogProof } from "../format/tlog-proof.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { AnchorRow, Reader } from "../ledger/reader.ts";

const { sha256 } = nodeHash;

export interface PublishedObject {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The anchor of the tree of `treeSize` receipts, or null where the ledger has none of that size. */
export function anchorRowAt(reader: Reader, treeSize: number): AnchorRow | null {
  const row = reader.anchors(treeSize - 1, 1)[0];
  return row?.treeSize === treeSize ? row : null;
}

/** The note text that is signed for an anchor of the ledger. */
export function checkpointText(reader: Reader, treeSize: number): string {
  const row = anchorRowAt(reader, treeSize);
  if (row === null || !equal(row.root, reader.rootAt(treeSize))) throw corrupt(treeSize, "its root is not that of the receipts before it");
  return formatCheckpoint({ origin: reader.identity().origin, size: treeSize, root: row.root });
}

/** The entries of the batch that the anchor closes; null where the batch is empty. */
export function batchObject(reader: Reader, anchor: AnchorRow): PublishedObject | null {
  const { treeSize, firstIndex } = anchor;
  const { batch } = anchorReceipt(reader, treeSize).details;
  const count = treeSize - 1 - firstIndex;
  if (batch.first_index !== firstIndex || batch.count !== count) throw corrupt(treeSize, "its batch is not the one in the index");
  if (count === 0) return null;
  const hashes = reader.receiptHashes(firstIndex, firstIndex + count);
  const range = new CompactRange({ sha256 });
  for (let at = 0; at < hashes.length; at += 32) range.append(receiptLeaf(hashes.subarray(at, at + 32), sha256));
  if (hashText(range.root()) !== batch.root) throw corrupt(treeSize, "the receipts of its batch do not have its root");
  const bytes = formatEntries(hashes);
  const name = { kind: "batch", firstIndex, lastIndex: firstIndex + count - 1, sha256: toHex(sha256(bytes)) } as const;
  return { name: formatObjectName(reader.identity(), name), bytes };
}

/** The anchor object of the checkpoint `signedNote`, which must be of this size and of the ledger's root there. */
export function anchorObject(reader: Reader, treeSize: number, signedNote: string): PublishedObject {
  const { blob, receiptHash } = anchorReceipt(reader, treeSize);
  const checkpoint = parseCheckpoint(parseNote(signedNote).text);
  const index = treeSize - 1;
  const path = reader.inclusionPath(index, treeSize);
  const proof = { leafHash: leafHash(entryOf(receiptHash), sha256), index, size: treeSize, path, root: checkpoint.root };
  if (checkpoint.size !== treeSize || !verifyInclusion(proof, sha256)) throw corrupt(treeSize, "it is not in the tree that was signed");
  const bytes = utf8(formatTlogProof({ extra: blob, index, path, checkpoint: signedNote }));
  return { name: formatObjectName(reader.identity(), { kind: "anchor", treeSize, sha256: toHex(sha256(bytes)) }), bytes };
}

/** Every anchor of the ledger in a target. */
export function anchorsPrefix(ledger: LedgerName): string {
  return `${objectPrefix(ledger)}anchors/`;
}

/** What sorts after the names of all anchors below this size, and before those of this size. */
export function beforeAnchor(ledger: LedgerName, treeSize: number): string {
  return `${anchorsPrefix(ledger)}${String(treeSize).padStart(20, "0")}`;
}

function anchorReceipt(reader: Reader, treeSize: number): { readonly blob: Uint8Array; readonly receiptHash: Uint8Array; readonly details: AnchorDetails } {
  const stored = reader.byIndex(treeSize - 1);
  if (stored?.blob === null || stored?.blob === undefined) throw corrupt(treeSize, "its receipt is missing");
  if (!equal(sha256(stored.blob), stored.receiptHash)) throw corrupt(treeSize, "its receipt is not the one that was recorded");
  const { known, receipt } = wellFormed(treeSize, stored.blob);
  if (!known || receipt.type !== "anchor") throw corrupt(treeSize, "its receipt is not one of type anchor");
  return { blob: stored.blob, receiptHash: stored.receiptHash, details: receipt["details"] as AnchorDetails };
}

function wellFormed(treeSize: number, blob: Uint8Array): ReturnType<typeof readReceipt> {
  try {
    return readReceipt(blob);
  } catch (error) {
    if (error instanceof FormatError) throw corrupt(treeSize, `its receipt: ${error.message}`);
    throw error;
  }
}

function corrupt(treeSize: number, what: string): LedgerError {
  return new LedgerError("ledger_corrupt", `the anchor at ${treeSize}: ${what}; run: receiptd audit`);
}
