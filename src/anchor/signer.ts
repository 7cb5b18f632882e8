/**
 * The checkpoint key of this host (Ed25519, RFC 8032; docs/FORMAT.md section 9), on it or in AWS KMS, in the shape that note.ts takes.
 * Deterministic: signing again after a crash gives the same bytes.
 */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type NoteSigner, parseVkey } from "../format/note.ts";
import { KeyError } from "../keys/errors.ts";
import { KmsCheckpointKey } from "../keys/kms/checkpoint-key.ts";
import type { KmsKey, KmsTimeouts } from "../keys/kms/client.ts";
import { AnchorError } from "./errors.ts";

/** The key that signs; everything here can be cloned into a thread, the private key as a KeyObject. */
export type SigningKey =
  | { readonly vkey: string; readonly privateKey: KeyObject; readonly kms?: never }
  | { readonly vkey: string; readonly privateKey?: never; readonly kms: KmsKey };

export function openSigner(key: SigningKey): NoteSigner {
  return key.kms === undefined ? localSigner(key.vkey, key.privateKey) : kmsSigner(key.vkey, key.kms);
}

/** Wrong signatures are fatal: a key or memory is wrong on this host. */
export function localSigner(vkey: string, privateKey: KeyObject): NoteSigner {
  const { name, publicKey } = parseVkey(vkey);
  const check = publicKeyObject(publicKey);
  return {
    name,
    publicKey,
    sign(bytes) {
      const signature = sign(null, bytes, privateKey);
      // a wrong key, or a bit that flipped while signing, would be published for ever
      if (!verify(null, bytes, check, signature)) throw new AnchorError("publisher_failed", `the private key does not make signatures of ${vkey}`);
      return signature;
    },
  };
}

/**
 * Whatever goes wrong is an outage that is waited out (`signer_failed`): KMS that is away, that does not allow it any more, or that answers with
 * what is no signature of the pinned key, which is looked at before anything is stored.
 */
export function kmsSigner(vkey: string, access: KmsKey, timeouts?: KmsTimeouts): NoteSigner {
  const { name, publicKey } = parseVkey(vkey);
  const check = publicKeyObject(publicKey);
  const key = new KmsCheckpointKey(access, timeouts);
  return {
    name,
    publicKey,
    async sign(bytes) {
      let signature: Uint8Array;
      try {
        signature = await key.sign(bytes);
      } catch (error) {
        if (error instanceof KeyError) throw new AnchorError("signer_failed", error.message); // its cause is not handed on: see keys/kms/errors.ts
        throw error;
      }
      if (!verify(null, bytes, check, signature)) throw new AnchorError("signer_failed", `kms:Sign with ${access.key}: what came back is no signature of ${vkey}`);
      return signature;
    },
  };
}

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") } });
}
