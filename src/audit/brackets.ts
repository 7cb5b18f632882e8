/**
 * Which batches can hold receipts of a time range. The index is not asked: each of its times is a number that may have been changed.
 * The ledger's own receipts tell (docs/FORMAT.md sections 4.4 and 7): between two of them times only rise, but at a `clock_step`, which says
 * from when to when. Each has the hash of the one before, so that whoever checks the last has checked them all. Where that breaks off,
 * or a receipt cannot be read or believed (own-receipts.ts), nothing is known of the times, and the batch is one of those that can.
 */
import { hashText } from "../format/chain.ts";
import type { Receipt } from "../format/receipt.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { OwnReceipt, OwnReceipts } from "./own-receipts.ts";
import { unlessCorrupt } from "./places.ts";

/** ms: from `from` on, and before `to`. */
export interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/** Receipts from `first` up to, not including, `end`: whole batches, with at least one anchor if there is any. */
export interface Batches {
  readonly first: number;
  readonly end: number;
  /** The span ends before the newest anchor was recorded, so that anchors on both sides tell what is between them. */
  readonly isClosed: boolean;
}

/** Of the first `size` receipts. */
export function batchesWithin(inspector: Inspector, size: number, span: TimeSpan, own: OwnReceipts): Batches {
  const brackets = new Brackets(span);
  for (const receipt of own.below(size)) brackets.add(receipt);
  const next = unlessCorrupt(() => inspector.anchors(brackets.anchored, 1), () => brackets.add(null))?.[0];
  if (next !== undefined && next.treeSize <= size) brackets.add(null);
  return brackets.finish(size);
}

class Brackets {
  readonly #span: TimeSpan;
  #time = Number.NEGATIVE_INFINITY;
  #orgSeq = 0;
  #logIndex = -1;
  #epoch = 0;
  #hash: string | null = null;
  /** Nothing is known of what is between the newest receipt and the next. */
  #isBroken = false;
  #isWithin = false;
  #first: number | null = null;
  #end = 0;
  /** Where the newest batch with an anchor begins, and ends. */
  #newestFirst = 0;
  #anchored = 0;

  constructor(span: TimeSpan) {
    this.#span = span;
  }

  /** Tree size of the newest anchor so far. */
  get anchored(): number {
    return this.#anchored;
  }

  /** The ledger's next own receipt; null where it cannot be read or believed. */
  add(own: OwnReceipt | null): void {
    if (own === null) {
      this.#isBroken = true;
      return;
    }
    const { receipt, hash } = own;
    const time = Date.parse(receipt.recorded_at);
    // the latest of what is before it
    const latest = receipt.type === "clock_step" ? Date.parse((receipt["details"] as { readonly from: string }).from) : time;
    const { from, to } = this.#span;
    if (this.#isBroken || !this.#isNext(receipt, latest) || (latest >= from && this.#time < to)) this.#isWithin = true;
    this.#isBroken = false;
    this.#time = time;
    this.#orgSeq = receipt.org_seq;
    this.#logIndex = receipt.log_index;
    this.#epoch = receipt.key_epoch;
    this.#hash = hashText(hash);
    if (receipt.type === "anchor") this.#close(receipt.log_index + 1);
  }

  finish(size: number): Batches {
    if (this.#anchored < size && (this.#isWithin || this.#isBroken || this.#time < this.#span.to)) this.#take(size);
    const isClosed = !this.#isBroken && this.#span.to <= this.#time;
    if (this.#first === null) return { first: this.#newestFirst, end: size, isClosed };
    return { first: Math.min(this.#first, this.#newestFirst), end: this.#end, isClosed };
  }

  #isNext({ org_seq: orgSeq, log_index: logIndex, key_epoch: epoch, previous_receipt_hash: link }: Receipt, latest: number): boolean {
    return orgSeq === this.#orgSeq + 1 && logIndex > this.#logIndex && epoch === this.#epoch && link === this.#hash && latest >= this.#time;
  }

  #close(treeSize: number): void {
    if (treeSize <= this.#anchored) return;
    if (this.#isWithin) this.#take(treeSize);
    this.#isWithin = false;
    this.#newestFirst = this.#anchored;
    this.#anchored = treeSize;
    this.#epoch++;
  }

  #take(end: number): void {
    this.#first ??= this.#anchored;
    this.#end = end;
  }
}
