/**
 * A new ledger: root key, keyring, ratchet, outbox, targets, and last, in one rename, the ledger with its genesis receipt. So a
 * ledger that is there is complete; a creation that was cut short is taken up where it stopped.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { createDirectoryTarget } from "../anchor/directory.ts";
import { createOutbox } from "../anchor/outbox.ts";
import type { Config } from "../config.ts";
import { toHex } from "../format/bytes.ts";
import { EpochKeys, ratchetAt, type RatchetState } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { createKeyring, FIRST_KEY, type Keyring, openKeyring, type OutsideKey } from "../keys/keyring.ts";
import { newId } from "../keys/new-id.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import type { RootKey } from "../keys/root-key.ts";
import { rootKeySource } from "../keys/root-keys.ts";
import { createSecretFile } from "../keys/secret-file.ts";
import { createLedger } from "../ledger/create.ts";
import { LedgerError } from "../ledger/errors.ts";
import { syncPath } from "../ledger/sync-path.ts";
import type { WriterOptions } from "../ledger/writer-options.ts";
import { outsideKey } from "./checkpoint-key.ts";
import { advised } from "./key-advice.ts";
import { type Places, placesOf } from "./places.ts";

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

/** Opens the root key and with it the keyring. Throws KeyError, with what to do next. */
export async function openKeys(config: Config): Promise<{ readonly root: RootKey; readonly keyring: Keyring }> {
  let root: RootKey | null = null;
  try {
    root = await rootKeySource(config.keys.root_key).open();
    return { root, keyring: openKeyring(placesOf(config).keyring, root) };
  } catch (error) {
    throw advised(error, config, root !== null);
  }
}

/** What reads the receipts of a host: its keyring and, where a key is forward-secure, the open epoch's key. */
export async function readKeys(config: Config): Promise<{ readonly keyring: Keyring; readonly open: RatchetState | null }> {
  const { root, keyring } = await openKeys(config);
  const isSealed = keyring.hmacKeys.some(({ seed }) => seed === null);
  return { keyring, open: isSealed ? new RatchetFile(placesOf(config).ratchet, root, keyring.ledgerId).load() : null };
}

/** A forward-secure key for a ledger to come. `seed` is overwritten when the ledger is made. */
export interface ForwardSecure {
  readonly ledgerId: string;
  readonly seed: Uint8Array;
  /** What the auditor gets, encrypted: filed beside the keyring. null: it is handed over in another way. */
  readonly sealed: Uint8Array | null;
}

export function newForwardSecure(): { readonly ledgerId: string; readonly seed: Uint8Array } {
  return { ledgerId: newLedgerId(), seed: randomBytes(32) };
}

function newLedgerId(): string {
  return toHex(randomBytes(16));
}

function requireNoLedger(config: Config): void {
  const { ledger } = placesOf(config);
  if (existsSync(ledger)) throw new LedgerError("ledger_exists", `${ledger} is there already; a ledger is created once and never replaced`);
}

/** `ledger_exists`, `key_file_exists` where no new keys can be made for a ledger. */
export function requireNoKeys(config: Config): void {
  const places = placesOf(config);
  requireNoLedger(config);
  if (existsSync(places.keyring)) throw cutShort(places);
  requireNoOutbox(places);
}

function requireNoOutbox({ outbox }: Places): void {
  if (existsSync(outbox)) throw new KeyError("key_file_exists", `${outbox} is there, and neither keyring nor ledger: it is another ledger's, and knows what that one signed. Move it away and run init again`);
}

/** Of a forward-secure key nobody knows whether the seed was handed over. */
function cutShort({ keyring, outbox }: Places): KeyError {
  return new KeyError("key_file_exists", `${keyring} is there, and no ledger: a creation was cut short. No receipt was ever signed with it: move it, ratchet and ${outbox} away, and run init again`);
}

/** Creates everything that `config` names; `ledger_exists` where there is a ledger. Returns the keys' public side. */
export async function initLedger(config: Config, forward: ForwardSecure | null = null): Promise<{ readonly ledgerId: string; readonly vkey: string }> {
  const places = placesOf(config);
  if (forward === null) requireNoLedger(config);
  else requireNoKeys(config);
  createFolder(config.data_dir);
  const root = await rootKeySource(config.keys.root_key).openOrCreate();
  const { keyring, state } = existsSync(places.keyring) ? takenUp(config, root) : createKeys(config, root, forward, await outsideKey(config));
  const key = keyring.hmacKeys.at(-1)!;
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

/** Keyring and ratchet of a new ledger. The keyring last: where it is, all of them are. */
function createKeys(config: Config, root: RootKey, forward: ForwardSecure | null, outside: OutsideKey | null): { readonly keyring: Keyring; readonly state: RatchetState } {
  const places = placesOf(config);
  requireNoOutbox(places);
  const ledger = { origin: config.origin, ledgerId: forward?.ledgerId ?? newLedgerId() };
  const now = new Date().toISOString();
  for (const path of [places.ratchet, places.seed(FIRST_KEY)]) rmSync(path, { force: true }); // of a creation that was cut short
  if (forward === null) {
    const keyring = createKeyring(places.keyring, ledger, root, now, "retained", outside);
    const state = ratchetAt(keyring.ledgerId, keyring.hmacKeys[0]!, 0, null);
    new RatchetFile(places.ratchet, root, keyring.ledgerId).create(state);
    return { keyring, state };
  }
  const seeded = { keyId: FIRST_KEY, mode: "forward-secure", firstEpoch: 0, seed: forward.seed } as const;
  const state = ratchetAt(ledger.ledgerId, seeded, 0, null);
  forward.seed.fill(0);
  if (forward.sealed !== null) createSecretFile(places.seed(FIRST_KEY), forward.sealed);
  new RatchetFile(places.ratchet, root, ledger.ledgerId).create(state);
  return { keyring: createKeyring(places.keyring, ledger, root, now, "forward-secure", outside), state };
}

/** A creation that was cut short before there was a ledger. */
function takenUp(config: Config, root: RootKey): { readonly keyring: Keyring; readonly state: RatchetState } {
  const places = placesOf(config);
  const keyring = openKeyring(places.keyring, root);
  const key = keyring.hmacKeys.at(-1)!;
  if (key.seed === null) throw cutShort(places);
  const state = ratchetAt(keyring.ledgerId, key, key.firstEpoch, null);
  if (!existsSync(places.ratchet)) new RatchetFile(places.ratchet, root, keyring.ledgerId).create(state);
  return { keyring, state };
}

/** With the folders above it where they are missing, all on the disk: a ledger in a folder whose name is lost is lost. */
export function createFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 }) ?? path; // also one that a creation that was cut short has left
  for (let at = path; at.length >= first.length && at !== dirname(at); at = dirname(at)) syncPath(dirname(at));
}
