/** Personal data as a name that only the holder of a key can make again: the receipt shows that it was the same person, not who. */
import { createHmac } from "node:crypto";
import { badSetting } from "./errors.ts";

/** Bytes; a shorter one can be found by trying. */
const SHORTEST_KEY = 16;

/**
 * `hmac-sha256:<hex>`. The key is the caller's, and belongs where the receipts are not: once it is destroyed, the names are nobody's. A plain
 * hash would not do: whoever knows the few possible values finds out which it was.
 */
export function pseudonym(value: string | Uint8Array, key: string | Uint8Array): string {
  if (Buffer.byteLength(key) < SHORTEST_KEY) throw badSetting("key", `at least ${SHORTEST_KEY} bytes`);
  return `hmac-sha256:${createHmac("sha256", key).update(value).digest("hex")}`;
}
