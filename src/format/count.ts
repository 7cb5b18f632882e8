/** Numbers in sentences for people. */

/** `1 receipt`, `1,250 receipts`, without a noun `1,250`. */
export function count(n: number, one?: string, many = `${one}s`): string {
  const digits = n.toLocaleString("en-US");
  return one === undefined ? digits : `${digits} ${n === 1 ? one : many}`;
}

/** `receipt 7`, or `receipts 7 to 9`: log indexes, both included. */
export function receiptRange(first: number, last: number): string {
  return first === last ? `receipt ${first}` : `receipts ${first} to ${last}`;
}
