/**
 * Keys of single epochs, or of one organization in them, as a file for somebody who is to re-check MACs and is to have no seed
 * (docs/FORMAT.md section 6): what an epoch's S is good for is over once the epoch is anchored.
 */
import { z } from "zod";
import { fromBase64, fromUtf8, toBase64 } from "../format/bytes.ts";
import { epochSecret, organizationKey } from "../format/mac.ts";
import { KEY_ID, LEDGER_ID, LEDGER_ORGANIZATION, type LedgerName, ORGANIZATION } from "../format/names.ts";
import type { DisclosedKey, RatchetStart } from "../verify/keys.ts";
import { ratchetAt, type RatchetState } from "./epoch-keys.ts";
import { KeyError } from "./errors.ts";
import { nodeHash } from "./node-hash.ts";

/** Epochs in one file. */
export const MAX_DISCLOSED = 100_000;

const base = { key_id: z.string().regex(KEY_ID), epoch: z.int().nonnegative() };
const key = z.string().length(44);
const schema = z.strictObject({
  format: z.literal("receiptd-keys/1"),
  origin: z.string().min(1).max(256),
  ledger_id: z.string().regex(LEDGER_ID),
  keys: z.array(z.union([z.strictObject({ ...base, secret: key }), z.strictObject({ ...base, organization: z.union([z.literal(LEDGER_ORGANIZATION), z.string().regex(ORGANIZATION)]), mac_key: key })])).min(1).max(MAX_DISCLOSED),
});

export interface Disclosure extends LedgerName {
  readonly keys: readonly DisclosedKey[];
}

/** One line of JSON. */
export function formatDisclosure({ origin, ledgerId, keys }: Disclosure): string {
  return JSON.stringify({
    format: "receiptd-keys/1", origin, ledger_id: ledgerId,
    keys: keys.map(({ keyId, epoch, organization, key: bytes }) => ({
      key_id: keyId, epoch, ...(organization === null ? { secret: toBase64(bytes) } : { organization, mac_key: toBase64(bytes) }),
    })),
  });
}

/** `bad_keys` for anything else; the message quotes nothing of it. */
export function parseDisclosure(bytes: Uint8Array, name: string): Disclosure {
  let parsed: z.infer<typeof schema>;
  try {
    parsed = schema.parse(JSON.parse(fromUtf8(bytes)));
  } catch {
    throw new KeyError("bad_keys", `${name} holds no disclosed keys (receiptd-keys/1)`);
  }
  const keys = parsed.keys.map((one): DisclosedKey => ({
    keyId: one.key_id, epoch: one.epoch, ...("secret" in one ? { organization: null, key: bytesOf(one.secret, name) } : { organization: one.organization, key: bytesOf(one.mac_key, name) }),
  }));
  return { origin: parsed.origin, ledgerId: parsed.ledger_id, keys };
}

function bytesOf(text: string, name: string): Uint8Array {
  const bytes = fromBase64(text);
  if (bytes?.length !== 32) throw new KeyError("bad_keys", `${name} holds a key that is not 32 bytes`);
  return bytes;
}

/**
 * S of each epoch, or M of the organization in it; null where no start leads there. `epochs` in rising order: each is stepped to from the
 * one before.
 */
export function disclose(
  starts: readonly RatchetStart[], ledgerId: string, epochs: readonly { readonly keyId: string; readonly epoch: number }[], organization: string | null,
): (DisclosedKey | null)[] {
  let at: RatchetState | null = null;
  return epochs.map(({ keyId, epoch }) => {
    const start = starts.find((one) => one.keyId === keyId && one.epoch <= epoch);
    if (start === undefined) return null;
    const from: RatchetState = at?.keyId === keyId ? at : start;
    at = ratchetAt(ledgerId, { keyId, mode: "forward-secure", firstEpoch: start.epoch, seed: null }, epoch, from);
    const secret = epochSecret(at.key, nodeHash);
    return { keyId, epoch, organization, key: organization === null ? secret : organizationKey(secret, organization, nodeHash) };
  });
}
