import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalize } from "../../src/format/canonical.ts";
import { FormatError } from "../../src/format/errors.ts";
import { parseRoundTrip, parseStrict, parseStrictBytes } from "../../src/format/strict-json.ts";
import type { Json, StrictBytesOptions } from "../../src/format/strict-json.ts";
import { parseByDefinition } from "../../src/format/strict-parser.ts";
import { judge } from "../../scripts/vectors/json-model.ts";

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly spaces?: number;
  readonly ok: boolean;
  readonly code?: string;
  readonly pointer?: string;
  readonly jcs?: string;
}
const vectors = JSON.parse(readFileSync(new URL("../vectors/strict-json.json", import.meta.url), "utf8")) as readonly Vector[];

const bytesOf = ({ hex, spaces = 0 }: Vector): Uint8Array => Buffer.concat([Buffer.from(hex, "hex"), Buffer.alloc(spaces, " ")]);

/** The verdict in the form of the vectors and of the model. What `canonicalize` then refuses was wrongly taken. */
function verdictOf(parse: () => Json): unknown {
  let value: Json;
  try {
    value = parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ok: false, code: error.code, ...(error.pointer !== undefined && { pointer: error.pointer }) };
  }
  return { ok: true, jcs: canonicalize(value) };
}

const refusal = (text: string, options?: StrictBytesOptions): unknown => verdictOf(() => parseStrictBytes(new TextEncoder().encode(text), options));

describe("vectors", () => {
  it.each(vectors)("$name", (vector) => {
    const { ok, code, pointer, jcs } = vector;
    const wanted = ok ? { ok, jcs } : { ok, code, ...(pointer !== undefined && { pointer }) };
    expect(verdictOf(() => parseStrictBytes(bytesOf(vector)))).toEqual(wanted);
    if (code === "not_utf8" || code === "too_large") return;
    expect(verdictOf(() => parseByDefinition(bytesOf(vector).toString()))).toEqual(wanted);
  });

  it("cover every refusal, and texts of both ways", () => {
    expect(new Set(vectors.map(({ code }) => code))).toEqual(
      new Set([
        undefined,
        "bad_json",
        "duplicate_name",
        "forbidden_name",
        "lone_surrogate",
        "not_utf8",
        "nul_character",
        "number_negative_zero",
        "number_not_exact",
        "number_out_of_range",
        "too_deep",
        "too_large",
      ]),
    );
    const taken = vectors.filter(({ ok }) => ok).map((vector) => parseRoundTrip(bytesOf(vector).toString()) === undefined);
    expect(new Set(taken)).toEqual(new Set([true, false]));
  });
});

describe("options", () => {
  it("put the base pointer before every pointer", () => {
    const options = { basePointer: "/receipts/3", maxBytes: 9 };
    expect(refusal('{"a":-0}', options)).toEqual({ ok: false, code: "number_negative_zero", pointer: "/receipts/3/a" });
    expect(refusal("[", options)).toEqual({ ok: false, code: "bad_json", pointer: "/receipts/3/0" });
    expect(refusal('{"a":1.25}', options)).toEqual({ ok: false, code: "too_large", pointer: "/receipts/3" });
  });

  it("limit the depth, on both ways", () => {
    for (const space of ["", " "]) {
      expect(refusal(`${space}7`, { maxDepth: 0 })).toEqual({ ok: true, jcs: "7" });
      expect(refusal(`${space}[]`, { maxDepth: 0 })).toEqual({ ok: false, code: "too_deep", pointer: "" });
      expect(refusal(`${space}{"a":[1]}`, { maxDepth: 2 })).toEqual({ ok: true, jcs: '{"a":[1]}' });
      expect(refusal(`${space}{"a":[{}]}`, { maxDepth: 2 })).toEqual({ ok: false, code: "too_deep", pointer: "/a/0" });
      const deepest = "[".repeat(512) + "]".repeat(512);
      expect(refusal(space + deepest, { maxDepth: 512 })).toEqual({ ok: true, jcs: deepest });
    }
  });

  it.each([-1, 513, Number.NaN])("do not take a depth of %s", (maxDepth) => {
    expect(() => parseStrict("1", { maxDepth })).toThrow(RangeError);
  });
});

