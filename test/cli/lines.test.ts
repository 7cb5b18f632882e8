import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineIds, uuidV8 } from "../../src/cli/line-ids.ts";
import { lines } from "../../src/cli/lines.ts";
import { UUID } from "../../src/format/names.ts";

async function read(text: string, cuts: readonly number[], maxLine: number): Promise<(string | null)[]> {
  const bytes = Buffer.from(text);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  async function* chunks() {
    let at = 0;
    for (const end of [...ends, bytes.length]) {
      yield bytes.subarray(at, end);
      at = end;
    }
  }
  const found: (string | null)[] = [];
  for await (const portion of lines(chunks(), maxLine)) {
    for (const { number, bytes: line } of portion) {
      expect(number).toBe(found.length + 1);
      found.push(line === null ? null : Buffer.from(line).toString());
    }
  }
  return found;
}

describe("lines", () => {
  test("are those of split, wherever the chunks end; longer ones are null", async () => {
    const line = fc.string({ unit: fc.constantFrom("a", "é", "\r", " "), maxLength: 12 });
    await fc.assert(fc.asyncProperty(fc.array(line, { minLength: 1 }), fc.boolean(), fc.array(fc.nat()), async (all, ended, cuts) => {
      const text = all.join("\n") + (ended ? "\n" : "");
      const expected = text.split("\n");
      if (expected.at(-1) === "") expected.pop();
      expect(await read(text, cuts, 10)).toEqual(expected.map((one) => (Buffer.byteLength(one) > 10 ? null : one)));
    }));
  });

  test("after one that is too long the next is read", async () => {
    expect(await read(`${"x".repeat(11)}\nok\n${"y".repeat(10)}`, [3, 5, 12, 13], 10)).toEqual([null, "ok", "yyyyyyyyyy"]);
  });
});

describe("ids of lines", () => {
  const idsOf = (all: readonly string[], ledger = "0".repeat(32)): string[] => {
    const ids = new LineIds(ledger);
    return all.map((line) => ids.next(line, undefined));
  };

  test("the same lines have the same ids, whatever stands between them", () => {
    fc.assert(fc.property(fc.array(fc.constantFrom("a", "b", "c", "d")), (all) => {
      const ids = idsOf(all);
      expect(new Set(ids).size).toBe(all.length);
      const ofA = ids.filter((_, i) => all[i] === "a");
      expect(ofA).toEqual(idsOf(all.filter((line) => line === "a")));
    }));
  });

  test("thousands of lines, some of them twice, keep their counts", () => {
    const all = Array.from({ length: 20_000 }, (_, n) => `line ${n % 9000}`);
    const ids = idsOf(all);
    expect(new Set(ids).size).toBe(all.length);
    expect(idsOf([...all].reverse()).sort()).toEqual([...ids].sort());
  });

  test("are those of one ledger and do not depend on white space around the line", () => {
    expect(idsOf(["a"])).toEqual(idsOf([" a\r"]));
    expect(idsOf(["a"])).not.toEqual(idsOf(["a"], "1".repeat(32)));
  });

  test("are UUIDv8, in the order of the receipts' own time where they have one", () => {
    const ids = new LineIds("0".repeat(32));
    const early = ids.next("x", "2026-01-01T00:00:00Z");
    const late = ids.next("a", "2026-01-01T00:00:00.001Z");
    expect(early).toMatch(UUID);
    expect(early[14]).toBe("8");
    expect(["8", "9", "a", "b"]).toContain(early[19]);
    expect(early.slice(0, 13)).toBe("019b76da-a800");
    expect(late > early).toBe(true);
    expect(ids.next("y", "not a time")).toMatch(UUID);
    expect(uuidV8(new Uint8Array(32).fill(0xff), null)).toBe("ffffffff-ffff-8fff-bfff-ffffffffffff");
  });
});
