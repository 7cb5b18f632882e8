/**
 * A part of a ledger: the whole batches that can hold receipts of a time range. What was before enters through the index: its
 * hashes are taken as they are, and the anchors' roots show whether they were right.
 */
import { equal } from "../format/bytes.ts";
import type { AnchorDetails } from "../format/fields.ts";
import type { Hash } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import { entryOf } from "../format/entries.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Inspector } from "../ledger/inspect.ts";
import { STORED_LEVEL } from "../ledger/state.ts";
import type { ChainEnd } from "../verify/chain.ts";
import type { LedgerKeys } from "../verify/keys.ts";
import { detailsOf, endAfter, type LogEnd } from "../verify/log.ts";
import { type VerifiedReceipt, verifyReceipt } from "../verify/receipt.ts";
import { batchesWithin, type TimeSpan } from "./brackets.ts";
import { type JoinStart, WHOLE } from "./join.ts";
import type { BreakSeen, RevocationSeen, VkeysSaid } from "./keys-seen.ts";
import { headsBefore } from "./known-heads.ts";
import { unlessCorrupt } from "./places.ts";
import { OwnReceipts } from "./own-receipts.ts";
import type { Findings } from "./report.ts";
import { BLOCK } from "./segment-tree.ts";
import { plausibleSizeFrom } from "./tables.ts";

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

export interface Part {
  readonly first: number;
  /** Not included. */
  readonly end: number;
  /** As in SegmentTask. */
  readonly epoch: number;
  readonly commitment: string | null;
  readonly start: JoinStart;
  /**
   * Nothing in it was recorded in the time range: as anchors show, which were recorded before and behind it (`anchored`), or as the ledger
   * says of the time after its newest anchor (`said`).
   */
  readonly nothing?: "anchored" | "said";
  /** By key id, the ledger's own receipts by which the range was found and whose MACs could not be checked; of a range only. */
  readonly macsNotChecked?: ReadonlyMap<string, number>;
  /** What they say of revoked keys, behind the part too; of a range only. */
  readonly revocations?: readonly RevocationSeen[];
  /** Every `ratchet_break` of the ledger, by its own receipts; of a range only. */
  readonly breaks?: readonly BreakSeen[];
  /** Every checkpoint key that the ledger's own receipts name; of a range only. */
  readonly vkeys?: VkeysSaid;
}

const LONG_AGO = -8.64e15;
const FAR_AHEAD = 8.64e15;

/**
 * The part of the first `size` receipts that a range means: every batch that can hold receipts of it, and where that is none with an
 * anchor the newest one too, so that there is always something to compare with the targets. `keys` null: MACs are not checked.
 */
export function partOf(
  inspector: Inspector, size: number, range: AuditRange, { findings, hash, keys }: { readonly findings: Findings; readonly hash: Hash; readonly keys: LedgerKeys | null },
): Part {
  if (range.from === undefined && range.to === undefined) {
    return { first: 0, end: plausibleSizeFrom(inspector, 0, size, findings), epoch: 0, commitment: null, start: WHOLE };
  }
  const span = { from: range.from ?? LONG_AGO, to: range.to ?? FAR_AHEAD };
  const own = new OwnReceipts(inspector, hash, keys);
  const { first, end: last, isClosed } = batchesWithin(inspector, size, span, own);
  const end = last === size ? plausibleSizeFrom(inspector, first, size, findings) : last;
  lookBeside(inspector, first, last, span, size, findings);
  const begin = first === 0 ? { first, end, epoch: 0, commitment: null, start: WHOLE } : startAt(inspector, first, end, hash);
  const part = { ...begin, macsNotChecked: own.macsNotChecked, revocations: own.keys.revocations, breaks: own.keys.breaks, vkeys: own.keys.vkeys };
  return isIn(inspector, part, span, range.organization) ? part : { ...part, nothing: isClosed ? "anchored" : "said" };
}

/** Whoever looks receipts up by time is led by the index to all that have such a time there. */
function lookBeside(inspector: Inspector, first: number, end: number, { from, to }: TimeSpan, size: number, findings: Findings): void {
  const found = unlessCorrupt(() => inspector.recordedElsewhere(first, end, from, to, size), () => undefined) ?? null; // the schema's check tells
  if (found === null) return;
  findings.add({
    severity: "violation", code: "index_mismatch", at: "receipt.recorded_at", logIndex: found,
    message: "the index leads from the time range to a receipt that cannot have been recorded in it: by the ledger's own receipts its batch is of another time",
  });
}

/** By the index, of which the rows in the part are compared with the receipts. */
function isIn(inspector: Inspector, { first, end }: Part, { from, to }: TimeSpan, organization: string | undefined): boolean {
  const org = organization === undefined ? null : inspector.organizations().rows.find(({ name }) => name === organization)?.org ?? null;
  return inspector.isRecorded(first, end, from, to, org);
}

function startAt(inspector: Inspector, first: number, end: number, hash: Hash): Part {
  const blob = inspector.blobs(first - 1, first, 1).blobs[0]?.bytes;
  const before = blob === undefined ? null : verifyReceipt(blob, hash);
  if (before?.known !== true || before.receipt.type !== "anchor") throw new LedgerError("ledger_corrupt", `receipt ${first - 1} is not an anchor receipt`);
  const { receipt } = before;
  const heads = headsBefore(inspector, first, hash);
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
      log: logAt(inspector, before, hash),
      heads,
      frontier: frontier(inspector, blocks),
      openLeaves: inspector.rows(blocks * BLOCK, first, BLOCK).map((row) => leafHash(entryOf(row.receiptHash), hash.sha256)),
      anchor: null,
    },
  };
}

/** Where the log stands after an anchor receipt: with the one before, which may be the `key_rotation` or `ratchet_break` that names the next key. */
export function logAt(inspector: Inspector, anchor: VerifiedReceipt, hash: Hash): LogEnd {
  const last = anchor.receipt.log_index;
  const [row] = inspector.rows(last - 1, last, 1);
  const blob = last === 0 ? undefined : inspector.blobs(last - 1, last, 1).blobs[0]?.bytes;
  if (blob === undefined || row === undefined || !equal(hash.sha256(blob), row.receiptHash)) throw new LedgerError("ledger_corrupt", `receipt ${last - 1} is not the one that the index has`);
  return endAfter(anchor, endAfter(verifyReceipt(blob, hash), undefined));
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
