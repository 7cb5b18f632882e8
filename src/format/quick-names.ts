/** The names that a receipt can have at its top level, found from bytes. */
import { callerFields, linkingFields, namingFields, recordFields } from "./fields.ts";
import { ascii, isDigit, isSame, UNCERTAIN } from "./quick-forms.ts";

/** In JCS order; extensions, which begin with x_, come behind all of them. A place in here is a name's rank. */
export const NAMES: readonly string[] = [...new Set(["schema_version", ...Object.keys({ ...callerFields, ...namingFields, ...linkingFields, ...recordFields })])].sort();
const BYTES = NAMES.map(ascii);
/** Of `x_` and more. */
const EXTENSION_LENGTH = 64;
const LENGTHS = 32;

export function rankOf(name: string): number {
  const at = NAMES.indexOf(name);
  if (at === -1) throw new Error(`${name} is no field`);
  return at;
}

/** Length, first and last letter, which tell names apart. */
function shape(length: number, first: number, last: number): number {
  return (length * 32 + (first & 31)) * 32 + (last & 31);
}

const BY_SHAPE = new Int8Array(LENGTHS * 32 * 32).fill(-1);
for (const [at, name] of BYTES.entries()) {
  const place = shape(name.length, name[0]!, name.at(-1)!);
  if (BY_SHAPE[place] !== -1) throw new Error(`the names ${NAMES[at]} and ${NAMES[BY_SHAPE[place]!]} look alike`);
  BY_SHAPE[place] = at;
}

/** The rank of the name between `start` and `end`; NAMES.length for an extension's; else `UNCERTAIN`. */
export function rankAt(text: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < LENGTHS && length > 0) {
    const at = BY_SHAPE[shape(length, text[start]!, text[end - 1]!)]!;
    if (at >= 0 && isSame(text, start, end, BYTES[at]!)) return at;
  }
  if (length < 3 || length > EXTENSION_LENGTH || text[start] !== 0x78 || text[start + 1] !== 0x5f) return UNCERTAIN;
  for (let i = start + 2; i < end; i++) if (!isNameByte(text[i]!)) return UNCERTAIN;
  return NAMES.length;
}

/** Of extensions: A-Z a-z 0-9 _ . - */
function isNameByte(c: number): boolean {
  const letter = c | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || isDigit(c) || c === 0x5f || c === 0x2e || c === 0x2d;
}
