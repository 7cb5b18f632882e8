/** The rows of the table: what was measured, what it is compared with, what it should be, and whether it is. */
import { median } from "./summary.ts";

export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly runs: number;
}

export interface Target {
  readonly rule: "at_least" | "at_most";
  readonly limit: number;
  /** Of the ratio to the baseline, or of the measured value itself. */
  readonly of: "ratio" | "value";
}

export interface Row {
  /** The section, which `--only` takes, and what of it. */
  readonly name: string;
  readonly measured: Figure | null;
  readonly baseline: Figure | null;
  /** Measured to baseline, run by run: each is of two measurements next to each other. */
  readonly ratio: Figure | null;
  readonly target: Target | null;
  /** null: there is no target, or nothing could be measured. */
  readonly met: boolean | null;
  readonly note: string | null;
}

export interface Values {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
}

export const atLeast = (limit: number): Omit<Target, "of"> => ({ rule: "at_least", limit });
export const atMost = (limit: number): Omit<Target, "of"> => ({ rule: "at_most", limit });

export function figure({ what, unit, values }: Values): Figure {
  return { what, unit, median: median(values), low: Math.min(...values), high: Math.max(...values), runs: values.length };
}

/** A row whose target is a ratio to what was measured beside it. `target` null: for information. */
export function compared(name: string, measured: Values, baseline: Values, target: Omit<Target, "of"> | null, note: string | null = null): Row {
  const ratio = figure({ what: `${measured.what} / ${baseline.what}`, unit: "", values: measured.values.map((value, i) => value / baseline.values[i]!) });
  return {
    name, measured: figure(measured), baseline: figure(baseline), ratio, note,
    target: target === null ? null : { ...target, of: "ratio" },
    met: target === null ? null : holds(target, ratio.median),
  };
}

/** A row whose target is a value. */
export function absolute(name: string, measured: Values, target: Omit<Target, "of"> | null, note: string | null = null): Row {
  const value = figure(measured);
  return {
    name, measured: value, baseline: null, ratio: null, note,
    target: target === null ? null : { ...target, of: "value" },
    met: target === null ? null : holds(target, value.median),
  };
}

export function notMeasured(name: string, note: string): Row {
  return { name, measured: null, baseline: null, ratio: null, target: null, met: null, note };
}

/** NaN holds for nothing. */
function holds({ rule, limit }: Omit<Target, "of">, value: number): boolean {
  return rule === "at_least" ? value >= limit : value <= limit;
}

export function count(rows: readonly Row[]): { readonly met: number; readonly of: number } {
  return { met: rows.filter(({ met }) => met === true).length, of: rows.filter(({ met }) => met !== null).length };
}

function number(value: number): string {
  if (Number.isNaN(value)) return "none";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function figureText({ median, low, high, unit, runs }: Figure): string {
  return number(median) + (runs > 1 ? ` (${number(low)}–${number(high)})` : "") + (unit === "" ? "" : ` ${unit}`);
}

function targetText({ rule, limit, of }: Target, unit: string): string {
  return `${rule === "at_least" ? "≥" : "≤"} ${limit.toLocaleString("en", { maximumFractionDigits: 2 })}${of === "ratio" ? " ×" : ` ${unit}`}`;
}

/** What people read: the verdict first. */
export function reportText(rows: readonly Row[]): string {
  const { met, of } = count(rows);
  const cells = rows.map(({ name, measured, baseline, ratio, target, met }) => [
    name,
    measured === null ? "not measured" : `${figureText(measured)}, ${measured.what}`,
    baseline === null ? "" : `${figureText(baseline)}, ${baseline.what}`,
    ratio === null ? "" : figureText(ratio),
    target === null ? "" : targetText(target, measured?.unit ?? ""),
    met === null ? "" : met ? "met" : "MISSED",
  ]);
  const table = [["row", "measured: median (lowest–highest)", "beside", "ratio", "target", ""], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  const lines = table.map((line) => line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  const notes = rows.filter(({ note }) => note !== null).map(({ name, note }) => `${name}: ${note}`);
  return [verdict(met, of), "", ...lines, ...(notes.length === 0 ? [] : ["", ...notes]), ""].join("\n");
}

function verdict(met: number, of: number): string {
  return of === 0 ? "Nothing that has a target was measured." : `${met} of ${of} targets are met.`;
}
