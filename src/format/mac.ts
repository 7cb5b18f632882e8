/** Key schedule and receipt MAC (docs/FORMAT.md section 6). Labels are separated by a zero byte, which no id contains. */
import { concat, toHex, utf8 } from "./bytes.ts";
import { type Hash, pureHash } from "./hash.ts";

const NUL = new Uint8Array(1);
const LABEL = {
  k0: utf8("receiptd/1 k0"),
  ratchet: utf8("receiptd/1 ratchet"),
  epoch: utf8("receiptd/1 epoch"),
  mac: utf8("receiptd/1 mac"),
  commit: utf8("receiptd/1 commit"),
  request: utf8("receiptd/1 request"),
} as const;

/** K_f: the ratchet key of the first epoch of key `keyId`. `seed` is 32 bytes. */
export function firstRatchetKey(seed: Uint8Array, ledgerId: string, keyId: string, hash: Hash = pureHash): Uint8Array {
  return hash.hmac(seed, concat(LABEL.k0, NUL, utf8(ledgerId), NUL, utf8(keyId)));
}

/** K_{e+1} from K_e. The caller erases K_e. */
export function nextRatchetKey(key: Uint8Array, hash: Hash = pureHash): Uint8Array {
  return hash.hmac(key, LABEL.ratchet);
}

/** S_e from K_e. */
export function epochSecret(ratchetKey: Uint8Array, hash: Hash = pureHash): Uint8Array {
  return hash.hmac(ratchetKey, LABEL.epoch);
}

/** M_{e,o} from S_e: signs one organization's receipts in one epoch. */
export function organizationKey(secret: Uint8Array, organization: string, hash: Hash = pureHash): Uint8Array {
  return hash.hmac(secret, concat(LABEL.mac, NUL, utf8(organization)));
}

/** C_e from S_e, 32 bytes: published before the epoch begins. */
export function epochCommitment(secret: Uint8Array, hash: Hash = pureHash): Uint8Array {
  const text = concat(LABEL.commit, NUL, secret);
  const commitment = hash.sha256(text);
  text.fill(0);
  return commitment;
}

/** R: the key of `request_mac` (docs/FORMAT.md section 12). */
export function requestKey(secret: Uint8Array, ledgerId: string, hash: Hash = pureHash): Uint8Array {
  return hash.hmac(secret, concat(LABEL.request, NUL, utf8(ledgerId)));
}

export const SIGNATURE_PREFIX = "hmac-sha256:";

/** The `signature` field over JCS(receipt without `signature`). */
export function signatureOf(macKey: Uint8Array, unsigned: Uint8Array, hash: Hash = pureHash): string {
  return SIGNATURE_PREFIX + toHex(hash.hmac(macKey, unsigned));
}

/** Compares two MACs or signature fields in time that depends on their lengths only. */
export function equalMac(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
