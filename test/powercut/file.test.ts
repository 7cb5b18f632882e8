import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { imageAt } from "./disk.ts";
import { History, bytes, images, possible } from "./history.ts";
import type { Image } from "./image.ts";

const SECTOR = 512;

describe("bytes", () => {
  test("synced: always there", () => {
    const history = new History();
    const file = history.file("a");
    history.write(file, 0, bytes("x", 2000));
    history.sync(file);
    history.sync(0);
    expect(possible(images(history), "a")).toEqual(new Set(["x".repeat(2000)]));
  });

  test("not synced: each sector there or not, old or new", () => {
    const history = new History();
    const file = history.file("a");
    history.write(file, 0, bytes("o", 3 * SECTOR));
    history.sync("all");
    history.write(file, 100, bytes("n", 3 * SECTOR - 100));
    const seen = possible(images(history), "a");
    const expected = new Set<string>();
    for (const first of ["o", "n"]) {
      for (const second of ["o", "n"]) {
        for (const third of ["o", "n"]) {
          expected.add("o".repeat(100) + first.repeat(SECTOR - 100) + second.repeat(SECTOR) + third.repeat(SECTOR));
        }
      }
    }
    expect(seen).toEqual(expected);
  });

  test("an injected sync keeps nothing", () => {
    const history = new History();
    const file = history.file("a");
    history.sync("all");
    history.write(file, 0, bytes("x"));
    history.sync(file, true);
    history.sync("all", true);
    expect(possible(images(history), "a")).toEqual(new Set(["", "_", "x"]));
  });

  test("a sync keeps neither what was written after its entry nor, before its return, anything", () => {
    const history = new History();
    const file = history.file("a");
    history.sync("all");
    history.write(file, 0, bytes("x"));
    let inside = 0;
    const sync = history.call(() => {
      history.write(file, SECTOR, bytes("y"));
      inside = history.now;
    });
    history.tree.sync(sync, file, false);
    const has = (found: readonly Image[], letter: string): ReadonlySet<boolean> =>
      new Set([...possible(found, "a")].map((a) => a?.includes(letter) ?? false));
    expect(has(images(history, { at: inside }), "x")).toEqual(new Set([true, false]));
    expect(has(images(history), "x")).toEqual(new Set([true]));
    expect(has(images(history), "y")).toEqual(new Set([true, false]));
  });

  test("a sync of another file keeps nothing", () => {
    const history = new History();
    const [a, b] = [history.file("a"), history.file("b")];
    history.sync("all");
    history.write(a, 0, bytes("x"));
    history.sync(b);
    expect(possible(images(history), "a")).toContain("");
  });

  test("a longer file may have its old length, or zeros", () => {
    const history = new History();
    const file = history.file("a");
    history.write(file, 0, bytes("o", SECTOR));
    history.sync("all");
    history.write(file, SECTOR, bytes("n", SECTOR));
    const old = "o".repeat(SECTOR);
    expect(possible(images(history), "a")).toEqual(new Set([old, old + "_".repeat(SECTOR), old + "n".repeat(SECTOR)]));
  });

  test("a truncation is there or not, and is not mixed with what it removed", () => {
    const history = new History();
    const file = history.file("a");
    history.write(file, 0, bytes("o", 2 * SECTOR));
    history.sync("all");
    history.tree.truncate(history.call(), file, 0);
    history.write(file, 0, bytes("n", SECTOR));
    const full = "n".repeat(SECTOR);
    expect(possible(images(history), "a")).toEqual(new Set(["o".repeat(2 * SECTOR), "", "_".repeat(SECTOR), full]));
  });

  test("every sector is as it was at some moment since the last sync", () => {
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.record({ offset: fc.nat(1600), length: fc.integer({ min: 1, max: 1200 }) }) },
      { weight: 1, arbitrary: fc.constant("sync" as const) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), fc.nat(), (operations, seed) => {
        const history = new History();
        const file = history.file("a");
        history.sync("all");
        let versions = [new Uint8Array(4096)];
        for (const [i, op] of operations.entries()) {
          const last = versions.at(-1) ?? new Uint8Array();
          if (op === "sync") {
            history.sync(file);
            versions = [last];
          } else {
            const data = bytes(String.fromCharCode(97 + i), op.length);
            history.write(file, op.offset, data);
            const next = last.slice();
            next.set(data, op.offset);
            versions.push(next);
          }
        }
        const found = imageAt(history.trace, { at: history.now, seed }).get("a") ?? new Uint8Array();
        for (let start = 0; start < found.length; start += SECTOR) {
          const sector = found.subarray(start, start + SECTOR);
          const cached = versions.map((version) => version.subarray(start, start + sector.length));
          expect(cached.some((version) => Buffer.compare(version, sector) === 0)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
