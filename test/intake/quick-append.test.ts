/**
 * The short way from a line to its requests against the long one, which is the definition: whatever the short one takes, the long one
 * takes too, and makes the same of it. And what it is for, it takes.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromUtf8 } from "../../src/format/bytes.ts";
import { readRequest, type Request } from "../../src/format/request.ts";
import { needed, only, readAck, readReceipts } from "../../src/intake/params.ts";
import { parseCall } from "../../src/intake/protocol.ts";
import { QuickAppends, type ReadAppend } from "../../src/intake/quick-append.ts";
import { Arena } from "../../src/ledger/arena.ts";

const ID = "019b7679-0000-7000-8000-000000000fff";
const MANY = 5;
const quick = new QuickAppends(() => ID, new Arena(), MANY);
type Comparable = Omit<ReadAppend, "requests"> & { readonly requests: readonly object[] };

const plain = ({ json, cuts, ...rest }: Request): object => ({ ...rest, json: fromUtf8(json), cuts });

function shortWay(line: Buffer): Comparable | null {
  const read = quick.read(line);
  return read === null ? null : { ...read, requests: read.requests.map(plain) };
}

/** As intake.ts does it. */
function longWay(line: Buffer): Comparable {
  const { id, method, params } = parseCall(line);
  const many = method === "append_many";
  if (!many) expect(method).toBe("append");
  only(params, many ? "receipts" : "receipt", "ack");
  const ack = readAck(params);
  const receipts = many ? readReceipts(params, MANY) : [needed(params, "receipt")];
  return { id, many, ack, requests: receipts.map((receipt) => plain(readRequest(receipt, "", () => ID))) };
}

/** Whether the short way took it; then the long one agrees. */
function agree(line: string | Buffer): boolean {
  const bytes = typeof line === "string" ? Buffer.from(line) : line;
  const short = shortWay(bytes);
  if (short !== null) expect(short).toEqual(longWay(bytes));
  return short !== null;
}

const call = (receipt: string): string => `{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":${receipt}}}`;
const least = { system_id: "s", decision: { action: "APPROVE" }, inputs: { score: 742 } };

describe("takes", () => {
  test.each([
    ["as a program writes it", call(JSON.stringify({ ...least, organization: "loans", receipt_id: ID, gates: [{ name: "a", status: "PASS", threshold: 0.5 }], x_b: 1, x_c: [] }))],
    ["as Python writes it", call('{"system_id": "s", "decision": {"score": 0.87, "action": "APPROVE"}, "inputs": {"b": [1, 2.5, -3, null], "a": {}}, "timestamp": "2026-06-01T10:00:05.234Z"}')],
    ["names out of order at any depth", call('{"inputs":{"z":{"b":1,"a":[{"d":1,"c":2}]},"y":1},"decision":0,"system_id":"s","chain_id":"c"}')],
    ["the call's members in any order, an id that is text", `{"params":{"ack":"wal","receipt":${JSON.stringify(least)}},"method":"append","id":"7f","jsonrpc":"2.0"}\r`],
    ["several", `{"jsonrpc":"2.0","id":2,"method":"append_many","params":{"receipts":[${JSON.stringify(least)}, ${JSON.stringify({ ...least, region: "eu" })}]}}`],
    ["what is not ASCII, and escapes of JCS", call(JSON.stringify({ ...least, summary: 'ü "€" \\ \n😀', user_id: "Ünal" }))],
    ["Python's escapes", call('{"system_id":"\\u00dc\\u20ac\\ud83d\\ude00\\/\\u001f\\u000a\\u0022\\u005C\\u0041","decision":"\\u00FC","inputs":{"b":["\\u00e9","x"],"a":"\\/"}}')],
    ["numbers in any spelling", call('{"system_id":"s","decision":[1.0,1e2,-1.25e-2,0.0000001,100e-2,1E+2,0.30000000000000004,9007199254740991,0.10,0e5,12345678901234.50],"inputs":{}}')],
    ["every field", call(JSON.stringify({
      ...least, chain_id: "c", gates: [], metadata: { a: { b: [] } }, model_epoch: 3, model_version: "v", policy_version: "p", reasons: ["r", 1], region: "eu", summary: "s",
      timestamp: "2026-06-01T10:00:05Z", type: "decision", user_id: "u", x_a: null,
    }))],
    ["a large one", call(JSON.stringify({ ...least, inputs: { text: "x".repeat(1_000_000), b: 1, a: 2 } }))],
  ])("%s", (_, line) => {
    expect(agree(line)).toBe(true);
  });
});

