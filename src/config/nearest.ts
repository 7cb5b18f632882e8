/** The name a slip of the pen was most likely meant to be. */

/** Levenshtein's distance: the fewest insertions, deletions and substitutions of a character that make `b` of `a`. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The first of the nearest `names`, which are not empty, and how far it is. */
export function nearest(word: string, names: readonly string[]): { readonly name: string; readonly distance: number } {
  return names
    .map((name) => ({ name, distance: distanceOf(word, name) }))
    .reduce((best, other) => (other.distance < best.distance ? other : best));
}
