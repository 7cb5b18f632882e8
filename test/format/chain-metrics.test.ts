/** What the events of a chain add up to, against numbers that are made another way. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addMetrics, MAX_SET, type MetricRules, type Metrics, USUAL_RULES } from "../../src/format/chain-metrics.ts";
import { FormatError } from "../../src/format/errors.ts";

const RULES: MetricRules = { total: "sum", most: "max", least: "min", now: "last", all: "set" };

function added(...events: readonly Metrics[]): Metrics {
  return events.reduce<Metrics>((soFar, event) => addMetrics(soFar, event, { ...USUAL_RULES, ...RULES }, "/m"), {});
}

function refusal(...events: readonly Metrics[]): { readonly code: string; readonly pointer: string | undefined } {
  try {
    added(...events);
  } catch (error) {
    if (error instanceof FormatError) return { code: error.code, pointer: error.pointer };
    throw error;
  }
  throw new Error("it was taken");
}

describe("sums", () => {
  test("are those of the decimals, not of the doubles", () => {
    expect(0.1 + 0.2).not.toBe(0.3);
    expect(added({ total: 0.1 }, { total: 0.2 })).toEqual({ total: 0.3 });
    expect(added({ total: 1e-7 }, { total: 2e-7 }, { total: -3e-7 })).toEqual({ total: 0 });
    expect(Object.is(added({ total: -1 }, { total: 1 })["total"], 0)).toBe(true);
  });

  test("of any amounts in cents, in any order, are the whole number of cents", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: -1_000_000_00, max: 1_000_000_00 }), { minLength: 1, maxLength: 40 }), (cents) => {
      const sum = cents.reduce((a, b) => a + b, 0);
      expect(added(...cents.map((n) => ({ total: n / 100 })))["total"]).toBe(sum / 100 + 0);
    }));
  });

  test("that no double has are refused", () => {
    expect(refusal({ total: 9_007_199_254_740_991 }, { total: 1 })).toEqual({ code: "number_out_of_range", pointer: "/m/total" });
    expect(refusal({ total: 4_503_599_627_370_497 }, { total: 0.1 })).toEqual({ code: "number_not_exact", pointer: "/m/total" });
    expect(refusal({ total: 1 }, { total: 1e-300 })).toEqual({ code: "number_not_exact", pointer: "/m/total" });
  });
});

test("each rule", () => {
  expect(added({ most: 3, least: 3, now: "a", all: "x" }, { most: 7, least: -1, now: false, all: ["y", "x"] }, { most: 5, least: 2, now: 1 })).toEqual({ most: 7, least: -1, now: 1, all: ["x", "y"] });
});

test.each<[string, Metrics, object]>([
  ["no rule", { other: 1 }, { code: "unknown_field", pointer: "/m/other" }],
  ["a name of Object's", { toString: 1 }, { code: "unknown_field", pointer: "/m/toString" }],
  ["text in a sum", { total: "1" }, { code: "bad_field", pointer: "/m/total" }],
  ["null in a maximum", { most: null }, { code: "bad_field", pointer: "/m/most" }],
  ["an object as the last", { now: {} }, { code: "bad_field", pointer: "/m/now" }],
  ["a number in a set", { all: [1] }, { code: "bad_field", pointer: "/m/all" }],
  ["a text too long", { all: "x".repeat(257) }, { code: "bad_field", pointer: "/m/all" }],
  ["a set too large", { all: Array.from({ length: MAX_SET + 1 }, (_, i) => String(i)) }, { code: "too_large", pointer: "/m/all" }],
])("refused: %s", (_, event, expected) => {
  expect(refusal(event)).toEqual(expected);
});

test("what was added before is not changed", () => {
  const before = added({ all: "x", total: 1 });
  addMetrics(before, { all: "y", total: 2 }, RULES, "/m");
  expect(before).toEqual({ all: ["x"], total: 1 });
});
