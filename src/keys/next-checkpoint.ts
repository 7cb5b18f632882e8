/**
 * The checkpoint key that a ledger is to go on with: made by `receiptd key rotate --checkpoint`, left in the data folder, taken up by the daemon,
 * and then erased. As with next.key, who may write there may change keys.
 */
import { z } from "zod";
import { fromBase64, toBase64, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import type { LedgerName } from "../format/names.ts";
import type { Json } from "../format/strict-json.ts";
import { KeyError } from "./errors.ts";
import { vkeyOfSeed } from "./keyring.ts";
import type { KmsKey } from "./kms/client.ts";
import type { RootKey } from "./root-key.ts";
import { leaveFile, readWaiting } from "./waiting-file.ts";

const text = z.string().max(2048);
const fields = z.strictObject({
  vkey: text,
  created_at: z.string(),
  reason: z.enum(["request", "schedule"]),
  /** Where the key is in AWS KMS, and how the daemon gets at it until it is started with the configuration that names it; null: it is here. */
  kms: z.strictObject({ key: text, region: text.optional(), endpoint: text.optional(), profile: text.optional() }).nullable(),
});
const schema = z.strictObject({ format: z.literal("receiptd-next-checkpoint/1"), ...fields.shape, secret: z.string().max(4096) });

export interface NextCheckpoint {
  readonly vkey: string;
  readonly createdAt: string;
  readonly reason: "request" | "schedule";
  /** 32 bytes, or a key in AWS KMS. */
  readonly secret: Uint8Array | KmsKey;
}

/** Leaves it for the daemon; `key_pending` where one is there that was not taken up. */
export function fileNextCheckpoint(path: string, ledger: LedgerName, root: RootKey, { vkey, createdAt, reason, secret }: NextCheckpoint): void {
  const meta = { vkey, created_at: createdAt, reason, kms: secret instanceof Uint8Array ? null : kmsOf(secret) };
  const wrapped = toBase64(root.wrap(secret instanceof Uint8Array ? secret : new Uint8Array(), contextOf(ledger, meta)));
  leaveFile(path, "checkpoint key", { format: "receiptd-next-checkpoint/1", ...meta, secret: wrapped });
}

/** null where there is none, or where one was being erased. `key_file_damaged`, `wrong_root_key`. */
export function readNextCheckpoint(path: string, ledger: LedgerName, root: RootKey): NextCheckpoint | null {
  const parsed = readWaiting(path, "checkpoint key", schema);
  if (parsed === null) return null;
  const { format: _, secret, ...meta } = parsed;
  const wrapped = fromBase64(secret);
  if (wrapped === null) throw new KeyError("key_file_damaged", `${path} holds a secret that is not base64`);
  const seed = root.unwrap(wrapped, contextOf(ledger, meta as Json));
  if (meta.kms === null && vkeyOfSeed(ledger.origin, seed) !== meta.vkey) throw new KeyError("key_file_damaged", `${path}: the checkpoint key is not that of its vkey`);
  return { vkey: meta.vkey, createdAt: meta.created_at, reason: meta.reason, secret: meta.kms ?? seed };
}

function kmsOf({ key, region, endpoint, profile }: KmsKey): { readonly [name: string]: string } {
  return { key, ...(region === undefined ? {} : { region }), ...(endpoint === undefined ? {} : { endpoint }), ...(profile === undefined ? {} : { profile }) };
}

function contextOf({ origin, ledgerId }: LedgerName, meta: Json): Uint8Array {
  return utf8(canonicalize({ next_checkpoint: 1, origin, ledger_id: ledgerId, secret: meta }));
}
