/** The newest receipt of every organization, and the root over them (docs/FORMAT.md section 8.2). */
import { concat, uint64 } from "../format/bytes.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { leafHash, rootOf } from "../format/merkle.ts";

export interface OrganizationHead {
  /** Receipt hash of the organization's first receipt. */
  readonly firstHash: Uint8Array;
  readonly orgSeq: number;
  /** Receipt hash of its newest receipt. */
  readonly hash: Uint8Array;
}

/** `org_heads_root` over the heads in the order of the organizations' first receipts, 32 bytes. */
export function orgHeadsRoot(heads: Iterable<OrganizationHead>, hash: Hash = pureHash): Uint8Array {
  const leaves = Array.from(heads, (head) => leafHash(concat(head.firstHash, uint64(head.orgSeq), head.hash), hash.sha256));
  return rootOf(leaves, hash.sha256);
}
