/**
 * What `receiptd key` has left in the data folder, taken up by the daemon: a key to go on with, a key that is not to be believed any more. Each
 * becomes a receipt. The folder is the daemon's own: who may write there may change keys, who may only write receipts may not.
 *
 * A crash at any moment leaves the file there, and the next start goes on: a rotation is one transaction of the ledger, before which
 * keyring and ratchet have the new key already; a revocation has the id of its receipt with it.
 */
import { existsSync, rmSync } from "node:fs";
import type { Logger } from "pino";
import type { BatchCloser } from "../anchor/closer.ts";
import { formatNumber } from "../format/chain.ts";
import type { LedgerName } from "../format/names.ts";
import { formatTime } from "../format/time.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { addKey, noteRevoked, openKeyring } from "../keys/keyring.ts";
import { type NextKey, ratchetOf, readNextKey } from "../keys/next-key.ts";
import type { RootKey } from "../keys/root-key.ts";
import { eraseSecretFile } from "../keys/secret-file.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Writer } from "../ledger/writer.ts";
import { readNextCheckpoint } from "../keys/next-checkpoint.ts";
import type { CheckpointKeys, HandedOver } from "./checkpoint-keys.ts";
import type { Places } from "./places.ts";
import { readRevocation, type Revocation } from "./revocation.ts";

interface Parts {
  readonly places: Places;
  readonly root: RootKey;
  readonly ledger: LedgerName;
  readonly writer: Writer;
  readonly keys: EpochKeys;
  readonly closer: BatchCloser;
  readonly checkpoint: CheckpointKeys;
  readonly newId: () => string;
  readonly log: Logger;
}

export interface KeyChange {
  readonly rotated: { readonly previous_key_id: string; readonly key_id: string; readonly mode: string; readonly first_epoch: number; readonly tree_size: number } | null;
  readonly revoked: { readonly key_id: string; readonly compromised_since: string; readonly receipt_number: string } | null;
  readonly checkpoint: HandedOver | null;
  /** Of a key that was rotated to be revoked, and is not revoked: why. The revocation is left where it is. */
  readonly left: { readonly code: string; readonly message: string } | null;
}

export class KeyChanges {
  readonly #parts: Parts;
  #running: Promise<KeyChange> | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** One after the other. KeyError for what cannot be taken up, which is left where it is; LedgerError where it could not be stored. */
  takeUp(): Promise<KeyChange> {
    this.#running ??= this.#takeUp().finally(() => { this.#running = null; });
    return this.#running;
  }

  /** Something is there that could not be taken up, or not yet. */
  isWaiting(): boolean {
    const { nextKey, revocation, nextCheckpoint } = this.#parts.places;
    return this.#running === null && [nextKey, revocation, nextCheckpoint].some((path) => existsSync(path));
  }

  /** Resolves when nothing is being taken up any more. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined); // whoever asked is told
  }

  /** Whatever is wrong with any, nothing is done. */
  async #takeUp(): Promise<KeyChange> {
    const { places, ledger, root, keys, checkpoint, closer } = this.#parts;
    if (existsSync(places.nextKey) || existsSync(places.nextCheckpoint)) this.#requireNewest();
    const nextCheckpoint = readNextCheckpoint(places.nextCheckpoint, ledger, root);
    if (nextCheckpoint !== null) await checkpoint.require(nextCheckpoint);
    const revocation = readRevocation(places.revocation);
    if (revocation !== null) this.#requireKnown(revocation.key_id);
    const next = readNextKey(places.nextKey, ledger, root);
    if (revocation?.key_id === keys.keyId && (next === null || next.keyId === keys.keyId)) {
      next?.secret.fill(0);
      throw new KeyError("key_in_use", `${keys.keyId} is the key that signs; rotate it first: remove ${places.revocation}, and run receiptd key revoke again`);
    }
    const handedOver = nextCheckpoint === null ? null : checkpoint.takeUp(nextCheckpoint, closer);
    const rotated = next === null ? null : await this.#rotate(next);
    if (revocation === null) return { rotated, revoked: null, checkpoint: handedOver, left: null };
    try {
      return { rotated, revoked: this.#revoke(revocation), checkpoint: handedOver, left: null };
    } catch (error) {
      if (rotated === null || !(error instanceof KeyError || (error instanceof LedgerError && !error.fatal))) throw error;
      return { rotated, revoked: null, checkpoint: handedOver, left: { code: error.code, message: error.message } };
    }
  }

