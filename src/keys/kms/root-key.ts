/**
 * A root key under a key in AWS KMS: a data key of 32 bytes (GenerateDataKey), stored encrypted, decrypted once at each start. KMS checks
 * that it is asked with the same encryption context; a random id in it keeps one host's ciphertext from standing in for another's.
 *
 * The plaintext comes as JSON over TLS: its text is left to the garbage collector, the bytes made of it are overwritten.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { fromBase64, fromUtf8, toBase64, toHex, utf8 } from "../../format/bytes.ts";
import { KeyError } from "../errors.ts";
import { type RootKey, rootKeyFrom } from "../root-key.ts";
import { createSecretFile, readSecretFile } from "../secret-file.ts";
import { Kms, type KmsKey, type KmsTimeouts } from "./client.ts";
import { badAnswer } from "./errors.ts";

const KEY_BYTES = 32;

const schema = z.strictObject({
  format: z.literal("receiptd-kms/1"), key: z.string().max(2048), id: z.string().regex(/^[0-9a-f]{32}$/), ciphertext: z.string().max(8192),
});

/** Files a new root key; `key_file_exists`, `kms_unavailable`, `kms_denied`. */
export async function createKmsRootKey(path: string, access: KmsKey, timeouts?: KmsTimeouts): Promise<RootKey> {
  const kms = new Kms(access, timeouts);
  const id = toHex(randomBytes(16));
  const action = "kms:GenerateDataKey";
  const made = await kms.call(action, ({ sdk, client, options }) => client.send(new sdk.GenerateDataKeyCommand({ KeyId: access.key, NumberOfBytes: KEY_BYTES, EncryptionContext: contextOf(id) }), options));
  const { Plaintext, CiphertextBlob, KeyId } = made;
  try {
    if (Plaintext?.length !== KEY_BYTES || CiphertextBlob === undefined || CiphertextBlob.length === 0 || KeyId !== access.key) throw badAnswer({ access, action }, "no data key of this key");
    createSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-kms/1", key: access.key, id, ciphertext: toBase64(CiphertextBlob) })}\n`));
  } finally {
    Plaintext?.fill(0);
  }
  return await openKmsRootKey(path, access, timeouts); // what cannot be decrypted again is to be known now, not at the next start
}

/** `key_file_damaged`, `kms_unavailable`, `kms_denied`; `wrong_root_key` where KMS does not open what is filed, or it is another key's. */
export async function openKmsRootKey(path: string, access: KmsKey, timeouts?: KmsTimeouts): Promise<RootKey> {
  const { key, id, ciphertext } = parse(path);
  if (key !== access.key) throw new KeyError("wrong_root_key", `${path} is encrypted under ${key}, the configuration names ${access.key}`);
  const kms = new Kms(access, timeouts);
  const action = "kms:Decrypt";
  const { Plaintext, KeyId } = await kms.call(action, ({ sdk, client, options }) => client.send(new sdk.DecryptCommand({ KeyId: access.key, CiphertextBlob: ciphertext, EncryptionContext: contextOf(id) }), options));
  if (Plaintext?.length !== KEY_BYTES || KeyId !== access.key) {
    Plaintext?.fill(0);
    throw badAnswer({ access, action }, "no key of 32 bytes");
  }
  return rootKeyFrom(Plaintext, path);
}

function parse(path: string): { readonly key: string; readonly id: string; readonly ciphertext: Uint8Array } {
  let file: z.infer<typeof schema>;
  try {
    file = schema.parse(JSON.parse(fromUtf8(readSecretFile(path))));
  } catch (error) {
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a root key under a key of AWS KMS`); // no cause: JSON.parse quotes the text
  }
  const ciphertext = fromBase64(file.ciphertext);
  if (ciphertext === null || ciphertext.length === 0) throw new KeyError("key_file_damaged", `${path} holds a ciphertext that is not base64`);
  return { key: file.key, id: file.id, ciphertext };
}

function contextOf(id: string): Record<string, string> {
  return { "receiptd:purpose": "root-key", "receiptd:id": id };
}
