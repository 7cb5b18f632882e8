/** Evidence for one receipt (docs/FORMAT.md section 15), out of a ledger and what is published of it. */
import { utf8 } from "../format/bytes.ts";
import type { Cosigner } from "../format/cosignature.ts";
import { formatEvidence } from "../format/evidence.ts";
import { MAX_HINTS } from "../format/members.ts";
import { parseVkey } from "../format/note.ts";
import { formatTlogProof } from "../format/tlog-proof.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import { type EvidenceFacts, verifyEvidence } from "../verify/evidence.ts";
import { countersignedOver } from "./countersigned.ts";
import { BundleError } from "./errors.ts";
import type { PublishedAnchors } from "./published.ts";

export interface EvidenceKeys {
  readonly vkeys: readonly string[];
  /** Whose countersignatures are added, where there are any. */
  readonly auditors: readonly Cosigner[];
}

/** The file, checked with these keys. Throws BundleError, and VerifyError where the ledger is not what is anchored. */
export async function evidenceOf(reader: Reader, found: StoredBlob, anchors: PublishedAnchors, { vkeys, auditors }: EvidenceKeys): Promise<{ readonly text: string; readonly facts: EvidenceFacts }> {
  const { blob, logIndex } = found;
  if (blob === null) throw new BundleError("not_found", "the receipt is in the index of the ledger, but its bytes are missing", "see what can be done with: receiptd recover");
  const { treeSize, checkpoint, signedBy, published } = await countersignedOver(reader, logIndex, anchors, auditors) ?? await anchors.over(found);
  const proof = formatTlogProof({ index: logIndex, path: reader.inclusionPath(logIndex, treeSize), checkpoint });
  const text = formatEvidence({ ledger: reader.identity().origin, receipt: blob, proof, published: published.slice(0, MAX_HINTS), vkeys: signedBy.slice(0, MAX_HINTS) }, nodeHash);
  return { text, facts: verifyEvidence(utf8(text), vkeys.map(parseVkey), { hash: nodeHash, verify: verifyByNode, auditors }) };
}