test.each([
  ["a name twice", call('{"system_id":"s","decision":1,"inputs":{"a":1,"b":2,"a":3}}')], ["a field twice", call('{"system_id":"s","decision":1,"inputs":{},"system_id":"t"}')],
  ["a number that is not exact", call('{"system_id":"s","decision":9007199254740993,"inputs":{}}')], ["1e15", call('{"system_id":"s","decision":1e15,"inputs":{}}')],
  ["a leading zero", call('{"system_id":"s","decision":01,"inputs":{}}')], ["-0", call('{"system_id":"s","decision":-0,"inputs":{}}')], ["0.1000000000000000055", call('{"system_id":"s","decision":0.1000000000000000055,"inputs":{}}')],
  ["U+0000", call('{"system_id":"\\u0000","decision":1,"inputs":{}}')], ["half a pair", call('{"system_id":"s","decision":"\\ud83d\\u0061","inputs":{}}')], ["half an escape", call('{"system_id":"s","decision":"\\u12","inputs":{}}')], ["a lone surrogate", call('{"system_id":"\\ud800","decision":1,"inputs":{}}')],
  ["bytes that are not UTF-8", Buffer.from(call('{"system_id":"s\xff","decision":1,"inputs":{}}'), "latin1")], ["a surrogate as UTF-8", Buffer.from(call('{"system_id":"s\xed\xa0\x80","decision":1,"inputs":{}}'), "latin1")],
  ["a control character", call('{"system_id":"s\t","decision":1,"inputs":{}}')], ["a reserved field", call('{"system_id":"s","decision":1,"inputs":{},"org_seq":1}')],
  ["a reserved name further in", call('{"system_id":"s","decision":1,"inputs":{"_sd":1}}')], ["an unknown field", call('{"system_id":"s","decision":1,"inputs":{},"other":1}')],
  ["a field that is missing", call('{"system_id":"s","decision":1}')], ["null for a decision", call('{"system_id":"s","decision":null,"inputs":{}}')],
  ["a gate without status", call('{"system_id":"s","decision":1,"inputs":{},"gates":[{"name":"a"}]}')], ["text behind", `${call(JSON.stringify(least))}x`], ["a comma too many", call('{"system_id":"s","decision":1,"inputs":{},}')],
  ["another method", call(JSON.stringify(least)).replace('"append"', '"get"')], ["append with receipts", call("1").replace('"receipt":1', `"receipts":[${JSON.stringify(least)}]`)],
  ["more than may be", `{"jsonrpc":"2.0","id":2,"method":"append_many","params":{"receipts":[${Array.from({ length: MANY + 1 }, () => JSON.stringify(least)).join(",")}]}}`],
  ["no id", `{"jsonrpc":"2.0","method":"append","params":{"receipt":${JSON.stringify(least)}}}`], ["no jsonrpc", `{"id":1,"method":"append","params":{"receipt":${JSON.stringify(least)}}}`],
  ["no method", `{"jsonrpc":"2.0","id":1,"params":{"receipt":${JSON.stringify(least)}}}`], ["no params", '{"jsonrpc":"2.0","id":1,"method":"append"}'], ["no receipt", '{"jsonrpc":"2.0","id":1,"method":"append","params":{"ack":"disk"}}'],
  ["-0.0", call('{"system_id":"s","decision":-0.0,"inputs":{}}')], ["01.0", call('{"system_id":"s","decision":01.0,"inputs":{}}')], ["1.", call('{"system_id":"s","decision":1.,"inputs":{}}')], ["1.0e", call('{"system_id":"s","decision":1.0e,"inputs":{}}')],
  ["too deep", call(`{"system_id":"s","decision":1,"inputs":{"a":${"[".repeat(31)}${"]".repeat(31)}}}`)],
  ["nothing", ""], ["an end within", call(JSON.stringify(least)).slice(0, 90)], ["a date that no month has", call('{"system_id":"s","decision":1,"inputs":{},"timestamp":"2026-02-30T10:00:05Z"}')],
])("does not take %s", (_, line) => {
  expect(agree(line)).toBe(false);
});

