/** Good and bad receipts for receipts.json, made of one good decision. */
import { decision, idOf, KEY_ID, LEDGER_ID, ORIGIN, SEED } from "./build.ts";
import { bytes, epochKeys, fixed, hashText, hex, jcs, type Json, type Members, organizationKey, sha256, signReceipt } from "./primitives.ts";

const EPOCH = 2;
const { S } = epochKeys(SEED, LEDGER_ID, KEY_ID, EPOCH);
export const previous = hashText(fixed("the receipt before"));

/** The members of a good receipt, unsigned. */
export function members(organization: string, fields: Members): Members {
  return {
    ...fields, organization, receipt_id: idOf(700), schema_version: 1, ledger: ORIGIN,
    receipt_number: `${organization === "_ledger" ? "LEDGER" : "ACME"}-2026-00042`, org_seq: 42, log_index: 107,
    recorded_at: "2026-06-01T10:00:05.234Z", key_id: KEY_ID, key_epoch: EPOCH, previous_receipt_hash: previous,
  };
}

export const macKeyOf = (organization: Json | undefined): Buffer => organizationKey(S, typeof organization === "string" ? organization : "acme");

export function good(name: string, unsigned: Members, notChecked: readonly string[] = []): object {
  const macKey = macKeyOf(unsigned["organization"]);
  const signed = signReceipt(unsigned, macKey);
  return {
    name, blob: jcs(signed.receipt), ok: true, not_checked: notChecked, mac_key_hex: hex(macKey), unsigned_sha256: hex(sha256(signed.unsigned)),
    receipt_hash: hex(sha256(bytes(jcs(signed.receipt)))),
  };
}

export const bad = (name: string, code: string, unsigned: Members): object =>
  ({ name, blob: jcs(signReceipt(unsigned, macKeyOf(unsigned["organization"])).receipt), ok: false, code });

/** undefined takes a member away. */
export type Change = Readonly<Record<string, Json | undefined>>;

/** A good decision with these members instead. */
export function changed(change: Change, from: Members = members("acme", decision())): Members {
  const out = { ...from };
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) delete out[name];
    else out[name] = value;
  }
  return out;
}

export const form = (what: string, change: Change): object => bad(what, "bad_receipt", changed(change));
