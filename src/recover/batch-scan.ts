/** A batch of a damaged ledger, read a first time: what may have been in each place, of which the anchored root then says what it was. */
import { auditHash } from "../audit/hash.ts";
import { HashList } from "../audit/hash-list.ts";
import type { Place } from "../audit/places.ts";
import { decide, Suspect, UNKNOWN_HASH } from "../audit/suspects.ts";
import { equal } from "../format/bytes.ts";
import { receiptLeaf } from "../format/entries.ts";
import { rootOf } from "../format/merkle.ts";
import { type Examined, type Examiner, isUndisputed, rowHash } from "./examine.ts";

/** docs/FORMAT.md section 7. */
const MAX_BATCH = 65_536;

export interface BatchScan {
  /** Of each place in the batch, the anchor receipt excluded: the receipt's hash, as far as is known. */
  readonly hashes: HashList;
  /** Of the bytes that are there; zeros where there are none. */
  readonly blobHashes: HashList;
  /** Places of which it is not certain. */
  readonly suspects: readonly Suspect[];
  /** The anchor receipt's place; null: there was none up to the end, or within a batch. */
  readonly anchor: Examined | null;
}

/** Reads places until `isAnchor` says that one is the anchor receipt's. */
export function scanBatch(places: Iterable<Place>, examiner: Examiner, isAnchor: (place: Examined) => boolean): BatchScan {
  const hashes = new HashList();
  const blobHashes = new HashList();
  const suspects: Suspect[] = [];
  for (const place of places) {
    const examined = examiner.examine(place);
    if (isAnchor(examined)) return { hashes, blobHashes, suspects, anchor: examined };
    if (hashes.length === MAX_BATCH) return { hashes, blobHashes, suspects, anchor: null };
    const { logIndex, blobHash, read, row } = examined;
    const hash = read?.hash ?? rowHash(examined) ?? blobHash ?? UNKNOWN_HASH;
    hashes.push(hash);
    blobHashes.push(blobHash ?? UNKNOWN_HASH);
    if (!isUndisputed(examined)) suspects.push(new Suspect({ logIndex, identity: {}, blobHash, row, hash: Uint8Array.from(hash), problems: [] }));
  }
  return { hashes, blobHashes, suspects, anchor: null };
}

/** Makes `hashes` those with which the batch has this root; false where there are none. */
export function settleBatch({ hashes, suspects }: BatchScan, first: number, root: Uint8Array): boolean {
  const leaves = Array.from(hashes, (hash) => receiptLeaf(hash, auditHash.sha256));
  if (equal(rootOf(leaves, auditHash.sha256), root)) return true;
  const truths = decide(suspects, first, leaves, root, auditHash.sha256);
  if (truths === null) return false;
  suspects.forEach(({ logIndex }, i) => hashes.set(logIndex - first, truths[i]!));
  return true;
}
