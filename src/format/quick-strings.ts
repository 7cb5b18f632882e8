/** What is in a JSON string, by its bytes. */

/** What a byte is within a string. */
export const PLAIN = 0, END = 1, CONTROL = 3, BEYOND_ASCII = 4;
const ESCAPE = 2;
export const IN_STRING = Uint8Array.from({ length: 256 }, (_, c) => (c === 0x22 ? END : c === 0x5c ? ESCAPE : c < 0x20 ? CONTROL : c < 0x80 ? PLAIN : BEYOND_ASCII));
/** Behind a backslash: those that JCS leaves as they are, `"` `\` `b` `f` `n` `r` `t`. */
export const ESCAPES = Uint8Array.from({ length: 256 }, (_, c) => ('"\\bfnrt'.includes(String.fromCharCode(c)) ? 1 : 0));

/** Bytes of a string that is taken for a long one. */
export const LONG = 64;

/** From `p` on, the end of what is certainly PLAIN, looked at four bytes at a time. */
export function plainUntil(text: Uint8Array, p: number): number {
  if (text.length - p < LONG) return p;
  const skew = (4 - ((text.byteOffset + p) & 3)) & 3;
  const words = new Int32Array(text.buffer, text.byteOffset + p + skew, (text.length - p - skew) >> 2);
  for (let i = 0; i < skew; i++) if (IN_STRING[text[p + i]!] !== PLAIN) return p + i;
  let i = 0;
  for (; i < words.length; i++) {
    const word = words[i]!;
    const quote = word ^ 0x22222222;
    const escape = word ^ 0x5c5c5c5c;
    // the high bit of a byte is set in each term where that byte is not ASCII, below 0x20, a quote, a backslash; perhaps also beside one
    const any = word | ((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((escape - 0x01010101) & ~escape);
    if ((any & 0x80808080) !== 0) break;
  }
  return p + skew + 4 * i;
}

const SHORT_ESCAPES: Readonly<Record<number, string>> = { 0x08: "b", 0x09: "t", 0x0a: "n", 0x0c: "f", 0x0d: "r", 0x22: '"', 0x5c: "\\" };
const LETTER_U = 0x75;
const SLASH = 0x2f;

/**
 * Writes what the escape at `p` stands for as JCS does: as UTF-8 (RFC 3629), or escaped. Returns the bytes written, never more than
 * the escape has; 0: not certain.
 */
export function writeEscape(text: Uint8Array, p: number, out: Uint8Array, at: number): number {
  if (text[p + 1] === SLASH) return put(out, at, "/");
  const unit = unitAt(text, p);
  if (unit <= 0) return 0;
  const short = SHORT_ESCAPES[unit];
  if (short !== undefined) return put(out, at, `\\${short}`);
  if (unit < 0x20) return put(out, at, `\\u${unit.toString(16).padStart(4, "0")}`);
  if (unit < 0x80) return put(out, at, String.fromCharCode(unit));
  if (unit < 0x800) {
    out[at] = 0xc0 | (unit >> 6);
    out[at + 1] = 0x80 | (unit & 63);
    return 2;
  }
  if ((unit & 0xf800) !== 0xd800) {
    out[at] = 0xe0 | (unit >> 12);
    out[at + 1] = 0x80 | ((unit >> 6) & 63);
    out[at + 2] = 0x80 | (unit & 63);
    return 3;
  }
  const low = unit < 0xdc00 ? unitAt(text, p + 6) : 0;
  if ((low & 0xfc00) !== 0xdc00) return 0;
  const point = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
  out[at] = 0xf0 | (point >> 18);
  out[at + 1] = 0x80 | ((point >> 12) & 63);
  out[at + 2] = 0x80 | ((point >> 6) & 63);
  out[at + 3] = 0x80 | (point & 63);
  return 4;
}

/** Bytes of the escape whose letter is at `p`: only those of two surrogates are written as four. */
export function escapeLength(text: Uint8Array, p: number, written: number): number {
  return text[p] === SLASH ? 2 : written === 4 ? 12 : 6;
}

/** The code unit of `\uXXXX` at `p`; -1: that is not what is there. */
function unitAt(text: Uint8Array, p: number): number {
  if (text[p] !== 0x5c || text[p + 1] !== LETTER_U) return -1;
  let unit = 0;
  for (let i = p + 2; i < p + 6; i++) {
    const c = text[i]!;
    const letter = c | 0x20;
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
    if (digit < 0) return -1;
    unit = 16 * unit + digit;
  }
  return unit;
}

function put(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return text.length;
}
