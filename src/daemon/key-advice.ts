/** What to do where root key or keyring cannot be opened, by the file that is wrong: for a mistyped passphrase nothing has to be restored. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { KeyError } from "../keys/errors.ts";
import { placesOf } from "./places.ts";

/** Names of what a root key is made from, by type, where the configuration does not say another. */
const USUAL = { file: "root.key", passphrase: "root.scrypt", "aws-kms": "root.kms" } as const;

/** The same error with its `next`. `isKeyring`: the root key was opened. */
export function advised(error: unknown, config: Config, isKeyring: boolean): unknown {
  if (!(error instanceof KeyError) || error.next !== undefined) return error;
  return new KeyError(error.code, error.message, { cause: error.cause, next: nextOf(error, config, isKeyring) });
}

function nextOf({ code }: KeyError, config: Config, isKeyring: boolean): string | undefined {
  const { ledger, keyring, rootKey } = placesOf(config);
  const file = isKeyring ? keyring : rootKey;
  const isMade = existsSync(keyring) || existsSync(ledger);
  switch (code) {
    case "key_file_missing":
      if (!isMade) return "create the ledger with: receiptd init";
      return isKeyring ? "put the keyring back from its backup" : lostRootKey(config, rootKey);
    case "credential_missing":
      return isMade ? "hand over the one that the ledger was made with: with a new one its keyring does not open" : undefined;
    case "key_file_mode":
      return `run this as the daemon's user, who alone may have rights to ${file} (mode 0600)`;
    case "key_file_damaged":
      return `put ${file} back from its backup`;
    case "wrong_root_key":
      return `set keys.root_key to what the ledger was made with, or put ${isKeyring ? "root key and keyring back from one and the same backup" : `${file} back from its backup`}`;
    default:
      return undefined;
  }
}

function lostRootKey({ data_dir: dir }: Config, rootKey: string): string {
  for (const [type, name] of Object.entries(USUAL)) {
    const path = join(dir, name);
    if (path !== rootKey && existsSync(path)) return `${path} is there: if the ledger was made with that, set keys.root_key to type ${type}; else put ${rootKey} back from its backup`;
  }
  return `put ${rootKey} back from its backup, or set keys.root_key to what the ledger was made with: with another root key its keyring does not open`;
}
