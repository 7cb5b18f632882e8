/**
 * The key that a ledger is to go on with: made by `receiptd key rotate`, left in the data folder, taken up by the daemon, and then erased. Who
 * may write there may change keys; who may only write receipts may not.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { fromBase64, fromUtf8, toBase64, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { firstRatchetKey } from "../format/mac.ts";
import { KEY_ID, type LedgerName } from "../format/names.ts";
import type { Json } from "../format/strict-json.ts";
import { keyCopy } from "./epoch-keys.ts";
import { KeyError } from "./errors.ts";
import type { KeyMode, Keyring } from "./keyring.ts";
import { nodeHash } from "./node-hash.ts";
import type { RootKey } from "./root-key.ts";
import { createSecretFile, eraseSecretFile, readSecretFile } from "./secret-file.ts";

const meta = z.strictObject({
  key_id: z.string().regex(KEY_ID),
  mode: z.enum(["retained", "forward-secure"]),
  /** null: whichever is next when it is taken up. */
  first_epoch: z.int().positive().nullable(),
  created_at: z.string(),
  reason: z.enum(["request", "schedule"]),
});
const schema = z.strictObject({ format: z.literal("receiptd-next-key/1"), ...meta.shape, secret: z.string().max(4096) });

export interface NextKey {
  readonly keyId: string;
  readonly mode: KeyMode;
  /** A forward-secure key's is in the seed that the auditor has already; null: whichever is next. */
  readonly firstEpoch: number | null;
  readonly createdAt: string;
  readonly reason: "request" | "schedule";
  /** 32 bytes: the seed; K of the first epoch where the key is forward-secure. */
  readonly secret: Uint8Array;
}

/** A seed of 32 random bytes; the caller overwrites it. */
export function newSeed(): Uint8Array {
  return randomBytes(32);
}

/** The `key_id` after all that the keyring has: key_v1, key_v2 … */
export function nextKeyName({ hmacKeys }: Pick<Keyring, "hmacKeys">): string {
  const numbers = hmacKeys.map(({ keyId }) => Number(/^key_v([1-9]\d{0,8})$/.exec(keyId)?.[1] ?? 0));
  return `key_v${Math.max(hmacKeys.length, ...numbers) + 1}`;
}

/** Of a forward-secure key, what the host is left with. */
export function firstKeyOf(ledgerId: string, keyId: string, seed: Uint8Array): Uint8Array {
  return firstRatchetKey(seed, ledgerId, keyId, nodeHash);
}

/** Leaves it for the daemon; `key_pending` where one is there that was not taken up. */
export function fileNextKey(path: string, ledger: LedgerName, root: RootKey, key: NextKey): void {
  const fields = { key_id: key.keyId, mode: key.mode, first_epoch: key.firstEpoch, created_at: key.createdAt, reason: key.reason };
  const secret = toBase64(root.wrap(key.secret, contextOf(ledger, fields)));
  try {
    createSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-next-key/1", ...fields, secret })}\n`));
  } catch (error) {
    if (!(error instanceof KeyError) || error.code !== "key_file_exists") throw error;
    throw new KeyError("key_pending", `${path} holds a key that the daemon has not taken up yet: start it (receiptd serve), or remove the file`, { cause: error });
  }
}

/**
 * null where there is none; so it is where one was being erased, which begins when it was taken up and a power cut can leave half done: zeros,
 * of which JSON has none. `key_file_damaged`, `wrong_root_key`.
 */
export function readNextKey(path: string, ledger: LedgerName, root: RootKey): NextKey | null {
  let parsed: z.infer<typeof schema>;
  try {
    const bytes = readSecretFile(path);
    if (bytes.includes(0)) {
      eraseSecretFile(path);
      return null;
    }
    parsed = schema.parse(JSON.parse(fromUtf8(bytes)));
  } catch (error) {
    if (error instanceof KeyError && error.code === "key_file_missing") return null;
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a key to rotate to`); // no cause: JSON.parse quotes the text
  }
  const { format: _, secret, ...fields } = parsed;
  const wrapped = fromBase64(secret);
  if (wrapped === null) throw new KeyError("key_file_damaged", `${path} holds a secret that is not base64`);
  return {
    keyId: fields.key_id, mode: fields.mode, firstEpoch: fields.first_epoch, createdAt: fields.created_at, reason: fields.reason,
    secret: root.unwrap(wrapped, contextOf(ledger, fields)),
  };
}

/** K of its first epoch, in memory of its own. */
export function ratchetOf({ keyId, mode, secret }: NextKey, ledgerId: string): Uint8Array {
  return keyCopy(mode === "retained" ? firstKeyOf(ledgerId, keyId, secret) : secret);
}

function contextOf({ origin, ledgerId }: LedgerName, fields: Json): Uint8Array {
  return utf8(canonicalize({ next_key: 1, origin, ledger_id: ledgerId, secret: fields }));
}
