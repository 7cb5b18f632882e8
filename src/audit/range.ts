/**
 * A part of a ledger: the whole batches that hold the receipts of a time range. What was before enters through the index: its
 * hashes are taken as they are, and the anchors' roots show whether they were right.
 */
import type { AnchorDetails } from "../format/fields.ts";
import type { Hash } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import { entryOf } from "../format/entries.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { OrganizationRow, Reader } from "../ledger/reader.ts";
import { STORED_LEVEL } from "../ledger/state.ts";
import type { ChainEnd } from "../verify/chain.ts";
import { detailsOf } from "../verify/log.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { type JoinStart, WHOLE } from "./join.ts";
import { BLOCK } from "./segment-tree.ts";

export interface AuditRange {
  /** ms; receipts recorded at or after. */
  readonly from?: number | undefined;
  /** ms; receipts recorded before. */
  readonly to?: number | undefined;
  /** Only this organization's receipts. */
  readonly organization?: string | undefined;
}

export function isRanged(range: AuditRange): boolean {
  return range.from !== undefined || range.to !== undefined || range.organization !== undefined;
}

/** An organization as it is before the first receipt of a part. */
export type KnownHead = JoinStart["heads"][number] & { readonly prefix: string };

export interface Part {
  readonly first: number;
  /** Not included. */
  readonly end: number;
  /** As in SegmentTask. */
  readonly epoch: number;
  readonly commitment: string | null;
  readonly start: JoinStart;
}

const LONG_AGO = -8.64e15;
const FAR_AHEAD = 8.64e15;

/** The part of the first `size` receipts that a range means, or null where it holds none. */
export function partOf(reader: Reader, inspector: Inspector, size: number, range: AuditRange, hash: Hash): Part | null {
  if (range.from === undefined && range.to === undefined) return { first: 0, end: size, epoch: 0, commitment: null, start: WHOLE };
  const found = reader.indexRange(range.from ?? LONG_AGO, range.to ?? FAR_AHEAD);
  if (found === null || found.first >= size) return null;
  const first = reader.coveringAnchor(found.first)?.firstIndex ?? reader.newestAnchor()?.treeSize ?? 0;
  const end = Math.min(reader.coveringAnchor(found.last)?.treeSize ?? size, size);
  return first === 0 ? { first, end, epoch: 0, commitment: null, start: WHOLE } : startAt(reader, inspector, first, end, hash);
}

function startAt(reader: Reader, inspector: Inspector, first: number, end: number, hash: Hash): Part {
  const stored = reader.byIndex(first - 1);
  const before = stored?.blob === null || stored?.blob === undefined ? null : verifyReceipt(stored.blob, hash);
  if (before?.known !== true || before.receipt.type !== "anchor") throw new LedgerError("ledger_corrupt", `receipt ${first - 1} is not an anchor receipt`);
  const { receipt } = before;
  const known = inspector.organizations().rows.filter((row) => row.firstIndex < first);
  const heads = known.map((row) => headBefore(inspector, row, first));
  const ends = new Map(heads.map((head): [string, ChainEnd] => [head.organization, { orgSeq: head.orgSeq, hash: head.hash, prefix: head.prefix }]));
  const blocks = Math.floor(first / BLOCK);
  return {
    first,
    end,
    epoch: receipt.key_epoch + 1,
    commitment: detailsOf<AnchorDetails>(receipt).epoch_commitment,
    start: {
      size: first,
      ends,
      log: { logIndex: first - 1, recordedAt: receipt.recorded_at, keyId: receipt.key_id, keyEpoch: receipt.key_epoch, isAnchor: true, anchorSize: first },
      heads,
      frontier: frontier(inspector, blocks),
      openLeaves: inspector.rows(blocks * BLOCK, first, BLOCK).map((row) => leafHash(entryOf(row.receiptHash), hash.sha256)),
      anchor: null,
    },
  };
}

/** The organization's newest receipt before `first`: its sequence rises with log_index, so it is found by halving. */
export function headBefore(inspector: Inspector, { org, name, prefix, firstIndex }: OrganizationRow, first: number): KnownHead {
  const place = (orgSeq: number): { readonly logIndex: number; readonly receiptHash: Uint8Array } | null => inspector.rowOf(org, orgSeq);
  let low = 1;
  let high = 2;
  for (let at = place(high); at !== null && at.logIndex < first; at = place(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const at = place(middle);
    if (at !== null && at.logIndex < first) low = middle;
    else high = middle;
  }
  const newest = place(low);
  const oldest = place(1);
  if (newest?.receiptHash.length !== 32 || oldest?.receiptHash.length !== 32) throw new LedgerError("ledger_corrupt", `the organization ${name} has no first or last receipt`);
  return { organization: name, orgSeq: low, hash: newest.receiptHash, firstIndex, firstHash: oldest.receiptHash, prefix };
}

/** Roots of the largest complete subtrees over the first blocks. */
export function frontier(inspector: Inspector, blocks: number): Uint8Array[] {
  const nodes: Uint8Array[] = [];
  let at = 0;
  for (let level = 44; level >= 0; level--) {
    if (Math.floor(blocks / 2 ** level) % 2 === 0) continue;
    const node = inspector.treeNode(level + STORED_LEVEL, at / 2 ** level);
    if (node?.length !== 32) throw new LedgerError("ledger_corrupt", `subtree ${level + STORED_LEVEL}/${at / 2 ** level} is missing`);
    nodes.push(node);
    at += 2 ** level;
  }
  return nodes;
}
