/** The request behind a stored receipt: its JCS text without the members of docs/FORMAT.md section 4.2 (sections 6 and 12). */
import { equal, utf8 } from "../format/bytes.ts";
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

let scratch = Buffer.alloc(8192);

/**
 * What `request_mac` must be, if it is `stored`, else computed anew. `blob` is a receipt that has been verified. Cutting the members
 * out where they seem to be is quick and can be wrong (a caller's member can hold the same names), but then the MAC does not fit,
 * and the request is serialized instead.
 */
export function requestMac(blob: Uint8Array, receipt: Receipt, key: Uint8Array, stored: Uint8Array | null, hash: Hash): Uint8Array {
  const quick = hash.hmac(key, cut(blob, receipt));
  return stored !== null && equal(quick, stored) ? quick : hash.hmac(key, utf8(serialized(receipt)));
}

/** The bytes without the first member of each name; good until the next call. The values of these members are ASCII without escapes. */
function cut(blob: Uint8Array, receipt: Receipt): Uint8Array {
  if (scratch.length < blob.length) scratch = Buffer.alloc(blob.length);
  const bytes = Buffer.isBuffer(blob) ? blob : Buffer.from(blob.buffer, blob.byteOffset, blob.length);
  const text = bytes.toString("latin1"); // a unit for each byte
  let length = 0;
  let from = 0;
  for (const [name, start] of MEMBERS) {
    const at = text.indexOf(start, from);
    if (at === -1) break; // hidden by a caller's member of an earlier name
    length += bytes.copy(scratch, length, from, at);
    const value = receipt[name];
    from = at + start.length + (typeof value === "string" ? value.length + 2 : String(value).length) + 1; // the comma: `type` follows
  }
  if (from < bytes.length) length += bytes.copy(scratch, length, from);
  return scratch.subarray(0, length);
}

function serialized(receipt: Receipt): string {
  const request: { [name: string]: Json } = {};
  for (const name of Object.keys(receipt)) if (!ADDED_NAMES.has(name)) request[name] = receipt[name]!;
  return canonicalize(request);
}
