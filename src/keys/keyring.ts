/**
 * The keyring: one JSON file with every secret of a ledger, each wrapped under the root key with its metadata as context
 * (docs/FORMAT.md section 6). Of a forward-secure key it holds no secret: the open epoch's is in the ratchet's file, the seed elsewhere.
 * The request secret's context is the list of all keys, so that none can be added, removed or changed without the root key.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { z } from "zod";
import { fromBase64, fromUtf8, toBase64, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { KEY_ID, LEDGER_ID } from "../format/names.ts";
import { formatVkey, parseVkey } from "../format/note.ts";
import type { Json } from "../format/strict-json.ts";
import { KeyError } from "./errors.ts";
import type { RootKey } from "./root-key.ts";
import { createSecretFile, readSecretFile, replaceAndErase, replaceSecretFile } from "./secret-file.ts";

const wrapped = z.string().max(4096);
const hmacMeta = {
  key_id: z.string().regex(KEY_ID), first_epoch: z.int().nonnegative(), created_at: z.string(),
  revoked: z.strictObject({ compromised_since: z.string(), reason: z.string() }).optional(),
};
const checkpointMeta = { vkey: z.string().max(400), created_at: z.string(), after: z.int().nonnegative().optional() };
const keyringSchema = z.strictObject({
  format: z.literal("receiptd-keyring/1"),
  origin: z.string(),
  ledger_id: z.string().regex(LEDGER_ID),
  hmac_keys: z.array(z.discriminatedUnion("mode", [
    z.strictObject({ ...hmacMeta, mode: z.literal("retained"), seed: wrapped }),
    z.strictObject({ ...hmacMeta, mode: z.literal("forward-secure") }),
  ])).min(1),
  checkpoint_keys: z.array(z.union([
    z.strictObject({ ...checkpointMeta, private_key: wrapped }),
    z.strictObject({ ...checkpointMeta, kms_key: z.string().max(2048), seal: wrapped }), // which says that the rest was written here
    z.strictObject({ ...checkpointMeta, retired: z.literal(true), seal: wrapped }),
  ])).min(1),
  request_secret: wrapped,
});
type KeyringFile = z.infer<typeof keyringSchema>;

export type KeyMode = "retained" | "forward-secure";

export interface HmacKey {
  readonly keyId: string;
  readonly mode: KeyMode;
  readonly firstEpoch: number;
  /** 32 bytes; null: the key is forward-secure, and the seed is with the auditor only. */
  readonly seed: Uint8Array | null;
  /** RFC 3339 */
  readonly createdAt?: string;
  /** As the host knows: times are RFC 3339. */
  readonly revoked?: { readonly compromised_since: string; readonly reason: string } | undefined;
}

/** The key itself, or the ARN of one that never leaves AWS KMS; or neither, of one that was rotated away and overwritten. */
export type CheckpointKey = {
  readonly vkey: string;
  /** RFC 3339 */
  readonly createdAt?: string;
  /** Of a key to which the ledger's was rotated: receipts that there were right before. Whether it came to that, the ledger says. */
  readonly after?: number | undefined;
} & (
  | { readonly privateKey: KeyObject; readonly kmsKey?: never }
  | { readonly privateKey?: never; readonly kmsKey: string }
  | { readonly privateKey?: never; readonly kmsKey?: never }
);

/** A checkpoint key to go on with. */
export interface NewCheckpointKey {
  readonly vkey: string;
  /** RFC 3339 */
  readonly createdAt: string;
  readonly after: number;
  /** 32 bytes, from which the private key follows, or the ARN of a key in AWS KMS. */
  readonly secret: Uint8Array | string;
}

/** A checkpoint key that was made elsewhere. `publicKey` has 32 bytes. */
export interface OutsideKey {
  readonly kmsKey: string;
  readonly publicKey: Uint8Array;
}

