/** Numbers, times and lengths of time as the page says them. All times are UTC. */
import { count } from "../../format/count.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `40 seconds`, `3 minutes`, `2 hours`, `5 days`: the largest unit of which there are two, or one. ms. */
export function duration(ms: number): string {
  const [unit, name] = ([[DAY, "day"], [HOUR, "hour"], [MINUTE, "minute"]] as const).find(([unit]) => ms >= 1.95 * unit) ?? [SECOND, "second"];
  return count(Math.max(0, Math.round(ms / unit)), name);
}

/** `2026-11-22 16:04:05` of a time as the server says it. */
export function at(time: string): string {
  return time.slice(0, 19).replace("T", " ");
}

/** A number of receipts or ms that need not be whole: at most three digits behind the point, with separators. */
export function figure(value: number): string {
  const [whole = "0", part] = String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))).split(".");
  return part === undefined ? count(Number(whole)) : `${count(Number(whole))}.${part}`;
}

/** `98.0 %` (with a space that does not break), and never 100 % of what is not all. */
export function share(part: number, whole: number): string {
  if (whole === 0) return "0\u{a0}%";
  if (part === whole) return "100\u{a0}%";
  return `${Math.min(99.9, Math.max(part === 0 ? 0 : 0.1, (100 * part) / whole)).toFixed(1)}\u{a0}%`;
}
