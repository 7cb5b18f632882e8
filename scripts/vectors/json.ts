/**
 * Writes test/vectors/strict-json.json and jcs.json: `node scripts/vectors/json.ts`. Deterministic.
 *
 * Nothing here comes from src/. What must become of a text is written down by hand; the script stops if the model that the
 * tests use sees it otherwise, and only the verdicts on flipped bits are the model's alone.
 */
import { writeFileSync } from "node:fs";
import { judge } from "./json-model.ts";

interface Vector {
  readonly name: string;
  readonly hex: string;
  /** So many bytes 20 follow those of `hex`; 0 if absent. */
  readonly spaces?: number;
  readonly ok: boolean;
  readonly code?: string;
  /** Absent where the bytes are not even text. */
  readonly pointer?: string;
  readonly jcs?: string;
}

const bytesOf = (input: string | Uint8Array): Uint8Array => (typeof input === "string" ? new TextEncoder().encode(input) : input);
const hexOf = (input: string | Uint8Array): string => Buffer.from(bytesOf(input)).toString("hex");
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const vectors: Vector[] = [];

function add(vector: Vector, input: string | Uint8Array): void {
  const text = textOf(bytesOf(input));
  const seen = text === undefined ? { ok: false, code: "not_utf8" } : judge(text);
  const { ok, code, pointer, jcs } = vector;
  if (JSON.stringify(seen) !== JSON.stringify({ ok, code, pointer, jcs })) {
    throw new Error(`${vector.name}: the model says ${JSON.stringify(seen)}`);
  }
  if (vectors.some(({ name }) => name === vector.name)) throw new Error(`two vectors named ${vector.name}`);
  vectors.push(vector);
}

function takes(name: string, input: string, jcs: string): void {
  add({ name, hex: hexOf(input), ok: true, jcs }, input);
}

function refuses(name: string, input: string | Uint8Array, code: string, pointer?: string): void {
  add({ name, hex: hexOf(input), ok: false, code, ...(pointer !== undefined && { pointer }) }, input);
}

/** `bit` is the bit of value 1 << (bit % 8) in byte bit / 8. */
function flip(name: string, bytes: Uint8Array, bit: number): void {
  const flipped = Uint8Array.from(bytes);
  flipped[bit >> 3]! ^= 1 << (bit % 8);
  const text = textOf(flipped);
  const verdict = text === undefined ? ({ ok: false, code: "not_utf8" } as const) : judge(text);
  vectors.push({ name: `${name}, bit ${bit} flipped`, hex: hexOf(flipped), ...verdict });
}

// --- values and white space ------------------------------------------------------------------------------------------------

takes("null", "null", "null");
takes("true", "true", "true");
takes("false", "false", "false");
takes("empty object", "{}", "{}");
takes("empty array", "[]", "[]");
takes("white space of every kind", ' \t\n\r{ "a"\t:\n[ 1\r, 2 ] } ', '{"a":[1,2]}');
takes("names out of order", '{"b":1,"a":2}', '{"a":2,"b":1}');
takes("names like array indexes", '{"9":1,"10":2,"a":3}', '{"10":2,"9":1,"a":3}');
takes("canonical names like array indexes", '{"":0,"10":1,"9":2}', '{"":0,"10":1,"9":2}');
takes("names of Object.prototype", '{"constructor":1,"toString":2,"hasOwnProperty":3}', '{"constructor":1,"hasOwnProperty":3,"toString":2}');
takes("toJSON is a name", '{"toJSON":{"toJSON":"x"}}', '{"toJSON":{"toJSON":"x"}}');
takes("empty name", '{"":""}', '{"":""}');
takes("names by UTF-16, not by code point", '{"\ufb33":1,"\u{1f600}":2}', '{"\u{1f600}":2,"\ufb33":1}');
takes("one name in two objects", '{"a":{"a":1},"b":{"a":2}}', '{"a":{"a":1},"b":{"a":2}}');
takes("composed and decomposed names differ", '{"\u00e9":1,"e\u0301":2}', '{"e\u0301":2,"\u00e9":1}');
takes(
  "a decision",
  '{"system_id":"underwriter","decision":"deny","inputs":{"score":612,"ratio":0.43},"gates":[{"name":"kyc","status":"PASS"}]}',
  '{"decision":"deny","gates":[{"name":"kyc","status":"PASS"}],"inputs":{"ratio":0.43,"score":612},"system_id":"underwriter"}',
);

