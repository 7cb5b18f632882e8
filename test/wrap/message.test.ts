/** Lines that this proxy and a server behind it could read differently: none is passed on as it is. */
import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callOf, taskOf } from "../../src/wrap/call.ts";
import { readJson } from "../../src/wrap/lax-json.ts";
import { type Line, linesOf } from "../../src/wrap/lines.ts";
import { type Message, MessageError, readMessage } from "../../src/wrap/message.ts";

const read = (text: string) => readMessage(Buffer.from(text));
const call = (params: string) => callOf(read(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`), 1);

function refusal(work: () => unknown): { readonly code: string; readonly id: unknown } {
  try {
    work();
  } catch (error) {
    if (error instanceof MessageError) return { code: error.code, id: error.id };
    throw error;
  }
  throw new Error("it was not refused");
}

describe("a message is refused", () => {
  test.each([
    ["duplicate_name", 7, '{"jsonrpc":"2.0","id":7,"method":"tools/call","method":"ping"}'],
    ["duplicate_name", 7, '{"jsonrpc":"2.0","id":7,"method":"ping","m\\u0065thod":"tools/call"}'],
    ["duplicate_name", 7, '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b"}}'],
    ["duplicate_name", 7, '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","arguments":{"n":1e400,"x":1,"x":2}}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call","params":{"name":"a"}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":"Tools/Call","params":{"name":"a"}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":"tasks/Result","params":{"taskId":"a"}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":"tools/call ","params":{"name":"a"}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":"tools/call\\u0000","params":{"name":"a"}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":"tools/call","result":{}}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"method":["tools/call"]}'],
    ["bad_message", 7, '{"id":7,"method":"tools/call"}'],
    ["bad_message", null, '{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"a"}}'],
    ["bad_message", null, '{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"a"}}'],
    ["bad_message", null, '{"jsonrpc":"2.0","id":1.00000000000000000001,"method":"ping"}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7}'],
    ["bad_message", 7, '{"jsonrpc":"2.0","id":7,"result":{},"error":{}}'],
    ["bad_message", null, "1e400"],
    ["batch_not_supported", null, '[{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a"}}]'],
    ["bad_json", null, '{"jsonrpc":"2.0","id":7,"method":"ping"} {"jsonrpc":"2.0","id":8,"method":"tools/call"}'],
    ["bad_json", null, '\ufeff{"jsonrpc":"2.0","id":7,"method":"ping"}'],
    ["bad_json", null, "{'jsonrpc':'2.0'}"],
    ["forbidden_name", 7, '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"__proto__":{}}}'],
    ["too_deep", null, `${"[".repeat(100_000)}`],
  ])("%s, id %j: %s", (code, id, text) => {
    expect(refusal(() => read(text))).toEqual({ code, id });
  });

  test("that is not UTF-8", () => {
    expect(refusal(() => readMessage(Buffer.from([0x7b, 0xff, 0x7d])))).toEqual({ code: "not_utf8", id: null });
  });

  test.each(['[]', '{}', '{"name":""}', '{"name":7}', '{"name":"a\\u0000"}', '{"name":"a\\ud800"}', '{"name":"a","Name":"b"}', '{"name":"a","ARGUMENTS":{}}', '{"name":"a","argument\\u017f":{}}', '{"name":"a","arguments":[]}', '{"name":"a","arguments":1e400}'])(
    "a tool call with params %s", (params) => {
      expect(refusal(() => call(params))).toEqual({ code: "bad_call", id: 1 });
    });
});

test.each(['{}', '{"taskId":7}', '{"taskId":"a","taskid":"b"}', '{"taskId":"a\\u0000"}'])("a tasks/result with params %s", (params) => {
  const message = read(`{"jsonrpc":"2.0","id":2,"method":"tasks/result","params":${params}}`);
  expect(refusal(() => taskOf(message, 2))).toEqual({ code: "bad_call", id: 2 });
});

test("what some readers take for the end of a line is not passed on as one", () => {
  const inner = '{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"a"}}';
  const { text } = read(`{"jsonrpc":"2.0","method":"x","params":\r${inner}\r}\r`);
  expect(text.split(/[\r\n\u0085\u2028\u2029\v\f]/)).toHaveLength(1);
  const separators = "a\u0085b\u2028c\u2029d";
  const passed = read(JSON.stringify({ jsonrpc: "2.0", method: "x", params: { separators } })).text;
  expect(passed.split(/[\u0085\u2028\u2029]/)).toHaveLength(1);
  expect((JSON.parse(passed) as { params: object }).params).toEqual({ separators });
  const sent = call(JSON.stringify({ name: "a", arguments: { separators } })).text;
  expect(sent.split(/[\u0085\u2028\u2029]/)).toHaveLength(1);
  expect(sent).toContain("\\u2028");
});

test("a message of another kind is passed on byte for byte", () => {
  const text = '{ "jsonrpc": "2.0",  "id":"é", "method":"resources/read", "params": {"uri":"x:\\u00e9", "n":1.50, "big":12345678901234567890} }';
  expect(read(text).text).toBe(text);
});

test("a tool call is sent with the values that were read, and null arguments as none", () => {
  expect(call('{ "arguments" : {"b":1.0,"a":[ ]}, "_meta":{"progressToken":1}, "name":"x" }').text)
    .toBe('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"b":1,"a":[]},"_meta":{"progressToken":1}}}');
  expect(call('{"name":"x","arguments":null}').text).toBe('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}');
});

test("whatever a line is made of, no lenient reader finds a tool call in one that is passed on as something else", () => {
  const inner = '{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"a"}}';
  const bases = [inner, '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":["x",-0]}}', '{"jsonrpc":"2.0","method":"x","params":[0,0,0,0,0,0,0,0,0,0,0,0]}'];
  const pieces = ["\r", "\u2028", "\u0085", "\t", " ", '"method":"tools/call",', ',"METHOD":"tools/call"', '"\\u006dethod":"tools/call",', '"m\u212athod":1,', ",", "{", "}", "[", "]", '"', "\\", "\\u0000", "-0", "1e999", `,\r${inner}\r`, `,\r${inner}\r`, `,"a":${inner}`, "T", "/CALL", "\0"];
  const insertion = fc.tuple(fc.nat(80), fc.constantFrom(...pieces), fc.nat(3));
  let passed = 0;
  fc.assert(fc.property(fc.constantFrom(...bases), fc.array(insertion, { maxLength: 3 }), (base, insertions) => {
    let line = base;
    for (const [at, piece, cut] of insertions) line = line.slice(0, at) + piece + line.slice(at + cut);
    let message: Message;
    try {
      message = read(line);
    } catch (error) {
      if (error instanceof MessageError) return;
      throw error;
    }
    passed++;
    if (message.method !== "tools/call") expect(message.text.split(/[\r\n\u0085\u2028\u2029]/).some(seesToolCall)).toBe(false);
  }), { numRuns: 5000 });
  expect(passed).toBeGreaterThan(500);
});

/** As a reader does that matches names in any case, and trims. */
function seesToolCall(text: string): boolean {
  try {
    const members = Object.entries(JSON.parse(text) as object);
    return members.some(([name, value]) => name.toLowerCase() === "method" && String(value).replaceAll("\0", "").trim().toLowerCase() === "tools/call");
  } catch {
    return false;
  }
}

describe("what a receipt cannot hold as a value", () => {
  test.each([
    ["[1e400,-0,0.1000000000000000055,12345678901234567890,1.5]"],
    ['{"nul":"a\\u0000b","half":"\\ud83d","whole":"\\ud83d\\ude00","slash":"\\\\u0000","quote":"\\\\\\"","n":-0}'],
  ])("is spelled as it was: %s", (text) => {
    const { value, isExact } = readJson(text);
    expect(isExact).toBe(false);
    expect(JSON.stringify(value)).toBe(text.replace("\\ud83d\\ude00", "😀"));
  });

  test.each(["[1e5e5,-0]", "[-0,01]", "[-0,1.]", "[--0]", "[-0,+1]", "[1e400", '["\\u0000]', '{"a":-0,"a":1}', '["\\u0000",NaN]', '{"\\u005f_proto__":-0}'])("and is no JSON: %s", (text) => {
    expect(() => readJson(text)).toThrow(/./);
  });
});

describe("lines", () => {
  const of = async (chunks: readonly string[], most = 10): Promise<readonly (string | object)[]> => {
    const found: (string | object)[] = [];
    const show = (line: Line): string | object => ("bytes" in line ? Buffer.from(line.bytes).toString() : line);
    for await (const line of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), most)) found.push(show(line));
    return found;
  };

  test("are put together from any chunks", async () => {
    expect(await of(["a", "b\n\nc", "\n", "d"])).toEqual(["ab", "", "c", "d"]);
  });

  test("of the largest size pass, and one byte more does not", async () => {
    expect(await of(["0123456789\n", "01234567890\n", "x\n", "0123456", "7890\ny"])).toEqual(["0123456789", { tooLong: null }, "x", { tooLong: null }, "y"]);
  });

  test.each([
    [5, '{"jsonrpc":"2.0","id":5,"result":"LONG"}'],
    ["five", '{"result":"LONG","jsonrpc":"2.0","id":"five"}'],
    [null, '{"result":"LONG, \\"id\\":5}"}'],
  ])("that are too long have the id %j: %s", async (id, text) => {
    const long = text.replace("LONG", "x".repeat(5000));
    expect(await of([`${long.slice(0, 300)}`, long.slice(300, 4000), `${long.slice(4000)}\nz`], 1000)).toEqual([{ tooLong: id }, "z"]);
  });
});