describe("a stranger's megabyte", () => {
  const size = 1024 * 1024;
  const zeros = "0".repeat(size - 100);
  const nines = "9".repeat(size - 100);
  it.each([
    ["arrays", "[".repeat(size), { ok: false, code: "too_deep", pointer: "/0".repeat(32) }],
    ["objects", '{"":'.repeat(size / 4), { ok: false, code: "too_deep", pointer: "/".repeat(32) }],
    ["arrays, just short enough for the round trip", "[".repeat(16_384), { ok: false, code: "too_deep", pointer: "/0".repeat(32) }],
    ["digits", nines, { ok: false, code: "number_out_of_range", pointer: "" }],
    ["digits after the point", `0.${nines}`, { ok: false, code: "number_not_exact", pointer: "" }],
    ["zeros before a last 1", `0.${zeros}1`, { ok: false, code: "number_not_exact", pointer: "" }],
    ["zeros between two digits", `1.${zeros}1`, { ok: false, code: "number_not_exact", pointer: "" }],
    ["zeros after the point", `7.${zeros}`, { ok: true, jcs: "7" }],
    ["zeros undone by the exponent", `0.${zeros}7e${zeros.length + 1}`, { ok: true, jcs: "7" }],
    ["zeros undone by a negative exponent", `7${zeros}e-${zeros.length}`, { ok: true, jcs: "7" }],
    ["exponent", `1e${nines}`, { ok: false, code: "number_out_of_range", pointer: "" }],
    ["negative exponent", `1e-${nines}`, { ok: false, code: "number_not_exact", pointer: "" }],
    ["exponent of zero", `0e${nines}`, { ok: true, jcs: "0" }],
    ["exponent of minus zero", `-0e-${nines}`, { ok: false, code: "number_negative_zero", pointer: "" }],
    ["escapes", `"${"\\u0061".repeat(170_000)}"`, { ok: true, jcs: `"${"a".repeat(170_000)}"` }],
  ])("of %s", (_, text, wanted) => {
    expect(refusal(text)).toEqual(wanted);
  });
});