// --- grammar (bad_json) ----------------------------------------------------------------------------------------------------

for (const [name, text, pointer] of [
  ["no text", "", ""],
  ["white space only", " ", ""],
  ["two values", "1 2", ""],
  ["closing bracket after the value", "{}]", ""],
  ["comma before the end of an object", '{"a":1,}', ""],
  ["comma before the end of an array", "[1,]", "/1"],
  ["comma at the start of an array", "[,1]", "/0"],
  ["no comma", "[1 2]", ""],
  ["no colon", '{"a" 1}', "/a"],
  ["no value", '{"a":}', "/a"],
  ["name without quotes", "{a:1}", ""],
  ["name in single quotes", "{'a':1}", ""],
  ["number as a name", "{1:1}", ""],
  ["string in single quotes", "'a'", ""],
  ["object closed as an array", '{"a":1]', ""],
  ["array closed as an object", "[1}", ""],
  ["object not closed", '{"a":1', ""],
  ["array not closed", '{"a":[1', "/a"],
  ["string not closed", '{"a":"b', "/a"],
  ["name not closed", '{"a', ""],
  ["NaN", "NaN", ""],
  ["Infinity", "[-Infinity]", "/0"],
  ["undefined", "undefined", ""],
  ["upper-case literal", "True", ""],
  ["literal cut short", "nul", ""],
  ["literal with a tail", "nullx", ""],
  ["comment", "[1/*one*/]", ""],
  ["leading zero", "01", ""],
  ["plus sign", "+1", ""],
  ["minus alone", "-", ""],
  ["nothing before the point", ".5", ""],
  ["nothing after the point", "[1.]", "/0"],
  ["nothing after the exponent's mark", "[1e]", "/0"],
  ["nothing after the exponent's sign", "[1e+]", "/0"],
  ["hexadecimal", "0x10", ""],
  ["digit separator", "1_000", ""],
  ["bigint", "1n", ""],
  ["digits that are not ASCII", "\u0661", ""],
  ["line feed in a string", '"a\nb"', ""],
  ["tab in a string", '"a\tb"', ""],
  ["U+001F in a string", '"\u001f"', ""],
  ["unknown escape", '"\\x41"', ""],
  ["escaped single quote", "\"\\'\"", ""],
  ["upper-case escape", '"\\U0041"', ""],
  ["short escape", '"\\u041"', ""],
  ["escape that is no hex", '"\\u00g0"', ""],
  ["backslash at the end", '"\\', ""],
  ["no-break space outside strings", "\u00a01", ""],
  ["line separator outside strings", "\u20281", ""],
  ["form feed outside strings", "\f1", ""],
  ["U+0000 outside strings", "\0", ""],
  ["byte order mark", "\ufeff{}", ""],
  ["byte order mark after the value", "{}\ufeff", ""],
] as const) {
  refuses(name, text, "bad_json", pointer);
}
takes("byte order mark in a string", '"\ufeff"', '"\ufeff"');
takes("U+2028 and U+2029 in a string", '"\u2028\u2029"', '"\u2028\u2029"');
takes("U+007F in a string", '"\u007f"', '"\u007f"');

// --- bytes -----------------------------------------------------------------------------------------------------------------

refuses("byte FF", latin1('"\xff"'), "not_utf8");
refuses("Latin-1", latin1('"caf\xe9"'), "not_utf8");
refuses("overlong quote", latin1('"\xc0\xa2"'), "not_utf8");
refuses("overlong U+0000", latin1('"\xc0\x80"'), "not_utf8");
refuses("surrogate in UTF-8", latin1('"\xed\xa0\x80"'), "not_utf8");
refuses("surrogate pair in UTF-8 (CESU-8)", latin1('"\xed\xa0\xbd\xed\xb8\x80"'), "not_utf8");
refuses("beyond U+10FFFF", latin1('"\xf4\x90\x80\x80"'), "not_utf8");
refuses("continuation byte alone", latin1('"\x80"'), "not_utf8");
refuses("character cut short", latin1('"\xe2\x82"'), "not_utf8");
refuses("UTF-16", latin1("\xff\xfe1\x00"), "not_utf8");
refuses("not UTF-8 after bad JSON", latin1('}\xff'), "not_utf8");
takes("last code point before the surrogates", '"\ud7ff"', '"\ud7ff"');
takes("first code point after the surrogates", '"\ue000"', '"\ue000"');
takes("last code point", '"\u{10ffff}"', '"\u{10ffff}"');

