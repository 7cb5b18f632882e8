/** Waiting in a loop that somebody else wakes or stops. Nothing here rejects: a wait that is stopped just ends. */
import { setTimeout as timer } from "node:timers/promises";

/** ms between attempts: doubled from `minMs` up to `maxMs`, so that what is down for long is not asked all the time. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** ms to wait after `failures` ≥ 1 failures in a row; `random` in [0, 1) spreads it over its upper half. */
export function retryDelay(failures: number, { minMs, maxMs }: Backoff, random: number): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 32));
  return full / 2 + (full / 2) * random;
}

export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await timer(ms, undefined, { signal }).catch(() => undefined);
}

/** What it resolves to; null once the signal is aborted, whatever becomes of it. Rejects as it does. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const { promise: aborted, resolve } = Promise.withResolvers<null>();
  const stop = (): void => resolve(null);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Remembers one wake-up that came while nobody waited. */
export class Latch {
  readonly #signal: AbortSignal;
  #woken = false;
  #waiting: (() => void) | null = null;

  /** A latch whose every wait ends at once when the signal is aborted. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.wake(), { once: true });
  }

  wake(): void {
    this.#woken = true;
    this.#waiting?.();
  }

  async wait(): Promise<void> {
    if (!this.#woken && !this.#signal.aborted) await new Promise<void>((resolve) => { this.#waiting = resolve; });
    this.#waiting = null;
    this.#woken = false;
  }
}