/** Texts of one value, with white space, any order and any spelling. */
const space = fc.constantFrom("", "", "", " ", "\t ", "\r");
const escape = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 8, 0x1f, 0x22, 0x2f, 0x5c, 0x7f, 0x80, 0x7ff, 0x800, 0xd83d, 0xde00, 0xffff)).map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`);
const name = fc.oneof(fc.constantFrom("a", "b", "aa", "10", "9", "name", "status", "__proto__", "_sd", "...", "ü", "é\\n", "\\u0061", ""), fc.string({ unit: "binary", maxLength: 4 }).map((text) => JSON.stringify(text).slice(1, -1)));
const scalar = fc.oneof(
  fc.constantFrom("true", "false", "null", "nul", "0", "-0", "-1", "1.5", "0.1", "1e3", "1E400", "9007199254740991", "9007199254740992", "0.30000000000000004", "123456789012345.6", "0.00001", "0.000001", "0.0000001", "-0.5", "00", "1.", ".5", "-"),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)), fc.maxSafeInteger().map(String), fc.integer({ min: -1000, max: 1000 }).map((n) => String(n / 100)),
  fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -25, max: 20 }), fc.constantFrom("e", "E")).map(([n, exponent, e]) => `${n}${e}${exponent}`), fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `${a}.${b}`),
  fc.tuple(fc.constantFrom("", "-", "0"), fc.nat({ max: 999 }), fc.constantFrom("", "0", "5", "05", "0000001"), fc.nat({ max: 14 }), fc.constantFrom("", "", "e", "e1")).map(([sign, a, b, zeros, e]) => `${sign}${a}.${b}${"0".repeat(zeros)}${e}`),
  fc.string({ unit: "binary", maxLength: 6 }).map((text) => JSON.stringify(text)), fc.array(fc.oneof(escape, fc.constantFrom("\\ud83d\\ude00", "\\/", "x")), { maxLength: 3 }).map((parts) => `"${parts.join("")}"`), name.map((text) => `"${text}"`), fc.constantFrom('"PASS"', '"decision"', '"x_own"', `"${ID}"`, '"2026-06-01T10:00:05.1Z"', '"\t"', '"\\/"', '"a'),
);
const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4, depthSize: "small" }, scalar, tie("object"), tie("array")),
  array: fc.tuple(fc.array(fc.tuple(space, tie("value"), space).map((parts) => parts.join("")), { maxLength: 4 }), space).map(([items, blank]) => `[${items.join(",")}${items.length === 0 ? blank : ""}]`),
  object: fc.array(fc.tuple(space, name, space, space, tie("value"), space), { maxLength: 5 }).map((members) => `{${members.map(([a, n, b, c, v, d]) => `${a}"${n}"${b}:${c}${v}${d}`).join(",")}}`),
}));
const field = fc.constantFrom(
  "system_id", "decision", "inputs", "gates", "reasons", "metadata", "timestamp", "model_epoch", "organization", "receipt_id", "type", "x_a", "x_b", "x_B", "x_", "summary", "user_id", "region", "key_id", "other",
);
const good: Readonly<Record<string, string>> = {
  system_id: '"s"', decision: '{"b":1,"a":2}', inputs: '{"z":1}', gates: '[{"status":"PASS","name":"n"}]', timestamp: '"2026-06-01T10:00:05Z"', model_epoch: "7", organization: '"loans"', receipt_id: `"${ID}"`, type: '"decision"',
};
const receipt = fc.tuple(
  fc.shuffledSubarray(["system_id", "decision", "inputs"], { minLength: 2 }), fc.uniqueArray(field, { maxLength: 5 }), fc.array(fc.option(value, { freq: 2 }), { minLength: 8, maxLength: 8 }), fc.array(space, { minLength: 8, maxLength: 8 }),
).map(([needed, others, values, blanks]) => {
  const names = [...needed, ...others.filter((other) => !needed.includes(other))];
  const members = names.map((other, i) => `${blanks[i % 8]}"${other}":${blanks[(i + 3) % 8]}${needed.includes(other) && i % 5 !== 4 ? good[other] : (values[i % 8] ?? good[other] ?? '"v"')}`);
  return `{${members.join(",")}}`;
});

describe("agrees with the long way", () => {
  test("on receipts of every shape", () => {
    let taken = 0;
    fc.assert(fc.property(receipt, (text) => { if (agree(call(text))) taken++; }), { numRuns: 2500 });
    expect(taken).toBeGreaterThan(250);
  });

  test("on any line that differs in one byte from a good one", () => {
    const lines = [call(JSON.stringify({ ...least, gates: [{ name: "a", status: "PASS" }], timestamp: "2026-06-01T10:00:05.234Z", organization: "loans", receipt_id: ID, summary: "ü" })), call('{"decision": {"b": 0.25, "a": -1}, "system_id": "s", "inputs": {}}')].map((line) => Buffer.from(line));
    fc.assert(fc.property(fc.constantFrom(...lines), fc.nat(), fc.nat({ max: 255 }), fc.boolean(), (line, at, byte, inserts) => {
      const place = at % line.length;
      agree(Buffer.concat([line.subarray(0, place), Buffer.of(byte), line.subarray(inserts ? place : place + 1)]));
    }), { numRuns: 2500 });
  });

  test("on long strings with a byte of any kind at any place", () => {
    const start = Buffer.from(call('{"system_id":"s","decision":1,"inputs":{"text":"').slice(0, -2));
    let taken = 0;
    fc.assert(fc.property(fc.nat({ max: 7 }), fc.integer({ min: 60, max: 200 }), fc.nat(), fc.constantFrom([0x1f], [0x20], [0x21], [0x22], [0x23], [0x00], [0x5c], [0x5c, 0x6e], [0x5b], [0x7f], [0xc3, 0xbc], [0x80], [0xff]), (skew, length, at, bytes) => {
      const text = Buffer.alloc(length, "x");
      const place = at % length;
      const line = Buffer.concat([Buffer.alloc(skew, " "), start, text.subarray(0, place), Buffer.from(bytes), text.subarray(place), Buffer.from('"}}}}')]);
      if (agree(line.subarray(skew))) taken++;
    }), { numRuns: 2000 });
    expect(taken).toBeGreaterThan(600);
  });

  test("on the request vectors", () => {
    const vectors = JSON.parse(readFileSync(new URL("../vectors/requests.json", import.meta.url), "utf8")) as readonly { readonly text: string; readonly ok: boolean }[];
    const taken = vectors.filter(({ text }) => agree(call(text)));
    expect(taken.length).toBeGreaterThan(2);
    expect(taken.every(({ ok }) => ok)).toBe(true);
  });
});
