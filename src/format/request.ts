/**
 * What a caller may ask to have recorded (docs/FORMAT.md section 4.1).
 *
 * The value comes from a stranger, through the strict parser. Nothing is changed here but for the defaults: a receipt is either
 * accepted as it is, or refused with the pointer of the first place that is wrong.
 */
import type { z } from "zod";
import { canonicalize } from "./canonical.ts";
import { FormatError } from "./errors.ts";
import {
  ASSEMBLED_TYPES, callerFields, EXTENSION_FIELD, EXTENSION_TYPE, MAX_TOP_LEVEL, namingFields, requiredOf,
  RESERVED_ANYWHERE, RESERVED_FIELDS, SYSTEM_TYPES,
} from "./fields.ts";
import { MAX_RECEIPT } from "./limits.ts";
import { DEFAULT_ORGANIZATION } from "./names.ts";
import { quickFields } from "./quick-fields.ts";
import { joinMembers } from "./seal.ts";
import { type Json, pointerToken } from "./strict-json.ts";

/** A receipt that was accepted, in JCS form. */
export interface Request {
  readonly type: string;
  readonly organization: string;
  readonly receiptId: string;
  /** JCS of the request with `type`, `organization` and `receipt_id` filled in: what request_mac covers. */
  readonly json: Uint8Array;
  /** Where in `json` the members belong that the daemon adds, in the order of CUTS in seal.ts. */
  readonly cuts: readonly number[];
  /** Did the caller choose the id, so that it can be that of an earlier receipt? */
  readonly chosenId: boolean;
}

const RESERVED_ANYWHERE_TEXT = /"(?:_sd|_sd_alg|\.\.\.)":/;

/**
 * Checks a caller's receipt and fills in the defaults. `pointer` is where it stands in the message; `newId` makes a UUIDv7.
 * Codes: bad_field, missing_field, unknown_field, reserved_field, reserved_type, unknown_type, too_large.
 */
export function readRequest(value: Json, pointer: string, newId: () => string): Request {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError("bad_field", "a receipt is a JSON object", pointer);
  }
  const fields = value as { readonly [name: string]: Json };
  const sent = Object.keys(fields);
  if (sent.length > MAX_TOP_LEVEL) {
    throw new FormatError("bad_field", `${sent.length} members; a receipt has at most ${MAX_TOP_LEVEL}`, pointer);
  }
  const naming = readNaming(fields, pointer);
  for (const name of sent) checkField(name, fields[name]!, pointer);
  for (const name of requiredOf[naming.type] ?? requiredOf["*"]!) {
    if (fields[name] === undefined) {
      throw new FormatError("missing_field", `a receipt of type ${naming.type} needs ${name}`, `${pointer}/${name}`);
    }
  }
  const chosenId = fields["receipt_id"] !== undefined;
  const receiptId = chosenId ? fields["receipt_id"] as string : newId();
  const names = sent.slice();
  if (fields["type"] === undefined) names.push("type");
  if (fields["organization"] === undefined) names.push("organization");
  if (!chosenId) names.push("receipt_id");
  names.sort(); // by code units; all ASCII: the patterns above allow nothing else
  const members = names.map((name) => `"${name}":${canonicalize(fields[name] === undefined ? defaultOf(name, naming, receiptId) : fields[name])}`);
  if (members.some((member) => RESERVED_ANYWHERE_TEXT.test(member))) refuseReservedAnywhere(fields, pointer);
  const { json, cuts } = joinMembers(names, members);
  if (json.length > MAX_RECEIPT) throw new FormatError("too_large", `a receipt is at most ${MAX_RECEIPT} bytes`, pointer);
  return { ...naming, receiptId, json, cuts, chosenId };
}

function defaultOf(name: string, { type, organization }: { readonly type: string; readonly organization: string }, receiptId: string): string {
  return name === "type" ? type : name === "organization" ? organization : receiptId;
}

function readNaming(fields: { readonly [name: string]: Json }, pointer: string): { readonly type: string; readonly organization: string } {
  for (const name of ["type", "organization", "receipt_id"] as const) {
    if (fields[name] !== undefined) checkValue(namingFields[name], fields[name], `${pointer}/${name}`);
  }
  const type = (fields["type"] ?? "decision") as string;
  if (SYSTEM_TYPES.has(type) || ASSEMBLED_TYPES.has(type)) {
    throw new FormatError("reserved_type", `receipts of type ${type} are written by receiptd itself`, `${pointer}/type`);
  }
  if (type !== "decision" && !EXTENSION_TYPE.test(type)) {
    throw new FormatError("unknown_type", `type is decision, or your own with x_ before it: x_${type}?`, `${pointer}/type`);
  }
  return { type, organization: (fields["organization"] ?? DEFAULT_ORGANIZATION) as string };
}

function checkField(name: string, value: Json, parent: string): void {
  if (Object.hasOwn(namingFields, name)) return; // done by readNaming
  const known = Object.hasOwn(callerFields, name);
  if (known && quickFields.get(name)?.(value) === true) return;
  const pointer = parent + pointerToken(name);
  if (known) return checkValue(callerFields[name]!, value, pointer);
  if (RESERVED_FIELDS.has(name)) throw new FormatError("reserved_field", `${name} is written by receiptd itself`, pointer);
  if (EXTENSION_FIELD.test(name)) return;
  throw new FormatError("unknown_field", `unknown field; your own begin with x_ (x_${name.slice(0, 60)}), or go into metadata`, pointer);
}

/** The first issue of a schema as a `bad_field`: a stranger's value can have thousands. */
export function checkValue(schema: z.ZodType, value: unknown, pointer: string): void {
  const result = schema.safeParse(value);
  if (result.success) return;
  const issue = result.error.issues[0]!;
  const at = issue.path.map((token) => pointerToken(String(token))).join("");
  throw new FormatError("bad_field", issue.message, pointer + at);
}

/** Throws FormatError `reserved_field` at a name that no caller may use at any depth. */
export function refuseReservedAnywhere(value: Json, pointer: string): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    const at = pointer + pointerToken(name);
    if (!Array.isArray(value) && RESERVED_ANYWHERE.has(name)) {
      throw new FormatError("reserved_field", `the name ${name} is reserved at every depth`, at);
    }
    refuseReservedAnywhere(inner as Json, at);
  }
}
