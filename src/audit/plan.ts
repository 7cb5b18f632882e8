/**
 * Cutting a ledger into runs of whole batches. The table `anchor` says where batches end; since it may have been changed, a cut is
 * made only behind a receipt that is an anchor, and everything else is checked by whoever gets the run.
 */
import type { Hash } from "../format/hash.ts";
import { nextRatchetKey } from "../format/mac.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { RatchetStart } from "../verify/keys.ts";
import { VerifyError } from "../verify/errors.ts";
import { anchorOf } from "../verify/log.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { unlessCorrupt } from "./places.ts";
import type { SegmentTask } from "./segment-result.ts";

/** Receipts from `first` up to, not including, `end`; `epoch` and `commitment` as in SegmentTask. */
export interface PlannedRange {
  readonly first: number;
  readonly end: number;
  readonly epoch: number;
  readonly commitment: string | null;
  /** `log`: the anchor receipt before, null at the beginning. */
  readonly start: { readonly log: { readonly keyId: string } | null };
}

const PAGE = 1024;
/**
 * Anchor receipts that may be missing from `aim` receipts, rows and all, and the ledger still be cut there. An anchor receipt that
 * says more of its epoch is passed by: each epoch is a step for the ratchet, and no later cut could be made.
 */
const MISSING = 2;

/**
 * Runs of about `aim` receipts and more. `ratchet` null: MACs are not checked.
 */
export function* planSegments(
  inspector: Inspector, range: PlannedRange, aim: number, ratchet: Ratchet | null, hash: Hash,
): Generator<SegmentTask, void, undefined> {
  let { first, epoch, commitment } = range;
  let keyBefore = range.start.log?.keyId ?? null;
  /** Since `first`. */
  let anchors = 0;
  const task = (end: number): SegmentTask => ({ first, end, epoch, commitment, keyBefore, keys: ratchet?.at(epoch, keyBefore) ?? null });
  for (let read = first; ;) {
    const rows = unlessCorrupt(() => inspector.anchors(read, PAGE), () => undefined) ?? [];
    for (const { treeSize } of rows) {
      if (treeSize >= range.end) break;
      anchors++;
      if (treeSize - first < aim) continue;
      const next = epochAfter(inspector, treeSize - 1, hash);
      const latest = epoch + anchors + MISSING * Math.floor((treeSize - first) / aim);
      if (next === null || next.epoch <= epoch || next.epoch > latest) continue;
      yield task(treeSize);
      first = treeSize;
      anchors = 0;
      ({ epoch, commitment, keyBefore } = next);
    }
    const last = rows.at(-1);
    if (last === undefined || !(last.treeSize > read) || last.treeSize >= range.end) break;
    read = last.treeSize;
  }
  if (first < range.end) yield task(range.end);
}

/** The epoch that begins after the anchor receipt at `logIndex`, or null if that is none. */
function epochAfter(
  inspector: Inspector, logIndex: number, hash: Hash,
): { readonly epoch: number; readonly commitment: string; readonly keyBefore: string } | null {
  const blob = unlessCorrupt(() => inspector.blobs(logIndex, logIndex + 1, 1).blobs[0]?.bytes, () => undefined);
  if (blob === undefined) return null;
  try {
    const anchor = anchorOf(verifyReceipt(blob, hash));
    if (anchor?.logIndex !== logIndex) return null;
    return { epoch: anchor.keyEpoch + 1, commitment: anchor.details.epoch_commitment, keyBefore: anchor.keyId };
  } catch (error) {
    if (error instanceof VerifyError) return null;
    throw error;
  }
}

/** The ratchets of the keys in use, stepped along with the plan, so that nobody has to begin at the seeds again. */
export class Ratchet {
  readonly #hash: Hash;
  /** In order of first epoch, K at `epoch`. */
  readonly #keys: { readonly keyId: string; readonly first: number; epoch: number; key: Uint8Array }[];

  constructor(starts: readonly RatchetStart[], hash: Hash) {
    this.#hash = hash;
    this.#keys = starts.toSorted((a, b) => a.epoch - b.epoch).map((start) => ({ ...start, first: start.epoch }));
  }

  /**
   * From where the keys of `epoch` and later can be stepped. Epochs are asked for in rising order. `keyBefore`: the key of the epoch
   * before, which goes on unless another was announced: a key is in use because the ledger says so, not because somebody has its seed.
   */
  at(epoch: number, keyBefore: string | null): RatchetStart[] {
    const newest = this.#keys.findLast((key) => key.first <= epoch)?.first;
    const used = this.#keys.filter(({ keyId, first }) => first > epoch || first === newest || keyId === keyBefore);
    for (const one of used) for (; one.epoch < epoch; one.epoch++) one.key = nextRatchetKey(one.key, this.#hash);
    return used.map(({ keyId, epoch: at, key }) => ({ keyId, epoch: at, key: key.slice() }));
  }
}
