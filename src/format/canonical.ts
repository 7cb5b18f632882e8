/**
 * JCS, the one spelling of a JSON value (RFC 8785 section 3.2): names sorted by UTF-16 code units, no white space, strings
 * and numbers as ECMAScript writes them.
 *
 * `canonicalize` writes; `parseCanonical` and `isCanonical` judge. Texts that the short proof does not cover are judged by
 * the library `canonicalize`, so that the writer is not its own judge there.
 */
import canonicalizeByLibrary from "canonicalize";
import { FormatError } from "./errors.ts";
import { isArray, parseRoundTrip, pointerToken } from "./strict-json.ts";
import type { Json } from "./strict-json.ts";
import { parseByDefinition } from "./strict-parser.ts";

/**
 * JCS(value). Numbers above 2^53 - 1 are written (strict JSON refuses them, RFC 8785 does not); the name "__proto__" too.
 * Recurses as deep as the value goes.
 *
 * @throws FormatError with the pointer of the value, or of the member whose name it is: `lone_surrogate`,
 * `number_out_of_range` (NaN, Infinity), `number_negative_zero` (RFC 8785 would write 0, and parsing would not give it back).
 * @throws TypeError for what is no JSON value at all (undefined, a function, a bigint): a mistake of the program.
 */
export function canonicalize(value: Json): string {
  if (typeof value === "object" && value !== null && isWrittenByStringify(value)) {
    const text = JSON.stringify(value);
    if (!text.includes("\\u")) return text; // it may be a lone surrogate's escape
  }
  return write(value, value);
}

/**
 * The value of a canonical text: strict JSON (at most 32 deep) that is its own JCS.
 *
 * @throws FormatError as `parseStrict`, or `not_canonical`.
 */
export function parseCanonical(text: string): Json {
  const quick = parseRoundTrip(text);
  // The text is what JSON.stringify writes, which differs from JCS in nothing but the order of names: its own is the
  // value's. Names like array indexes are in the order of their numbers there ("9" before "10"), so {"10":0,"9":0} is
  // canonical and not proven here, and {"9":0,"10":0} is neither.
  if (quick !== undefined && areNamesSorted(quick)) return quick;
  const value = quick !== undefined ? quick : parseByDefinition(text); // null is a value
  const canonical = canonicalizeByLibrary(value)!; // undefined for undefined only
  if (canonical !== text) {
    throw new FormatError("not_canonical", `not as RFC 8785 writes it, from character ${firstDifference(text, canonical)}`, "");
  }
  return value;
}

/** Whether `parseCanonical` takes the text. */
export function isCanonical(text: string): boolean {
  try {
    parseCanonical(text);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** `root` is only there to find the pointer of a refusal. */
function write(value: Json, root: Json): string {
  if (typeof value === "string") return writeString(value, root);
  if (typeof value === "number") {
    if (!isWritable(value)) throw refusal(root);
    return String(value); // RFC 8785 section 3.2.2.3 is ECMAScript's Number::toString
  }
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value !== "object") throw new TypeError(`${typeof value} is not a JSON value`);
  let separator = "";
  if (isArray(value)) {
    let out = "[";
    for (const item of value) {
      out += separator + write(item, root);
      separator = ",";
    }
    return `${out}]`;
  }
  let out = "{";
  for (const name of sortedNames(value)) {
    out += `${separator}${writeString(name, root)}:${write(value[name]!, root)}`;
    separator = ",";
  }
  return `${out}}`;
}

/** What JSON.stringify escapes, and every surrogate: a string without any of these stands for itself. */
const UNUSUAL = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

function writeString(text: string, root: Json): string {
  if (!UNUSUAL.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw refusal(root);
  return JSON.stringify(text);
}

function isWritable(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

/** ECMAScript compares strings, and sorts by default, by UTF-16 code units, as RFC 8785 section 3.2.3 wants. */
function sortedNames(value: { readonly [name: string]: Json }): readonly string[] {
  const names = Object.keys(value);
  for (let i = 1; i < names.length; i++) if (names[i - 1]! > names[i]!) return names.sort();
  return names;
}

function areNamesSorted(value: Json): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (isArray(value)) return value.every(areNamesSorted);
  let previous: string | undefined;
  for (const name in value) {
    if (previous !== undefined && previous > name) return false;
    if (!areNamesSorted(value[name]!)) return false;
    previous = name;
  }
  return true;
}

/** Whether JSON.stringify writes this as JCS wants it, strings aside: names in order, numbers that it does not change, JSON all through. */
function isWrittenByStringify(value: Json): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return isWritable(value);
    case "object": {
      if (value === null) return true;
      if (isArray(value)) {
        for (const item of value) if (!isWrittenByStringify(item)) return false;
        return true;
      }
      let previous = "";
      for (const name in value) {
        if (previous > name || !Object.hasOwn(value, name) || !isWrittenByStringify(value[name]!)) return false;
        previous = name;
      }
      return true;
    }
    default:
      return false;
  }
}

/** The error for the first value or name in `value` that cannot be written. */
function refusal(value: Json): FormatError {
  const found = findRefusal(value, "");
  if (found === undefined) throw new TypeError("the value changed while it was written");
  return found;
}

function findRefusal(value: Json, pointer: string): FormatError | undefined {
  if (typeof value === "string" && !value.isWellFormed()) {
    return new FormatError("lone_surrogate", "a surrogate without its partner", pointer);
  }
  if (typeof value === "number" && !isWritable(value)) {
    return value === 0
      ? new FormatError("number_negative_zero", "JSON texts here have no negative zero", pointer)
      : new FormatError("number_out_of_range", `${value} is not a JSON number`, pointer);
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const at = pointer + pointerToken(name);
    const found = findRefusal(name, at) ?? findRefusal(member, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
