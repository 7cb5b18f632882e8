/** What streams tell piece by piece, put together again. */

interface Members {
  readonly [name: string]: unknown;
}

/** Members that come whole, and not in pieces. */
const WHOLE: ReadonlySet<string> = new Set(["id", "type", "role", "index", "signature"]);

/** What was said so far, and this of it: texts and lists grow, objects member by member. */
export function continued(before: unknown, more: unknown): unknown {
  if (!isThere(before)) return more;
  if (!isThere(more)) return before;
  if (typeof before === "string" && typeof more === "string") return before + more;
  if (Array.isArray(before) && Array.isArray(more)) return [...(before as unknown[]), ...(more as unknown[])];
  if (typeof before !== "object" || typeof more !== "object" || before === null || more === null) return more;
  const said = before as Members;
  return { ...said, ...Object.fromEntries(Object.entries(more as Members).map(([name, value]) => [name, WHOLE.has(name) ? value || said[name] : continued(said[name], value)])) };
}

export function isThere<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
