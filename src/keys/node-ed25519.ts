/** Ed25519 by Node's OpenSSL, many times as fast as format/note.ts: for targets whose objects anybody may have put there. */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { VerifyEd25519 } from "../format/note.ts";

/** DER before the 32 bytes of an Ed25519 public key (RFC 8410 section 4). */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

const publicKeys = new WeakMap<Uint8Array, KeyObject>();

/** The cofactorless equation, the stricter of the two that format/note.ts asks for. */
export const verifyByNode: VerifyEd25519 = (publicKey, signed, signature) => {
  let key = publicKeys.get(publicKey);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
    publicKeys.set(publicKey, key);
  }
  return verify(null, signed, key, signature);
};