// --- strings ---------------------------------------------------------------------------------------------------------------

takes("every short escape", '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\"\\\\/\\b\\f\\n\\r\\t"');
takes("escapes that are not needed", '"\\u0041\\u00e9\\u20AC\\u002f"', '"A\u00e9\u20ac/"');
takes("escaped control characters", '"\\u0001\\u001F\\u007f"', '"\\u0001\\u001f\u007f"');
takes("escaped surrogate pair", '"\\ud83d\\uDE00"', '"\u{1f600}"');
takes("raw surrogate pair", '"\u{1f600}"', '"\u{1f600}"');
takes("backslash before u0000", '"\\\\u0000"', '"\\\\u0000"');
takes("backslash before ud800", '{"\\\\ud800":1}', '{"\\\\ud800":1}');
takes("text that looks like JSON in a string", '"{\\"__proto__\\": 0}"', '"{\\"__proto__\\": 0}"');

refuses("escaped high surrogate alone", '{"a":"\\ud800"}', "lone_surrogate", "/a");
refuses("last high surrogate", '["\\udbff"]', "lone_surrogate", "/0");
refuses("escaped low surrogate alone", '"\\udc00"', "lone_surrogate", "");
refuses("last low surrogate", '"\\uDFFF"', "lone_surrogate", "");
refuses("surrogates in the wrong order", '"\\ude00\\ud83d"', "lone_surrogate", "");
refuses("two high surrogates", '"\\ud83d\\ud83d\\ude00"', "lone_surrogate", "");
refuses("two low surrogates", '"\\ude00\\ude00"', "lone_surrogate", "");
refuses("high surrogate before a letter", '"\\ud83dA"', "lone_surrogate", "");
refuses("high surrogate before an escaped letter", '"\\ud83d\\u0041"', "lone_surrogate", "");
refuses("high surrogate before an escaped backslash", '"\\ud83d\\\\ude00"', "lone_surrogate", "");
refuses("lone surrogate in a name", '[{"a\\ud800b":1}]', "lone_surrogate", "/0/a\ufffdb");
refuses("lone surrogate in a name met again", '{"\\ud800":1,"\\ud800":2}', "lone_surrogate", "/\ufffd");

refuses("escaped U+0000", '{"a":["\\u0000"]}', "nul_character", "/a/0");
refuses("raw U+0000 in a string", '"a\0b"', "nul_character", "");
refuses("escaped U+0000 in a name", '{"a\\u0000":1}', "nul_character", "/a\0");
refuses("raw U+0000 in a name", '{"\0":1}', "nul_character", "/\0");
refuses("escaped backslash before an escaped U+0000", '"\\\\\\u0000"', "nul_character", "");
takes("escaped U+0001", '"\\u0001"', '"\\u0001"');

// --- names -----------------------------------------------------------------------------------------------------------------

refuses("duplicate name", '{"a":1,"a":2}', "duplicate_name", "/a");
refuses("duplicate name with one value", '{"a":1,"a":1}', "duplicate_name", "/a");
refuses("duplicate name, not next to each other", '{"a":1,"b":2,"a":3}', "duplicate_name", "/a");
refuses("duplicate name after unescaping", '{"a":1,"\\u0061":2}', "duplicate_name", "/a");
refuses("duplicate name, escaped first", '{"\\u002f":1,"/":2}', "duplicate_name", "/~1");
refuses("duplicate name inside", '{"x":[0,{"~":{"a":1,"a":2}}]}', "duplicate_name", "/x/1/~0/a");
refuses("duplicate empty name", '{"":1,"":2}', "duplicate_name", "/");
refuses("duplicate index", '{"0":1,"0":2}', "duplicate_name", "/0");
refuses("duplicate constructor", '{"constructor":1,"constructor":2}', "duplicate_name", "/constructor");
refuses("duplicate name outside the BMP", '{"\u{1f600}":1,"\\ud83d\\ude00":2}', "duplicate_name", "/\u{1f600}");
takes("names that differ in case", '{"a":1,"A":2}', '{"A":2,"a":1}');
takes("names that are one number", '{"1":1,"1.0":2,"01":3}', '{"01":3,"1":1,"1.0":2}');

