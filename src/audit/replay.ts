/**
 * Decisions made again by the model that made them, and compared with what was recorded: equal is what has the same JCS. A model that cannot
 * answer has shown nothing, neither for the decision nor against it.
 */
import { toHex } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import type { Receipt } from "../format/receipt.ts";
import { isArray, type Json, parseStrictBytes, pointerToken } from "../format/strict-json.ts";

export interface ReplayCounts {
  /** 64 hex digits: what the draw follows from. */
  readonly seed: string;
  /** Was the seed given, and not drawn by the audit? */
  readonly isSeedGiven: boolean;
  /** Decisions that it was drawn from. */
  readonly decisions: number;
  readonly drawn: number;
  readonly same: number;
  readonly differ: number;
  /** Drawn, and no answer that could be compared. */
  readonly unanswered: number;
  /** Drawn, and not given to the model: `none`: without inputs; `hashed`: nothing but hashes in their place; `sealed`: only digests of what they were. */
  readonly notReplayable: { readonly none: number; readonly hashed: number; readonly sealed: number };
}

export type NotReplayable = keyof ReplayCounts["notReplayable"];

/** Where two values differ, at most. */
const MAX_DIFFERENCES = 8;
/** Characters of a value in a finding. */
const MAX_SHOWN = 200;
const HASH = /^(?:[a-z][a-z0-9-]{0,31}:)?[0-9a-f]{64}$/;

/** Why a decision cannot be made again from its receipt, or null. */
export function notReplayable(inputs: Json | undefined): NotReplayable | null {
  if (inputs === undefined || typeof inputs !== "object" || inputs === null || isArray(inputs) || Object.keys(inputs).length === 0) return "none";
  if (isSealed(inputs)) return "sealed";
  return isHashed(inputs) ? "hashed" : null;
}

/** The line that the model is given, without its line feed. */
export function question({ receipt_id, receipt_number, ...receipt }: Receipt): string {
  const { system_id = null, model_version = null, inputs = null } = receipt;
  return canonicalize({ receipt_id, receipt_number, system_id, model_version, inputs });
}

export type Answer = { readonly receiptId: string; readonly decision: Json } | { readonly receiptId: string; readonly error: string };

/** A line of the model's. Throws FormatError where it is none. */
export function readAnswer(line: Uint8Array): Answer {
  const value = parseStrictBytes(line, {});
  if (typeof value !== "object" || value === null || isArray(value)) throw new FormatError("bad_json", "not an object");
  const { receipt_id: receiptId, decision, error } = value;
  if (typeof receiptId !== "string") throw new FormatError("bad_json", "no receipt_id");
  if (error !== undefined) return { receiptId, error: typeof error === "string" ? error : canonicalize(error) };
  if (decision === undefined) throw new FormatError("bad_json", "neither a decision nor an error");
  return { receiptId, decision };
}

export interface Difference {
  /** JSON pointer into the receipt. */
  readonly at: string;
  readonly recorded: string;
  readonly replayed: string;
}

/** Where they differ, the first ones in the order of JCS; none iff both have the same JCS. */
export function differences(recorded: Json, replayed: Json): readonly Difference[] {
  const found: Difference[] = [];
  compare(recorded, replayed, "/decision", found);
  return found;
}

/** A sentence for the verdict. */
export function replayText({ decisions, drawn, same, notReplayable: { none, hashed, sealed } }: ReplayCounts): string {
  if (decisions === 0) return "There is no decision among them to be made again.";
  const rest = none + hashed + sealed;
  const all = drawn === decisions ? `All ${count(decisions, "decision")} were drawn` : `Of ${count(decisions, "decision")} ${count(drawn)} were drawn at random`;
  return `${all}; ${same === 1 ? "the 1 that was" : `the ${count(same)} that were`} made again by the model came out as recorded${rest === 0 ? "" : `, and ${count(rest)} cannot be made again from the receipt`}.`;
}

export function seedText(seed: Uint8Array): string {
  return toHex(seed);
}

function compare(recorded: Json | undefined, replayed: Json | undefined, at: string, found: Difference[]): void {
  if (found.length >= MAX_DIFFERENCES || shown(recorded) === shown(replayed)) return;
  const [before, after] = [membersOf(recorded), membersOf(replayed)];
  if (before === null || after === null || isArray(recorded as Json) !== isArray(replayed as Json)) {
    found.push({ at, recorded: cut(shown(recorded)), replayed: cut(shown(replayed)) });
    return;
  }
  const names = [...new Set([...before.keys(), ...after.keys()])];
  for (const name of isArray(recorded as Json) ? names : names.toSorted()) compare(before.get(name), after.get(name), `${at}${pointerToken(name)}`, found);
}

/** Of an object or array; null of anything else. */
function membersOf(value: Json | undefined): ReadonlyMap<string, Json> | null {
  return typeof value !== "object" || value === null ? null : new Map(Object.entries(value) as [string, Json][]);
}

function shown(value: Json | undefined): string {
  return value === undefined ? "nothing" : canonicalize(value);
}

function cut(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN).toWellFormed()}…`;
}

function isSealed(value: Json): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isArray(value)) return value.some(isSealed);
  return Object.hasOwn(value, "_sd") || Object.hasOwn(value, "...") || Object.values(value).some(isSealed);
}

/** Is nothing in it but hashes? */
function isHashed(value: Json): boolean {
  if (typeof value === "string") return HASH.test(value);
  if (typeof value !== "object" || value === null) return false;
  const members = Object.values(value) as readonly Json[];
  return members.length > 0 && members.every(isHashed);
}