export interface Keyring {
  readonly origin: string;
  readonly ledgerId: string;
  /** In order of first epoch. The ledger says which one signs (`signingKey`); a last one may be there that it never went on with. */
  readonly hmacKeys: readonly HmacKey[];
  /** In order. The ledger says which one signs; a last one may be there that it never went on with. */
  readonly checkpointKeys: readonly CheckpointKey[];
  readonly requestSecret: Uint8Array;
}

/** DER before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 section 7). */
const PKCS8 = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20);

/** The `key_id` of a ledger's first key. */
export const FIRST_KEY = "key_v1";

/** Makes all keys of a new ledger, but for an `outside` one, and files them; `key_file_exists` where there is a keyring. `now` is RFC 3339. */
export function createKeyring(
  path: string, ledger: { readonly origin: string; readonly ledgerId: string }, root: RootKey, now: string, mode: KeyMode = "retained", outside: OutsideKey | null = null,
): Keyring {
  const context = (metadata: Json): Uint8Array => contextOf(ledger, metadata);
  const checkpointSeed = randomBytes(32);
  const requestSecret = randomBytes(32);
  const vkey = formatVkey(ledger.origin, outside?.publicKey ?? publicKeyOf(privateKeyOf(checkpointSeed)));
  const meta = { key_id: FIRST_KEY, mode, first_epoch: 0, created_at: now };
  const made = { vkey, created_at: now };
  const outsideMeta = outside === null ? null : { ...made, kms_key: outside.kmsKey };
  const file: KeyringFile = {
    format: "receiptd-keyring/1",
    origin: ledger.origin,
    ledger_id: ledger.ledgerId,
    hmac_keys: [mode === "retained" ? { ...meta, mode, seed: toBase64(root.wrap(randomBytes(32), context({ hmac: meta }))) } : { ...meta, mode }],
    checkpoint_keys: [outsideMeta === null ? { ...made, private_key: toBase64(root.wrap(checkpointSeed, context({ checkpoint: made }))) }
      : { ...outsideMeta, seal: toBase64(root.wrap(new Uint8Array(), context({ checkpoint: outsideMeta }))) }],
    request_secret: "",
  };
  createSecretFile(path, bytesOf(withSecret(file, requestSecret, root)));
  return openKeyring(path, root);
}

/**
 * Files a further key, before anything is signed with it; in the place of one that was filed and never used: of those from its first epoch on,
 * or, with a `previous` key that may have begun there too, of those behind that one. `seed` null: it is forward-secure.
 */
export function addKey(path: string, root: RootKey, key: Omit<HmacKey, "createdAt" | "revoked"> & { readonly createdAt: string }, previous: string | null = null): void {
  const file = parseKeyring(path);
  const requestSecret = openRequestSecret(path, file, root); // else a list that somebody has changed would be wrapped anew
  const context = (metadata: Json): Uint8Array => contextOf({ origin: file.origin, ledgerId: file.ledger_id }, metadata);
  const meta = { key_id: key.keyId, mode: key.mode, first_epoch: key.firstEpoch, created_at: key.createdAt };
  const used = file.hmac_keys.findIndex((known) => known.key_id === previous);
  const before = file.hmac_keys.filter((known, i) => known.key_id !== key.keyId && (known.first_epoch < key.firstEpoch || i <= used));
  const added: KeyringFile["hmac_keys"][number] = key.seed === null
    ? { ...meta, mode: "forward-secure" } : { ...meta, mode: "retained", seed: toBase64(root.wrap(key.seed, context({ hmac: meta }))) };
  replaceSecretFile(path, bytesOf(withSecret({ ...file, hmac_keys: [...before, added] }, requestSecret, root)));
}

