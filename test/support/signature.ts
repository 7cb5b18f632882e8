/** What an epoch's keys make of a receipt: its bytes under the MAC, and the `signature`. */
import { utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { epochSecret, organizationKey, signatureOf } from "../../src/format/mac.ts";
import { readRequest } from "../../src/format/request.ts";
import type { Json } from "../../src/format/strict-json.ts";
import type { EpochKeys } from "../../src/keys/epoch-keys.ts";

export function signedBy(keys: EpochKeys, organization: string, summary: string): { readonly unsigned: Uint8Array; readonly signature: string } {
  const request = readRequest({ organization, system_id: "s", decision: 1, inputs: {}, summary }, "", () => "019b7679-0000-7000-8000-000000000fff");
  const sealed = keys.seal(request, {
    ledger: "test.example/receipts", prefix: "RCP", orgSeq: 5, logIndex: 9, recordedAt: "2026-06-01T10:00:00.000Z", keyId: keys.keyId, keyEpoch: keys.epoch, previousReceiptHash: null,
  });
  const { signature, ...members } = JSON.parse(new TextDecoder().decode(sealed)) as { readonly signature: string; readonly [name: string]: Json };
  return { unsigned: utf8(canonicalize(members)), signature };
}

/** The `signature` of any text under an organization's key of the open epoch. */
export function signatureBy(keys: EpochKeys, organization: string, text: string): string {
  return signatureOf(organizationKey(epochSecret(keys.state.key), organization), utf8(text));
}
