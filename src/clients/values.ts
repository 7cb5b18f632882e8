/**
 * A receipt as JSON text that says exactly what the program meant, or a refusal with the place: JSON.stringify would turn NaN into null,
 * a Date into a text and a Map into {}, and nobody would know from the receipt. The rules are those of docs/FORMAT.md section 3.
 */
import { pointerToken } from "../format/strict-json.ts";
import { ReceiptRefused } from "./errors.ts";

/** The outermost container is depth 1. */
const MAX_DEPTH = 32;

/** JSON text in one line. A member that is undefined is left out, as JSON does; anything else that JSON does not have is refused: `bad_value`. */
export function jsonText(value: object, receiptId?: string): string {
  check(value, "", 1, receiptId);
  return JSON.stringify(value);
}

function check(value: unknown, pointer: string, depth: number, receiptId: string | undefined): void {
  const refuse = (why: string): ReceiptRefused => new ReceiptRefused("bad_value", `${pointer === "" ? "the receipt" : pointer}: ${why}`, { pointer, receiptId });
  switch (typeof value) {
    case "boolean":
      return;
    case "string":
      if (!isText(value)) throw refuse("a text with U+0000 or half a character (a lone surrogate)");
      return;
    case "number":
      if (!Number.isFinite(value)) throw refuse(`${value} is not a number of JSON: send null, or a text that says why there is none`);
      if (Math.abs(value) > Number.MAX_SAFE_INTEGER) throw refuse("a number beyond 2^53-1 is not kept exactly by every reader: send it as a text");
      if (Object.is(value, -0)) throw refuse("negative zero, which JSON does not keep: send 0");
      return;
    case "object":
      break;
    case "bigint":
      throw refuse("a bigint: send it as a text");
    default:
      throw refuse(`${typeof value} is not a value of JSON`);
  }
  if (value === null) return;
  if (depth > MAX_DEPTH) throw refuse(`more than ${MAX_DEPTH} objects and arrays in one another, or one that contains itself`);
  if (Array.isArray(value)) {
    if ("toJSON" in value) throw refuse("an array with a toJSON, which would say something else");
    for (let i = 0; i < value.length; i++) check(value[i], `${pointer}/${i}`, depth + 1, receiptId);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw refuse(`${nameOf(value)}: only plain objects are written; ${value instanceof Date ? "send toISOString()" : "say in plain values what of it counts"}`);
  for (const name of Object.keys(value)) {
    const member = (value as { readonly [name: string]: unknown })[name];
    const at = pointer + pointerToken(name);
    if (name === "__proto__" || !isText(name)) throw new ReceiptRefused("bad_value", `${at}: this name is not allowed`, { pointer: at.toWellFormed(), receiptId });
    if (member !== undefined) check(member, at, depth + 1, receiptId);
  }
}

function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

function nameOf(value: object): string {
  const { constructor } = value as { readonly constructor?: unknown };
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "an object with a prototype of its own";
}
