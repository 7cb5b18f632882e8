/**
 * What `receiptd key` has left in the data folder, taken up by the daemon: a key to go on with, a key that is not to be believed any more. Each
 * becomes a receipt. The folder is the daemon's own: who may write there may change keys, who may only write receipts may not.
 *
 * A crash at any moment leaves the file there, and the next start goes on: a rotation is one transaction of the ledger, before which
 * keyring and ratchet have the new key already; a revocation has the id of its receipt with it.
 */
import { rmSync } from "node:fs";
import type { Logger } from "pino";
import { z } from "zod";
import type { BatchCloser } from "../anchor/closer.ts";
import { fromUtf8, utf8 } from "../format/bytes.ts";
import { formatNumber } from "../format/chain.ts";
import { KEY_ID, type LedgerName, UUID } from "../format/names.ts";
import { formatTime, parseTime } from "../format/time.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { addKey, noteRevoked, openKeyring } from "../keys/keyring.ts";
import { type NextKey, ratchetOf, readNextKey } from "../keys/next-key.ts";
import type { RootKey } from "../keys/root-key.ts";
import { createSecretFile, eraseSecretFile, readSecretFile } from "../keys/secret-file.ts";
import type { Writer } from "../ledger/writer.ts";
import type { Places } from "./places.ts";

interface Parts {
  readonly places: Places;
  readonly root: RootKey;
  readonly ledger: LedgerName;
  readonly writer: Writer;
  readonly keys: EpochKeys;
  readonly closer: BatchCloser;
  readonly newId: () => string;
  readonly log: Logger;
}

const revocationSchema = z.strictObject({
  format: z.literal("receiptd-revocation/1"),
  key_id: z.string().regex(KEY_ID),
  compromised_since: z.custom<string>((value) => parseTime(value) !== null),
  reason: z.string().min(1).max(512),
  receipt_id: z.string().regex(UUID),
});
export type Revocation = Readonly<Omit<z.infer<typeof revocationSchema>, "format">>;

export interface KeyChange {
  readonly rotated: { readonly previous_key_id: string; readonly key_id: string; readonly mode: string; readonly first_epoch: number; readonly tree_size: number } | null;
  readonly revoked: { readonly key_id: string; readonly compromised_since: string; readonly receipt_number: string } | null;
}

/** Leaves a revocation for the daemon; `key_pending` where one is there already. */
export function fileRevocation(path: string, revocation: Revocation): void {
  try {
    createSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-revocation/1", ...revocation })}\n`));
  } catch (error) {
    if (!(error instanceof KeyError) || error.code !== "key_file_exists") throw error;
    throw new KeyError("key_pending", `${path} holds a revocation that the daemon has not taken up yet: start it (receiptd serve), or remove the file`, { cause: error });
  }
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

  /** Resolves when nothing is being taken up any more. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined); // whoever asked is told
  }

  async #takeUp(): Promise<KeyChange> {
    const { places, ledger, root } = this.#parts;
    const next = readNextKey(places.nextKey, ledger, root);
    const rotated = next === null ? null : await this.#rotate(next);
    return { rotated, revoked: this.#revoke() };
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

  #revoke(): KeyChange["revoked"] {
    const { places, root, writer, keys, closer, log } = this.#parts;
    const revocation = readRevocation(places.revocation);
    if (revocation === null) return null;
    const { key_id, compromised_since, reason, receipt_id } = revocation;
    if (!openKeyring(places.keyring, root).hmacKeys.some(({ keyId }) => keyId === key_id)) throw new KeyError("key_unknown", `the keyring has no key ${key_id}; see: receiptd key list`);
    if (key_id === keys.keyId) throw new KeyError("key_in_use", `${key_id} is the key that signs; rotate it first: receiptd key rotate`);
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

function readRevocation(path: string): Revocation | null {
  try {
    const { format: _, ...revocation } = revocationSchema.parse(JSON.parse(fromUtf8(readSecretFile(path))));
    return revocation;
  } catch (error) {
    if (error instanceof KeyError && error.code === "key_file_missing") return null;
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a revocation; remove it`, { cause: error });
  }
}
