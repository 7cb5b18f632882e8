/**
 * The key that a ledger is to go on with: made by `receiptd key rotate`, left in the data folder, taken up by the daemon, and then erased. Who
 * may write there may change keys; who may only write receipts may not.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { fromBase64, toBase64, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { firstRatchetKey } from "../format/mac.ts";
import { KEY_ID, type LedgerName } from "../format/names.ts";
import type { Json } from "../format/strict-json.ts";
import { keyCopy } from "./epoch-keys.ts";
import { KeyError } from "./errors.ts";
import type { KeyMode, Keyring } from "./keyring.ts";
import { nodeHash } from "./node-hash.ts";
import type { RootKey } from "./root-key.ts";
import { leaveFile, readWaiting } from "./waiting-file.ts";

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
  leaveFile(path, "key", { format: "receiptd-next-key/1", ...fields, secret });
}

/** null where there is none, or where one was being erased. `key_file_damaged`, `wrong_root_key`. */
export function readNextKey(path: string, ledger: LedgerName, root: RootKey): NextKey | null {
  const parsed = readWaiting(path, "key", schema);
  if (parsed === null) return null;
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
