import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CircuitBreaker } from "../../src/clients/breaker.ts";
import { Client, ReceiptRefused, ReceiptUnavailable } from "../../src/clients/index.ts";
import { fakeDaemon } from "../cli/fake-daemon.ts";
import { acknowledge, errorOf, RECEIPT, refuse } from "./support.ts";

const away = () => Promise.reject(new ReceiptUnavailable("unreachable", "x"));
const wrong = () => Promise.reject(new ReceiptRefused("bad_field", "x"));
const works = () => Promise.resolve(1);

describe("by a clock that stands still", () => {
  let now: number;
  beforeEach(() => {
    now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    vi.spyOn(Math, "random").mockReturnValue(0.5);
  });
  afterEach(() => void vi.restoreAllMocks());

  test("opens after so many in a row, and says why; refusals count neither way", async () => {
    const breaker = new CircuitBreaker();
    for (const call of [away, away, away, away, works, away, away, away, away, wrong]) await breaker.run(call).catch(() => undefined);
    expect(breaker.state).toBe("closed");
    await errorOf(breaker.run(away));
    expect(breaker.state).toBe("open");
    let called = false;
    const error = await errorOf(breaker.run(async () => { called = true; }, "id"));
    expect(error).toMatchObject({ name: "ReceiptUnavailable", code: "circuit_open", because: "unreachable", maybeStored: false, receiptId: "id" });
    expect(called).toBe(false);
  });

  test("too many chains are no reason to append nothing", async () => {
    const breaker = new CircuitBreaker({ failures: 1 });
    await errorOf(breaker.run(() => Promise.reject(new ReceiptUnavailable("too_many_chains", "x"))));
    expect(breaker.state).toBe("closed");
  });

  test.each([["success", works], ["a refusal", wrong]])("half open, one call is let through; %s closes it", async (_, call) => {
    const breaker = new CircuitBreaker({ failures: 1 });
    await errorOf(breaker.run(away));
    now = 999;
    expect(breaker.state).toBe("open");
    now = 1000;
    expect(breaker.state).toBe("half_open");
    const probe = Promise.withResolvers<void>();
    const first = breaker.run(() => probe.promise.then(call)).catch(() => undefined);
    expect(await errorOf(breaker.run(works))).toMatchObject({ code: "circuit_open" });
    probe.resolve();
    await first;
    expect(breaker.state).toBe("closed");
    expect(await breaker.run(works)).toBe(1);
  });

  test("a probe that fails opens it for longer, up to a bound; success ends that", async () => {
    const breaker = new CircuitBreaker({ failures: 1 });
    const times: number[] = [];
    const openFor = async (): Promise<void> => {
      await errorOf(breaker.run(away));
      const began = now;
      while (breaker.state === "open") now += 500;
      times.push(now - began);
    };
    for (let i = 0; i < 7; i++) await openFor();
    await breaker.run(works);
    await openFor();
    expect(times).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 1000]);
  });

  test("many do not come back at once: the time is a fifth shorter or longer", async () => {
    for (const [random, time] of [[0, 800], [0.999999, 1200]] as const) {
      vi.mocked(Math.random).mockReturnValue(random);
      const breaker = new CircuitBreaker({ failures: 1 });
      now = 0;
      await errorOf(breaker.run(away));
      now = time - 1;
      expect(breaker.state).toBe("open");
      now = time + 1;
      expect(breaker.state).toBe("half_open");
    }
  });
});

test("a call that waits is not what the others wait for", async () => {
  const breaker = new CircuitBreaker({ failures: 1, openMs: 1 });
  await errorOf(breaker.run(away));
  while (breaker.state !== "half_open") await sleep(1);
  const waiting = Promise.withResolvers<number>();
  const long = breaker.run(() => waiting.promise, undefined, true);
  expect(await breaker.run(() => Promise.resolve(1))).toBe(1);
  expect(breaker.state).toBe("closed");
  waiting.resolve(2);
  expect(await long).toBe(2);
});

test("of a client: the daemon is left alone while it is open, and taken again", async () => {
  let isThere = false;
  const fake = await fakeDaemon((call, socket) => (isThere ? acknowledge(call, socket) : refuse(call, socket, "ledger_failed")));
  const client = new Client({ socket: fake.path, breaker: { openMs: 400 } });
  for (let i = 0; i < 5; i++) expect(await errorOf(client.append(RECEIPT))).toMatchObject({ code: "ledger_failed" });
  expect(client.circuit.state).toBe("open");
  expect(await errorOf(client.append(RECEIPT))).toMatchObject({ code: "circuit_open" });
  expect(fake.calls.length).toBe(5);
  isThere = true;
  while (client.circuit.state === "open") await sleep(5);
  expect(await client.append(RECEIPT)).toMatchObject({ queued: false });
  expect(client.circuit.state).toBe("closed");
  await client.close();
  await fake.stop();
});
