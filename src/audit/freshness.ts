/**
 * How a target ends (docs/FORMAT.md section 13.3 step 7): its newest anchor promises the next one, or says that the ledger was
 * stopped in order. So a host that is idle, one that was stopped, and one whose newest anchors are withheld are told apart, also
 * when the host is gone.
 */
import { count } from "../format/count.ts";
import { formatTime } from "../format/time.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import type { Freshness, OpenFinding } from "./report.ts";

export interface FreshnessOptions {
  readonly target: string;
  /** Of the target. */
  readonly newest: AnchorFacts | null;
  readonly isForked: boolean;
  /** Of the ledger's own anchors, the first that is not here: its size, and the latest time that it and what it covers have. Null: none, or no ledger. */
  readonly unpublished: { readonly treeSize: number; readonly recordedAt: number } | null;
  /** Has the ledger anchors, or is it not known? */
  readonly isOwing: boolean;
  /** ms */
  readonly now: number;
  readonly grace: number;
}

export function freshnessOf(options: FreshnessOptions): { readonly state: Freshness; readonly findings: readonly OpenFinding[] } {
  const { target, newest, isForked, unpublished, isOwing, now, grace } = options;
  if (newest === null) {
    const missing = { severity: "violation", code: "anchor_missing", message: `no anchor of this ledger is at ${target}` } as const;
    return { state: "empty", findings: isOwing ? [missing] : [] };
  }
  const { details: { next_anchor_by: by, reason, batch }, receipt: { recorded_at: at }, name, treeSize } = newest;
  const end = (state: Freshness, ...findings: readonly OpenFinding[]): ReturnType<typeof freshnessOf> => ({ state: isForked ? "forked" : state, findings });
  const object = { target, name };
  if (by === null) {
    const stopped = { severity: "note", code: "stopped", message: `${target}: the ledger was stopped in order at ${at}; nothing was promised after that` } as const;
    if (unpublished === null || Number.isNaN(unpublished.recordedAt) || now <= unpublished.recordedAt + grace) return end("stopped", stopped);
    return end("late", {
      severity: "violation", code: "anchor_late", object,
      message: `${target} ends with an orderly stop at ${at}, but the ledger has gone on: its anchor of ${count(unpublished.treeSize, "receipt")} was not published there or is hidden`,
      expected: `an anchor by ${formatTime(unpublished.recordedAt + grace)}`, found: `none at ${formatTime(now)}`,
    });
  }
  if (now > Date.parse(by) + grace) {
    return end("late", {
      severity: "violation", code: "anchor_late", object,
      message: `${target} has had no anchor since ${at}: the next one was promised for ${by}, and was not published there or is hidden`,
      expected: `an anchor by ${by}`, found: `none at ${formatTime(now)}`,
    });
  }
  if (reason !== "heartbeat" || batch.count > 0) return end("current");
  return end("idle", {
    severity: "note", code: "idle",
    message: `${target}: no receipt was recorded between the last two anchors, the newest of ${count(treeSize, "receipt")} at ${at}; the next one is promised for ${by}`,
  });
}

/**
 * Anchors that came later than the one before had promised, by a target's own clock. An outage looks like that, and so does a past
 * that was written afterwards: until such an anchor was stored, nothing outside of the host knew what is under it.
 */
export class Delays {
  readonly #grace: number;
  #due = Number.POSITIVE_INFINITY;
  #count = 0;
  #longest = { delay: 0, treeSize: 0, due: 0, stored: 0 };

  constructor(grace: number) {
    this.#grace = grace;
  }

  /** In order of size; `stored` in ms. */
  add({ treeSize, details: { next_anchor_by: by } }: AnchorFacts, stored: number): void {
    const delay = stored - this.#due;
    if (delay > this.#grace) {
      this.#count++;
      if (delay > this.#longest.delay) this.#longest = { delay, treeSize, due: this.#due, stored };
    }
    this.#due = by === null ? Number.POSITIVE_INFINITY : Date.parse(by);
  }

  /** One note on all of them, or null. */
  finding(target: string): OpenFinding | null {
    if (this.#count === 0) return null;
    const { treeSize, due, stored } = this.#longest;
    return {
      severity: "note", code: "published_late",
      message: `${target}: ${count(this.#count, "anchor")} came later than promised, the latest the one of ${count(treeSize, "receipt")}, promised for ${formatTime(due)} and stored at ${formatTime(stored)}: what is under them is attested from when they were stored, not from when it says that it was recorded`,
    };
  }
}