/** Files a checkpoint key behind the one that signs, before anything is signed with it; in the place of those that were filed behind that one and never used. */
export function addCheckpointKey(path: string, root: RootKey, current: string, { vkey, createdAt, after, secret }: NewCheckpointKey): void {
  const file = parseKeyring(path);
  const requestSecret = openRequestSecret(path, file, root);
  const context = (metadata: Json): Uint8Array => contextOf({ origin: file.origin, ledgerId: file.ledger_id }, { checkpoint: metadata });
  const used = file.checkpoint_keys.slice(0, 1 + file.checkpoint_keys.findIndex((known) => known.vkey === current));
  const meta = { vkey, created_at: createdAt, after };
  const kmsMeta = { ...meta, kms_key: String(secret) };
  const added = typeof secret === "string" ? { ...kmsMeta, seal: toBase64(root.wrap(new Uint8Array(), context(kmsMeta))) }
    : { ...meta, private_key: toBase64(root.wrap(secret, context(meta))) };
  replaceSecretFile(path, bytesOf(withSecret({ ...file, checkpoint_keys: [...used, added] }, requestSecret, root)));
}

/** Overwrites the private key of a checkpoint key that signs nothing any more; false where there is none on this host. */
export function retireCheckpointKey(path: string, root: RootKey, vkey: string): boolean {
  const file = parseKeyring(path);
  const requestSecret = openRequestSecret(path, file, root);
  const retired = file.checkpoint_keys.map((key) => {
    if (key.vkey !== vkey || !("private_key" in key)) return key;
    const { private_key: _, ...meta } = key;
    const retiredMeta = { ...meta, retired: true as const };
    return { ...retiredMeta, seal: toBase64(root.wrap(new Uint8Array(), contextOf({ origin: file.origin, ledgerId: file.ledger_id }, { checkpoint: retiredMeta as Json }))) };
  });
  if (retired.every((key, i) => key === file.checkpoint_keys[i])) return false;
  replaceAndErase(path, bytesOf(withSecret({ ...file, checkpoint_keys: retired }, requestSecret, root)));
  return true;
}

/** The seed of a checkpoint key of this host, and its vkey. */
export function newCheckpointKey(origin: string): { readonly vkey: string; readonly seed: Uint8Array } {
  const seed = randomBytes(32);
  return { vkey: vkeyOfSeed(origin, seed), seed };
}

export function vkeyOfSeed(origin: string, seed: Uint8Array): string {
  return formatVkey(origin, publicKeyOf(privateKeyOf(seed)));
}

/** Notes what the ledger says of a key, of several times the earliest: for whoever looks at this host. Nothing rests on it. */
export function noteRevoked(path: string, keyId: string, revoked: NonNullable<HmacKey["revoked"]>): void {
  const file = parseKeyring(path);
  const noted = file.hmac_keys.map((key) => (key.key_id !== keyId || (key.revoked !== undefined && key.revoked.compromised_since <= revoked.compromised_since) ? key : { ...key, revoked }));
  replaceSecretFile(path, bytesOf({ ...file, hmac_keys: noted }));
}

/** The key with this id: `null` where nobody knows which one, then the newest. `key_missing`: the keyring is older than the ledger. */
export function signingKey({ hmacKeys }: Pick<Keyring, "hmacKeys">, keyId: string | null): HmacKey {
  const key = keyId === null ? hmacKeys.at(-1) : hmacKeys.find((one) => one.keyId === keyId);
  if (key === undefined) throw new KeyError("key_missing", `the ledger is signed with ${keyId}, which the keyring has not: it is an older one; put the newest backup of the keyring in its place`);
  return key;
}

function bytesOf(file: KeyringFile): Uint8Array {
  return utf8(`${JSON.stringify(file, null, 2)}\n`);
}

