/** How a value that may be anybody's stands in a receipt: as it is, as its JSON text where a receipt could not hold it, or as a hash. */
import { createHash } from "node:crypto";
import { canonicalize } from "../format/canonical.ts";
import { RESERVED_ANYWHERE } from "../format/fields.ts";
import type { Json } from "../format/strict-json.ts";
import { isLiteral, type Read } from "./lax-json.ts";

/** Which of the three: `<name>`, `<name>_json` and `<name>_sha256` are the members it has. */
export type Form = "value" | "json" | "sha256";

export interface Kept {
  readonly form: Form;
  readonly value: Json;
}

/** A receipt's own members are depth 1 (docs/FORMAT.md section 3), and a value is at most in an object of one of them. */
const MAX_DEPTH = 30;
const REDACTED = "[redacted]";

/** JCS; of what is not exact, JSON without white space, its numbers as they were spelled. */
export function textOf({ value, isExact }: Read): string {
  return isExact ? canonicalize(value) : JSON.stringify(value);
}

export function sha256(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

export function kept(read: Read): Kept {
  return read.isExact && isHoldable(read.value, MAX_DEPTH) ? { form: "value", value: read.value } : { form: "json", value: textOf(read) };
}

export function hashed(read: Read): Kept {
  return { form: "sha256", value: sha256(textOf(read)) };
}

/** Without the values of these names, at whatever depth. */
export function redacted(value: Json, names: ReadonlySet<string>): Json {
  if (names.size === 0 || typeof value !== "object" || value === null || isLiteral(value)) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => redacted(item, names));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, names.has(name) ? REDACTED : redacted(member, names)]));
}

function isHoldable(value: Json, depthLeft: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) return (value as readonly Json[]).every((item) => isHoldable(item, depthLeft - 1));
  return Object.entries(value).every(([name, member]) => !RESERVED_ANYWHERE.has(name) && isHoldable(member, depthLeft - 1));
}
