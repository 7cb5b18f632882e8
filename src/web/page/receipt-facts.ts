/** What a person looks for in a receipt, taken from its members, which may be anything: a receipt says what its writer wanted. */
import type { Members } from "./api.ts";

/** A text as it is, all else as JSON in lines. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value, null, 2);
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The decision's action, or all of it; of the ledger's own receipts their type. */
export function sayDecision({ decision, type }: Members): string {
  if (decision === undefined) return `(${textOf(type)})`;
  return isMembers(decision) && typeof decision["action"] === "string" ? decision["action"] : textOf(decision);
}

/** What a decision says besides its action. */
export function restOfDecision({ decision }: Members): readonly (readonly [string, string])[] {
  return isMembers(decision) && typeof decision["action"] === "string" ? pairs(decision).filter(([name]) => name !== "action") : [];
}

export function pairs(value: unknown): readonly (readonly [string, string])[] {
  return isMembers(value) ? Object.entries(value).map(([name, one]) => [name, textOf(one)] as const) : [];
}

export interface Gate {
  readonly name: string;
  readonly status: string;
  /** Its other members. */
  readonly more: string;
}

const FAILED = new Set(["FAIL", "ERROR"]);

/** Failed ones first, then those with a warning. */
export function gatesOf({ gates }: Members): readonly Gate[] {
  if (!Array.isArray(gates)) return [];
  const rank = ({ status }: Gate): number => (FAILED.has(status) ? 0 : status === "WARN" ? 1 : 2);
  return gates.filter(isMembers).map(({ name, status, ...rest }) => ({ name: textOf(name), status: textOf(status), more: pairs(rest).map(([key, text]) => `${key}: ${text}`).join(", ") })).sort((a, b) => rank(a) - rank(b));
}

export function failedGates(receipt: Members): readonly Gate[] {
  return gatesOf(receipt).filter(({ status }) => FAILED.has(status));
}

export function reasonsOf({ reasons }: Members): readonly string[] {
  return Array.isArray(reasons) ? reasons.map(textOf) : [];
}

/** Shown in places of their own, or of no use to a reader but in the JSON. */
const ELSEWHERE = new Set(["decision", "inputs", "gates", "reasons", "receipt_number", "schema_version", "signature", "previous_receipt_hash", "summary"]);
const WHO = ["recorded_at", "timestamp", "organization", "system_id", "model_version", "model_epoch", "policy_version", "user_id", "region", "type", "receipt_id", "chain_id"];

/** Who and when, in the order in which one asks; then what else there is. */
export function factsOf(receipt: Members): readonly (readonly [string, string])[] {
  const rank = (name: string): number => (WHO.includes(name) ? WHO.indexOf(name) : WHO.length);
  return pairs(receipt).filter(([name]) => !ELSEWHERE.has(name)).sort(([a], [b]) => rank(a) - rank(b));
}
