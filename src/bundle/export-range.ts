/** Which part of the log an export is: whole batches, between two anchor receipts that were recorded before and behind the time asked for. */
import { batchesWithin } from "../audit/brackets.ts";
import { OwnReceipts } from "../audit/own-receipts.ts";
import { count } from "../format/count.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Inspector } from "../ledger/inspect.ts";
import type { AnchorRow, Reader } from "../ledger/reader.ts";
import { BundleError } from "./errors.ts";
import type { PublishedAnchor, PublishedAnchors } from "./published.ts";

/** ms; null: not asked for. */
export interface AskedTime {
  readonly from: number | null;
  readonly to: number | null;
}

export interface ExportRange {
  readonly first: number;
  /** The tree size of an anchor that is at the targets. */
  readonly end: number;
  readonly anchor: PublishedAnchor;
}

/** Throws BundleError `not_anchored` where nothing of the time is at a target yet. */
export async function exportRange(reader: Reader, path: string, time: AskedTime, anchors: PublishedAnchors): Promise<ExportRange> {
  const newest = reader.newestAnchor();
  if (newest === null) throw new BundleError("not_anchored", "the ledger has no anchor yet", "make one with: receiptd anchor");
  const wanted = within(reader, path, time, newest.treeSize);
  const anchor = await publishedAt(reader, wanted, anchors);
  const { treeSize: end } = anchor;
  if (anchorAt(reader, end) === null || end > newest.treeSize) throw new BundleError("no_evidence", `the anchor of ${count(end, "receipt")} is not one of this ledger`, "see: receiptd audit");
  const endAt = recordedAt(reader, end);
  if (end <= wanted.first || (time.from !== null && endAt <= time.from)) {
    throw new BundleError("not_anchored", `nothing of this time is at the targets yet: the newest anchor there is of ${formatTime(endAt)}`, "anchor it with: receiptd anchor");
  }
  return { first: wanted.first, end, anchor };
}

/** By the ledger's own receipts; then as far as the anchor receipts at its ends show that it is enough, where the clock was turned back too. */
function within(reader: Reader, path: string, { from, to }: AskedTime, newest: number): { readonly first: number; readonly end: number } {
  if (from === null && to === null) return { first: 0, end: newest };
  const span = { from: from ?? Number.NEGATIVE_INFINITY, to: to ?? Number.POSITIVE_INFINITY };
  const batches = bracketed(path, span, newest);
  let first = from === null ? 0 : batches.first;
  let end = to === null ? newest : batches.end;
  while (first > 0 && recordedAt(reader, first) >= span.from) first = required(reader, first).firstIndex;
  while (end < newest && recordedAt(reader, end) < span.to) end = reader.anchors(end, 1)[0]!.treeSize;
  return { first, end };
}

function bracketed(path: string, span: { readonly from: number; readonly to: number }, size: number): { readonly first: number; readonly end: number } {
  const inspector = new Inspector(path);
  try {
    return batchesWithin(inspector, size, span, new OwnReceipts(inspector, nodeHash, null));
  } finally {
    inspector.close();
  }
}

/** The anchor of size `end` that is published, or of the next size that is; else the newest one before. */
async function publishedAt(reader: Reader, { first, end }: { readonly first: number; readonly end: number }, anchors: PublishedAnchors): Promise<PublishedAnchor> {
  const over = (size: number): Promise<PublishedAnchor> => anchors.over(reader.byIndex(size - 1)!);
  try {
    return await over(end);
  } catch (error) {
    if (!(error instanceof BundleError) || error.code !== "not_anchored") throw error;
    const before = (await anchors.sizes(first + 1, end)).findLast((size) => anchorAt(reader, size) !== null);
    if (before === undefined) throw error;
    return await over(before);
  }
}

/** The anchor of this tree size, by the index. */
function anchorAt(reader: Reader, size: number): AnchorRow | null {
  const row = reader.anchors(size - 1, 1)[0];
  return row?.treeSize === size ? row : null;
}

function required(reader: Reader, size: number): AnchorRow {
  const row = anchorAt(reader, size);
  if (row === null) throw new BundleError("no_evidence", `the ledger's index has no anchor of ${count(size, "receipt")}`, "see what is wrong with: receiptd audit");
  return row;
}

/** ms, of the anchor receipt of this tree size. */
function recordedAt(reader: Reader, size: number): number {
  return reader.byIndex(size - 1)?.recordedAt ?? 0;
}
