/** Reading a stored receipt (docs/FORMAT.md section 13.1). Its bytes are under the control of whoever holds the disk. */
import { fromUtf8, utf8 } from "./bytes.ts";
import { parseCanonical } from "./canonical.ts";
import { formatNumber, parseNumber } from "./chain.ts";
import { FormatError } from "./errors.ts";
import {
  callerFields, EXTENSION_FIELD, EXTENSION_TYPE, ASSEMBLED_TYPES, linkingFields, MAX_TOP_LEVEL, recordFields, requiredOf,
  SCHEMA_VERSION, SYSTEM_TYPES, systemDetails,
} from "./fields.ts";
import { MAX_BLOB } from "./limits.ts";
import { LEDGER_ORGANIZATION } from "./names.ts";
import { quickFields } from "./quick-fields.ts";
import { checkValue } from "./request.ts";
import { type Json, pointerToken } from "./strict-json.ts";

/** The members that link and sign a receipt, whatever its schema_version. */
export interface Receipt {
  readonly schema_version: number;
  readonly ledger: string;
  readonly organization: string;
  readonly org_seq: number;
  readonly log_index: number;
  readonly key_id: string;
  readonly key_epoch: number;
  readonly previous_receipt_hash: string | null;
  readonly signature: string;
  readonly receipt_id: string;
  readonly receipt_number: string;
  readonly recorded_at: string;
  readonly type: string;
  readonly [name: string]: Json;
}

/** The same, of a schema_version that this program does not know: only what links and signs is certain. */
export type LinkedReceipt = Pick<Receipt, "schema_version" | keyof typeof linkingFields>;

export type ReadReceipt = {
  /** Fields whose meaning this version does not know. */
  readonly notChecked: readonly string[];
  /** The blob, decoded. */
  readonly text: string;
} & ({ readonly known: true; readonly receipt: Receipt } | { readonly known: false; readonly receipt: LinkedReceipt });

/**
 * Parses and checks one blob by itself: canonical bytes, the form of every field, the number. Codes: those of strict JSON,
 * not_canonical, bad_receipt; `number_mismatch` is found by `verifyNumber`.
 */
export function readReceipt(blob: Uint8Array): ReadReceipt {
  if (blob.length > MAX_BLOB) throw new FormatError("too_large", `a stored receipt is at most ${MAX_BLOB} bytes`, "");
  const text = fromUtf8(blob);
  const value = parseCanonical(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("a receipt is a JSON object", "");
  const fields = value as { readonly [name: string]: Json };
  const version = fields["schema_version"];
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) throw bad("schema_version is not a positive integer", "/schema_version");
  checkAll(linking, fields);
  if ((fields["org_seq"] === 1) !== (fields["previous_receipt_hash"] === null)) {
    throw bad("previous_receipt_hash is null in an organization's first receipt, and only there", "/previous_receipt_hash");
  }
  if (version !== SCHEMA_VERSION) {
    return { known: false, receipt: fields as unknown as LinkedReceipt, notChecked: Object.keys(fields).filter((name) => !linkingNames.has(name)), text };
  }
  checkAll(record, fields);
  const receipt = fields as Receipt;
  const notChecked = SYSTEM_TYPES.has(receipt.type) ? checkSystem(receipt) : checkCaller(receipt);
  return { known: true, receipt, notChecked, text };
}

