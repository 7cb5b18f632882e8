/**
 * The root key wraps every other secret of a host. AES-256-GCM (NIST SP 800-38D), random 96-bit nonces; the metadata that a
 * secret is filed under is authenticated with it, so that no wrapped secret can be moved to another place.
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, randomFillSync } from "node:crypto";
import { concat } from "../format/bytes.ts";
import { KeyError } from "./errors.ts";
import { createSecretFile, readSecretFile } from "./secret-file.ts";

const KEY_BYTES = 32;
const NONCE = 12;
const TAG = 16;

export interface RootKey {
  /** nonce ‖ ciphertext ‖ tag */
  wrap(secret: Uint8Array, context: Uint8Array): Uint8Array;
  /** `wrong_root_key` if this key did not wrap it, under this very context. */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Uint8Array;
}

/** 32 random bytes, where the garbage collector does not move them; whoever takes them overwrites them. */
export function randomKey(): Uint8Array {
  return randomFillSync(new Uint8Array(new ArrayBuffer(KEY_BYTES)));
}

/** A new root key of 32 random bytes in a file of mode 0600. */
export function createRootKeyFile(path: string): RootKey {
  const key = randomKey();
  try {
    createSecretFile(path, key);
  } finally {
    key.fill(0);
  }
  return openRootKeyFile(path); // what was filed counts, should another one have been created at the same time
}

export function openRootKeyFile(path: string): RootKey {
  return rootKeyFrom(readSecretFile(path), path);
}

/**
 * The root key of these 32 bytes, which are overwritten: what is left is OpenSSL's copy, which nothing that is logged or thrown can show.
 * `key_file_damaged` for any other number. `name` says to people where the key is.
 */
export function rootKeyFrom(bytes: Uint8Array, name: string): RootKey {
  if (bytes.length !== KEY_BYTES) {
    bytes.fill(0);
    throw new KeyError("key_file_damaged", `${name} does not hold a root key of ${KEY_BYTES} bytes`);
  }
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return {
    wrap(secret, context) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(context);
      return concat(nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag());
    },
    unwrap(wrapped, context) {
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, wrapped.subarray(0, NONCE), { authTagLength: TAG }).setAAD(context);
        decipher.setAuthTag(wrapped.subarray(wrapped.length - TAG));
        const secret = decipher.update(wrapped.subarray(NONCE, wrapped.length - TAG)); // all of it: no block is left for final()
        decipher.final();
        return new Uint8Array(secret.buffer, secret.byteOffset, secret.length); // no copy: what is overwritten is to be gone
      } catch (error) {
        throw new KeyError("wrong_root_key", `the root key ${name} does not open this keyring, or the keyring was changed`, { cause: error });
      }
    },
  };
}
