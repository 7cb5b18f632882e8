/** What a stored ledger says of its keys (docs/FORMAT.md section 7): which one signs next, where an epoch begins, what was announced of a key. */
import { FormatError } from "../format/errors.ts";
import type { AnchorDetails, CheckpointRotationDetails, GenesisDetails, KeyRotationDetails, RatchetBreakDetails } from "../format/fields.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { type ReadReceipt, readReceipt } from "../format/receipt.ts";
import type { Reader } from "./reader.ts";

/** Rows read at a time. */
const PAGE = 1024;

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

/** What the ledger says of a key. */
export interface Announced {
  readonly key_id: string;
  readonly mode: GenesisDetails["mode"];
  /** Which receipt says so, in words. */
  readonly by: string;
  /** Log index of the first receipt that has it, or will have. */
  readonly first: number;
}

/**
 * The keys that begin in an epoch: that of genesis or of a `key_rotation`, with which it begins, and behind that the one of a `ratchet_break`,
 * with which it ends. What cannot be read says nothing.
 */
export function announcedIn(reader: Reader, epoch: number): readonly Announced[] {
  const first = firstOfEpoch(reader, epoch);
  const end = firstOfEpoch(reader, epoch + 1);
  const said = (logIndex: number, type: string, by: string, begins: number): readonly Announced[] => {
    const receipt = logIndex < 0 ? null : read(reader.byIndex(logIndex)?.blob ?? null);
    if (receipt?.known !== true || receipt.receipt.type !== type) return [];
    const { key_id, mode } = receipt.receipt["details"] as GenesisDetails | KeyRotationDetails | RatchetBreakDetails;
    return [{ key_id, mode, by, first: begins }];
  };
  const begun = epoch === 0 ? said(0, "genesis", "genesis receipt", 0) : said(first - 2, "key_rotation", `key_rotation before epoch ${epoch}`, first);
  return [...begun, ...(end - 2 < first ? [] : said(end - 2, "ratchet_break", `ratchet_break in epoch ${epoch}`, end - 2))];
}

/** What the `checkpoint_rotation` right before the anchor receipt of this tree size says; null where there is none. */
export function checkpointRotationAt(reader: Reader, treeSize: number): CheckpointRotationDetails | null {
  const said = treeSize < 2 ? null : read(reader.byIndex(treeSize - 2)?.blob ?? null);
  return said?.known === true && said.receipt.type === "checkpoint_rotation" ? (said.receipt["details"] as CheckpointRotationDetails) : null;
}

/**
 * Tree size of the newest anchor above `after` before whose receipt a `checkpoint_rotation` stands, and what that says; null where there is none.
 * What the index says of the ledger's own chain is enough to find it: of a ledger of years no more than the few receipts are read that may be it.
 */
export function newestCheckpointRotation(reader: Reader, after: number): { readonly treeSize: number; readonly vkey: string } | null {
  for (let before = Number.MAX_SAFE_INTEGER, page = reader.closingPageBack(LEDGER_ORGANIZATION, before, PAGE); page.length > 0; page = reader.closingPageBack(LEDGER_ORGANIZATION, before, PAGE)) {
    for (const { orgSeq, treeSize } of page) {
      if (treeSize <= after) return null;
      const said = checkpointRotationAt(reader, treeSize);
      if (said !== null) return { treeSize, vkey: said.vkey };
      before = orgSeq;
    }
  }
  return null;
}

/** Is there a receipt in this place that can be read? Its bytes may be damaged, or gone. */
export function isReadable(reader: Reader, logIndex: number): boolean {
  return read(reader.byIndex(logIndex)?.blob ?? null) !== null;
}

/** The keys that may have signed the anchor of this size, by genesis and every `checkpoint_rotation` up to it. Looks at every anchor receipt's place up to there. */
export function checkpointVkeysAt(reader: Reader, treeSize: number): readonly string[] {
  const genesis = read(reader.byIndex(0)?.blob ?? null);
  let vkeys: readonly string[] = genesis?.known === true && genesis.receipt.type === "genesis" ? (genesis.receipt["details"] as GenesisDetails).vkeys : [];
  for (let after = 0, page = reader.anchors(after, PAGE); page.length > 0; page = reader.anchors(after, PAGE)) {
    for (const row of page) {
      if (row.treeSize > treeSize) return vkeys;
      const said = checkpointRotationAt(reader, row.treeSize);
      if (said !== null) vkeys = row.treeSize === treeSize ? [said.previous_vkey, said.vkey] : [said.vkey];
      after = row.treeSize;
    }
  }
  return vkeys;
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
