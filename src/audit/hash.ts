/** Node's hashes and signatures for an audit, which makes millions of them. */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { Hash } from "../format/hash.ts";
import type { VerifyEd25519 } from "../format/note.ts";
import { nodeHash, sha256Into } from "../keys/node-hash.ts";

const HASH_BYTES = 32;
const BLOCK = 64;

/** The two padded keys of RFC 2104; the outer one has room for the inner hash. */
interface PaddedKey {
  readonly inner: Uint8Array;
  readonly outer: Uint8Array;
}

const keys = new WeakMap<Uint8Array, PaddedKey>();
let message = new Uint8Array(BLOCK + 8192);

function paddedKey(key: Uint8Array): PaddedKey {
  if (key.length > BLOCK) throw new RangeError("an HMAC key has at most 64 bytes here");
  const padded = { inner: new Uint8Array(BLOCK).fill(0x36), outer: new Uint8Array(BLOCK + HASH_BYTES).fill(0x5c, 0, BLOCK) };
  key.forEach((byte, i) => {
    padded.inner[i] = byte ^ 0x36;
    padded.outer[i] = byte ^ 0x5c;
  });
  keys.set(key, padded);
  return padded;
}

/**
 * As `nodeHash`, for many messages under few keys: two one-shot hashes take half as long as an Hmac object. A key array must not
 * be changed after its first use.
 */
export const auditHash: Hash = {
  sha256: nodeHash.sha256,
  hmac: (key, bytes) => {
    const { inner, outer } = keys.get(key) ?? paddedKey(key);
    const end = BLOCK + bytes.length;
    if (message.length < end) message = new Uint8Array(end);
    message.set(inner);
    message.set(bytes, BLOCK);
    sha256Into(message.subarray(0, end), outer, BLOCK);
    return nodeHash.sha256(outer);
  },
};

/** DER before the 32 bytes of an Ed25519 public key (RFC 8410 section 4). */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

const publicKeys = new WeakMap<Uint8Array, KeyObject>();

/** Ed25519 by OpenSSL: the cofactorless equation, the stricter of the two that format/note.ts asks for. */
export const verifyByNode: VerifyEd25519 = (publicKey, signed, signature) => {
  let key = publicKeys.get(publicKey);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
    publicKeys.set(publicKey, key);
  }
  return verify(null, signed, key, signature);
};
