/** How long receipts take from the first bytes of their round to their acknowledgement, in ms: since start, and of late. */
import { createHistogram } from "node:perf_hooks";

interface Figures {
  readonly calls: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
}

export interface Latency {
  record(ms: number, receipts: number): void;
  /** `recent`: of the last whole window, and how long that was; null before its end. */
  read(): Readonly<Record<keyof Figures, number>> & { readonly recent: (Readonly<Record<keyof Figures, number>> & { readonly seconds: number }) | null };
}

/** ms of a window, at least. */
const WINDOW = 5000;

type Histogram = ReturnType<typeof createHistogram>;

/** `now`: ms, of a clock that is never set. */
export function newLatency(now: () => number = () => performance.now()): Latency {
  const closed = createHistogram();
  const open = createHistogram();
  let openedAt = now();
  let recent: ReturnType<Latency["read"]>["recent"] = null;

  const turn = (): void => {
    const at = now();
    if (at - openedAt < WINDOW) return;
    recent = { seconds: Math.round(at - openedAt) / 1000, ...figures(open) };
    closed.add(open);
    open.reset();
    openedAt = at;
  };
  return {
    record(elapsed, receipts) {
      turn();
      const ns = Math.max(1, Math.round(elapsed * 1e6));
      for (let i = 0; i < receipts; i++) open.record(ns);
    },
    read() {
      turn();
      const all = createHistogram();
      all.add(closed);
      all.add(open);
      return { ...figures(all), recent };
    },
  };
}

function figures(histogram: Histogram): Figures {
  const { count } = histogram;
  const ms = (percentile: number): number => (count === 0 ? 0 : Math.round(histogram.percentile(percentile) / 1000) / 1000);
  return { calls: count, p50_ms: ms(50), p95_ms: ms(95), p99_ms: ms(99) };
}