refuses("__proto__", '{"__proto__":1}', "forbidden_name", "/__proto__");
refuses("__proto__ inside", '[{"a":{"__proto__":{}}}]', "forbidden_name", "/0/a/__proto__");
refuses("__proto__ escaped", '{"\\u005f_proto__":null}', "forbidden_name", "/__proto__");
refuses("__proto__ twice", '{"__proto__":1,"__proto__":2}', "forbidden_name", "/__proto__");
takes("__proto__ as a value", '["__proto__"]', '["__proto__"]');
takes("a name that begins as __proto__", '{"__proto___":1,"__proto":2}', '{"__proto":2,"__proto___":1}');
takes("prototype", '{"prototype":1}', '{"prototype":1}');

// --- numbers ---------------------------------------------------------------------------------------------------------------

const above = "number_out_of_range";
const inexact = "number_not_exact";
const minusZero = "number_negative_zero";
const many = "0".repeat(300);
for (const [literal, jcs] of [
  ["0", "0"],
  ["0.0", "0"],
  ["0e5", "0"],
  ["0e999999999999", "0"],
  ["0E-999999999999", "0"],
  ["-1", "-1"],
  ["0.87", "0.87"],
  ["1.0", "1"],
  ["100.00", "100"],
  ["1e2", "100"],
  ["1E+2", "100"],
  ["1.50e1", "15"],
  ["15e-1", "1.5"],
  ["-2.5e-1", "-0.25"],
  ["1e-7", "1e-7"],
  ["0.0000001", "1e-7"],
  ["0.000001", "0.000001"],
  ["0.1", "0.1"],
  ["0.10000000000000000000", "0.1"],
  ["0.30000000000000004", "0.30000000000000004"],
  ["1.7976931348623157e-300", "1.7976931348623157e-300"],
  ["2.2250738585072014e-308", "2.2250738585072014e-308"],
  ["5e-324", "5e-324"],
  ["-5e-324", "-5e-324"],
  ["9007199254740991", "9007199254740991"],
  ["-9007199254740991", "-9007199254740991"],
  ["9007199254740991.0", "9007199254740991"],
  ["9.007199254740991e15", "9007199254740991"],
  ["90071992547409910e-1", "9007199254740991"],
  ["4503599627370495.5", "4503599627370495.5"],
  ["999999999999999", "999999999999999"],
  ["1000000000000000", "1000000000000000"],
  [`1${many}e-300`, "1"],
  [`0.${many}1e301`, "1"],
] as const) {
  takes(`number ${literal.length > 40 ? `${literal.slice(0, 4)}…${literal.slice(-6)}` : literal}`, literal, jcs);
}
for (const [literal, code] of [
  ["-0", minusZero],
  ["-0.0", minusZero],
  ["-0e5", minusZero],
  ["-0E-5", minusZero],
  ["-0.000e999999999999", minusZero],
  ["9007199254740992", above],
  ["-9007199254740992", above],
  ["9007199254740993", above],
  ["9007199254740992.0", above],
  ["9007199254740991.1", above],
  ["-9007199254740991.1", above],
  ["9007199254740991.5", above],
  ["9.007199254740992e15", above],
  ["1e16", above],
  ["1E21", above],
  ["1e308", above],
  ["1.7976931348623157e308", above],
  ["1e309", above],
  ["-1e309", above],
  ["1e999999999999", above],
  [`1${many}`, above],
  ["9007199254740990.9", inexact],
  ["4503599627370495.4", inexact],
  ["0.1000000000000000055", inexact],
  ["0.1000000000000000055511151231257827021181583404541015625", inexact],
  ["0.30000000000000003", inexact],
  ["333333333.33333329", inexact],
  ["0.12345678901234567", inexact],
  ["1.00000000000000001", inexact],
  ["1e-324", inexact],
  ["-1e-324", inexact],
  ["2e-324", inexact],
  ["4e-324", inexact],
  ["4.9406564584124654e-324", inexact],
  ["1e-400", inexact],
  ["-1e-400", inexact],
  ["1e-999999999999", inexact],
  [`1.${many}1`, inexact],
] as const) {
  refuses(`number ${literal.length > 60 ? `${literal.slice(0, 4)}…${literal.slice(-4)}` : literal}`, `{"n":${literal}}`, code, "/n");
}
takes("17 significant digits", "0.12345678901234568", "0.12345678901234568");

