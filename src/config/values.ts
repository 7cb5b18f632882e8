/**
 * The kinds of values that settings have, as zod schemas with messages an operator can act on:
 * what was written, what is wanted, an example.
 */
import { z } from "zod";
import { nearest } from "./nearest.ts";

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === null) return "nothing";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The `error` option of a schema for `what`, such as "a whole number", of which `example` is one. */
export function wanted(what: string, example: string) {
  return {
    error: ({ input }: { readonly input?: unknown }) =>
      input === undefined
        ? `missing: ${what}, for example ${example}`
        : `${show(input)} is not ${what}; for example ${example}`,
  };
}

export function text(what: string, example: string, pattern: RegExp) {
  const error = wanted(what, JSON.stringify(example));
  return z.string(error).regex(pattern, error);
}

export const path = text("a path", "./receiptd-data", /^[^\0]+$/);

export function oneOf<const Name extends string>(names: readonly Name[], example: Name) {
  return z.enum(names, wanted(`one of ${names.join(", ")}`, example));
}

export function whole(max: number, example: number) {
  const error = wanted(`a whole number from 1 to ${max}`, String(example));
  return z.int(error).min(1, error).max(max, error);
}

const SIZES: ReadonlyMap<string, number> = new Map([
  ["B", 1],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
]);
const TIMES: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** `4MiB` in bytes, `15m` in milliseconds; NaN where the text is neither. */
function measure(value: string | number, units: ReadonlyMap<string, number>): number {
  if (typeof value === "number") return value;
  const [, digits, unit] = /^([0-9]{1,9})([A-Za-z]+)$/.exec(value) ?? [];
  return Number(digits) * (units.get(unit ?? "") ?? Number.NaN);
}

/** Bytes. A bare number is bytes as well; decimal units (MB) are refused, since half of their writers mean MiB. */
export function size(example: string) {
  const error = wanted("a size from 1KiB to 1GiB", example);
  return z
    .union([z.int(), z.string()], error)
    .refine((value) => measure(value, SIZES) >= 2 ** 10 && measure(value, SIZES) <= 2 ** 30, error)
    .transform((value) => measure(value, SIZES));
}

/** Milliseconds. A bare number is refused, since its unit would be a guess; 24d is the most that a Node timer holds. */
export function duration(min: "0s" | "10ms", example: string) {
  const error = wanted(`a duration from ${min} to 24d`, example);
  const [least, most] = [measure(min, TIMES), measure("24d", TIMES)];
  return z
    .string(error)
    .refine((value) => measure(value, TIMES) >= least && measure(value, TIMES) <= most, error)
    .transform((value) => measure(value, TIMES));
}

const PERIODS: ReadonlyMap<string, number> = new Map([["d", 86_400_000], ["y", 366 * 86_400_000]]);

/** Milliseconds of whole days or years (of 366 days, so that none comes out short): what is too long for a timer. */
export function days(example: string) {
  const error = wanted("a time from 1d to 100y", example);
  const inRange = (value: string): boolean => measure(value, PERIODS) >= measure("1d", PERIODS) && measure(value, PERIODS) <= measure("100y", PERIODS);
  return z.string(error).refine(inRange, error).transform((value) => measure(value, PERIODS));
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** The values that one field (a list of numbers, short names, ranges and steps) stands for; none if it is malformed. */
function cronField(field: string, min: number, max: number, names: readonly string[] = []): readonly number[] {
  const read = (word: string): number => {
    if (/^[0-9]{1,2}$/.test(word)) return Number(word);
    const at = names.indexOf(word.toLowerCase());
    return at < 0 ? Number.NaN : min + at;
  };
  const parts = field.split(",").map((part) => {
    const match = /^(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:\/([0-9]{1,2}))?$/i.exec(part);
    if (match === null) return [];
    const [, first, last, step] = match;
    if (first !== undefined && last === undefined && step !== undefined) return []; // 5/10: dialects disagree on it
    const from = first === undefined ? min : read(first);
    const to = first === undefined ? max : read(last ?? first);
    const by = Number(step ?? 1);
    if (!(from >= min && from <= to && to <= max && by >= 1 && by <= max)) return [];
    return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, i) => from + i * by);
  });
  return parts.some((part) => part.length === 0) ? [] : parts.flat();
}

/** True for a subset of what node-cron takes, with the same meaning, that some day of some year does match. */
function isCron(expression: string): boolean {
  const fields = expression.split(/[ \t]+/);
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const longestMonth = Math.max(...cronField(month, 1, 12, MONTHS).map((number) => DAYS_IN_MONTH[number - 1] ?? 0));
  return (
    fields.length === 5 &&
    cronField(minute, 0, 59).length > 0 &&
    cronField(hour, 0, 23).length > 0 &&
    cronField(day, 1, 31).some((number) => number <= longestMonth) &&
    cronField(weekday, 0, 7, WEEKDAYS).length > 0
  );
}

export function cron(example: string) {
  const error = wanted("a cron expression of 5 fields", JSON.stringify(example));
  return z.string(error).refine(isCron, error);
}

/** A map with exactly these keys. Of several unknown ones the message has a line for each, in the order of `keys`. */
export function exactly<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  const complain = (key: string): string => {
    const { name, distance } = nearest(key, known);
    const close = distance <= Math.max(2, key.length / 3);
    return close ? `unknown key; did you mean ${name}?` : `unknown key; known here: ${known.join(", ")}`;
  };
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map(complain).join("\n")
        : wanted(`a map of ${known.join(", ")}`, `${known[0]}: …`).error(issue),
  });
}

/** A map that may be left out, or left empty because all of its lines are commented: it then has its defaults. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess((value) => value ?? {}, exactly(shape));
}
