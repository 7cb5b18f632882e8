/** The anchors that evidence and exports are made of: those that are outside this host, wherever one looks for them. */
import type { PublishedAt } from "../format/members.ts";

export interface PublishedAnchor {
  readonly treeSize: number;
  /** The signed note. */
  readonly checkpoint: string;
  /** The known keys that signed it, as vkeys. */
  readonly signedBy: readonly string[];
  /** At least one place. */
  readonly published: readonly PublishedAt[];
}

export interface PublishedAnchors {
  /** The smallest one over a receipt. Throws BundleError: `not_anchored`, `no_evidence`. */
  over(receipt: { readonly logIndex: number; readonly receiptHash: Uint8Array }): Promise<PublishedAnchor>;
  /** Tree sizes from `from` on and below `before`, in order. */
  sizes(from: number, before: number): Promise<readonly number[]>;
}
