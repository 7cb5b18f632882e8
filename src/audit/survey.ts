/** Looks at receipts that an audit reads, beside checking them: draws some at random, and counts what they are about. Segments are joined in any order. */
import { fromUtf8 } from "../format/bytes.ts";
import type { Sha256 } from "../format/hash.ts";
import type { Receipt } from "../format/receipt.ts";
import { Draw, type DrawAsk, type DrawData } from "./draw.ts";
import { refusals } from "./gates.ts";
import { Tally, type TallyData } from "./tally.ts";

/** Crosses threads. */
export interface SurveyAsk {
  /** `recorded_at` at or after; null: from the beginning of what is audited. */
  readonly from: string | null;
  /** Before. */
  readonly to: string | null;
  /** Decisions are drawn, of those that the audit reads. */
  readonly draw: DrawAsk | null;
  /** What receipts are about is counted. `refusals`: actions of the callers', beside the usual ones, by which nothing is done. */
  readonly tally: { readonly refusals: readonly string[] } | null;
}

/** Crosses threads. */
export interface SurveyData {
  readonly draw: DrawData | null;
  readonly tally: TallyData | null;
}

export class Survey {
  readonly #ask: SurveyAsk;
  readonly #draw: Draw | null;
  readonly #tally: Tally | null;

  constructor(ask: SurveyAsk, sha256: Sha256) {
    this.#ask = ask;
    this.#draw = ask.draw === null ? null : new Draw(ask.draw, sha256);
    this.#tally = ask.tally === null ? null : new Tally(refusals(ask.tally.refusals));
  }

  /** A receipt that is in order by itself: `receipt` may have the members of section 4.2 only. */
  take(receipt: Receipt, blob: Uint8Array, hash: Uint8Array): void {
    if (!this.wants(receipt.recorded_at)) return;
    if (receipt.type === "decision") this.#draw?.offer(receipt.log_index, hash);
    this.#tally?.take(JSON.parse(fromUtf8(blob)) as Receipt);
  }

  /** Is this `recorded_at` of the time that is asked for? */
  wants(recordedAt: string): boolean {
    const { from, to } = this.#ask;
    return (from === null || recordedAt >= from) && (to === null || recordedAt < to); // texts of one form, in which later is greater
  }

  add({ draw, tally }: SurveyData): void {
    if (draw !== null) this.#draw?.add(draw);
    if (tally !== null) this.#tally?.add(tally);
  }

  get data(): SurveyData {
    return { draw: this.#draw?.data ?? null, tally: this.#tally?.data ?? null };
  }
}
