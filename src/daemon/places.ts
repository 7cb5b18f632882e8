/** Where the files of a ledger are. */
import { join } from "node:path";
import type { Config } from "../config.ts";
import { rootKeySource } from "../keys/root-keys.ts";

export interface Places {
  readonly ledger: string;
  readonly keyring: string;
  readonly ratchet: string;
  /** The seed of a forward-secure key, encrypted to the auditor. */
  readonly seed: (keyId: string) => string;
  /** What `receiptd key` leaves for the daemon: a key to go on with, and one that is not to be believed any more. */
  readonly nextKey: string;
  readonly revocation: string;
  /** As `nextKey`: a checkpoint key. */
  readonly nextCheckpoint: string;
  /** What `receiptd recover` leaves for it: recoveries that are to be recorded. */
  readonly recovery: string;
  /** A folder: bytes that stood in the place of receipts and are none of them. */
  readonly quarantine: string;
  /** The root key, or what it is made from; of a credential without its folder, no path. */
  readonly rootKey: string;
  /** Chains that are open, and the records of those that have ended. */
  readonly chains: string;
  /** The publisher's own database. */
  readonly outbox: string;
  /** A folder: archive objects that are not at every target yet. */
  readonly archive: string;
  /** The socket of the daemon's own processes. */
  readonly control: string;
  /** Who may read over HTTP. */
  readonly tokens: string;
}

export function placesOf(config: Config): Places {
  const inData = (name: string): string => join(config.data_dir, name);
  return {
    ledger: inData("ledger.db"),
    keyring: inData("keyring.json"),
    ratchet: inData("ratchet"),
    seed: (keyId) => inData(`seed.${keyId}.age`),
    nextKey: inData("next.key"),
    revocation: inData("revocation.json"),
    nextCheckpoint: inData("next.checkpoint"),
    recovery: inData("recovery.json"),
    quarantine: inData("quarantine"),
    rootKey: rootKeySource(config.keys.root_key).place,
    chains: inData("chains.db"),
    outbox: inData("anchor.db"),
    archive: inData("archive"),
    control: inData("control.sock"),
    tokens: inData("tokens.json"),
  };
}
