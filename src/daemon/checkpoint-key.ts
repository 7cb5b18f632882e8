/** The key that signs anchors: which one the keyring has, and how the configuration gets at it. */
import type { SigningKey } from "../anchor/signer.ts";
import type { Config } from "../config.ts";
import { KeyError } from "../keys/errors.ts";
import type { Keyring, OutsideKey } from "../keys/keyring.ts";
import { KmsCheckpointKey } from "../keys/kms/checkpoint-key.ts";

/** Of a ledger to come: the key in AWS KMS that is configured; null: one is to be made here. `kms_unavailable`, `kms_denied`, `wrong_checkpoint_key`. */
export async function outsideKey({ keys: { checkpoint } }: Config): Promise<OutsideKey | null> {
  if (checkpoint.type === "local") return null;
  return { kmsKey: checkpoint.key, publicKey: await new KmsCheckpointKey(checkpoint).publicKey() };
}

/** `wrong_checkpoint_key` where the configuration names another key than the keyring: a ledger keeps its own. */
export function signingKeyOf({ keys: { checkpoint } }: Config, { checkpointKeys }: Keyring): SigningKey {
  const { vkey, privateKey, kmsKey } = checkpointKeys.at(-1)!;
  if (privateKey !== undefined && checkpoint.type === "local") return { vkey, privateKey };
  if (kmsKey !== undefined && checkpoint.type === "aws-kms" && checkpoint.key === kmsKey) return { vkey, kms: checkpoint };
  const said = checkpoint.type === "local" ? "a local one" : checkpoint.key;
  throw new KeyError("wrong_checkpoint_key", `the ledger's anchors are signed with ${kmsKey ?? "the key in its keyring"}, the configuration names ${said}: set keys.checkpoint to ${kmsKey === undefined ? "{type: local}" : `{type: aws-kms, key: "${kmsKey}"}`}`);
}