/** Is `receipt_number` the one that prefix, year and org_seq make (section 4.3)? */
export function numberMatches(receipt: Receipt): boolean {
  const number = parseNumber(receipt.receipt_number);
  return number !== null && formatNumber(number.prefix, receipt.recorded_at, receipt.org_seq) === receipt.receipt_number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/**
 * The bytes under the MAC: the blob without its top-level `signature` member. `blob` is one that `readReceipt` took, with this
 * signature. The same text can stand further in, so the member is found by its depth, not by the first match.
 */
export function unsignedBytes(blob: Uint8Array, signature: string): Uint8Array {
  const member = utf8(`"signature":"${signature}"`);
  const at = topLevelMember(blob, member);
  if (at === -1) throw bad("no signature at the top level", "/signature");
  const end = at + member.length;
  // one comma goes with it: the one behind, or the one before where it is the last member (`ledger` always stands before)
  return blob[end] === COMMA ? without(blob, at, end + 1) : without(blob, at - 1, end);
}

function without(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const out = new Uint8Array(bytes.length - (to - from));
  out.set(bytes.subarray(0, from));
  out.set(bytes.subarray(to), from);
  return out;
}

/** Where `member` stands as a direct member of the outermost object of a JSON text, or -1. */
function topLevelMember(text: Uint8Array, member: Uint8Array): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]! | 0x20; // [ and {, ] and } become one; so do no other bytes of JSON outside of strings
    if (c === 0x7b) depth++;
    else if (c === 0x7d) depth--;
    else if (c === QUOTE) {
      if (depth === 1 && startsWith(text, member, i)) return i;
      for (i++; i < text.length && text[i] !== QUOTE; i++) if (text[i] === BACKSLASH) i++;
    }
  }
  return -1;
}

function startsWith(text: Uint8Array, part: Uint8Array, at: number): boolean {
  if (at + part.length > text.length) return false;
  for (let i = 0; i < part.length; i++) if (text[at + i] !== part[i]) return false;
  return true;
}

function bad(message: string, pointer: string): FormatError {
  return new FormatError("bad_receipt", message, pointer);
}

type Schema = Parameters<typeof checkValue>[0];

/** A field of section 4: by the short test where it says yes. */
function checkField(name: string, schema: Schema, value: Json): void {
  if (quickFields.get(name)?.(value) !== true) check(schema, value, pointerToken(name));
}

function check(schema: Schema, value: unknown, pointer: string): void {
  try {
    checkValue(schema, value, pointer);
  } catch (error) {
    throw error instanceof FormatError ? bad(error.message, error.pointer ?? pointer) : error;
  }
}

function checkAll(schemas: readonly (readonly [string, Schema])[], fields: { readonly [name: string]: Json }): void {
  for (const [name, schema] of schemas) {
    const value = fields[name];
    if (value === undefined) throw bad(`${name} is missing`, `/${name}`);
    checkField(name, schema, value);
  }
}

const linkingNames: ReadonlySet<string> = new Set(["schema_version", ...Object.keys(linkingFields)]);
const linking: readonly (readonly [string, Schema])[] = Object.entries(linkingFields);
const record: readonly (readonly [string, Schema])[] = Object.entries(recordFields);

const ownFields: ReadonlySet<string> = new Set([...linkingNames, ...Object.keys(recordFields)]);

function checkSystem(receipt: Receipt): readonly string[] {
  if (receipt.organization !== LEDGER_ORGANIZATION) throw bad(`type ${receipt.type} exists only in ${LEDGER_ORGANIZATION}`, "/type");
  for (const name of Object.keys(receipt)) {
    if (!ownFields.has(name) && name !== "details") throw bad("not a field of a system receipt", pointerToken(name));
  }
  if (receipt["details"] === undefined) throw bad("details is missing", "/details");
  const schema = systemDetails[receipt.type];
  if (schema === undefined) return ["details"];
  check(schema, receipt["details"], "/details");
  return [];
}

function checkCaller(receipt: Receipt): readonly string[] {
  if (receipt.organization === LEDGER_ORGANIZATION) throw bad(`type ${receipt.type} is not one of ${LEDGER_ORGANIZATION}`, "/type");
  if (receipt.type !== "decision" && !EXTENSION_TYPE.test(receipt.type)) {
    if (ASSEMBLED_TYPES.has(receipt.type)) return Object.keys(receipt).filter((name) => !ownFields.has(name));
    throw bad("unknown type", "/type");
  }
  let count = 0;
  for (const name in receipt) {
    count++;
    if (ownFields.has(name)) continue;
    if (Object.hasOwn(callerFields, name)) checkField(name, callerFields[name]!, receipt[name]!);
    else if (!EXTENSION_FIELD.test(name)) throw bad("unknown field", pointerToken(name));
  }
  if (count > MAX_TOP_LEVEL + ownFields.size) throw bad("too many members", "");
  for (const name of requiredOf[receipt.type] ?? requiredOf["*"]!) {
    if (receipt[name] === undefined) throw bad(`${name} is missing`, `/${name}`);
  }
  return [];
}