describe("values", () => {
  it.each(['{"constructor":1,"toString":2}', '{ "constructor":1,"toString":2}'])("are plain objects with own members only: %s", (text) => {
    const value = parseStrict(text);
    expect(value).toEqual({ constructor: 1, toString: 2 });
    expect(Object.keys(value as object)).toEqual(["constructor", "toString"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it("do not come with raw lone surrogates, nor with the halves of one pair in two spellings", () => {
    for (const text of ['"\ud83d\\ude00"', '"\\ud83d\ude00"', '"\ud83d"', '"\ude00\ude00"', '"\ud83d\ud83d"', '{"\ude00":1}']) {
      expect(verdictOf(() => parseStrict(text))).toMatchObject({ code: "lone_surrogate" });
    }
  });
});

describe("properties", () => {
  const piece = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom("a", "b", "/", "~", "\u00e9", "\u{1f600}", "\u2028", "\u007f", "9", "10", " ", ": ") },
    { weight: 4, arbitrary: fc.constantFrom("\\u0061", "\\n", '\\"', "\\\\", "\\/", "\\u001f", "\\ud83d\\ude00") },
    { weight: 1, arbitrary: fc.constantFrom("\\ud83d", "\\ude00", "\\u0000", "\0", "\ud83d", "\ude00", "\n", "\\x", "\\u00") },
  );
  const string = fc.array(piece, { maxLength: 4 }).map((pieces) => `"${pieces.join("")}"`);
  const name = fc.oneof(
    { weight: 20, arbitrary: string },
    { weight: 20, arbitrary: fc.constantFrom('"a"', '"b"', '"c"', '"toString"', '"1"', '"9"', '"10"', '"\\u0062"') },
    { weight: 1, arbitrary: fc.constantFrom('"__proto__"', '"\\u005f_proto__"', "a") },
  );
  const digits = fc.oneof(
    fc.nat({ max: 20 }).map(String),
    fc.maxSafeNat().map(String),
    fc.constantFrom("9007199254740991", "9007199254740992", "90071992547409909", "000", "4503599627370495"),
  );
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.integer().map(String),
    fc
      .tuple(fc.constantFrom("", "", "-"), digits, fc.option(digits), fc.option(fc.tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "-", "+"), fc.nat({ max: 330 }))))
      .map(([sign, whole, decimals, exponent]) => sign + whole + (decimals === null ? "" : `.${decimals}`) + (exponent === null ? "" : exponent.join(""))),
  );
  const space = fc.constantFrom("", "", "", "", " ", "\n", "\t\r");
  const { text: loose } = fc.letrec<{ text: string }>((tie) => ({
    text: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.oneof(number, string, fc.constantFrom("true", "false", "null")),
      fc.tuple(space, fc.array(tie("text"), { maxLength: 4 })).map(([gap, items]) => `[${gap}${items.join(`,${gap}`)}]`),
      fc.tuple(space, fc.array(fc.tuple(name, tie("text")), { maxLength: 5 })).map(([gap, all]) => `{${all.map(([n, v]) => `${n}:${gap}${v}`).join(`${gap},`)}${gap}}`),
    ),
  }));
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.string({ unit: "binary" }), fc.boolean(), fc.constant(null), fc.constantFrom("\ud800", "\0", "__proto__")),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(fc.tuple(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("1", "10", "9", "__proto__", "constructor")), tie("value")), { maxLength: 5 }).map((all) => Object.fromEntries(all)),
    ),
  }));
  const compact = value.map((v) => JSON.stringify(v));
  const damaged = fc.tuple(fc.oneof(loose, compact), fc.nat(), fc.constantFrom("", ",", "]", "}", '"', "0", "-", ".", "e", "\\", " ", "\ufeff", "\0", "[")).map(([text, at, char]) => {
    const i = at % (text.length + 1);
    return text.slice(0, i) + char + text.slice(i + (at % 2));
  });
  const texts = fc.oneof(loose, compact, damaged);

  it("the two ways cannot be told apart", () => {
    let short = 0;
    let long = 0;
    fc.assert(
      fc.property(texts, (text) => {
        const value = parseRoundTrip(text);
        if (value === undefined) {
          long++;
          return;
        }
        short++;
        const defined = parseByDefinition(text);
        expect(value).toEqual(defined);
        expect(JSON.stringify(value)).toBe(JSON.stringify(defined)); // order of members too
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(short, long)).toBeGreaterThan(300);
  });

  it("verdict, code, pointer and value are the model's", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(texts, (text) => {
        const wanted = judge(text);
        seen.add(wanted.ok ? "ok" : wanted.code);
        expect(verdictOf(() => parseStrict(text))).toEqual(wanted);
        expect(verdictOf(() => parseByDefinition(text))).toEqual(wanted);
      }),
      { numRuns: 3000 },
    );
    expect(seen.size).toBeGreaterThan(8); // all but too_deep come up
  });

  it("what is taken is what JSON.parse makes of it, what is bad_json it refuses", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const verdict = verdictOf(() => parseStrict(text)) as { readonly ok: boolean; readonly code?: string };
        if (verdict.ok) expect(parseStrict(text)).toEqual(JSON.parse(text));
        if (verdict.code === "bad_json") expect(() => JSON.parse(text)).toThrow(SyntaxError);
      }),
      { numRuns: 1000 },
    );
  });
});
