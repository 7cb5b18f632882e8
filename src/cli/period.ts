/** Periods that reports are made of, as people name them: always UTC, always whole days. */
import { formatTime } from "../format/time.ts";
import { CliError } from "./errors.ts";
import { parseUtc } from "./times.ts";

export interface Period {
  /** As it was asked for. */
  readonly name: string;
  /** Like `recorded_at`; `to` is not included. */
  readonly from: string;
  readonly to: string;
}

const DAY = 86_400_000;
const YEAR = /^(\d{4})$/;
const QUARTER = /^(\d{4})-Q([1-4])$/;
const MONTH = /^(\d{4})-(0[1-9]|1[0-2])$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const DAYS = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/;

/** `2026`, `2026-Q3`, `2026-09`, `2026-09-30` or `2026-09-01..2026-09-30`, both days included; `bad_usage` otherwise. */
export function periodOf(name: string): Period {
  const [from, to] = spanOf(name);
  if (from >= to) throw new CliError("bad_usage", `the period ${name} ends before it begins`);
  return { name, from: formatTime(from), to: formatTime(to) };
}

function spanOf(name: string): readonly [number, number] {
  const months = (year: string, first: number, count: number): readonly [number, number] => [utc(Number(year), first), utc(Number(year), first + count)];
  const [, year] = YEAR.exec(name) ?? [];
  if (year !== undefined) return months(year, 0, 12);
  const [, ofYear, quarter] = QUARTER.exec(name) ?? [];
  if (ofYear !== undefined) return months(ofYear, 3 * (Number(quarter) - 1), 3);
  const [, inYear, month] = MONTH.exec(name) ?? [];
  if (inYear !== undefined) return months(inYear, Number(month) - 1, 1);
  const [, first, last] = DATE.test(name) ? [name, name, name] : DAYS.exec(name) ?? [];
  if (first === undefined || last === undefined) throw new CliError("bad_usage", `--period is a year, quarter, month or days, such as 2026, 2026-Q3, 2026-09 or 2026-09-01..2026-09-30, not ${name.slice(0, 40)}`);
  return [parseUtc("--period", first), parseUtc("--period", last) + DAY];
}

/** Midnight of the first of a month, counted from 0; of years below 100 too, which Date.UTC takes for others. */
function utc(year: number, month: number): number {
  return new Date(0).setUTCFullYear(year, month, 1);
}
