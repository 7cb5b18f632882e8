/**
 * What the events of a chain add up to (docs/FORMAT.md section 19). Sums are made of decimals, not of doubles: 0.1 and 0.2 are 0.3, and a sum
 * that no double has exactly is refused before its event is taken, as any such number is (section 3).
 */
import { numberFlaw } from "./exact-numbers.ts";
import { FormatError } from "./errors.ts";
import { isArray, type Json, pointerToken } from "./strict-json.ts";

export type MetricRule = "sum" | "set" | "max" | "min" | "last";
export type MetricRules = { readonly [name: string]: MetricRule };
export type Metrics = { readonly [name: string]: Json };

/** Those that need no declaration. */
export const USUAL_RULES: MetricRules = {
  financial_exposure_usd: "sum",
  external_communications_count: "sum",
  records_modified_count: "sum",
  external_domains_contacted: "set",
  estimated_cost_usd: "sum",
};

/** Members of one set. */
export const MAX_SET = 1000;
/** UTF-16 code units of each text. */
const MAX_METRIC_TEXT = 256;

/** `so far` with one event's metrics. Throws FormatError: `bad_field`, `unknown_field`, `number_not_exact`, `number_out_of_range`, `too_large`. */
export function addMetrics(soFar: Metrics, event: Metrics, rules: MetricRules, pointer: string): Metrics {
  const next: { [name: string]: Json } = { ...soFar };
  for (const [name, value] of Object.entries(event)) {
    const at = pointer + pointerToken(name);
    const rule = Object.hasOwn(rules, name) ? rules[name]! : undefined;
    if (rule === undefined) throw new FormatError("unknown_field", "no rule says how this metric adds up; name one in metrics of chain.open (sum, set, max, min or last)", at);
    next[name] = combined(rule, Object.hasOwn(soFar, name) ? soFar[name] : undefined, value, at);
  }
  return next;
}

function combined(rule: MetricRule, soFar: Json | undefined, value: Json, at: string): Json {
  switch (rule) {
    case "sum": return soFar === undefined ? numeric(value, at) : sum(soFar as number, numeric(value, at), at);
    case "max": return soFar === undefined ? numeric(value, at) : Math.max(soFar as number, numeric(value, at));
    case "min": return soFar === undefined ? numeric(value, at) : Math.min(soFar as number, numeric(value, at));
    case "last": return scalar(value, at);
    case "set": return union((soFar ?? []) as readonly Json[], value, at);
    default: throw new FormatError("unknown_field", "the rule of this metric is none of sum, set, max, min and last", at); // of a receipt that is checked
  }
}

function numeric(value: Json, at: string): number {
  if (typeof value !== "number") throw new FormatError("bad_field", "must be a number", at);
  return value;
}

function scalar(value: Json, at: string): Json {
  if (typeof value === "number" || typeof value === "boolean" || (typeof value === "string" && value.length <= MAX_METRIC_TEXT)) return value;
  throw new FormatError("bad_field", `must be a number, true or false, or text of at most ${MAX_METRIC_TEXT} characters`, at);
}

/** In order of first appearance. */
function union(soFar: readonly Json[], value: Json, at: string): Json {
  const more = isArray(value) ? value : [value];
  if (more.length > MAX_SET) throw new FormatError("too_large", `a set has at most ${MAX_SET} members`, at);
  const all = new Set(soFar);
  for (const one of more) {
    if (typeof one !== "string" || one.length < 1 || one.length > MAX_METRIC_TEXT) throw new FormatError("bad_field", `must be text of 1 to ${MAX_METRIC_TEXT} characters, or an array of such`, at);
    all.add(one);
  }
  if (all.size > MAX_SET) throw new FormatError("too_large", `a set has at most ${MAX_SET} members`, at);
  return [...all];
}

function sum(a: number, b: number, at: string): number {
  const [x, y] = [decimal(a), decimal(b)];
  const scale = Math.max(x.scale, y.scale);
  const text = plain(x.units * 10n ** BigInt(scale - x.scale) + y.units * 10n ** BigInt(scale - y.scale), scale);
  const value = Number(text);
  const flaw = numberFlaw(text, value);
  if (flaw !== undefined) throw new FormatError(flaw, `the sum ${text.slice(0, 64)} is no number that can be kept exactly`, at);
  return value;
}

/** A finite double, as ECMAScript writes it, as units × 10^-scale. */
function decimal(value: number): { readonly units: bigint; readonly scale: number } {
  const [digits = "", exponent = "0"] = String(value).split("e");
  const [whole = "", fraction = ""] = digits.split(".");
  const scale = fraction.length - Number(exponent);
  const units = BigInt(whole + fraction);
  return scale < 0 ? { units: units * 10n ** BigInt(-scale), scale: 0 } : { units, scale };
}

function plain(units: bigint, scale: number): string {
  const isNegative = units < 0n;
  const digits = String(isNegative ? -units : units).padStart(scale + 1, "0");
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return isNegative ? `-${text}` : text;
}
