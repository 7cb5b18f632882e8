import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/format/errors.ts";
import { errorLine, parseCall, resultLine, RpcError } from "../../src/intake/protocol.ts";
import { LedgerError } from "../../src/ledger/errors.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");
const withId = (id: string): Uint8Array => bytes(`{"jsonrpc":"2.0","id":${id},"method":"status"}`);

function refusal(line: Uint8Array): { readonly code: string; readonly id: unknown } {
  try {
    parseCall(line);
  } catch (error) {
    if (error instanceof RpcError) return { code: error.code, id: error.id };
    if (error instanceof FormatError) return { code: error.code, id: null };
  }
  throw new Error("not refused");
}

describe("the id", () => {
  test.each<[sent: string, answered: string]>([
    ["1", "1"], ["0", "0"], ["-1", "-1"], ["1.5", "1.5"], ["1e2", "100"], ["9007199254740991", "9007199254740991"], ["1e-7", "1e-7"],
    ['"x"', '"x"'], ['""', '""'], ['"1"', '"1"'], ['"\\u0041"', '"A"'], ['"\u2028\ufeff"', '"\u2028\ufeff"'], ['"\\ud83d\\ude00"', '"😀"'],
    ['"a\\nb\\u001f"', '"a\\nb\\u001f"'], ['"constructor"', '"constructor"'], [`"${"n".repeat(256)}"`, `"${"n".repeat(256)}"`],
  ])("%s is answered as %s", (sent, answered) => {
    const { id } = parseCall(withId(sent));
    expect(resultLine(id, "{}")).toBe(`{"jsonrpc":"2.0","id":${answered},"result":{}}\n`);
    expect(errorLine(id, new RpcError("timeout", "x"))).toMatch(`{"jsonrpc":"2.0","id":${answered},"error":{"code":-32006,`);
  });

  test("of any text comes back as it was, in one line", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (id) => {
      fc.pre(!id.includes("\0") && id.length <= 256);
      const line = resultLine(parseCall(withId(JSON.stringify(id))).id, "{}");
      expect((JSON.parse(line) as { id: string }).id).toBe(id);
      expect(line.indexOf("\n")).toBe(line.length - 1);
    }));
  });

  test.each<[string, string]>([
    ["null", "id_required"], ["true", "bad_request"], ["[1]", "bad_request"], ["{}", "bad_request"], [`"${"n".repeat(257)}"`, "bad_request"],
    ["-0", "number_negative_zero"], ["9007199254740993", "number_out_of_range"], ["1e400", "number_out_of_range"], ["0.1000000000000000055", "number_not_exact"],
    ['"\\ud800"', "lone_surrogate"], ['"\\u0000"', "nul_character"], ["01", "bad_json"], ["NaN", "bad_json"],
  ])("%s is refused as %s", (id, code) => expect(refusal(withId(id))).toEqual({ code, id: null }));
});

describe("a message", () => {
  test.each<[string, string]>([
    ["\ufeff{}", "bad_json"], ["{}\u2028", "bad_json"], ["\u00a0{}", "bad_json"], ["{}{}", "bad_json"], ["null", "bad_request"], ['"x"', "bad_request"], ["[]", "batch_not_supported"],
    ['{"__proto__":{"id":1}}', "forbidden_name"], ['{"constructor":1}', "id_required"], ["{}", "id_required"],
  ])("%j is refused as %s", (text, code) => expect(refusal(bytes(text))).toEqual({ code, id: null }));

  test.each<[string, string]>([
    ['"method":"status"', "bad_request"], ['"jsonrpc":2,"method":"status"', "bad_request"], ['"jsonrpc":"2.0"', "bad_request"], ['"jsonrpc":"2.0","method":1', "bad_request"],
    ['"jsonrpc":"2.0","method":"status","params":null', "bad_request"], ['"jsonrpc":"2.0","method":"status","params":"x"', "bad_request"],
    ['"jsonrpc":"2.0","method":"status","toString":1', "bad_request"], ['"jsonrpc":"2.0","method":"status","result":1', "bad_request"],
  ])("with %s is refused as %s, by its id", (members, code) => expect(refusal(bytes(`{"id":7,${members}}`))).toEqual({ code, id: 7 }));

  test("may have white space of JSON, a CR at its end too", () => {
    expect(parseCall(bytes(' \t{ "params" : {"a":[]}, "method":"m","id":1,"jsonrpc":"2.0" }\r'))).toEqual({ id: 1, method: "m", params: { a: [] } });
  });

  test("rubbish is always refused with a code", () => {
    fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes), fc.string().map(bytes)), (line) => {
      expect(refusal(line).code).toMatch(/^[a-z0-9_]+$/);
    }));
  });
});

describe("an error", () => {
  const parsed = (error: unknown) => (JSON.parse(errorLine(1, error)) as { error: { code: number; message: string; data: Record<string, unknown> } }).error;

  test("has its number, its code and whether to try again", () => {
    expect(parsed(new LedgerError("disk_full", "full"))).toEqual({ code: -32003, message: "full", data: { code: "disk_full", retry: true } });
    expect(parsed(new FormatError("bad_field", "no", "/params/receipt/a~1b~0c"))).toEqual({
      code: -32602, message: "/params/receipt/a~1b~0c: no", data: { code: "bad_field", pointer: "/params/receipt/a~1b~0c", retry: false },
    });
    expect(parsed(new FormatError("not_utf8", "no"))).toEqual({ code: -32700, message: "no", data: { code: "not_utf8", retry: false } });
    expect(parsed(new RpcError("conflict", "other", { pointer: "/p", receipt_id: "r" })).data).toEqual({ code: "conflict", pointer: "/p", receipt_id: "r", retry: false });
  });

  test("that is not ours says nothing of itself", () => {
    for (const error of [new Error("secret"), new TypeError("secret"), "secret", null, undefined]) {
      expect(errorLine(1, error)).not.toContain("secret");
      expect(parsed(error).data).toEqual({ code: "internal", retry: false });
    }
  });

  test("cuts long names without leaving half a character", () => {
    const pointer = `/${"x".repeat(1998)}😀`;
    const line = errorLine(1, new FormatError("unknown_field", "no", pointer));
    expect(line.isWellFormed() && !/\\ud[89a-f]/.test(line)).toBe(true);
    expect(parsed(new RpcError("unknown_method", `no ${"😀".slice(0, 1)}`)).message).toBe("no \ufffd");
  });
});
