import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Latch, retryDelay, sleep } from "../../src/anchor/wait.ts";

describe("the delay between attempts", () => {
  const backoff = { minMs: 100, maxMs: 60_000 };

  test.each([[1, 100], [2, 200], [3, 400], [9, 25_600], [10, 51_200], [11, 60_000], [12, 60_000], [1_000_000, 60_000]])("after %i failures is at most %i ms", (failures, ms) => {
    expect(retryDelay(failures, backoff, 1)).toBe(ms);
    expect(retryDelay(failures, backoff, 0)).toBe(ms / 2);
  });

  test("never goes beyond the limits", () => {
    fc.assert(fc.property(fc.integer({ min: 1 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (failures, random) => {
      const ms = retryDelay(failures, backoff, random);
      return ms >= 50 && ms <= 60_000;
    }));
  });
});

describe("a latch", () => {
  test("ends a wait when it is woken, and remembers one waking", async () => {
    const latch = new Latch(new AbortController().signal);
    const order: string[] = [];
    const waiting = latch.wait().then(() => order.push("woken"));
    await Promise.resolve();
    order.push("before");
    latch.wake();
    await waiting;
    latch.wake();
    latch.wake();
    await latch.wait();
    const again = latch.wait().then(() => order.push("again"));
    await sleep(1, new AbortController().signal);
    expect(order).toEqual(["before", "woken"]);
    latch.wake();
    await again;
  });

  test("never waits once it is stopped", async () => {
    const stop = new AbortController();
    const latch = new Latch(stop.signal);
    const waiting = latch.wait();
    stop.abort();
    await waiting;
    await latch.wait();
    await latch.wait();
    expect(await sleep(1_000_000, stop.signal)).toBeUndefined();
  });
});
