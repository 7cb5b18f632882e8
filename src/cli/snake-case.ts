/** Names as receipts and the protocol spell them, for what is printed as JSON. */

/** The same value, each member `likeThis` named `like_this`; codes and key ids, which can be names too, have no capitals. */
export function snakeCased(value: object): object {
  return renamed(value) as object;
}

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), renamed(member)]));
}
