/** Where the root key and the checkpoint key are, and who could come by them. */
import { lstatSync } from "node:fs";
import type { Config } from "../config.ts";
import { type CheckpointPeriod, signingKeyOf } from "../daemon/checkpoint-key.ts";
import { placesOf } from "../daemon/places.ts";
import { equal } from "../format/bytes.ts";
import { count } from "../format/count.ts";
import { parseVkey } from "../format/note.ts";
import { KeyError } from "../keys/errors.ts";
import { KmsCheckpointKey } from "../keys/kms/checkpoint-key.ts";
import type { NextCheckpoint } from "../keys/next-checkpoint.ts";
import { type Check, messageOf, ok, problem, unchecked, warning } from "./check.ts";

/** Of a root key that was opened. */
export function checkRootKey(config: Config): Check {
  const { rootKey, keyring } = placesOf(config);
  const own = config.keys.root_key;
  const isBeside = (path: string): boolean => lstatSync(path).dev === lstatSync(keyring).dev;
  switch (own.type) {
    case "file":
      return isBeside(rootKey)
        ? warning("root key", `${rootKey} is on the same disk as the keys that it wraps: whoever copies the disk can sign`, "where that matters, put keys.root_key.path on another one, or use another keys.root_key.type: credential, passphrase, aws-kms (docs/OPERATIONS.md, “Where the root key is”)")
        : ok("root key", `${rootKey} is on another disk than the keyring`);
    case "credential":
      return ok("root key", `it is systemd's credential ${own.name}; whether that is encrypted on the disk, the unit says (LoadCredentialEncrypted=)`);
    case "passphrase":
      return own.passphrase_file !== undefined && isBeside(own.passphrase_file)
        ? warning("root key", `the passphrase in ${own.passphrase_file} is on the same disk as ${rootKey}: whoever copies the disk has both`, "put passphrase_file on another one, such as a tmpfs, or use passphrase_credential")
        : ok("root key", `${rootKey} opens with its passphrase, which is not on that disk`);
    case "aws-kms":
      return ok("root key", `KMS decrypts ${rootKey} under ${own.key}; whoever copies the disk cannot`);
  }
}

/** Can anchors be signed? Of a key on this host that is known when the keyring opens. `next`: a rotation waits. */
export async function checkCheckpointKey(config: Config, periods: readonly CheckpointPeriod[], next: NextCheckpoint | null): Promise<readonly Check[]> {
  const name = "checkpoint key";
  try {
    const { vkey, kms } = signingKeyOf(config, periods, next);
    const since = periods.at(-1)!.first;
    if (kms === undefined) return since === 0 ? [] : [ok(name, `${vkey} signs since the anchor of ${count(since, "receipt")}; ${count(periods.length - 1, "other key")} before it`)];
    const key = new KmsCheckpointKey(kms);
    if (!equal(await key.publicKey(), parseVkey(vkey).publicKey)) {
      return [problem(name, `${kms.key} is not the key of the vkey ${vkey}: no anchor can be signed`, "set keys.checkpoint to the key that the ledger was made with; is the endpoint right?")];
    }
    await key.requireSign();
    return [ok(name, `${kms.key} is the key of the vkey, and this identity may sign with it`)];
  } catch (error) {
    if (error instanceof KeyError && error.code === "kms_unavailable") return [unchecked(name, error.message, "anchors wait while KMS is away, and are signed when it is back")];
    return [problem(name, messageOf(error), "no anchor can be signed until that is put right; receipts are taken")];
  }
}
