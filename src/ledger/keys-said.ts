/** What a stored ledger says of its keys (docs/FORMAT.md section 7): which one signs next, where an epoch begins, what was announced of a key. */
import { FormatError } from "../format/errors.ts";
import type { AnchorDetails, GenesisDetails, KeyRotationDetails } from "../format/fields.ts";
import { type ReadReceipt, readReceipt } from "../format/receipt.ts";
import type { Reader } from "./reader.ts";

/** `isClosed`: the newest receipt is an anchor receipt. null where the ledger is empty, or the receipt that says it cannot be read. */
export function nextKeyId(size: number, isClosed: boolean, blobAt: (logIndex: number) => Uint8Array | null): string | null {
  const last = size === 0 ? null : read(blobAt(size - 1));
  if (last === null || !isClosed || size < 2) return last?.receipt.key_id ?? null;
  const before = read(blobAt(size - 2));
  if (before === null) return null;
  return before.known && before.receipt.type === "key_rotation" ? (before.receipt["details"] as KeyRotationDetails).key_id : last.receipt.key_id;
}

/** As `nextKeyId`, of a ledger beside its daemon. */
export function keyInUse(reader: Reader): string | null {
  const size = reader.size();
  return nextKeyId(size, reader.newestAnchor()?.treeSize === size, (logIndex) => reader.byIndex(logIndex)?.blob ?? null);
}

/** Log index of the first receipt of an epoch or a later one; the ledger's size where there is none. Epochs rise with log_index. */
export function firstOfEpoch(reader: Reader, epoch: number): number {
  let [low, high] = [0, reader.size()];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((reader.byIndex(middle)?.keyEpoch ?? 0) < epoch) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The epoch of the next receipt. */
export function openEpoch(reader: Reader): number {
  const size = reader.size();
  const newest = size === 0 ? null : reader.byIndex(size - 1);
  return newest === null ? 0 : newest.keyEpoch + (reader.newestAnchor()?.treeSize === size ? 1 : 0);
}

/**
 * The epoch that the newest anchor receipt (or genesis) begins, and C of it, `sha256:<hex>`: both of one receipt, so of one moment, also
 * beside a running daemon. null where that receipt cannot be read.
 */
export function publishedEpoch(reader: Reader): { readonly epoch: number; readonly commitment: string } | null {
  const newest = reader.newestAnchor();
  const said = read(reader.byIndex(newest === null ? 0 : newest.treeSize - 1)?.blob ?? null);
  if (said?.known !== true || said.receipt.type !== (newest === null ? "genesis" : "anchor")) return null;
  const { epoch_commitment: commitment } = said.receipt["details"] as AnchorDetails | GenesisDetails;
  return { epoch: newest === null ? 0 : said.receipt.key_epoch + 1, commitment };
}

/** What genesis or a `key_rotation` says of the key with which an epoch begins; null where neither does, or it cannot be read. */
export function announcedFor(reader: Reader, epoch: number): Pick<GenesisDetails, "key_id" | "mode"> | null {
  const first = firstOfEpoch(reader, epoch);
  const said = read(reader.byIndex(epoch === 0 ? 0 : first - 2)?.blob ?? null);
  if (said?.known !== true || said.receipt.type !== (epoch === 0 ? "genesis" : "key_rotation")) return null;
  return said.receipt["details"] as GenesisDetails | KeyRotationDetails;
}

function read(blob: Uint8Array | null): ReadReceipt | null {
  if (blob === null) return null;
  try {
    return readReceipt(blob);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
