/** Numbers in JSON texts, and how ECMAScript writes them (section 6.1.6.1.20, Number::toString), which JCS asks for. */
import { isDigit, UNCERTAIN } from "./quick-forms.ts";
import { numberFlaw } from "./exact-numbers.ts";

const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
/** Significant digits that any double keeps (IEEE 754: DBL_DIG). */
const MOST_DIGITS = 15;
/** Zeros behind "0." from which on ECMAScript writes an exponent. */
const MOST_ZEROS = 5;
/** Characters of a number that is not plain. */
const MOST = 40;
const GRAMMAR = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Behind a number that is written just as it stands, or `UNCERTAIN`. */
export function plainNumberEnd(text: Uint8Array, p: number): number {
  if (text[p] === MINUS) p++;
  const start = p;
  while (isDigit(text[p])) p++;
  const whole = p - start;
  if (whole === 0 || (text[start] === ZERO && whole > 1)) return UNCERTAIN;
  const isZero = text[start] === ZERO;
  if (text[p] !== POINT) {
    return whole > MOST_DIGITS || (isZero && text[start - 1] === MINUS) || isExponent(text[p]) ? UNCERTAIN : p;
  }
  const point = ++p;
  if (isZero) while (text[p] === ZERO) p++;
  if (p - point > MOST_ZEROS) return UNCERTAIN;
  const digits = p;
  while (isDigit(text[p])) p++;
  const significant = isZero ? p - digits : whole + (p - point);
  return p === point || significant > MOST_DIGITS || text[p - 1] === ZERO || isExponent(text[p]) ? UNCERTAIN : p;
}

/**
 * Where the zeros begin, with the point before them if that is all, that a number has behind its point for nothing, as Python writes
 * 1.0; or `UNCERTAIN`. What is before them is then written just as it stands, and `zerosEnd` is behind them.
 */
export function zerosFrom(text: Uint8Array, p: number): number {
  const start = text[p] === MINUS ? p + 1 : p;
  let q = start;
  while (isDigit(text[q])) q++;
  if (q === start || text[q] !== POINT) return UNCERTAIN;
  const point = q++;
  let from = point;
  for (; isDigit(text[q]); q++) if (text[q] !== ZERO) from = q + 1;
  if (q === point + 1 || q - start > MOST_DIGITS || isExponent(text[q])) return UNCERTAIN;
  if (from === point) return (text[start] === ZERO && (point - start > 1 || start !== p)) ? UNCERTAIN : from;
  return plainNumberEnd(text.subarray(p, from), 0) === from - p ? from : UNCERTAIN;
}

/** Behind the zeros, and the point before them, that begin there. */
export function zerosEnd(text: Uint8Array, from: number): number {
  let p = text[from] === POINT ? from + 1 : from;
  while (text[p] === ZERO) p++;
  return p;
}

/** Any other number that is exact: where it ends, and how it is written, null being as it stands. undefined: not certain. */
export function otherNumber(text: Uint8Array, p: number): { readonly end: number; readonly written: string | null } | undefined {
  let literal = "";
  while (literal.length < MOST && isOfNumber(text[p])) literal += String.fromCharCode(text[p++]!);
  if (isOfNumber(text[p]) || !GRAMMAR.test(literal)) return undefined;
  const value = Number(literal);
  if (numberFlaw(literal, value) !== undefined || Object.is(value, -0)) return undefined;
  const written = String(value);
  return { end: p, written: written === literal ? null : written };
}

function isOfNumber(c: number | undefined): boolean {
  return isDigit(c) || isExponent(c) || c === PLUS || c === MINUS || c === POINT;
}

function isExponent(c: number | undefined): boolean {
  return c !== undefined && (c | 0x20) === 0x65;
}
