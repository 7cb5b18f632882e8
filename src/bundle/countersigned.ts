/** An anchor over a receipt that an auditor has countersigned (docs/FORMAT.md section 18), where the ledger has the countersignature. */
import { formatCheckpoint } from "../format/checkpoint.ts";
import type { Cosigner } from "../format/cosignature.ts";
import { formatNote, MAX_SIGNATURES, parseNote } from "../format/note.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { newestAttestations } from "../ledger/attestations.ts";
import type { Reader } from "../ledger/reader.ts";
import { BundleError } from "./errors.ts";
import type { PublishedAnchor, PublishedAnchors } from "./published.ts";

/**
 * The smallest anchor over the receipt that is the newest one which an auditor has countersigned, as it is published, with the
 * countersignatures; null where there is none.
 */
export async function countersignedOver(reader: Reader, logIndex: number, anchors: PublishedAnchors, auditors: readonly Cosigner[]): Promise<PublishedAnchor | null> {
  const newest = [...newestAttestations(reader, auditors, verifyByNode, logIndex).values()].filter(({ statement }) => statement.anchor.size > logIndex);
  for (const size of [...new Set(newest.map(({ statement }) => statement.anchor.size))].toSorted((a, b) => a - b)) {
    const last = reader.byIndex(size - 1);
    if (last === null) continue; // of a ledger that was cut
    const anchor = await anchors.over(last).catch(notThere);
    const text = formatCheckpoint({ origin: reader.identity().origin, size, root: reader.rootAt(size) });
    const lines = newest.filter(({ cosigned }) => parseNote(cosigned).text === text).flatMap(({ cosigned, auditor: { key } }) => parseNote(cosigned).signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId).slice(0, 1));
    if (anchor?.treeSize !== size || lines.length === 0) continue;
    const signed = parseNote(anchor.checkpoint);
    return { ...anchor, checkpoint: formatNote({ text: signed.text, signatures: [...signed.signatures, ...lines].slice(0, MAX_SIGNATURES) }) };
  }
  return null;
}

/** Of an anchor that is not published now, evidence goes without the countersignature. */
function notThere(error: unknown): null {
  if (error instanceof BundleError && error.code === "not_anchored") return null;
  throw error;
}
