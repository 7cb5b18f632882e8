/**
 * Times from outside: nothing is recorded before what an anchor receipt had seen of a target (`observed`), or after its anchor was
 * published. A target whose times are the host's own proves nothing against a host that turned its clock, and is told so.
 */
import type { AnchorDetails, Observed } from "../format/fields.ts";
import type { Findings } from "./report.ts";
import type { BatchSeen, TimedPlace } from "./segment-result.ts";

/** ms that clocks of file systems and stores may differ without meaning anything. */
export const TOLERANCE = 2000;

interface Bound {
  /** ms */
  readonly time: number;
  readonly target: string;
}

export class Times {
  readonly #findings: Findings;
  readonly #trusted: ReadonlySet<string>;
  /** What the newest anchor receipt so far had seen, by target. */
  readonly #observed = new Map<string, Observed>();
  #bounds: readonly Bound[] = [];

  /** `trusted`: targets whose times are not the host's. */
  constructor(findings: Findings, trusted: ReadonlySet<string>) {
    this.#findings = findings;
    this.#trusted = trusted;
  }

  /** By target, the newest anchor that the ledger saw confirmed there. */
  get observed(): ReadonlyMap<string, Observed> {
    return this.#observed;
  }

  /** What the anchor receipt before the first batch had seen. */
  begin(details: AnchorDetails): void {
    this.#keep(details, boundsOf(details));
  }

  /** The next batch that was closed. `clockSteps`: steps back that the ledger has recorded so far. */
  step(batch: BatchSeen, clockSteps: number): void {
    this.open(batch.earliest, clockSteps);
    if (batch.anchor === null) return;
    const { details, recordedAt } = batch.anchor;
    const bounds = boundsOf(details);
    this.#compare({ time: recordedAt, logIndex: batch.treeSize - 1 }, bounds, clockSteps);
    this.#keep(details, bounds);
  }

  /** Receipts that no anchor closes yet; `earliest` is the one recorded first. */
  open(earliest: TimedPlace | null, clockSteps: number): void {
    if (earliest !== null) this.#compare(earliest, this.#bounds, clockSteps);
  }

  /** An anchor of the ledger was published at `time`; `latest`: what it covers was recorded by then. Both ms. */
  published(latest: number, latestIndex: number, time: number, target: string, clockSteps: number): void {
    if (Number.isNaN(latest) || latest <= time + TOLERANCE) return;
    this.#add({
      code: "recorded_after_anchor", message: "the receipt says that it was recorded after its anchor was published", target,
      logIndex: latestIndex, expected: `${text(time)} or before`, found: text(latest),
    }, clockSteps);
  }

  #compare({ time, logIndex }: TimedPlace, bounds: readonly Bound[], clockSteps: number): void {
    const at = Date.parse(time);
    const worst = bounds.find((bound) => at + TOLERANCE < bound.time);
    if (worst === undefined) return;
    this.#add({
      code: "recorded_before_observed", message: "the receipt says that it was recorded before what an earlier anchor receipt had seen", target: worst.target,
      logIndex, expected: `${text(worst.time)} or later`, found: time,
    }, clockSteps);
  }

  #add(finding: {
    readonly code: "recorded_after_anchor" | "recorded_before_observed"; readonly message: string; readonly target: string; readonly logIndex: number;
    readonly expected: string; readonly found: string;
  }, clockSteps: number): void {
    const { target, message, ...rest } = finding;
    const isTrusted = this.#trusted.has(target);
    const isStepped = !isTrusted && clockSteps > 0;
    const whose = isTrusted ? `${target}, which has its own clock` : `${target}, by the host's own clock`;
    this.#findings.add({
      ...rest, severity: isStepped ? "note" : "violation", at: "/recorded_at",
      message: `${message} (${whose}${isStepped ? "; the ledger records clock steps" : ""})`,
    });
  }

  #keep({ observed }: AnchorDetails, bounds: readonly Bound[]): void {
    const newest = new Map(this.#bounds.map((bound) => [bound.target, bound]));
    for (const bound of bounds) if (bound.time > (newest.get(bound.target)?.time ?? -Infinity)) newest.set(bound.target, bound);
    this.#bounds = [...newest.values()];
    for (const seen of observed) if (seen.tree_size > (this.#observed.get(seen.target)?.tree_size ?? 0)) this.#observed.set(seen.target, seen);
  }
}

function boundsOf({ observed }: AnchorDetails): Bound[] {
  return observed.map(({ target, last_modified }) => ({ target, time: Date.parse(last_modified) }));
}

function text(ms: number): string {
  return new Date(ms).toISOString();
}