  async #rotate(next: NextKey): Promise<KeyChange["rotated"]> {
    const { places, root, ledger, keys, closer, newId, log } = this.#parts;
    const { keyId, mode, reason, createdAt } = next;
    const previous = keys.keyId;
    try {
      if (keyId !== previous) { // else it was taken up, and a crash has left the file
        requireNew(next, previous, openKeyring(places.keyring, root).hmacKeys);
        const successor = {
          keyId, firstEpoch: next.firstEpoch, key: ratchetOf(next, ledger.ledgerId), receiptId: newId(),
          details: { previous_key_id: previous, key_id: keyId, mode, reason },
        };
        const { firstEpoch, treeSize } = await closer.rotate(successor, (epoch) => addKey(places.keyring, root, { keyId, mode, firstEpoch: epoch, createdAt, seed: mode === "retained" ? next.secret : null }));
        log.info({ previous_key_id: previous, key_id: keyId, mode, first_epoch: firstEpoch, tree_size: treeSize }, "the key is rotated");
        eraseSecretFile(places.nextKey);
        return { previous_key_id: previous, key_id: keyId, mode, first_epoch: firstEpoch, tree_size: treeSize };
      }
      eraseSecretFile(places.nextKey);
      return null;
    } finally {
      next.secret.fill(0);
    }
  }

  /** A keyring that was put back under a daemon that runs would get the new key, and no keyring all of them. */
  #requireNewest(): void {
    const { places, root, keys, checkpoint } = this.#parts;
    const { hmacKeys, checkpointKeys } = openKeyring(places.keyring, root);
    const missing = !hmacKeys.some(({ keyId }) => keyId === keys.keyId) ? keys.keyId : checkpointKeys.some(({ vkey }) => vkey === checkpoint.vkey) ? null : checkpoint.vkey;
    if (missing !== null) throw new KeyError("key_missing", `${places.keyring} is an older one: it has not ${missing}, which signs; put the newest backup of the keyring in its place`);
  }

  #requireKnown(keyId: string): void {
    const { places, root } = this.#parts;
    if (!openKeyring(places.keyring, root).hmacKeys.some((key) => key.keyId === keyId)) throw new KeyError("key_unknown", `the keyring has no key ${keyId}; see: receiptd key list`);
  }

  #revoke({ key_id, compromised_since, reason, receipt_id }: Revocation): KeyChange["revoked"] {
    const { places, writer, closer, log } = this.#parts;
    const stored = writer.find(receipt_id) ?? closer.announce("key_revocation", receipt_id, { key_id, compromised_since, reason });
    noteRevoked(places.keyring, key_id, { compromised_since, reason });
    rmSync(places.revocation, { force: true }); // no secret; what comes back after a power cut is found to be done
    log.warn({ key_id, compromised_since, reason }, "the key is revoked");
    return { key_id, compromised_since, receipt_number: formatNumber(stored.prefix, formatTime(stored.recordedAt), stored.orgSeq) };
  }
}

/** A file that was put back would bring an old key back. */
function requireNew({ keyId, createdAt }: NextKey, previous: string, keys: readonly { readonly keyId: string; readonly createdAt?: string }[]): void {
  const current = keys.find((key) => key.keyId === previous);
  if (current?.createdAt === undefined || createdAt >= current.createdAt) return;
  throw new KeyError("key_file_damaged", `the key ${keyId} in next.key is older than ${previous}, which signs: it was put back; remove the file`);
}
