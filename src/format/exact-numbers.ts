/** Which numbers of a JSON text can be kept (docs/FORMAT.md section 3): those whose decimal value a double has, as ECMAScript writes it. */
import type { FormatErrorCode } from "./errors.ts";

const MINUS = 0x2d;
const DIGIT_0 = 0x30;
/** Significant digits that any double keeps (IEEE 754: DBL_DIG) that is not too near to 0 (DBL_MIN). */
const MOST_DIGITS = 15;
const LEAST_CERTAIN = 1e-300;

/**
 * Why the literal may not stand for `value`, which is Number(literal). It may if both have the same decimal digits and
 * exponent; ECMAScript writes no number with more than 17 significant digits, so no literal with more can pass. Takes time
 * linear in the literal, whatever its exponent says.
 */
export function numberFlaw(literal: string, value: number): FormatErrorCode | undefined {
  const magnitude = Math.abs(value);
  if (magnitude > Number.MAX_SAFE_INTEGER) return "number_out_of_range";
  if (literal.length <= MOST_DIGITS && magnitude > LEAST_CERTAIN) return undefined;
  if (magnitude === 0 && isZero(literal)) return literal.charCodeAt(0) === MINUS ? "number_negative_zero" : undefined;
  const spelling = String(value);
  if (spelling === literal) return undefined;
  const asked = decimal(literal);
  const kept = decimal(spelling);
  if (asked.digits === kept.digits && asked.exponent === kept.exponent) return undefined;
  // What was rounded down to 2^53 - 1 has 16 digits before the point as well, so the digits compare as text.
  if (magnitude === Number.MAX_SAFE_INTEGER && asked.digits > kept.digits) return "number_out_of_range";
  return "number_not_exact";
}

/** Not one that is too small for a double, either. */
function isZero(literal: string): boolean {
  for (let i = 0; i < literal.length; i++) {
    const unit = literal.charCodeAt(i);
    if (unit > DIGIT_0 && unit <= 0x39) return false;
    if ((unit | 0x20) === 0x65) return true;
  }
  return true;
}

/** |literal| as digits × 10^exponent, without zeros at either end of the digits; no digits at all for zero. */
function decimal(literal: string): { readonly digits: string; readonly exponent: number } {
  const mark = literal.search(/[eE]/);
  const [whole = "", fraction = ""] = (mark < 0 ? literal : literal.slice(0, mark)).replace("-", "").split(".");
  const digits = whole + fraction;
  // Loops and no /0+$/, which takes quadratic time on zeros before a last 1.
  let start = 0;
  while (digits.charCodeAt(start) === DIGIT_0) start++;
  let end = digits.length;
  while (end > start && digits.charCodeAt(end - 1) === DIGIT_0) end--;
  const exponent = (mark < 0 ? 0 : Number(literal.slice(mark + 1))) - fraction.length + (digits.length - end);
  return { digits: digits.slice(start, end), exponent };
}
