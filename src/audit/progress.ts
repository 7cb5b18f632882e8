/** How far an audit is, and how long it still takes. */

export interface Progress {
  readonly phase: "indexes" | "receipts" | "targets";
  /** In phase `targets`: which. */
  readonly target: string | null;
  /** Receipts, or objects of a target. */
  readonly done: number;
  /** null: not known. */
  readonly total: number | null;
  readonly perSecond: number;
  readonly secondsLeft: number | null;
}

/** Counts and tells, a few times a second at most. */
export class ProgressMeter {
  readonly #onProgress: (progress: Progress) => void;
  readonly #clock: () => number;
  #phase: Progress["phase"] = "indexes";
  #target: string | null = null;
  #done = 0;
  #total: number | null = null;
  #started = 0;
  #told = 0;

  /** `clock` in ms, of any beginning. */
  constructor(onProgress: (progress: Progress) => void, clock: () => number) {
    this.#onProgress = onProgress;
    this.#clock = clock;
  }

  begin(phase: Progress["phase"], total: number | null, target: string | null = null): void {
    this.#phase = phase;
    this.#target = target;
    this.#done = 0;
    this.#total = total;
    this.#started = this.#clock();
    this.#tell(this.#started);
  }

  add(count: number): void {
    this.#done += count;
    const now = this.#clock();
    if (now - this.#told >= 200 || this.#done === this.#total) this.#tell(now);
  }

  #tell(now: number): void {
    this.#told = now;
    const seconds = (now - this.#started) / 1000;
    const perSecond = seconds > 0 ? this.#done / seconds : 0;
    const left = this.#total === null || perSecond === 0 ? null : (this.#total - this.#done) / perSecond;
    this.#onProgress({ phase: this.#phase, target: this.#target, done: this.#done, total: this.#total, perSecond, secondsLeft: left });
  }
}
