/** Values of other packages as JSON that a receipt takes, and their hashes. */
import { createHash } from "node:crypto";
import { pseudonym, ReceiptRefused } from "../clients/index.ts";
import { jsonText } from "../clients/values.ts";
import { canonicalize } from "../format/canonical.ts";
import { FormatError } from "../format/errors.ts";
import { type Json, parseStrict } from "../format/strict-json.ts";

export type HashKey = string | Uint8Array | undefined;

/** More than this is taken for a value that contains itself. */
const MAX_DEPTH = 64;

/**
 * What a value says, in plain JSON: bytes as their hash and number, what has a toJSON (a Date, a URL) as that, and a number that the
 * format does not take (docs/FORMAT.md section 3) as its text. Functions are left out.
 */
export function plain(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new ReceiptRefused("bad_value", "a value that contains itself, or is too deep");
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER && !Object.is(value, -0) ? value : numberText(value);
    case "bigint":
      return String(value);
    case "function":
    case "symbol":
    case "undefined":
      return undefined;
    case "object":
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (value instanceof ArrayBuffer) return plain(new Uint8Array(value));
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const isOfClass = !Array.isArray(value) && prototype !== Object.prototype && prototype !== null;
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (typeof toJSON === "function") {
    if (!isOfClass) throw new ReceiptRefused("bad_value", "a plain object or array with a toJSON: what it has is not what it says, and it is not known which of them counts");
    return plain(toJSON.call(value), depth + 1);
  }
  if (Array.isArray(value)) return value.map((item: unknown) => plain(item, depth + 1) ?? null);
  if (isOfClass) return value; // refused where it is written
  return Object.fromEntries(Object.entries(value).flatMap(([name, member]) => {
    const said = plain(member, depth + 1);
    return said === undefined ? [] : [[name, said]];
  }));
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** `sha256:…` (or, with a key, `hmac-sha256:…`) of a text's UTF-8, or of another value's JCS. Throws ReceiptRefused `bad_value`, which says where in `name` it is. */
export function hashOf(value: unknown, key: HashKey, name = "value"): string {
  const said = plain(value);
  const text = typeof said === "string" ? said : canonicalize((JSON.parse(jsonText({ [name]: said })) as { readonly [name: string]: Json })[name]!);
  return key === undefined ? `sha256:${createHash("sha256").update(text).digest("hex")}` : pseudonym(text, key);
}

/** A tool's arguments; as the text that they came in, where that is not JSON that a receipt keeps exactly. */
export function argumentsOf(value: unknown): { readonly arguments: unknown } | { readonly arguments_text: string } {
  if (typeof value !== "string") return { arguments: plain(value) ?? null };
  try {
    return { arguments: parseStrict(value) };
  } catch (error) {
    if (error instanceof FormatError) return { arguments_text: value };
    throw error;
  }
}
