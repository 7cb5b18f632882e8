/** Times as a person gives and reads them: always UTC. */
import { parseAsked } from "../format/time.ts";
import { CliError } from "./errors.ts";

const DAY = 86_400_000;

/** ms since 1970; the range is from `from` up to, not including, `to`. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

const ALL_TIME: TimeRange = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** The range of --from and --to: a date (as --to the whole day counts) or a time such as 2026-11-22T16:00:00Z. */
export function timeRange(options: { readonly from?: string; readonly to?: string }): TimeRange {
  const from = options.from === undefined ? ALL_TIME.from : parseUtc("--from", options.from);
  const to = options.to === undefined ? ALL_TIME.to : parseUtc("--to", options.to) + (parseAsked(options.to)?.isDate === true ? DAY : 0);
  if (from >= to) throw new CliError("bad_usage", "--from is not before --to");
  return { from, to };
}

/** A date or time in UTC as ms; `bad_usage` otherwise. */
export function parseUtc(option: string, text: string): number {
  const asked = parseAsked(text);
  if (asked === null) throw new CliError("bad_usage", `${option} is a date or time in UTC, such as 2026-11-22 or 2026-11-22T16:00:00Z, not ${text.slice(0, 40)}`);
  return asked.ms;
}

/** `2026-11-22 16:04:05` of `2026-11-22T16:04:05.123Z`. */
export function shortTime(time: string): string {
  return time.slice(0, 19).replace("T", " ");
}

/** `1:02:03` or `0:42` of ms. */
export function durationText(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, String(s % 60).padStart(2, "0")];
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}
