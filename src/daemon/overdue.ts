/**
 * How long receipts have been waiting for their anchors, and the refusal of more of them once that is too long
 * (`anchor.fail_closed_after`): some would rather stop than go on where nobody outside could notice a change.
 */
import { formatTime } from "../format/time.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";

export interface OverdueOptions {
  readonly reader: Pick<Reader, "byIndex">;
  /** Receipts in the ledger, and those that all required targets have under an anchor. */
  readonly size: () => number;
  readonly anchoredSize: () => number;
  readonly now: () => number;
  /** ms; null: never refuse. */
  readonly limit: number | null;
}

export class Overdue {
  readonly #options: OverdueOptions;
  /** When the first receipt after the newest confirmed anchor was recorded, by that anchor's size. */
  #known: { readonly anchoredSize: number; readonly since: number } | null = null;

  constructor(options: OverdueOptions) {
    this.#options = options;
  }

  /** ms; null where everything is anchored, or a damaged ledger does not say. */
  since(): number | null {
    const { reader, size, anchoredSize } = this.#options;
    const anchored = anchoredSize();
    if (anchored >= size()) return null;
    if (this.#known?.anchoredSize !== anchored) {
      const first = firstOf(() => reader.byIndex(anchored));
      this.#known = first === null ? null : { anchoredSize: anchored, since: first.recordedAt };
    }
    return this.#known?.since ?? null;
  }

  refusal(): { readonly code: "anchoring_overdue"; readonly message: string } | null {
    const { limit, now } = this.#options;
    const since = limit === null ? null : this.since();
    if (limit === null || since === null || now() - since <= limit) return null;
    return {
      code: "anchoring_overdue",
      message: `receipts have been waiting for their anchors since ${formatTime(since)}, longer than anchor.fail_closed_after allows; \`receiptd status\` says what the targets answer`,
    };
  }
}

/** Of a damaged ledger `status` is to tell, not to fail. */
function firstOf(read: () => StoredBlob | null): StoredBlob | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return null;
  }
}
