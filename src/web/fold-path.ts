/** The nodes on the way from a leaf to the root (RFC 9162 section 2.1.3.2), which `verifyEvidence` has verified. */
import { entryOf } from "../format/entries.ts";
import { pureHash } from "../format/hash.ts";
import { leafHash, nodeHash } from "../format/merkle.ts";
import type { EvidenceFacts } from "../verify/evidence.ts";

export interface Step {
  readonly own: Uint8Array;
  /** null at the root. */
  readonly sibling: Uint8Array | null;
  /** The sibling is to the left. */
  readonly isOwnRight: boolean;
}

/** From the leaf to the root. */
export function foldPath({ receiptHash, logIndex, treeSize, path }: Pick<EvidenceFacts, "receiptHash" | "logIndex" | "treeSize" | "path">): readonly Step[] {
  let own = leafHash(entryOf(receiptHash), pureHash.sha256);
  let [index, last] = [logIndex, treeSize - 1];
  const steps: Step[] = [];
  for (const sibling of path) {
    const isOwnRight = index % 2 === 1 || index === last;
    // a node that is the last of its level, on the left, goes up as it is
    if (isOwnRight) while (index % 2 === 0 && index !== 0) [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
    steps.push({ own, sibling, isOwnRight });
    own = isOwnRight ? nodeHash(sibling, own, pureHash.sha256) : nodeHash(own, sibling, pureHash.sha256);
    [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
  }
  return [...steps, { own, sibling: null, isOwnRight: false }];
}
