/** The keys that sign anchors: which ones the keyring has, when each signs by the ledger, and how the configuration gets at them. */
import type { SigningKey } from "../anchor/signer.ts";
import type { KnownVkey, SigningPeriod } from "../anchor/signers.ts";
import type { Config } from "../config.ts";
import { parseVkey } from "../format/note.ts";
import { KeyError } from "../keys/errors.ts";
import type { CheckpointKey, Keyring, OutsideKey } from "../keys/keyring.ts";
import { KmsCheckpointKey } from "../keys/kms/checkpoint-key.ts";
import type { KmsKey } from "../keys/kms/client.ts";
import type { NextCheckpoint } from "../keys/next-checkpoint.ts";
import { checkpointRotationAt, isReadable, newestCheckpointRotation } from "../ledger/keys-said.ts";
import type { Reader } from "../ledger/reader.ts";

/** Of a ledger to come, or of a rotation: the key in AWS KMS that is configured; null: one is to be made here. `kms_unavailable`, `kms_denied`, `wrong_checkpoint_key`. */
export async function outsideKey({ keys: { checkpoint } }: Config): Promise<OutsideKey | null> {
  if (checkpoint.type === "local") return null;
  return { kmsKey: checkpoint.key, publicKey: await new KmsCheckpointKey(checkpoint).publicKey() };
}

/** Tree sizes of the first and last anchor that a key signs, those of the rotations included. */
export interface CheckpointPeriod {
  readonly key: CheckpointKey;
  /** 0: the ledger's first key. */
  readonly first: number;
  /** null: it signs. */
  readonly last: number | null;
}

/**
 * The keys of the keyring that the ledger went on with, in order: what its `checkpoint_rotation` receipts say, not what was filed. A key is filed
 * right before its receipt, which tells where that is; a last one may be there for which it never came. Where the receipt cannot be read the
 * keyring is believed, which nobody changes without the root key.
 *
 * `key_missing` where the ledger has gone on with a key behind the last of these: the keyring is an older one, and its newest key is retired.
 */
export function checkpointPeriods(reader: Reader, keys: Keyring["checkpointKeys"]): readonly CheckpointPeriod[] {
  const [first, ...more] = keys;
  if (first === undefined) return [];
  const periods: CheckpointPeriod[] = [{ key: first, first: 0, last: null }];
  for (const key of more) {
    const { treeSize } = reader.anchors(key.after ?? 0, 1)[0] ?? { treeSize: 0 };
    const said = checkpointRotationAt(reader, treeSize);
    const before = periods.at(-1)!;
    const isLost = treeSize > 0 && !isReadable(reader, treeSize - 2); // one damaged receipt is no reason not to start
    if (!isLost && (said?.vkey !== key.vkey || said.previous_vkey !== before.key.vkey)) continue;
    periods.splice(-1, 1, { ...before, last: treeSize });
    periods.push({ key, first: treeSize, last: null });
  }
  const newest = newestCheckpointRotation(reader, periods.at(-1)!.first);
  if (newest === null) return periods;
  throw new KeyError("key_missing", `the ledger's anchors are signed with ${newest.vkey} from that of ${newest.treeSize} receipts on, as its checkpoint_rotation says, which the keyring does not know: it is an older one`, { next: "put the newest backup of the keyring in its place" });
}

/** For what reads anchors: of a key that was rotated away, those that it signed in its time. */
export function knownVkeys(periods: readonly CheckpointPeriod[]): readonly KnownVkey[] {
  return periods.map(({ key, last }) => ({ ...parseVkey(key.vkey), last: last ?? undefined }));
}

/** As the publisher takes it. */
export function signingPeriods({ keys: { checkpoint } }: Config, periods: readonly CheckpointPeriod[]): readonly SigningPeriod[] {
  return periods.map(({ key: { vkey, privateKey, kmsKey }, first }) => {
    if (kmsKey !== undefined) return { vkey, first, key: { vkey, kms: accessTo(kmsKey, checkpoint) } };
    return { vkey, first, key: privateKey === undefined ? null : { vkey, privateKey } };
  });
}

/** Of a key that is not the one that is configured: its region is in its ARN, and the rest is what the configuration says of the other. */
function accessTo(key: string, checkpoint: Config["keys"]["checkpoint"]): KmsKey {
  if (checkpoint.type === "local") return { key };
  return checkpoint.key === key ? checkpoint : { key, endpoint: checkpoint.endpoint, profile: checkpoint.profile };
}

/**
 * The key that signs. `wrong_checkpoint_key` where the configuration names another one, to which no rotation waits (`next`): a ledger keeps its
 * own until it is told. `ledger_behind` where the ledger that went on from this one has rotated it away.
 */
export function signingKeyOf(config: Config, periods: readonly CheckpointPeriod[], next: NextCheckpoint | null = null): SigningKey {
  const { checkpoint } = config.keys;
  const { key: { vkey, privateKey, kmsKey } } = periods.at(-1)!;
  const nextKms = next === null || next.secret instanceof Uint8Array ? null : next.secret.key;
  const isNext = next !== null && (checkpoint.type === "local" ? nextKms === null : nextKms === checkpoint.key);
  if (privateKey !== undefined && (checkpoint.type === "local" || isNext)) return { vkey, privateKey };
  if (kmsKey !== undefined && ((checkpoint.type === "aws-kms" && checkpoint.key === kmsKey) || isNext)) return { vkey, kms: accessTo(kmsKey, checkpoint) };
  if (privateKey === undefined && kmsKey === undefined) { // overwritten, which is done when its last anchor is where it belongs
    throw new KeyError("ledger_behind", `the ledger's newest anchors are signed with ${vkey}, which was rotated away since: this ledger is older than its keyring, restored from a backup or cut`, { next: "put the newest copy of the ledger back; see: receiptd recover" });
  }
  const said = checkpoint.type === "local" ? "a local one" : checkpoint.key;
  throw new KeyError("wrong_checkpoint_key", `the ledger's anchors are signed with ${kmsKey ?? "the key in its keyring"}, the configuration names ${said}: set keys.checkpoint to ${kmsKey === undefined ? "{type: local}" : `{type: aws-kms, key: "${kmsKey}"}`}, or go on with the one that it names: receiptd key rotate --checkpoint`);
}
