import { readFileSync } from "node:fs";
import canonicalizeByLibrary from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalize, isCanonical, parseCanonical } from "../../src/format/canonical.ts";
import { FormatError } from "../../src/format/errors.ts";
import type { FormatErrorCode } from "../../src/format/errors.ts";
import { parseRoundTrip } from "../../src/format/strict-json.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { judge } from "../../scripts/vectors/json-model.ts";

const load = (name: string): unknown => JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8"));
const { examples, numbers } = load("jcs.json") as {
  readonly examples: readonly { readonly name: string; readonly input: string; readonly jcs: string }[];
  readonly numbers: readonly { readonly ieee754: string; readonly expected: string | null; readonly code?: string; readonly source: string }[];
};
const strict = load("strict-json.json") as readonly { readonly name: string; readonly hex: string; readonly spaces?: number; readonly code?: string; readonly jcs?: string }[];

const textOf = (hex: string): string => Buffer.from(hex, "hex").toString();

function error(run: () => unknown): { readonly code: FormatErrorCode; readonly pointer: string | undefined } | undefined {
  try {
    run();
  } catch (thrown) {
    if (!(thrown instanceof FormatError)) throw thrown;
    return { code: thrown.code, pointer: thrown.pointer };
  }
  return undefined;
}

describe("RFC 8785", () => {
  it.each(examples)("$name", ({ input, jcs }) => {
    expect(Buffer.from(canonicalize(JSON.parse(textOf(input)) as Json)).toString("hex")).toBe(jcs);
  });

  it.each(numbers)("$ieee754 is $expected ($source)", ({ ieee754, expected, code }) => {
    const number = Buffer.from(ieee754, "hex").readDoubleBE();
    if (expected !== null) expect(canonicalize(number)).toBe(expected);
    else expect(error(() => canonicalize([number]))).toEqual({ code, pointer: "/0" });
  });

  it.each(examples)("one flipped bit in $name", ({ jcs }) => {
    const bytes = Buffer.from(jcs, "hex");
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit % 8);
      const text = bytes.toString(); // bytes that are no UTF-8 become U+FFFD, which is as good a change
      const verdict = judge(text);
      expect(isCanonical(text), text).toBe(verdict.ok && verdict.jcs === text);
      bytes[bit >> 3]! ^= 1 << (bit % 8);
    }
  });
});

describe("canonicalize", () => {
  it.each<[string, Json, FormatErrorCode, string]>([
    ["a lone surrogate", "\ud800", "lone_surrogate", ""],
    ["a lone surrogate inside", { b: 1, a: [0, "x\udc00"] }, "lone_surrogate", "/a/1"],
    ["a lone surrogate in a name", [{ "~\ud800": 1 }], "lone_surrogate", "/0/~0\ufffd"],
    ["NaN", [Number.NaN], "number_out_of_range", "/0"],
    ["Infinity", { "a/b": Number.POSITIVE_INFINITY }, "number_out_of_range", "/a~1b"],
    ["-Infinity", Number.NEGATIVE_INFINITY, "number_out_of_range", ""],
    ["negative zero", { a: { b: -0 } }, "number_negative_zero", "/a/b"],
  ])("refuses %s", (_, value, code, pointer) => {
    expect(error(() => canonicalize(value))).toEqual({ code, pointer });
  });

  it.each([undefined, () => 1, 1n, Symbol("a")])("throws a TypeError for what is no JSON: %s", (value) => {
    for (const wrapped of [value, [value], { a: value }]) expect(() => canonicalize(wrapped as unknown as Json)).toThrow(TypeError);
  });

  it("writes __proto__ as any other own member", () => {
    expect(canonicalize(JSON.parse('{"b":{"__proto__":{"y":1,"x":2}},"__proto__":3}') as Json)).toBe('{"__proto__":3,"b":{"__proto__":{"x":2,"y":1}}}');
  });
});