/** Opens every secret of the file; `key_file_damaged`, `wrong_root_key`. */
export function openKeyring(path: string, root: RootKey): Keyring {
  const file = parseKeyring(path);
  const ledger = { origin: file.origin, ledgerId: file.ledger_id };
  const open = (text: string, metadata: Json): Uint8Array => opened(path, root, text, contextOf(ledger, metadata));
  return {
    ...ledger,
    hmacKeys: file.hmac_keys.map((key) => {
      const common = { keyId: key.key_id, mode: key.mode, firstEpoch: key.first_epoch, createdAt: key.created_at, revoked: key.revoked };
      if (key.mode === "forward-secure") return { ...common, seed: null };
      const { seed, revoked: _, ...meta } = key;
      return { ...common, seed: open(seed, { hmac: meta }) };
    }),
    checkpointKeys: file.checkpoint_keys.map((key): CheckpointKey => {
      const common = { vkey: key.vkey, createdAt: key.created_at, after: key.after };
      if ("seal" in key) {
        const { seal, ...meta } = key;
        open(seal, { checkpoint: meta as Json });
        return "kms_key" in meta ? { ...common, kmsKey: meta.kms_key } : common;
      }
      const { private_key, ...meta } = key;
      const privateKey = privateKeyOf(open(private_key, { checkpoint: meta as Json }));
      if (formatVkey(parseVkey(meta.vkey).name, publicKeyOf(privateKey)) !== meta.vkey) {
        throw new KeyError("key_file_damaged", `${path}: the checkpoint key is not that of its vkey`);
      }
      return { ...common, privateKey };
    }),
    requestSecret: openRequestSecret(path, file, root),
  };
}

function opened(path: string, root: RootKey, text: string, context: Uint8Array): Uint8Array {
  const bytes = fromBase64(text);
  if (bytes === null) throw new KeyError("key_file_damaged", `${path} holds a secret that is not base64`);
  return root.unwrap(bytes, context);
}

/**
 * `wrong_root_key` where the list of keys is another one than was filed. The first keyrings did not bind the list: one is believed that
 * has the key of `init` alone, of which the ledger's genesis receipt tells the rest (`keyringProblem`).
 */
function openRequestSecret(path: string, file: KeyringFile, root: RootKey): Uint8Array {
  try {
    return opened(path, root, file.request_secret, listContext(file));
  } catch (error) {
    const [key, ...more] = file.hmac_keys;
    if (key?.key_id !== FIRST_KEY || key.first_epoch !== 0 || more.length > 0 || file.checkpoint_keys.length > 1) throw error;
    return opened(path, root, file.request_secret, contextOf({ origin: file.origin, ledgerId: file.ledger_id }, "request"));
  }
}

/** The file with its request secret wrapped under the list of its keys. */
function withSecret(file: KeyringFile, requestSecret: Uint8Array, root: RootKey): KeyringFile {
  return { ...file, request_secret: toBase64(root.wrap(requestSecret, listContext(file))) };
}

/** All that the file says of its keys, but what the ledger says of them since (`revoked`). */
function listContext({ origin, ledger_id, hmac_keys, checkpoint_keys }: KeyringFile): Uint8Array {
  return contextOf({ origin, ledgerId: ledger_id }, {
    request: {
      hmac_keys: hmac_keys.map(({ key_id, mode, first_epoch, created_at }) => ({ key_id, mode, first_epoch, created_at })),
      checkpoint_keys: checkpoint_keys.map(({ vkey, created_at, after }) => ({ vkey, created_at, ...(after === undefined ? {} : { after }) })),
    },
  });
}

function parseKeyring(path: string): KeyringFile {
  try {
    return keyringSchema.parse(JSON.parse(fromUtf8(readSecretFile(path))));
  } catch (error) {
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a keyring`); // no cause: JSON.parse quotes the text, which may be another key's
  }
}

function contextOf(ledger: { readonly origin: string; readonly ledgerId: string }, metadata: Json): Uint8Array {
  return utf8(canonicalize({ keyring: 1, origin: ledger.origin, ledger_id: ledger.ledgerId, secret: metadata }));
}

export function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
}

/** The 32 bytes of the public key: the end of its DER form. */
function publicKeyOf(privateKey: KeyObject): Uint8Array {
  return createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
}
