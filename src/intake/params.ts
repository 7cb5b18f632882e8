/** The params of each method, checked (docs/PROTOCOL.md). */
import { FormatError } from "../format/errors.ts";
import { LEDGER_ORGANIZATION, ORGANIZATION, UUID } from "../format/names.ts";
import { parseNumber } from "../format/chain.ts";
import { type Json, pointerToken } from "../format/strict-json.ts";
import type { Which } from "../ledger/look-up.ts";
import type { Durability } from "../ledger/writer.ts";

type Params = { readonly [name: string]: Json };

function bad(message: string, pointer: string): FormatError {
  return new FormatError("bad_field", message, pointer);
}

/** Refuses params that the method does not have. */
export function only(params: Params, ...names: readonly string[]): void {
  for (const name of Object.keys(params)) {
    if (!names.includes(name)) {
      const list = names.length === 0 ? "none" : names.join(", ");
      throw new FormatError("unknown_field", `the params of this method are: ${list}`, `/params${pointerToken(name)}`);
    }
  }
}

export function needed(params: Params, name: string): Json {
  const value = params[name];
  if (value === undefined) throw new FormatError("missing_field", `params.${name} is missing`, `/params/${name}`);
  return value;
}

/** null: the call does not say. */
export function readAck(params: Params): Durability | null {
  const ack = params["ack"];
  if (ack === undefined) return null;
  if (ack !== "wal" && ack !== "disk") throw bad("ack is wal or disk", "/params/ack");
  return ack;
}

export function readReceipts(params: Params, max: number): readonly Json[] {
  const receipts = needed(params, "receipts");
  if (!Array.isArray(receipts)) throw bad("receipts is an array", "/params/receipts");
  if (receipts.length === 0 || receipts.length > max) throw bad(`receipts holds 1 to ${max} receipts, not ${receipts.length}`, "/params/receipts");
  return receipts as readonly Json[];
}

/** Exactly one way to name a receipt. */
export function readWhich(params: Params): Which {
  const { receipt_id, receipt_number, log_index, organization, org_seq } = params;
  const given = [receipt_id, receipt_number, log_index, org_seq].filter((value) => value !== undefined).length;
  if (given !== 1 || (organization === undefined) !== (org_seq === undefined)) {
    throw bad("name the receipt by one of receipt_id, receipt_number, log_index, or organization and org_seq", "/params");
  }
  if (receipt_id !== undefined) {
    if (typeof receipt_id !== "string" || !UUID.test(receipt_id)) throw bad("receipt_id is a UUID in lower case", "/params/receipt_id");
    return { by: "id", receiptId: receipt_id };
  }
  if (receipt_number !== undefined) {
    const number = typeof receipt_number === "string" ? parseNumber(receipt_number) : null;
    if (number === null) throw bad("receipt_number is like PR-2026-00042", "/params/receipt_number");
    return { by: "number", number };
  }
  if (log_index !== undefined) return { by: "index", logIndex: readIndex(log_index, "/params/log_index", 0) };
  return { by: "org_seq", organization: readOrganization(organization, "/params/organization"), orgSeq: readIndex(org_seq, "/params/org_seq", 1) };
}

export function readOrganization(value: Json | undefined, pointer: string): string {
  if (typeof value !== "string" || (value !== LEDGER_ORGANIZATION && !ORGANIZATION.test(value))) throw bad("not the name of an organization", pointer);
  return value;
}

export function readIndex(value: Json | undefined, pointer: string, least: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) throw bad(`an integer from ${least} on`, pointer);
  return value;
}