describe("parseCanonical", () => {
  it.each(strict.filter(({ code, spaces }) => code !== "not_utf8" && spaces === undefined))("judges the strict vector: $name", ({ hex, code, jcs }) => {
    const text = textOf(hex);
    expect(error(() => parseCanonical(text))?.code).toBe(code ?? (text === jcs ? undefined : "not_canonical"));
    expect(isCanonical(text)).toBe(text === jcs);
    if (jcs !== undefined) expect(parseCanonical(jcs)).toEqual(JSON.parse(text));
  });

  it.each([
    ['{"a":1,"b":{"c":[2,"x"]}}', true],
    ['{"b":1,"a":2}', false],
    ['[{"b":1,"a":2}]', false],
    ['{"a":{"b":1,"a":2}}', false],
    ['{"a": 1}', false],
    ['{"a":1}\n', false],
    ["1.0", false],
    ["1E2", false],
    ['"\\u0061"', false],
    ['"\\/"', false],
    ['"\\u001F"', false],
    ['"\\u001f"', true],
    ['"\\u000a"', false],
    ['"\\u0008\\t"', false],
    ['{"1":0,"9":0}', true],
    ['{"9":0,"10":0}', false],
    ['{"10":0,"9":0}', true],
    ['{"a":[{"10":0,"9":0}],"b":"\\u0001"}', true],
    ['{"-":0,"1":0}', true],
    ['{"1":0,"-":0}', false],
    ['{"\u{1f600}":1,"\ufb33":2}', true],
    ['{"\ufb33":2,"\u{1f600}":1}', false],
    ["null", true],
    [" null", false],
    [`["${"x".repeat(20_000)}",0.5]`, true],
    [`["${"x".repeat(20_000)}",0.50]`, false],
  ])("%s: %s", (text, canonical) => {
    expect(isCanonical(text)).toBe(canonical);
    expect(error(() => parseCanonical(text))).toEqual(canonical ? undefined : { code: "not_canonical", pointer: "" });
  });

  it("gives the code of strict JSON where the text is not even that", () => {
    expect(error(() => parseCanonical('{"a":[-0]}'))).toEqual({ code: "number_negative_zero", pointer: "/a/0" });
    expect(error(() => parseCanonical("1e+21"))).toEqual({ code: "number_out_of_range", pointer: "" });
    expect(error(() => parseCanonical("[".repeat(33) + "]".repeat(33)))).toEqual({ code: "too_deep", pointer: "/0".repeat(32) });
  });
});

describe("properties", () => {
  const name = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "1", "9", "10", "-1", "01", "4294967295", "constructor", "toJSON", "\u{1f600}", "\ufb33", "\r"));
  const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.maxSafeInteger()).map((n) => (n === 0 ? 0 : n));
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.oneof(number, fc.string({ unit: "binary" }), fc.string(), fc.boolean(), fc.constant(null)),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.uniqueArray(fc.tuple(name, tie("value")), { maxLength: 6, selector: ([n]) => n }).map((all) => Object.fromEntries(all)),
    ),
  }));
  const reversed = (json: Json): Json => {
    if (typeof json !== "object" || json === null) return json;
    if (Array.isArray(json)) return json.map(reversed);
    return Object.fromEntries(Object.entries(json).reverse().map(([n, v]) => [n, reversed(v)]));
  };

  it("own, library and model write the same, whatever the order of members", () => {
    fc.assert(
      fc.property(value, (json) => {
        const text = canonicalize(json);
        expect(text).toBe(canonicalizeByLibrary(json));
        expect(text).toBe(canonicalize(reversed(json)));
        const verdict = judge(JSON.stringify(json));
        if (verdict.ok) expect(text).toBe(verdict.jcs); // the model refuses U+0000 and large numbers, which are written here
      }),
      { numRuns: 2000 },
    );
  });

  it("a text is canonical iff the model takes it and writes it so; both proofs are in use", () => {
    const ways = new Set<boolean>();
    fc.assert(
      fc.property(value, fc.boolean(), (json, sorted) => {
        const text = sorted ? canonicalize(json) : JSON.stringify(json);
        const verdict = judge(text);
        const canonical = verdict.ok && verdict.jcs === text;
        if (canonical) ways.add(parseRoundTrip(text) !== undefined);
        expect(isCanonical(text)).toBe(canonical);
        if (canonical) expect(parseCanonical(text)).toEqual(json);
      }),
      { numRuns: 2000 },
    );
    expect(ways).toEqual(new Set([true, false]));
  });
});
