/** How long receipts take from the first bytes of their round to their acknowledgement: since start, in ms. */
import { createHistogram } from "node:perf_hooks";

export interface Latency {
  record(ms: number, receipts: number): void;
  read(): { readonly calls: number; readonly p50_ms: number; readonly p95_ms: number; readonly p99_ms: number };
}

export function newLatency(): Latency {
  const histogram = createHistogram();
  let calls = 0;
  const ms = (percentile: number): number => (calls === 0 ? 0 : Math.round(histogram.percentile(percentile) / 1000) / 1000);
  return {
    record(elapsed, receipts) {
      calls += receipts;
      const ns = Math.max(1, Math.round(elapsed * 1e6));
      for (let i = 0; i < receipts; i++) histogram.record(ns);
    },
    read: () => ({ calls, p50_ms: ms(50), p95_ms: ms(95), p99_ms: ms(99) }),
  };
}
