/** What is written is what was meant, or it is refused with its place, before anything is sent. */
import { expect, test } from "vitest";
import { Client, hashed, pseudonym, ReceiptRefused } from "../../src/clients/index.ts";
import { jsonText } from "../../src/clients/values.ts";
import { parseStrict } from "../../src/format/strict-json.ts";

const circle: { self?: object } = {};
circle.self = circle;
const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) });

test.each<readonly [string, unknown]>([
  ["NaN", Number.NaN], ["Infinity", Infinity], ["beyond 2^53-1", 2 ** 53], ["negative zero", -0], ["a bigint", 1n], ["an array with a toJSON", Object.assign([1], { toJSON: () => ["another"] })], ["a Date", new Date(0)], ["bytes", Buffer.from("x")],
  ["a Map", new Map()], ["an instance", new (class Loan { amount = 1; })()], ["a function", () => 1], ["a symbol", Symbol("x")],
  ["half a character", "\ud800"], ["U+0000", "a\0b"], ["toJSON", { toJSON: () => 1 }], ["undefined in a list", [undefined]], ["itself", circle],
])("refused with its place: %s", (_, value) => {
  let error: unknown;
  try {
    jsonText({ inputs: { "a/b": [0, value] } });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ReceiptRefused);
  expect(error).toMatchObject({ code: "bad_value", pointer: expect.stringMatching(/^\/inputs\/a~1b\/1/) });
});

test.each([{ a: [1, 0.1, -1e-7, 9007199254740991, "é𝄞\u007f", null, true] }, nested(32), Object.create(null) as object])("written as it is", (value) => {
  expect(parseStrict(jsonText(value))).toEqual(value);
});

test("a member that is undefined is left out; names that the format has not are refused", () => {
  expect(jsonText({ a: 1, b: undefined })).toBe('{"a":1}');
  for (const name of ["__proto__", "\ud800", "\0"]) expect(() => jsonText(JSON.parse(`{${JSON.stringify(name)}:1}`) as object)).toThrow(ReceiptRefused);
  expect(() => jsonText(nested(33))).toThrow(ReceiptRefused);
});

test.each<readonly [object, string]>([
  [{ ack: "maybe" }, "ack"], [{ timeoutMs: 0 }, "timeoutMs"], [{ organization: "No" }, "organization"], [{ systemId: "" }, "systemId"], [{ http: "ftp://x" }, "http"], [{ socket: "" }, "socket"],
  [{ socket: "a\0b" }, "socket"], [{ timeoutMs: "5000" }, "timeoutMs"], [{ timeoutMs: Number.NaN }, "timeoutMs"], [{ timeoutMs: Infinity }, "timeoutMs"], [{ spoolWaitMs: "5" }, "spoolWaitMs"],
  [{ spoolMaxBytes: Infinity }, "spoolMaxBytes"], [{ onRefused: "log" }, "onRefused"], [{ onDamaged: {} }, "onDamaged"], [{ breaker: null }, "breaker"], [{ breaker: 5 }, "breaker"],
  ...[Number.NaN, -1, 0, Infinity, "1"].flatMap((value) => ["failures", "openMs", "maxOpenMs"].map((name) => [{ breaker: { [name]: value } }, `breaker.${name}`] as const)),
  ["/run/receiptd/receiptd.sock" as unknown as object, "options"],
])("an option that cannot be meant is named: %j", (options, name) => {
  expect(() => new Client(options)).toThrow(expect.objectContaining({ code: "bad_setting", message: expect.stringContaining(`${name}:`) }));
});

test.each([["RECEIPTD_CLIENT_ACK", "x"], ["RECEIPTD_CLIENT_TIMEOUT_MS", "5s"], ["RECEIPTD_CLIENT_ORGANIZATION", "_ledger"], ["RECEIPTD_CLIENT_HTTP", "x"]])("and so is the variable %s", (name, value) => {
  process.env[name] = value;
  try {
    expect(() => new Client()).toThrow(expect.objectContaining({ code: "bad_setting", message: expect.stringContaining(`${name}:`) }));
  } finally {
    delete process.env[name];
  }
});

test("a pseudonym needs the key, and is the same for the same person", () => {
  const key = "0123456789abcdef";
  expect(hashed("Ada Lovelace", key)).toBe("hmac-sha256:a9a6b5391a9c2dac8ca08be57194dc9bf4f304a21a0333ed4b4964fc1e37df82");
  expect(pseudonym(Buffer.from("Ada Lovelace"), key)).toBe(hashed("Ada Lovelace", key));
  expect(hashed("Ada Lovelace", key)).not.toBe(hashed("Ada Lovelace", "0123456789abcdeF"));
  expect(() => hashed("Ada", "short")).toThrow(expect.objectContaining({ code: "bad_setting" }));
});
