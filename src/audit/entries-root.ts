/** The root of a batch object, without a list of its 65,536 entries: an audit of a whole target reads many. */
import { FRAME_BYTES, isEntryFrame } from "../format/entries.ts";
import type { Hash } from "../format/hash.ts";
import { CompactRange, leafHash } from "../format/merkle.ts";

/** Null unless the bytes are exactly so many entries (docs/FORMAT.md section 11). */
export function entriesRoot(bytes: Uint8Array, count: number, { sha256 }: Hash): Uint8Array | null {
  if (bytes.length !== count * FRAME_BYTES) return null;
  const range = new CompactRange({ sha256 });
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    if (!isEntryFrame(bytes, at)) return null;
    range.append(leafHash(bytes.subarray(at + 2, at + FRAME_BYTES), sha256));
  }
  return range.root();
}
