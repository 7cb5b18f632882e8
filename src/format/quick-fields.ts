/**
 * The schemas of fields.ts once more, as plain tests: an audit reads millions of receipts, and zod takes most of that time.
 *
 * Only a yes counts. What a test here refuses is asked of the schema, which is the definition and knows the place and the reason; a
 * property test shows that the schema takes whatever a test here takes.
 */
import { parseNumber } from "./chain.ts";
import { isOrigin, KEY_ID, UUID } from "./names.ts";
import { isTimestamp, parseTime } from "./time.ts";

type Test = (value: unknown) => boolean;

const isString = (value: unknown): value is string => typeof value === "string";
const isShort: Test = (value) => isString(value) && value.length >= 1 && value.length <= 256;
const isCount: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const matches = (pattern: RegExp): Test => (value) => isString(value) && pattern.test(value);
const isHash = matches(/^sha256:[0-9a-f]{64}$/);
const STATUS: ReadonlySet<unknown> = new Set(["PASS", "FAIL", "WARN", "SKIP", "ERROR"]);
/** Dates that every month has; the others are asked of time.ts, which makes a Date of them. */
const EASY_TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$/;
const isGate: Test = (value) => isObject(value) && isShort(value["name"]) && STATUS.has(value["status"]);

/** By name; a name that is missing is left to its schema. */
export const quickFields: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["ledger", (value) => isString(value) && isOrigin(value)],
  ["organization", matches(/^(?:_ledger|[a-z0-9][a-z0-9._-]{0,63})$/)],
  ["org_seq", (value) => isCount(value) && value !== 0],
  ["log_index", isCount],
  ["key_id", matches(KEY_ID)],
  ["key_epoch", isCount],
  ["previous_receipt_hash", (value) => value === null || isHash(value)],
  ["signature", matches(/^hmac-sha256:[0-9a-f]{64}$/)],
  ["receipt_id", matches(UUID)],
  ["receipt_number", (value) => isString(value) && parseNumber(value) !== null],
  ["recorded_at", (value) => (isString(value) && value.length === 24 && EASY_TIME.test(value)) || parseTime(value) !== null],
  ["type", matches(/^[a-z][a-z0-9_]{0,61}$/)],
  ["system_id", isShort],
  ["model_version", isShort],
  ["user_id", isShort],
  ["region", isShort],
  ["policy_version", isShort],
  ["chain_id", isShort],
  ["summary", (value) => isString(value) && value.length >= 1 && value.length <= 4096],
  ["model_epoch", isCount],
  ["timestamp", (value) => (isString(value) && EASY_TIME.test(value)) || isTimestamp(value)],
  ["decision", (value) => value !== null && value !== undefined],
  ["inputs", isObject],
  ["gates", (value) => Array.isArray(value) && value.length <= 1000 && value.every(isGate)],
  ["reasons", (value) => Array.isArray(value) && value.length <= 1000],
  ["metadata", isObject],
]);
