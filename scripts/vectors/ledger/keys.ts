/** test/vectors/keys.json */
import { KEY_ID, LEDGER_ID, SEED } from "./build.ts";
import { bytes, epochKeys, fixed, hex, hmac, jcs, organizationKey, requestKey } from "./primitives.ts";

export const REQUEST_SECRET = fixed("request secret");

export function keyVectors(): Readonly<Record<string, unknown>> {
  const organizations = ["acme", "beta", "_ledger"];
  const R = requestKey(REQUEST_SECRET, LEDGER_ID);
  const request = { type: "decision", organization: "acme", receipt_id: "019b7679-0000-7000-8000-0000000000aa", system_id: "s", decision: "Zoë", inputs: {} };
  return {
    about: "The key schedule of docs/FORMAT.md sections 6 and 12; see README.md.",
    ledger_id: LEDGER_ID,
    key_id: KEY_ID,
    seed_hex: hex(SEED),
    epochs: [0, 1, 2, 3].map((epoch) => {
      const { K, S, C } = epochKeys(SEED, LEDGER_ID, KEY_ID, epoch);
      const M = Object.fromEntries(organizations.map((organization) => [organization, hex(organizationKey(S, organization))]));
      return { epoch, K: hex(K), S: hex(S), C: hex(C), M };
    }),
    request: { secret_hex: hex(REQUEST_SECRET), R: hex(R), jcs: jcs(request), request_mac: hex(hmac(R, bytes(jcs(request)))) },
  };
}
