/** Numbers in sentences for people. */

/** `1 receipt`, `1,250 receipts`, without a noun `1,250`; `n` is whole. Intl does the same, and takes 25 ms to begin. */
export function count(n: number, one?: string, many = `${one}s`): string {
  const digits = String(n).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
  return one === undefined ? digits : `${digits} ${n === 1 ? one : many}`;
}

/** `receipt 7`, or `receipts 7 to 9`: log indexes, both included. */
export function receiptRange(first: number, last: number): string {
  return first === last ? `receipt ${first}` : `receipts ${first} to ${last}`;
}
