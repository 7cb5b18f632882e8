/**
 * An auditor's key: Ed25519, in a file of its own with mode 0600, in the spelling that C2SP's tools use for private keys of notes,
 * `PRIVATE+KEY+<name>+<key ID>+<base64 of 04 and the seed>`. It countersigns checkpoints and signs what its owner says of an audit.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { fromBase64, fromUtf8, toBase64, utf8 } from "../format/bytes.ts";
import { type Cosigner, formatCosigner, parseCosigner } from "../format/cosignature.ts";
import { FormatError } from "../format/errors.ts";
import { KeyError } from "./errors.ts";
import { createSecretFile, readSecretFile } from "./secret-file.ts";

/** DER before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 section 7). */
const PKCS8 = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20);
const SEED_BYTES = 32;
const TYPE = 0x04;
const FORM = /^PRIVATE\+KEY\+([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\n$/u;

export interface AuditorKey {
  readonly cosigner: Cosigner;
  /** The 64 bytes of RFC 8032. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** Makes a key and files it; `key_file_exists`. Throws FormatError `bad_vkey` for a name that is none. */
export function createAuditorKey(path: string, name: string): Cosigner {
  const { privateKey } = generateKeyPairSync("ed25519");
  const cosigner = parseCosigner(formatCosigner(name, publicBytes(privateKey)));
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-SEED_BYTES);
  createSecretFile(path, utf8(`PRIVATE+KEY+${name}+${cosigner.vkey.split("+")[1]!}+${toBase64(Uint8Array.of(TYPE, ...seed))}\n`));
  return cosigner;
}

/** `key_file_missing`, `key_file_mode`, `key_file_damaged`. */
export function readAuditorKey(path: string): AuditorKey {
  const [, name, id, data] = FORM.exec(textOf(path)) ?? [];
  const bytes = fromBase64(data ?? "");
  if (name === undefined || bytes?.length !== 1 + SEED_BYTES || bytes[0] !== TYPE) throw new KeyError("key_file_damaged", `${path} is no key that receiptd attest --new-key has made`);
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, bytes.subarray(1)]), format: "der", type: "pkcs8" });
  const cosigner = parseCosigner(formatCosigner(name, publicBytes(privateKey)));
  if (cosigner.vkey.split("+")[1] !== id) throw new KeyError("key_file_damaged", `${path} is damaged: its key is not the one that it names`);
  return { cosigner, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

function textOf(path: string): string {
  try {
    return fromUtf8(readSecretFile(path));
  } catch (error) {
    if (error instanceof FormatError) return "";
    throw error;
  }
}

function publicBytes(privateKey: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-SEED_BYTES));
}
