import { describe, expect, test } from "vitest";
import { type CliError } from "../../src/cli/errors.ts";
import { readReceiptText, receiptFromArguments, withId } from "../../src/cli/receipt-text.ts";
import { type FormatError } from "../../src/format/errors.ts";

const ID = "00000000-0000-8000-8000-000000000000";

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return (error as FormatError | CliError).code;
  }
  return undefined;
}

describe("the text of a receipt", () => {
  test("keeps its spelling", () => {
    const text = '{"inputs":{"rate":1.0,"n":100.00,"e":1e2,"s":"\\u0041"}}';
    expect(readReceiptText(text).text).toBe(text);
    expect(withId(readReceiptText(text), () => ID).text).toBe(`{"receipt_id":"${ID}",${text.slice(1)}`);
  });

  test("becomes one line, in which nothing but white space has changed", () => {
    expect(readReceiptText('{\r\n  "a": 1.0\n}').text).toBe('{    "a": 1.0 }');
  });

  test("has the id that was chosen", () => {
    const chosen = readReceiptText(`{"receipt_id":"${ID}"}`);
    expect(withId(chosen, () => "other")).toBe(chosen);
    expect(chosen.receiptId).toBe(ID);
    expect(withId(readReceiptText(" { } "), () => ID).text).toBe(` {"receipt_id":"${ID}" } `);
    // wrong, but the caller's: the daemon refuses it
    expect(withId(readReceiptText('{"receipt_id":7}'), () => ID).text).toBe('{"receipt_id":7}');
  });

  test.each([
    ["two values", '{"a":1},"ack":"wal"', "bad_json"],
    ["an end of its own", '{"a":1}}\n{"jsonrpc":"2.0"', "bad_json"],
    ["a name twice", '{"a":1,"\\u0061":2}', "duplicate_name"],
    ["a number that would be rounded", '{"a":9007199254740993}', "number_out_of_range"],
    ["no object", "[1]", "bad_field"],
  ])("is refused: %s", (_, text, code) => {
    expect(codeOf(() => readReceiptText(text))).toBe(code);
  });
});

describe("a receipt from arguments", () => {
  test("has the values as they are spelled", () => {
    const { text } = receiptFromArguments({ system: 'a "b"', decision: '{"score": 1.0}', inputs: "{}", organization: "loans", field: ["model_epoch=7", 'x_a="="'] });
    expect(text).toBe('{"organization":"loans","system_id":"a \\"b\\"","decision":{"score": 1.0},"inputs":{},"model_epoch":7,"x_a":"="}');
  });

  test.each([
    ["a value that is not JSON", { decision: "APPROVE" }, "bad_usage"],
    ["values that would be whole only together", { decision: '{"a":1', inputs: '2}' }, "bad_usage"],
    ["a field without a name", { field: ["=1"] }, "bad_usage"],
    ["a field twice", { system: "a", field: ['system_id="b"'] }, "duplicate_name"],
  ])("is refused: %s", (_, given, code) => {
    expect(codeOf(() => receiptFromArguments(given))).toBe(code);
  });
});
