/** The forms of names.ts and time.ts on bytes. Those that end somewhere say where, or `UNCERTAIN`; bytes beyond a text's end are none. */

const QUOTE = 0x22;
/** A position: whatever it is, it is not for the short way. */
export const UNCERTAIN = -1;

export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export function isDigit(c: number | undefined): boolean {
  return c !== undefined && c >= 0x30 && c <= 0x39;
}

function isLower(c: number): boolean {
  return c >= 0x61 && c <= 0x7a;
}

export function isSame(text: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (end - start !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (text[start + i] !== other[i]) return false;
  return true;
}

export function isAnyOf(text: Uint8Array, start: number, end: number, others: readonly Uint8Array[]): boolean {
  for (const other of others) if (isSame(text, start, end, other)) return true;
  return false;
}

/** Where the closing quote of an organization's name (names.ts) is, or `UNCERTAIN`. */
export function organizationEnd(text: Uint8Array, p: number): number {
  const start = p;
  for (; text[p] !== QUOTE; p++) {
    const c = text[p]!;
    if (!(isLower(c) || isDigit(c) || (p > start && (c === 0x2e || c === 0x5f || c === 0x2d)))) return UNCERTAIN;
  }
  return p > start && p - start <= 64 ? p : UNCERTAIN;
}

/** Of names.ts, with its closing quote. */
export function isUuid(text: Uint8Array, p: number): boolean {
  for (let i = 0; i < 36; i++) {
    const c = text[p + i]!;
    if (i === 8 || i === 13 || i === 18 || i === 23 ? c !== 0x2d : !(isDigit(c) || (c >= 0x61 && c <= 0x66))) return false;
  }
  return text[p + 36] === QUOTE;
}

const TIME = ascii("0000-00-00T00:00:00");
const two = (text: Uint8Array, p: number): number => 10 * (text[p]! - 0x30) + text[p + 1]! - 0x30;

/** Of each month in any year. */
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Behind a caller's time (time.ts), unless it is of a leap day. */
export function timeEnd(text: Uint8Array, p: number): number {
  for (let i = 0; i < TIME.length; i++) if (TIME[i] === 0x30 ? !isDigit(text[p + i]) : text[p + i] !== TIME[i]) return UNCERTAIN;
  const month = two(text, p + 5);
  const day = two(text, p + 8);
  if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1]! || two(text, p + 11) > 23 || two(text, p + 14) > 59 || two(text, p + 17) > 59) return UNCERTAIN;
  p += TIME.length;
  if (text[p] === 0x2e) {
    const point = p++;
    while (isDigit(text[p])) p++;
    if (p - point < 2 || p - point > 10) return UNCERTAIN;
  }
  return text[p] === 0x5a && text[p + 1] === QUOTE ? p + 2 : UNCERTAIN;
}
