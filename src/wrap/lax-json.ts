/**
 * JSON of programs that know nothing of receipts. Whatever two readers could read in two ways is refused, as in a receipt (docs/FORMAT.md
 * section 3): a name twice, `__proto__`, bad grammar. What has one meaning, and only no place in a receipt, is let through and said to be
 * not exact: numbers that a double does not keep, U+0000, half a surrogate pair.
 */
import { FormatError, type FormatErrorCode } from "../format/errors.ts";
import { numberFlaw } from "../format/exact-numbers.ts";
import { type Json, parseStrict } from "../format/strict-json.ts";

export interface Read {
  /** Where it is not exact, numbers may be the literals themselves, which JSON.stringify writes as they were: see `isLiteral`. */
  readonly value: Json;
  readonly isExact: boolean;
}

/** ECMAScript's own, for which TypeScript has no types yet. */
const { rawJSON, isRawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => Json; readonly isRawJSON: (value: unknown) => boolean };
type Reviver = (this: unknown, name: string, value: Json, context: { readonly source: string }) => Json;
const parse = JSON.parse as (text: string, reviver: Reviver) => Json;

const MAX_DEPTH = 256;
const BACKSLASH = 0x5c;
const TOLERATED: ReadonlySet<FormatErrorCode> = new Set(["number_not_exact", "number_negative_zero", "number_out_of_range", "nul_character", "lone_surrogate"]);
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/g;
/** Every escape, so that a backslash which is itself escaped begins none. */
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|[^u])/g;

/** Throws FormatError. */
export function readJson(text: string): Read {
  try {
    return { value: parseStrict(text, { maxDepth: MAX_DEPTH }), isExact: true };
  } catch (error) {
    if (!(error instanceof FormatError) || !TOLERATED.has(error.code)) throw error;
  }
  parseStrict(tamed(text), { maxDepth: MAX_DEPTH });
  try {
    return { value: parse(text, (_, value, { source }) => (typeof value === "number" && numberFlaw(source, value) !== undefined ? rawJSON(source) : value)), isExact: false };
  } catch (error) {
    if (error instanceof SyntaxError) throw new FormatError("bad_json", "not JSON");
    throw error;
  }
}

/** A number that is kept as it was spelled. */
export function isLiteral(value: Json): boolean {
  return isRawJSON(value);
}

/** The same text with 0 for every number and U+FFFD for what strings may not have: names and structure are as they were. */
function tamed(text: string): string {
  let out = "";
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    if (open === -1) return out + text.slice(at).replaceAll(NUMBER, "0");
    const close = endOfString(text, open);
    out += text.slice(at, open).replaceAll(NUMBER, "0") + text.slice(open, close).replaceAll(ESCAPE, (escape, hex: string | undefined) => (hex !== undefined && /^(?:0000|d[89a-f]..)$/i.test(hex) ? "\ufffd" : escape));
    at = close;
  }
  return out;
}

/** Behind the closing quote of the string that begins at `open`. */
function endOfString(text: string, open: number): number {
  for (let quote = text.indexOf('"', open + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let slash = quote;
    while (text.charCodeAt(slash - 1) === BACKSLASH) slash--;
    if ((quote - slash) % 2 === 0) return quote + 1;
  }
  return text.length;
}