// --- depth and size --------------------------------------------------------------------------------------------------------

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const objects = (depth: number): string => `${'{"a":'.repeat(depth)}0${"}".repeat(depth)}`;
takes("32 arrays deep", nested(32), nested(32));
refuses("33 arrays deep", nested(33), "too_deep", "/0".repeat(32));
takes("32 objects deep", objects(32), objects(32));
refuses("33 objects deep", objects(33), "too_deep", "/a".repeat(32));
refuses("33 deep and not closed", "[".repeat(33), "too_deep", "/0".repeat(32));
takes("many arrays, none deep", `[${"[],".repeat(99)}[]]`, `[${"[],".repeat(99)}[]]`);
takes("many objects, none deep", `[${'{"a":{}}, '.repeat(99)}0]`, `[${'{"a":{}},'.repeat(99)}0]`);
takes("brackets in a string", `"${"[".repeat(99)}"`, `"${"[".repeat(99)}"`);

const MEBIBYTE = 1024 * 1024;
vectors.push({ name: "1 MiB", hex: hexOf("{}"), spaces: MEBIBYTE - 2, ok: true, jcs: "{}" });
vectors.push({ name: "1 MiB and 1 byte", hex: hexOf("{}"), spaces: MEBIBYTE - 1, ok: false, code: "too_large", pointer: "" });
vectors.push({ name: "too large and bad", hex: hexOf(latin1("\xff")), spaces: MEBIBYTE, ok: false, code: "too_large", pointer: "" });

// --- the first of several, in reading order --------------------------------------------------------------------------------

refuses("duplicate name before bad JSON", '{"a":1,"a":2,}', "duplicate_name", "/a");
refuses("bad JSON before a duplicate name", '{"a":1,,"a":2}', "bad_json", "");
refuses("negative zero before __proto__", '{"a":-0,"__proto__":1}', minusZero, "/a");
refuses("__proto__ before negative zero", '{"__proto__":-0}', "forbidden_name", "/__proto__");
refuses("U+0000 before a lone surrogate", '"\\u0000\\ud800"', "nul_character", "");
refuses("lone surrogate before U+0000", '"\\ud800\\u0000"', "lone_surrogate", "");
refuses("U+0000 in a string that is not closed", '["\\u0000', "nul_character", "/0");
refuses("lone surrogate in a name that is not closed", '{"b":{"\\ud800', "lone_surrogate", "/b");
refuses("out of range before a bad tail", "[1e400x]", above, "/0");
refuses("a number with a bad exponent is no number", "[-0e]", "bad_json", "/0");

// --- one bit flipped -------------------------------------------------------------------------------------------------------

const taken = vectors.filter(({ ok, spaces }) => ok && spaces === undefined);
taken.forEach(({ name, hex }, i) => {
  const bytes = Buffer.from(hex, "hex");
  flip(name, bytes, (13 * i + 5) % (8 * bytes.length));
});
const whole = '{"a":[1,-2.5],"b":"\u00e9\\n","n":1e-7,"t":true}';
takes("every bit of this", whole, whole);
for (let bit = 0; bit < 8 * bytesOf(whole).length; bit++) flip("every bit of this", bytesOf(whole), bit);

// --- RFC 8785 --------------------------------------------------------------------------------------------------------------

const examples: { readonly name: string; readonly input: string; readonly jcs: string }[] = [];
function example(name: string, input: string, jcs: string): void {
  examples.push({ name, input: hexOf(input), jcs: hexOf(jcs) });
}

