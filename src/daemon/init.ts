/**
 * A new ledger: root key, keyring, ratchet, outbox, targets, and last, in one rename, the ledger with its genesis receipt. So a
 * ledger that is there is complete; a creation that was cut short is taken up where it stopped.
 */
import { randomBytes, randomFillSync } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createDirectoryTarget } from "../anchor/directory.ts";
import { createOutbox } from "../anchor/outbox.ts";
import type { Config } from "../config.ts";
import { toHex } from "../format/bytes.ts";
import { uuidV7 } from "../format/uuid.ts";
import { EpochKeys, ratchetAt } from "../keys/epoch-keys.ts";
import { createKeyring, type Keyring, openKeyring } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import { createRootKeyFile, openRootKeyFile, type RootKey } from "../keys/root-key.ts";
import { createLedger } from "../ledger/create.ts";
import { LedgerError } from "../ledger/errors.ts";
import { syncPath } from "../ledger/sync-path.ts";
import type { WriterOptions } from "../ledger/writer.ts";
import { placesOf } from "./places.ts";

const RANDOM_BYTES = 10;
/** For ids to come: to ask for ten at a time costs more than all the rest of an id. No secret. */
const random = Buffer.alloc(RANDOM_BYTES * 409);
let used = random.length;

export function newId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += RANDOM_BYTES;
  return uuidV7(Date.now(), random.subarray(used - RANDOM_BYTES, used));
}

export function writerOptions(config: Config): WriterOptions {
  return {
    sha256: nodeHash.sha256,
    now: Date.now,
    newId,
    maxBatch: config.anchor.max_batch,
    maxOrganizations: config.limits.max_organizations,
    prefixOf: (organization) => config.organizations.get(organization)?.prefix,
  };
}

/** Opens the root key and with it the keyring. */
export function openKeys(config: Config): { readonly root: RootKey; readonly keyring: Keyring } {
  const places = placesOf(config);
  const root = openRootKeyFile(places.rootKey);
  return { root, keyring: openKeyring(places.keyring, root) };
}

/** Creates everything that `config` names; `ledger_exists` where there is a ledger. Returns the keys' public side. */
export function initLedger(config: Config): { readonly ledgerId: string; readonly vkey: string } {
  const places = placesOf(config);
  if (existsSync(places.ledger)) {
    throw new LedgerError("ledger_exists", `${places.ledger} is there already; a ledger is created once and never replaced`);
  }
  createFolder(config.data_dir);
  const root = existsSync(places.rootKey) ? openRootKeyFile(places.rootKey) : createRootKeyFile(places.rootKey);
  const identity = { origin: config.origin, ledgerId: toHex(randomBytes(16)) };
  const keyring = existsSync(places.keyring)
    ? openKeyring(places.keyring, root)
    : createKeyring(places.keyring, identity, root, new Date().toISOString());
  const key = keyring.hmacKeys.at(-1)!;
  const state = ratchetAt(keyring.ledgerId, key, key.firstEpoch, null);
  if (!existsSync(places.ratchet)) new RatchetFile(places.ratchet, root, keyring.ledgerId).create(state);
  if (!existsSync(places.outbox)) createOutbox(places.outbox, keyring);
  for (const target of config.anchor.targets) if (target.type === "directory") createDirectoryTarget(target.path);
  const keys = new EpochKeys(keyring, state);
  const vkey = keyring.checkpointKeys.at(-1)!.vkey;
  const details = {
    format: 1, ledger_id: keyring.ledgerId, key_id: key.keyId, mode: key.mode, epoch_commitment: keys.commitment(), vkeys: [vkey],
  };
  createLedger(places.ledger, { origin: keyring.origin, ledgerId: keyring.ledgerId, details }, keys, writerOptions(config));
  return { ledgerId: keyring.ledgerId, vkey };
}

/** With the folders above it where they are missing, all on the disk: a ledger in a folder whose name is lost is lost. */
export function createFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 }) ?? path; // also one that a creation that was cut short has left
  for (let at = path; at.length >= first.length && at !== dirname(at); at = dirname(at)) syncPath(dirname(at));
}
