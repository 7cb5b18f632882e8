/** The request behind a stored receipt: its JCS text without the members of docs/FORMAT.md section 4.2 (sections 6 and 12). */
import { utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import type { Hash } from "../format/hash.ts";
import type { Receipt } from "../format/receipt.ts";
import type { Json } from "../format/strict-json.ts";

/** What the daemon adds, in the order in which JCS has it. */
const ADDED = [
  "key_epoch", "key_id", "ledger", "log_index", "org_seq", "previous_receipt_hash", "receipt_number", "recorded_at", "schema_version", "signature",
] as const;
const MEMBERS = ADDED.map((name) => [name, `"${name}":`] as const);
const ADDED_NAMES: ReadonlySet<string> = new Set(ADDED);

/**
 * What `request_mac` must be, if it is `stored`, else computed anew. `text` is the canonical text of the receipt, which has been
 * verified. Cutting the members out where they seem to be is quick and can be wrong (a caller's member can hold the same
 * names), but then the MAC does not fit, and the request is serialized instead.
 */
export function requestMac(text: string, receipt: Receipt, key: Uint8Array, stored: Uint8Array | null, hash: Hash): Uint8Array {
  const quick = hash.hmac(key, utf8(cut(text, receipt)));
  if (stored !== null && Buffer.compare(quick, stored) === 0) return quick;
  return hash.hmac(key, utf8(serialized(receipt)));
}

/** The text without the first member of each name. The values of these members need no escapes. */
function cut(text: string, receipt: Receipt): string {
  let out = "";
  let from = 0;
  for (const [name, start] of MEMBERS) {
    const at = text.indexOf(start, from);
    const value = receipt[name];
    const length = typeof value === "string" ? value.length + 2 : String(value).length;
    out += text.slice(from, at);
    from = at + start.length + length + 1; // and the comma: `type` always follows
  }
  return out + text.slice(from);
}

function serialized(receipt: Receipt): string {
  const request: { [name: string]: Json } = {};
  for (const name of Object.keys(receipt)) if (!ADDED_NAMES.has(name)) request[name] = receipt[name]!;
  return canonicalize(request);
}
