/** How the daemon was: samples of the last hour, and of the last day by the minute. In memory, of a bounded size, gone with this process. */

export interface Sample {
  /** ms */
  readonly at: number;
  /** Receipts recorded per second since the sample before, the ledger's own among them; null: not known. */
  readonly rate: number | null;
  /** ms from the first bytes of a call to its acknowledgement, in the last whole window of the daemon; null: there were no calls, or no daemon. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  /** Receipts without an anchor that every required target has confirmed; null: not known. */
  readonly pending: number | null;
}

/** ms between samples. */
export const INTERVAL = 5000;
const MINUTE = 60_000;

export const SPANS = { hour: { step: INTERVAL, samples: 720 }, day: { step: MINUTE, samples: 1440 } } as const;
export type Span = keyof typeof SPANS;

/** Old ones make room. */
class Ring {
  readonly #most: number;
  #samples: Sample[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length >= 2 * this.#most) this.#samples = this.#samples.slice(-this.#most); // now and then, not each time
  }

  get samples(): readonly Sample[] {
    return this.#samples.slice(-this.#most);
  }
}

export class History {
  readonly #rings = { hour: new Ring(SPANS.hour.samples), day: new Ring(SPANS.day.samples) } as const;
  #minute: Sample[] = [];

  add(sample: Sample): void {
    this.#rings.hour.add(sample);
    const [first] = this.#minute;
    if (first !== undefined && Math.floor(first.at / MINUTE) !== Math.floor(sample.at / MINUTE)) {
      this.#rings.day.add(together(this.#minute));
      this.#minute = [];
    }
    this.#minute.push(sample);
  }

  get newest(): Sample | null {
    return this.#minute.at(-1) ?? null;
  }

  /** In the order of time; of a day, the present minute as far as it is known. */
  samples(span: Span): readonly Sample[] {
    const { samples } = this.#rings[span];
    return span === "hour" || this.#minute.length === 0 ? samples : [...samples, together(this.#minute)];
  }
}

/** Of a minute the mean rate, and of everything else the worst. */
function together(samples: readonly Sample[]): Sample {
  const known = (name: "rate" | "p50" | "p95" | "p99" | "pending"): readonly number[] => samples.flatMap((sample) => sample[name] ?? []);
  const worst = (name: Parameters<typeof known>[0]): number | null => known(name).reduce<number | null>((most, value) => Math.max(most ?? value, value), null);
  const rates = known("rate");
  return {
    at: Math.floor(samples[0]!.at / MINUTE) * MINUTE,
    rate: rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
    p50: worst("p50"), p95: worst("p95"), p99: worst("p99"), pending: worst("pending"),
  };
}
