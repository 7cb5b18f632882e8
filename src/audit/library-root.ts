/**
 * A batch's root by merkletreejs: the writer has its own incremental code, so two implementations must agree on every batch.
 *
 * The library makes RFC 6962 trees only when used so: leaves hashed already, SHA-256(01 ‖ left ‖ right) for nodes, nothing sorted or
 * doubled.
 */
import { MerkleTree } from "merkletreejs/MerkleTree"; // not all of its kinds of trees
import type { Sha256 } from "../format/hash.ts";
import { emptyRoot } from "../format/merkle.ts";
import { HASH_BYTES, type HashList } from "./hash-list.ts";

/** The RFC 6962 root over leaf hashes. */
export function libraryRoot(leaves: HashList, sha256: Sha256): Uint8Array {
  if (leaves.length === 0) return emptyRoot; // the library gives an empty Buffer
  // all nodes that it keeps, in one array
  const nodes = Buffer.alloc((leaves.length - 1) * HASH_BYTES);
  const children = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
  let made = 0;
  const concatenator = ([left, right]: Buffer[]): Buffer => {
    children.set(left!, 1);
    children.set(right!, 1 + HASH_BYTES);
    return children;
  };
  const node = (bytes: Buffer): Buffer => {
    const kept = nodes.subarray(made, (made += HASH_BYTES));
    kept.set(sha256(bytes));
    return kept;
  };
  return new MerkleTree([...leaves], node, { hashLeaves: false, sort: false, duplicateOdd: false, concatenator }).getRoot();
}
