/**
 * The publisher is cut at every one of its steps, before or after the step has happened, and started again. In the end each target
 * must have exactly one object for each anchor and batch, and the outbox what was signed: as without a cut.
 */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOutbox, type Outbox } from "../../src/anchor/outbox.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import { Bench, contents, LEDGER } from "./support.ts";

class Cut extends Error {}

/** Lets `steps` calls pass, then throws, for ever. */
class Scissors {
  #left: number;
  readonly #when: "before" | "after";

  constructor(steps: number, when: "before" | "after") {
    this.#left = steps;
    this.#when = when;
  }

  get used(): boolean {
    return this.#left < 0;
  }

  /** The object with these methods cut. A method that returns a promise is cut when that has settled. */
  on<T extends object>(object: T, methods: readonly (keyof T & string)[]): T {
    return new Proxy(object, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (!methods.some((method) => method === name)) return value.bind(target);
        return (...args: readonly unknown[]) => {
          const cut = this.#left-- <= 0;
          if (cut && (this.#when === "before" || this.#left < -1)) throw new Cut();
          const result: unknown = value.apply(target, args);
          if (!cut) return result;
          if (!(result instanceof Promise)) throw new Cut();
          return result.then(() => { throw new Cut(); });
        };
      },
    });
  }
}

let bench: Bench;
let expected: Map<string, Uint8Array>;
beforeAll(async () => {
  bench = new Bench({ batches: [3, 0, 2] });
  expected = await bench.expected();
});
afterAll(() => bench.dispose());

/** One run that is cut, one that is not. Returns whether the first was cut at all. */
async function cutAndGoOn(steps: number, when: "before" | "after"): Promise<boolean> {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(bench.outboxPath + suffix, { force: true });
  createOutbox(bench.outboxPath, LEDGER);
  rmSync(bench.ledger.targetPath("folder"), { recursive: true, force: true });
  const folder = bench.directory("folder");
  const scissors = new Scissors(steps, when);
  const target: AnchorTarget = scissors.on(folder, ["put", "get", "list"]);
  const outbox: Outbox = scissors.on(bench.outbox(), ["reserve", "saveNotes", "confirm"]);
  const first = bench.publisher([target], { outbox });
  await first.publisher.start().catch(() => undefined);
  await first.until(({ anchoredSize }) => anchoredSize === bench.anchored()).catch((error: unknown) => expect(error).toBeInstanceOf(Cut));
  await first.stop();

  const second = bench.publisher([folder]);
  expect(await second.publisher.start()).toMatchObject({ state: "ok" });
  await second.until(({ anchoredSize }) => anchoredSize === bench.anchored());
  await second.stop();
  expect(await contents(folder)).toEqual(expected);
  return scissors.used;
}

describe("cut at every step", () => {
  test.each(["before", "after"] as const)("%s it happens", async (when) => {
    let steps = 0;
    while (await cutAndGoOn(steps, when)) steps++;
    expect(steps).toBeGreaterThan(15);
  });
});
