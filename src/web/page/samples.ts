/** Samples of the daemon's speed, for charts and for the table that says the same. */
import type { Sample } from "./api.ts";

/** With the sample that came after them, if it did. */
export function withNewest(samples: readonly Sample[], newest: Sample | null): readonly Sample[] {
  const last = samples.at(-1);
  return newest === null || (last !== undefined && last.at >= newest.at) ? samples : [...samples, newest];
}

export interface Row {
  readonly at: string;
  readonly rate: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** Of each step (ms) the mean rate and the worst times, newest first. */
export function rowsOf(samples: readonly Sample[], step: number): readonly Row[] {
  const groups = Map.groupBy(samples, ({ at }) => Math.floor(Date.parse(at) / step) * step);
  return [...groups].map(([time, group]) => {
    const known = (name: "receipts_per_s" | "p50_ms" | "p95_ms" | "p99_ms"): readonly number[] => group.flatMap((sample) => sample[name] ?? []);
    const worst = (name: Parameters<typeof known>[0]): number | null => { const values = known(name); return values.length === 0 ? null : Math.max(...values); };
    const rates = known("receipts_per_s");
    return {
      at: new Date(time).toISOString(), rate: rates.length === 0 ? null : rates.reduce((sum, one) => sum + one, 0) / rates.length,
      p50: worst("p50_ms"), p95: worst("p95_ms"), p99: worst("p99_ms"),
    };
  }).reverse();
}
