/** Latency since start, and of the last whole window. */
import { expect, test } from "vitest";
import { newLatency } from "../../src/intake/latency.ts";

test("recent is of the last whole window, and all else of all time", () => {
  let now = 0;
  const latency = newLatency(() => now);
  latency.record(1, 10);
  expect(latency.read()).toMatchObject({ calls: 10, recent: null });
  now = 5000;
  latency.record(100, 10);
  expect(latency.read().recent).toMatchObject({ calls: 10, seconds: 5 });
  expect(latency.read().recent?.p99_ms).toBeLessThan(2);
  expect(latency.read()).toMatchObject({ calls: 20 });
  expect(latency.read().p99_ms).toBeGreaterThan(90);
  now = 10_000;
  expect(latency.read().recent?.p50_ms).toBeGreaterThan(90);
  now = 20_000;
  expect(latency.read()).toMatchObject({ calls: 20, recent: { calls: 0, p50_ms: 0, seconds: 10 } });
});
