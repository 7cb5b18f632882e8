/**
 * A circuit breaker that fails closed: while the daemon is known to be away, calls fail at once instead of each waiting for its time, and
 * no decision gets past them. After a while one call is let through; if it succeeds, all are.
 */
import { badSetting, ReceiptUnavailable } from "./errors.ts";

export interface BreakerOptions {
  /** ReceiptUnavailable in a row after which it opens. */
  readonly failures?: number;
  /** ms that it is open the first time; doubles each time that the probe fails. */
  readonly openMs?: number;
  readonly maxOpenMs?: number;
}

export type CircuitState = "closed" | "open" | "half_open";

const FAILURES = 5;
/** ms */
const OPEN = 1000;
const LONGEST_OPEN = 30_000;
/** Of the time that it is open, either way: many clients do not come back at once. */
const JITTER = 0.2;
/** No sign that the daemon takes no receipts. */
const UNCOUNTED: ReadonlySet<string> = new Set(["closed", "too_many_chains"]);

export class CircuitBreaker {
  readonly #failures: number;
  readonly #openMs: number;
  readonly #maxOpenMs: number;
  #inARow = 0;
  /** ms, of performance.now(); null: closed. */
  #openUntil: number | null = null;
  #nextOpenMs: number;
  #probing = false;
  /** The code that opened it last. */
  #because: string | undefined;

  /** Throws ReceiptError `bad_setting`. */
  constructor(options: BreakerOptions = {}) {
    if (typeof options !== "object" || options === null) throw badSetting("breaker", "an object of its options");
    const { failures = FAILURES, openMs = OPEN, maxOpenMs = LONGEST_OPEN } = options;
    if (!Number.isSafeInteger(failures) || failures < 1) throw badSetting("breaker.failures", "a whole number from 1");
    for (const [name, ms] of Object.entries({ openMs, maxOpenMs })) if (!Number.isFinite(ms) || ms <= 0) throw badSetting(`breaker.${name}`, "milliseconds, more than 0");
    this.#failures = failures;
    this.#openMs = openMs;
    this.#maxOpenMs = maxOpenMs;
    this.#nextOpenMs = openMs;
  }

  /** `half_open`: the next call, or one that is on the way, decides. */
  get state(): CircuitState {
    if (this.#openUntil === null) return "closed";
    return performance.now() < this.#openUntil ? "open" : "half_open";
  }

  /**
   * Runs a call if calls may pass. Only ReceiptUnavailable counts: whoever refuses a receipt is there. `isLong`: its answer may be long in
   * coming, and others do not wait for it to try.
   */
  async run<T>(call: () => Promise<T>, receiptId?: string, isLong = false): Promise<T> {
    const { state } = this;
    const isProbe = state === "half_open" && !this.#probing && !isLong;
    if (state === "open" || (state === "half_open" && !isProbe && !isLong)) throw new ReceiptUnavailable("circuit_open", "the daemon has not answered for some time; calls fail at once until it does", { receiptId, because: this.#because });
    if (isProbe) this.#probing = true;
    try {
      const result = await call();
      this.close();
      return result;
    } catch (error) {
      if (!(error instanceof ReceiptUnavailable)) {
        if (isProbe) this.close();
      } else if (!UNCOUNTED.has(error.code)) this.#count(isProbe, error.because ?? error.code);
      throw error;
    } finally {
      if (isProbe) this.#probing = false;
    }
  }

  /** The daemon has answered. */
  close(): void {
    this.#inARow = 0;
    this.#openUntil = null;
    this.#nextOpenMs = this.#openMs;
  }

  #count(isProbe: boolean, code: string): void {
    this.#inARow++;
    if (!isProbe && (this.#openUntil !== null || this.#inARow < this.#failures)) return;
    this.#because = code;
    this.#openUntil = performance.now() + this.#nextOpenMs * (1 + JITTER * (2 * Math.random() - 1));
    this.#nextOpenMs = Math.min(this.#nextOpenMs * 2, this.#maxOpenMs);
  }
}
