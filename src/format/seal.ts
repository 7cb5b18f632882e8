/**
 * From an accepted request to the text of a stored receipt (docs/FORMAT.md sections 4.2 and 6).
 *
 * The request's members are in JCS form already, so sealing is a merge of two sorted lists, with the signature left out for the
 * MAC and put in afterwards: the receipt is serialized once.
 */
import { formatNumber } from "./chain.ts";
import { SCHEMA_VERSION } from "./fields.ts";
import { canonicalize } from "./canonical.ts";
import { LEDGER_ORGANIZATION } from "./names.ts";
import type { Request } from "./request.ts";
import type { Json } from "./strict-json.ts";

/** What the daemon adds. All texts have forms that JSON does not escape. */
export interface Seal {
  readonly ledger: string;
  readonly prefix: string;
  readonly orgSeq: number;
  readonly logIndex: number;
  /** `YYYY-MM-DDTHH:MM:SS.mmmZ` */
  readonly recordedAt: string;
  readonly keyId: string;
  readonly keyEpoch: number;
  /** `sha256:<hex>`, or null for the organization's first receipt. */
  readonly previousReceiptHash: string | null;
}

/** JCS of the receipt without `signature`, which is what the MAC covers, cut where that member belongs: `"signature":"…",` with its comma. */
export interface Unsigned {
  readonly head: string;
  readonly tail: string;
}

export function sealRequest(request: Request, seal: Seal): Unsigned {
  const previous = seal.previousReceiptHash;
  // In JCS order; `signature` would stand after the last one.
  const beforeSignature = [
    ["key_epoch", `"key_epoch":${seal.keyEpoch}`],
    ["key_id", `"key_id":"${seal.keyId}"`],
    ["ledger", `"ledger":"${seal.ledger}"`],
    ["log_index", `"log_index":${seal.logIndex}`],
    ["org_seq", `"org_seq":${seal.orgSeq}`],
    ["previous_receipt_hash", `"previous_receipt_hash":${previous === null ? "null" : `"${previous}"`}`],
    ["receipt_number", `"receipt_number":"${formatNumber(seal.prefix, seal.recordedAt, seal.orgSeq)}"`],
    ["recorded_at", `"recorded_at":"${seal.recordedAt}"`],
    ["schema_version", `"schema_version":${SCHEMA_VERSION}`],
  ] as const;
  const { names, members } = request;
  let at = 0;
  let head = "{";
  for (const [name, member] of beforeSignature) {
    while (at < names.length && names[at]! < name) head += `${members[at++]},`;
    head += `${member},`;
  }
  while (at < names.length && names[at]! < "signature") head += `${members[at++]},`;
  // `system_id` or `type` always follows, so the comma after the last member of `head` is right
  return { head, tail: `${members.slice(at).join(",")}}` };
}

/** A system receipt (section 7) in the shape that `sealRequest` takes. */
export function systemRequest(type: string, receiptId: string, details: Json): Request {
  const full: { readonly [name: string]: Json } = { type, organization: LEDGER_ORGANIZATION, receipt_id: receiptId, details };
  const names = Object.keys(full).sort();
  const members = names.map((name) => `"${name}":${canonicalize(full[name]!)}`);
  return { type, organization: LEDGER_ORGANIZATION, receiptId, names, members, text: `{${members.join(",")}}`, chosenId: false };
}