example(
  "RFC 8785 section 3.2.2; values.json",
  String.raw`{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}`,
  String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
);
example(
  "RFC 8785 section 3.2.3",
  String.raw`{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}`,
  '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\u{1f600}":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
);
example("arrays.json", '[\n  56,\n  {\n    "d": true,\n    "10": null,\n    "1": [ ]\n  }\n]\n', '[56,{"1":[],"10":null,"d":true}]');
example(
  "french.json",
  '{\n  "peach": "This sorting order",\n  "p\u00e9ch\u00e9": "is wrong according to French",\n  "p\u00eache": "but canonicalization MUST",\n  "sin":   "ignore locale"\n}\n',
  '{"peach":"This sorting order","p\u00e9ch\u00e9":"is wrong according to French","p\u00eache":"but canonicalization MUST","sin":"ignore locale"}',
);
example(
  "structures.json",
  '{\n  "1": {"f": {"f": "hi","F": 5} ,"\\n": 56.0},\n  "10": { },\n  "": "empty",\n  "a": { },\n  "111": [ {"e": "yes","E": "no" } ],\n  "A": { }\n}',
  '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
);
example("unicode.json", '{\n  "Unnormalized Unicode":"A\\u030a"\n}\n', '{"Unnormalized Unicode":"A\u030a"}');
example(
  "weird.json",
  String.raw`{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\u000a": "Newline",
  "1": "One",
  "\u0080": "Control\u007f",
  "\ud83d\ude02": "Smiley",
  "\u00f6": "Latin Small Letter O With Diaeresis",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "</script>": "Browser Challenge"
}
`,
  '{"\\n":"Newline","\\r":"Carriage Return","1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f","\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign","\u{1f602}":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
);

/** `expected` null: refused with `code`. RFC 8785 writes negative zero as 0; here it is refused, since 0 would be another value. */
const numbers: readonly { readonly ieee754: string; readonly expected: string | null; readonly code?: string; readonly source: string }[] = [
  ...(
    [
      ["0000000000000000", "0"],
      ["8000000000000000", null, minusZero],
      ["0000000000000001", "5e-324"],
      ["8000000000000001", "-5e-324"],
      ["7fefffffffffffff", "1.7976931348623157e+308"],
      ["ffefffffffffffff", "-1.7976931348623157e+308"],
      ["4340000000000000", "9007199254740992"],
      ["c340000000000000", "-9007199254740992"],
      ["4430000000000000", "295147905179352830000"],
      ["7fffffffffffffff", null, above],
      ["7ff0000000000000", null, above],
      ["44b52d02c7e14af5", "9.999999999999997e+22"],
      ["44b52d02c7e14af6", "1e+23"],
      ["44b52d02c7e14af7", "1.0000000000000001e+23"],
      ["444b1ae4d6e2ef4e", "999999999999999700000"],
      ["444b1ae4d6e2ef4f", "999999999999999900000"],
      ["444b1ae4d6e2ef50", "1e+21"],
      ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
      ["3eb0c6f7a0b5ed8d", "0.000001"],
      ["41b3de4355555553", "333333333.3333332"],
      ["41b3de4355555554", "333333333.33333325"],
      ["41b3de4355555555", "333333333.3333333"],
      ["41b3de4355555556", "333333333.3333334"],
      ["41b3de4355555557", "333333333.33333343"],
      ["becbf647612f3696", "-0.0000033333333333333333"],
      ["43143ff3c1cb0959", "1424953923781206.2"],
    ] as const
  ).map(([ieee754, expected, code]) => ({ ieee754, expected, ...(code !== undefined && { code }), source: "RFC 8785 appendix B" })),
  ...(
    [
      ["4340000000000001", "9007199254740994"],
      ["4340000000000002", "9007199254740996"],
    ] as const
  ).map(([ieee754, expected]) => ({ ieee754, expected, source: "cyberphone/json-canonicalization testdata/README.md" })),
  { ieee754: "fff0000000000000", expected: null, code: above, source: "own" },
];

// --- files -----------------------------------------------------------------------------------------------------------------

const lines = (items: readonly unknown[], indent: string): string => `[\n${items.map((item) => indent + JSON.stringify(item)).join(",\n")}\n${indent.slice(2)}]`;
const file = (name: string): URL => new URL(`../../test/vectors/${name}`, import.meta.url);
writeFileSync(file("strict-json.json"), `${lines(vectors, "  ")}\n`);
writeFileSync(file("jcs.json"), `{\n  "examples": ${lines(examples, "    ")},\n  "numbers": ${lines(numbers, "    ")}\n}\n`);
