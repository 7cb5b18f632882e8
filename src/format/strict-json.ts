/**
 * Strict JSON: RFC 8259 texts that mean one thing only (I-JSON, RFC 7493), docs/FORMAT.md section 3.
 *
 * The text is under the control of a stranger. JSON.parse silently keeps the last of two equal names, rounds numbers and
 * lets lone surrogates through, so two readers could take two receipts out of the same bytes.
 *
 * There are two ways through, and from outside they cannot be told apart:
 * - `parseByDefinition` is the definition: one pass, every rule, and the only one that ever refuses.
 * - `parseRoundTrip` only ever accepts, and only what it can prove strict; all else, wrong or in doubt, goes to the other.
 */
import { fromUtf8 } from "./bytes.ts";
import { FormatError } from "./errors.ts";
import { DEFAULT_MAX_DEPTH, parseByDefinition } from "./strict-parser.ts";
import type { Json } from "./strict-parser.ts";

export { pointerToken } from "./strict-parser.ts";
export type { Json } from "./strict-parser.ts";

export interface StrictOptions {
  /** Nested arrays and objects allowed, 1 being the outermost; 0 to 512, default 32. */
  readonly maxDepth?: number;
  /** RFC 6901 pointer put before the pointer of every error: where the text stands in a larger document. Default "". */
  readonly basePointer?: string;
}

export interface StrictBytesOptions extends StrictOptions {
  /** Bytes allowed; default 1 MiB. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 1024 * 1024;
/** Both ways recurse, so the caller's limit has one too: far below what a stack of the usual size takes. */
const LARGEST_MAX_DEPTH = 512;
/** JSON.parse reads without a limit of depth: 1 MiB of "[" would take it 70 ms, for nothing. */
const MOST_BRACKETS = 16 * 1024;

/**
 * Parses one strict JSON text. Objects come back as plain objects, so read members of a stranger's choosing with
 * Object.hasOwn; "constructor" is a name like any other and only "__proto__" is refused.
 *
 * @throws FormatError `bad_json`, `duplicate_name`, `forbidden_name`, `lone_surrogate`, `nul_character`,
 * `number_not_exact`, `number_negative_zero`, `number_out_of_range` or `too_deep`, each with the pointer of the value or
 * member (U+FFFD for a lone surrogate in it); for `bad_json` the pointer of the innermost value begun.
 */
export function parseStrict(text: string, options: StrictOptions = {}): Json {
  const maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH;
  if (!(maxDepth >= 0 && maxDepth <= LARGEST_MAX_DEPTH)) throw new RangeError("maxDepth is not in 0 to 512");
  const value = parseRoundTrip(text, maxDepth);
  return value !== undefined ? value : parseByDefinition(text, maxDepth, options.basePointer);
}

/**
 * As `parseStrict`, from bytes. A byte order mark is refused (`bad_json`).
 *
 * @throws FormatError also `too_large` and `not_utf8`.
 */
export function parseStrictBytes(bytes: Uint8Array, options: StrictBytesOptions = {}): Json {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (bytes.length > maxBytes) {
    throw new FormatError("too_large", `${bytes.length} bytes where ${maxBytes} are allowed`, options.basePointer ?? "");
  }
  return parseStrict(fromUtf8(bytes), options);
}

/**
 * The value of a text that is strict and is what JSON.stringify makes of its value; undefined for every other text, and
 * for some such texts too. For `canonical.ts`, which needs the second property.
 *
 * What each rule of the definition rests on here. "Equal" is JSON.stringify(value) === text: the text then has exactly the
 * members that the value has, in the value's own order, and each literal in the spelling that ECMAScript gives it.
 * - grammar: JSON.parse takes RFC 8259 exactly; a byte order mark is not among its white space.
 * - duplicate names: equal. An object holds a name once, so a text with a name twice is longer than what is written back.
 *   JSON.parse makes even "__proto__" an own member, so that is no exception. Names that look like array indexes are moved
 *   to the front; unless the text has them there it is not equal.
 * - exact numbers, overflow (written back as null), underflow and -0 (both written back as 0): equal.
 * - numbers above 2^53 - 1: equal lets 9007199254740992 and 1e+21 pass, so `isWithinLimits` looks at every number.
 * - U+0000 and lone surrogates: equal lets the escapes \u0000 and \ud800 pass, and no other spelling: raw, they are bad
 *   grammar (NUL) or written back as escapes (surrogates). So no text with a `\u` in it is taken. That leaves out harmless
 *   ones (\u001f, or a backslash before a u), to be judged by the other way.
 * - "__proto__" and depth: equal says nothing, so `isWithinLimits` looks. It runs before JSON.stringify, which recurses.
 *
 * Own members named toJSON are no functions; a program that puts such a function on a prototype breaks JSON for itself.
 */
export function parseRoundTrip(text: string, maxDepth: number = DEFAULT_MAX_DEPTH): Json | undefined {
  if (text.length > MOST_BRACKETS && hasMoreBrackets(text)) return undefined;
  // JSON.stringify writes none of these between tokens; others do, and would pay for both ways. `": ` may be in a string.
  if (text.includes("\\u") || text.includes('": ') || text.includes("\n")) return undefined;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  return isWithinLimits(value, maxDepth) && JSON.stringify(value) === text ? value : undefined;
}

/** Those in strings count, too. */
function hasMoreBrackets(text: string): boolean {
  let left = MOST_BRACKETS;
  for (const bracket of "[{") {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) if (left-- === 0) return true;
  }
  return false;
}

/** Whether numbers, names and depth of a parsed value keep the rules that equality with the text cannot show. */
function isWithinLimits(value: Json, depthLeft: number): boolean {
  if (typeof value === "number") return value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return true;
  if (depthLeft <= 0) return false;
  if (isArray(value)) {
    for (const item of value) if (!isWithinLimits(item, depthLeft - 1)) return false;
    return true;
  }
  for (const name in value) {
    if (name === "__proto__" || !isWithinLimits(value[name]!, depthLeft - 1)) return false;
  }
  return true;
}

/** Array.isArray does not narrow readonly arrays. */
export function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
