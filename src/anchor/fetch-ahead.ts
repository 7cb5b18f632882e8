/** Some fetched ahead, so that a far-away target is not asked one by one; what comes out is in the order of what went in. */

/** At once: so many items, and so many bytes, of which one item may have more. */
export interface Ahead {
  readonly count: number;
  readonly bytes: number;
}

/** What one item takes: `bytes` at most, 0 if nothing is fetched. */
export interface Fetch<R> {
  readonly bytes: number;
  readonly start: () => Promise<R>;
}

/** Plans each item once, as it comes. Throws what the items or, in its turn, a fetch throws. */
export async function* fetchAhead<T, R>(items: AsyncIterable<T>, { count, bytes: most }: Ahead, plan: (item: T) => Fetch<R>): AsyncGenerator<R, void, undefined> {
  const ahead: { readonly fetched: Promise<R>; readonly bytes: number }[] = [];
  let sum = 0;
  const isFull = (more: number): boolean => ahead.length >= count || (ahead.length > 0 && sum + more > most);
  const next = (): Promise<R> => {
    const { fetched, bytes } = ahead.shift()!;
    sum -= bytes;
    return fetched;
  };
  for await (const item of items) {
    const { bytes, start } = plan(item);
    while (isFull(bytes)) yield await next();
    const fetched = start();
    fetched.catch(() => undefined); // is heard of in its turn
    ahead.push({ fetched, bytes });
    sum += bytes;
  }
  while (ahead.length > 0) yield await next();
}
