/** What becomes of values that are not JSON; and that nobody has to install a package whose integration is not used. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyOf } from "../../src/integrations/copy.ts";
import { argumentsOf, hashOf, plain } from "../../src/integrations/values.ts";

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const circle: { self?: object } = {};
circle.self = circle;

test.each<readonly [unknown, unknown]>([
  [{ a: 0.2, b: [1, null, "x", true], c: undefined, d: () => 1 }, { a: 0.2, b: [1, null, "x", true] }],
  [[Number.NaN, Infinity, -0, 2 ** 53, 10n, undefined], ["NaN", "Infinity", "-0", "9007199254740992", "10", null]],
  [new Date(0), "1970-01-01T00:00:00.000Z"],
  [new URL("https://a.example/x"), "https://a.example/x"],
  [new Uint8Array([1, 2]), { sha256: sha256(new Uint8Array([1, 2])), bytes: 2 }],
])("%o", (value, said) => {
  expect(plain(value)).toEqual(said);
});

test("a text's hash is that of its UTF-8, another value's of its JCS, whatever the order of its members", () => {
  expect(hashOf("é", undefined)).toBe(`sha256:${sha256("é")}`);
  expect(hashOf({ b: 1, a: [2] }, undefined)).toBe(`sha256:${sha256('{"a":[2],"b":1}')}`);
});

test.each([[circle], [new Map()], ["\ud800"], [{ "\0": 1 }], [{ toJSON: () => 1 }], [Object.assign([], { toJSON: () => 1 })]])("what no receipt could say is refused: %o", (value) => {
  expect(() => hashOf({ value }, undefined)).toThrow(expect.objectContaining({ code: "bad_value" }));
});

test("what is refused is found by its place", () => {
  expect(() => hashOf([{ content: "\0" }], undefined, "messages")).toThrow("/messages/0/content: ");
});

test.each<readonly [unknown, object]>([
  ['{"a": 1.0}', { arguments: { a: 1 } }], [{ a: -0 }, { arguments: { a: "-0" } }], ['{"a":1e400}', { arguments_text: '{"a":1e400}' }],
  ['{"a":', { arguments_text: '{"a":' }], ['{"a":1,"a":2}', { arguments_text: '{"a":1,"a":2}' }], ["", { arguments_text: "" }],
])("arguments %j", (value, recorded) => {
  expect(argumentsOf(value)).toEqual(recorded);
});

test("a copy shares nothing that can be changed, and is as it was: bytes, dates, addresses, names of any kind, itself", () => {
  const bytes = Buffer.from("abcd");
  const given = { list: [{ a: 1 }], bytes, view: bytes.subarray(1, 3), at: new Date(0), url: new URL("https://a.example/"), [Symbol.for("s")]: { b: 2 }, ["__proto__"]: { c: 3 }, self: {} };
  given.self = given;
  const copy = copyOf(given);
  given.list[0]!.a = 9;
  bytes.fill(0);
  given.at.setTime(9);
  given.url.pathname = "/other";
  given[Symbol.for("s") as never] = 9 as never;
  expect(copy).toMatchObject({ list: [{ a: 1 }], at: new Date(0), [Symbol.for("s")]: { b: 2 } });
  expect([String(copy.bytes), String(copy.view), copy.url.href, Object.getOwnPropertyDescriptor(copy, "__proto__")?.value]).toEqual(["abcd", "bc", "https://a.example/", { c: 3 }]);
  expect(copy.self).toBe(copy);
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
});

test("instances of classes are the same, but for those that are to be copied", () => {
  class Said { text = { is: "x" }; get length(): number { return this.text.is.length; } }
  const said = new Said();
  expect(copyOf({ said }).said).toBe(said);
  const { said: copy } = copyOf({ said }, (instance) => instance instanceof Said);
  said.text.is = "changed";
  expect([copy instanceof Said, copy.text.is, copy.length]).toEqual([true, "x", 1]);
});

test("the packages are imported for their types only", () => {
  const folder = join(import.meta.dirname, "../../src/integrations");
  const imports = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), "utf8").match(/^(import|export) .* from "[^."].*/gm) ?? []);
  expect(imports.length).toBeGreaterThan(4);
  expect(imports.filter((line) => !/^import type |from "node:/.test(line))).toEqual([]);
});
