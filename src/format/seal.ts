/**
 * From an accepted request to the bytes of a stored receipt (docs/FORMAT.md sections 4.2 and 6).
 *
 * The request is in JCS form already, so sealing is a merge of two sorted lists whose places are known, with the signature left out
 * for the MAC and put in afterwards: the receipt is serialized once.
 */
import { copyBytes, utf8 } from "./bytes.ts";
import { formatNumber } from "./chain.ts";
import { SCHEMA_VERSION } from "./fields.ts";
import { canonicalize } from "./canonical.ts";
import { LEDGER_ORGANIZATION } from "./names.ts";
import type { Request } from "./request.ts";
import type { Json } from "./strict-json.ts";

/** What the daemon adds. All texts are ASCII in forms that JSON does not escape. */
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

/** The first name of each run of members that the daemon adds: no caller's name is between those of a run. */
export const CUTS = ["key_epoch", "org_seq", "previous_receipt_hash", "receipt_number", "schema_version"] as const;

/** The text of each run, in the order of CUTS, each member with its comma. `signature` follows the last one. */
export function sealTexts(seal: Seal): readonly string[] {
  const previous = seal.previousReceiptHash;
  return [
    `"key_epoch":${seal.keyEpoch},"key_id":"${seal.keyId}","ledger":"${seal.ledger}","log_index":${seal.logIndex},`,
    `"org_seq":${seal.orgSeq},`,
    previous === null ? '"previous_receipt_hash":null,' : `"previous_receipt_hash":"${previous}",`,
    `"receipt_number":"${formatNumber(seal.prefix, seal.recordedAt, seal.orgSeq)}","recorded_at":"${seal.recordedAt}",`,
    `"schema_version":${SCHEMA_VERSION},`,
  ];
}

/**
 * Writes JCS of the receipt without `signature`, which is what the MAC covers, into `out` from `at` on; `texts` are those of
 * `sealTexts`. Returns where that member belongs, `"signature":"…",` with its comma, and where the receipt ends.
 */
export function writeUnsigned(request: Request, texts: readonly string[], out: Uint8Array, at: number): { readonly signatureAt: number; readonly end: number } {
  const { json, cuts } = request;
  let from = 0;
  for (let i = 0; i < CUTS.length; i++) {
    const cut = cuts[i]!;
    copyBytes(json, from, cut, out, at);
    at += cut - from;
    from = cut;
    const text = texts[i]!;
    for (let j = 0; j < text.length; j++) out[at++] = text.charCodeAt(j);
  }
  copyBytes(json, from, json.length, out, at);
  return { signatureAt: at, end: at + json.length - from };
}

/** Bytes of what `writeUnsigned` writes. */
export function unsignedLength({ json }: Request, texts: readonly string[]): number {
  let length = json.length;
  for (const text of texts) length += text.length;
  return length;
}

/** The JCS bytes of members that are in order, each `"name":value`, and where CUTS belong in them. `type` or `system_id` is always behind the last. */
export function joinMembers(names: readonly string[], members: readonly string[]): Pick<Request, "json" | "cuts"> {
  const json = utf8(`{${members.join(",")}}`);
  const cuts: number[] = [];
  let at = 1;
  for (const [i, name] of names.entries()) {
    while (cuts.length < CUTS.length && CUTS[cuts.length]! < name) cuts.push(at);
    at += utf8(members[i]!).length + 1;
  }
  return { json, cuts };
}

/** A system receipt (section 7) in the shape of a request. */
export function systemRequest(type: string, receiptId: string, details: Json): Request {
  const full: { readonly [name: string]: Json } = { type, organization: LEDGER_ORGANIZATION, receipt_id: receiptId, details };
  const names = Object.keys(full).sort();
  const members = names.map((name) => `"${name}":${canonicalize(full[name]!)}`);
  return { type, organization: LEDGER_ORGANIZATION, receiptId, ...joinMembers(names, members), chosenId: false };
}
