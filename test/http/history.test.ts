/** Samples of the daemon: two rings of a bounded size, minutes made of the worst. */
import { describe, expect, test } from "vitest";
import { History, INTERVAL, type Sample, SPANS } from "../../src/http/history.ts";

const NONE = { rate: null, p50: null, p95: null, p99: null, pending: null };
const sample = (at: number, more: Partial<Sample> = {}): Sample => ({ at, ...NONE, ...more });

describe("history", () => {
  test("keeps an hour of samples and a day of minutes, whatever comes", () => {
    const history = new History();
    const count = 3 * 86_400_000 / INTERVAL;
    for (let i = 0; i < count; i++) history.add(sample(i * INTERVAL, { rate: i }));
    expect([history.samples("hour").length, history.samples("day").length]).toEqual([SPANS.hour.samples, SPANS.day.samples + 1]);
    expect(history.samples("hour").map(({ at }) => at)).toEqual(Array.from({ length: SPANS.hour.samples }, (_, i) => (count - SPANS.hour.samples + i) * INTERVAL));
    expect(history.newest?.rate).toBe(count - 1);
  });

  test("a minute has the mean rate and the worst of all else, and what is not known is not zero", () => {
    const history = new History();
    history.add(sample(60_000, { rate: 10, p50: 1, p99: 9, pending: 5 }));
    history.add(sample(65_000));
    history.add(sample(70_000, { rate: 20, p50: 3, p99: 4, pending: 2 }));
    history.add(sample(120_000));
    expect(history.samples("day")).toEqual([{ at: 60_000, rate: 15, p50: 3, p95: null, p99: 9, pending: 5 }, sample(120_000)]);
  });

  test("there is nothing before the first sample", () => {
    expect([new History().newest, new History().samples("day")]).toEqual([null, []]);
  });
});
