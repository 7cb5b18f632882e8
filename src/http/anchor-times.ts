/**
 * When each anchor was made, and by when it promised the next: kept in memory (24 bytes each), read a part at a time, so that no request reads
 * the ledger's whole past. An anchor is late that came after the promise before it and the grace (docs/FORMAT.md section 7).
 */
import { fromUtf8 } from "../format/bytes.ts";
import { parseTime } from "../format/time.ts";
import type { Reader } from "../ledger/reader.ts";

/** Anchors at a time: some ms. */
const PART = 256;

/** A time without an anchor. */
export interface Gap {
  /** late: an anchor came after it was due; missing: none has come yet; stopped: the daemon had been stopped in order. */
  readonly kind: "late" | "missing" | "stopped";
  /** ms: the anchor before. */
  readonly from: number;
  /** ms; null where none was promised. */
  readonly due: number | null;
  /** ms: the anchor that ended it; null: none yet. */
  readonly to: number | null;
  /** Of that anchor, or 0. */
  readonly treeSize: number;
}

export interface AnchorTime {
  readonly treeSize: number;
  readonly at: number;
  /** null: an orderly stop, or it cannot be read. */
  readonly due: number | null;
}

export class AnchorTimes {
  readonly #reader: Reader;
  readonly #grace: number;
  readonly #sizes: number[] = [];
  readonly #times: number[] = [];
  /** NaN: an orderly stop; Infinity: it cannot be read. */
  readonly #due: number[] = [];
  readonly #gaps: Gap[] = [];
  /** ms, by tree size. */
  readonly #late = new Map<number, number>();
  /** Everything that there was, when it was last looked at. */
  isComplete = false;

  /** `grace`: ms. */
  constructor(reader: Reader, grace: number) {
    this.#reader = reader;
    this.#grace = grace;
  }

  get count(): number {
    return this.#sizes.length;
  }

  /** Reads one part more. */
  step(): void {
    const rows = this.#reader.anchors(this.#sizes.at(-1) ?? 0, PART);
    for (const { treeSize } of rows) {
      const stored = this.#reader.byIndex(treeSize - 1);
      this.#add(treeSize, stored?.recordedAt ?? this.#times.at(-1) ?? 0, promiseIn(stored?.blob ?? null));
    }
    this.isComplete = rows.length < PART;
  }

  #add(treeSize: number, at: number, promise: number): void {
    const [from, due] = [this.#times.at(-1), this.#due.at(-1)];
    if (from !== undefined && due !== undefined && Number.isNaN(due)) this.#gaps.push({ kind: "stopped", from, due: null, to: at, treeSize });
    if (from !== undefined && due !== undefined && at > due + this.#grace) {
      this.#gaps.push({ kind: "late", from, due, to: at, treeSize });
      this.#late.set(treeSize, at - due);
    }
    this.#sizes.push(treeSize);
    this.#times.push(at);
    this.#due.push(promise);
  }

  at(place: number): AnchorTime | null {
    const [treeSize, at, due] = [this.#sizes[place], this.#times[place], this.#due[place]];
    return treeSize === undefined ? null : { treeSize, at: at!, due: Number.isFinite(due) ? due! : null };
  }

  newest(): AnchorTime | null {
    return this.at(this.count - 1);
  }

  /** What is missing, or was stopped, at this time; null: nothing. */
  present(now: number): Gap | null {
    const [from, due] = [this.#times.at(-1), this.#due.at(-1)];
    if (from === undefined || due === undefined) return null;
    if (Number.isNaN(due)) return { kind: "stopped", from, due: null, to: null, treeSize: 0 };
    return now > due + this.#grace ? { kind: "missing", from, due, to: null, treeSize: 0 } : null;
  }

  /** Those that end in or after this time, in their order, with the present one. */
  gaps(from: number, now: number): readonly Gap[] {
    const present = this.present(now);
    return [...this.#gaps.filter(({ to }) => to! >= from), ...(present === null ? [] : [present])];
  }

  /** By how many ms the anchor of this size was late, or null. */
  lateness(treeSize: number): number | null {
    return this.#late.get(treeSize) ?? null;
  }

  /** Anchors made in this time, counted in slots of equal length; those without any are left out. */
  slots(from: number, to: number, most: number): readonly { readonly at: number; readonly anchors: number; readonly treeSize: number }[] {
    const length = Math.max(1, (to - from) / most);
    const slots = new Map<number, { at: number; anchors: number; treeSize: number }>();
    for (let place = this.count - 1; place >= 0; place--) {
      const at = this.#times[place]!;
      if (at < from || at > to) continue; // a clock may have been turned back
      const slot = slots.get(Math.min(most - 1, Math.floor((at - from) / length)));
      if (slot === undefined) slots.set(Math.min(most - 1, Math.floor((at - from) / length)), { at, anchors: 1, treeSize: this.#sizes[place]! });
      else slot.anchors++;
    }
    return [...slots.values()].reverse();
  }

  /** Newest first: made at or after `from`, smaller than `before`; `late`: only those that were. */
  page(options: { readonly from: number; readonly before: number; readonly late: boolean; readonly limit: number }): readonly AnchorTime[] {
    const { from, before, late, limit } = options;
    const found: AnchorTime[] = [];
    for (let place = this.count - 1; place >= 0 && found.length < limit; place--) {
      const size = this.#sizes[place]!;
      if (size < before && this.#times[place]! >= from && (!late || this.#late.has(size))) found.push(this.at(place)!);
    }
    return found;
  }
}

/** `next_anchor_by` of an anchor receipt, in ms; NaN: none. What is damaged has promised nothing that can be read (Infinity); the audit names it. */
function promiseIn(blob: Uint8Array | null): number {
  try {
    const { details } = JSON.parse(fromUtf8(blob ?? new Uint8Array())) as { readonly details: { readonly next_anchor_by: unknown } };
    return details.next_anchor_by === null ? Number.NaN : parseTime(details.next_anchor_by) ?? Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
