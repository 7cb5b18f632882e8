/** The two time forms of the format (docs/FORMAT.md section 4), both RFC 3339 in UTC. Pure: nobody's clock is read here. */

const RECORDED = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const CLAIMED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z$/;

/** `YYYY-MM-DDTHH:MM:SS.mmmZ` of a time in ms since 1970, between the years 0000 and 9999. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds since 1970 of a `recorded_at`, or null where it is not one (a date that does not exist included). */
export function parseTime(text: unknown): number | null {
  if (typeof text !== "string" || !RECORDED.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) || new Date(ms).toISOString() !== text ? null : ms;
}

/** Is this a caller's `timestamp`: RFC 3339 UTC, up to nanoseconds, an existing date, no leap second? */
export function isTimestamp(text: unknown): text is string {
  const match = typeof text === "string" ? CLAIMED.exec(text) : null;
  return match !== null && parseTime(`${match[1]}.000Z`) !== null;
}

const DATE = /^\d{4}-\d\d-\d\d$/;
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z$/;

/** A date, or a time to the minute or finer, in UTC, as people ask for it: ms since 1970, or null. */
export function parseAsked(text: string): { readonly ms: number; readonly isDate: boolean } | null {
  const isDate = DATE.test(text);
  const ms = isDate || DATE_TIME.test(text) ? Date.parse(text) : Number.NaN;
  // Date.parse turns the 31st of a short month into the first of the next
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text.slice(0, 10)) ? null : { ms, isDate };
}
