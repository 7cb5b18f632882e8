/**
 * A root key under a passphrase: 32 random bytes, wrapped under what scrypt (RFC 7914) makes of the passphrase, in a file with salt and
 * parameters. All of the file is authenticated: as the context of what is wrapped.
 *
 * Whoever may write the file could ask for a scrypt that costs nothing, or all memory: other parameters than these are refused before.
 */
import { randomBytes, scrypt } from "node:crypto";
import { z } from "zod";
import { fromBase64, fromUtf8, toBase64, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { KeyError } from "./errors.ts";
import { randomKey, type RootKey, rootKeyFrom } from "./root-key.ts";
import { createSecretFile, readSecretFile } from "./secret-file.ts";

/** 128 MiB and a third of a second for each guess. */
const N = 2 ** 17;
/** 512 MiB: what a later version may ask for. */
const MOST_N = 2 ** 19;
const R = 8;
const P = 1;
const SALT = 32;
/** nonce, key and tag */
const WRAPPED = 12 + 32 + 16;

const schema = z.strictObject({
  format: z.literal("receiptd-scrypt/1"), n: z.int(), r: z.int(), p: z.int(), salt: z.string().max(64), wrapped: z.string().max(128),
});

interface Parameters {
  readonly n: number;
  readonly r: number;
  readonly p: number;
  /** base64 */
  readonly salt: string;
}

/** Gives the passphrase, whose bytes are then overwritten. */
export type Ask = () => Promise<Uint8Array>;

/** Files a new root key; `key_file_exists`. */
export async function createScryptKey(path: string, ask: Ask): Promise<RootKey> {
  const parameters = { n: N, r: R, p: P, salt: toBase64(randomBytes(SALT)) };
  const kek = await keyOf(path, await ask(), parameters);
  const key = randomKey();
  try {
    const wrapped = toBase64(kek.wrap(key, contextOf(parameters)));
    createSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-scrypt/1", ...parameters, wrapped })}\n`));
    return rootKeyFrom(key, path);
  } finally {
    key.fill(0);
  }
}

/** `key_file_damaged`; `wrong_root_key` for another passphrase, or where the file was changed. Nobody is asked where the file is no good. */
export async function openScryptKey(path: string, ask: Ask): Promise<RootKey> {
  const { wrapped, ...parameters } = parse(path);
  const bytes = fromBase64(wrapped);
  if (bytes?.length !== WRAPPED) throw new KeyError("key_file_damaged", `${path} holds no wrapped key of 32 bytes`);
  const kek = await keyOf(path, await ask(), parameters);
  try {
    return rootKeyFrom(kek.unwrap(bytes, contextOf(parameters)), path);
  } catch (error) {
    if (!(error instanceof KeyError) || error.code !== "wrong_root_key") throw error;
    throw new KeyError("wrong_root_key", `this is not the passphrase of ${path}, or the file was changed`, {
      next: `give the passphrase that the ledger was made with; only if that is what was given, put ${path} back from its backup`,
    });
  }
}

function parse(path: string): Parameters & { readonly wrapped: string } {
  let file: z.infer<typeof schema>;
  try {
    file = schema.parse(JSON.parse(fromUtf8(readSecretFile(path))));
  } catch (error) {
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a root key under a passphrase`); // no cause: JSON.parse quotes the text
  }
  const { n, r, p, salt, wrapped } = file;
  if (n < N || n > MOST_N || (n & (n - 1)) !== 0 || r !== R || p !== P) {
    throw new KeyError("key_file_damaged", `${path} asks for scrypt with N=${n}, r=${r}, p=${p}, which this version never wrote: it was changed`);
  }
  if (fromBase64(salt)?.length !== SALT) throw new KeyError("key_file_damaged", `${path} holds no salt of ${SALT} bytes`);
  return { n, r, p, salt, wrapped };
}

function keyOf(path: string, passphrase: Uint8Array, { n, r, p, salt }: Parameters): Promise<RootKey> {
  const maxmem = 128 * n * r + 2 ** 20; // RFC 7914 section 6: V, and little else
  return new Promise((resolve, reject) => {
    scrypt(passphrase, fromBase64(salt)!, 32, { N: n, r, p, maxmem }, (error, key) => {
      passphrase.fill(0);
      if (error === null) resolve(rootKeyFrom(key, path));
      else reject(new KeyError("key_file_damaged", `${path}: scrypt failed: ${error.message}; is there memory of ${Math.ceil(maxmem / 2 ** 20)} MiB?`));
    });
  });
}

function contextOf({ n, r, p, salt }: Parameters): Uint8Array {
  return utf8(canonicalize({ root_key: "scrypt", n, r, p, salt }));
}
