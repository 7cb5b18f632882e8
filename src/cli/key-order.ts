/**
 * A change of keys as the command line orders it: what the daemon is to take up is left in the data folder, and the daemon told.
 *
 * Commands can be given twice, at once, or be cut short; no seed may be lost that receipts rest on. So nothing is made where a change
 * waits already; a seed has a name of its own until its key is left for the daemon, which only one command can do; and what was left
 * is taken away again only where the daemon says that it has not taken it up.
 */
import { randomBytes } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import type { KeyChange } from "../daemon/key-changes.ts";
import { openKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fileRevocation, type Revocation } from "../daemon/revocation.ts";
import { KeyError } from "../keys/errors.ts";
import { type HmacKey, type Keyring, openKeyring, signingKey } from "../keys/keyring.ts";
import { fileNextCheckpoint, type NextCheckpoint } from "../keys/next-checkpoint.ts";
import { fileNextKey, type NextKey } from "../keys/next-key.ts";
import type { RootKey } from "../keys/root-key.ts";
import { createSecretFile, eraseSecretFile } from "../keys/secret-file.ts";
import { keyInUse, openEpoch } from "../ledger/keys-said.ts";
import type { Cli } from "./cli.ts";
import { withReader } from "./ledger-files.ts";
import { makeSuccessor, type SuccessorOptions } from "./new-key.ts";
import { RpcFailure } from "../door/client.ts";

/** `pending`: no daemon is running; the next start takes it up. */
export type Changed = KeyChange & {
  readonly pending: boolean;
  /** A daemon that was just starting has done it before it was asked. */
  readonly taken_up?: true;
  readonly seed_file?: string;
};

export interface SigningKeys {
  readonly root: RootKey;
  readonly keyring: Keyring;
  /** Signs. */
  readonly current: HmacKey;
}

/** Of a forward-secure key: an epoch can end between the making of a key and its use. */
const TRIALS = 5;

/** What a daemon answers that has changed nothing. After any other error nobody knows. */
const REFUSALS: ReadonlySet<string> = new Set([
  "epoch_passed", "key_missing", "wrong_checkpoint_key", "kms_unavailable", "kms_denied", "key_unknown", "key_in_use", "key_file_damaged", "key_file_mode", "wrong_root_key", "unknown_method", "ledger_behind", "forked",
]);

/** `key_missing` where the keyring is older than the ledger; looked at twice, since a daemon may be rotating the key. */
export async function keysOf(cli: Cli, again = true): Promise<SigningKeys> {
  const { root, keyring } = await openKeys(cli.config);
  try {
    return { root, keyring, current: signingKey(keyring, await withReader(cli, {}, keyInUse)) };
  } catch (error) {
    if (again && error instanceof KeyError && error.code === "key_missing") return keysOf(cli, false);
    throw error;
  }
}

/** Makes a key and leaves it for the daemon, with a revocation where there is one. `key_pending` where a change waits already. */
export async function change(
  cli: Cli, { root, keyring, current }: SigningKeys, options: SuccessorOptions, reason: "request" | "schedule", revocation: Revocation | null,
): Promise<Changed> {
  for (let trial = 1; ; trial++) {
    const epoch = (await cli.ifRunning((client) => client.call("status")) as { readonly key_epoch: number } | null)?.key_epoch ?? await withReader(cli, {}, openEpoch);
    requireNothingPending(cli);
    const { next, sealed } = await makeSuccessor({ keyring, current, options, reason, firstEpoch: epoch + 1 });
    const order = new Order(cli);
    try {
      order.fileKey(keyring, root, next, sealed);
      if (revocation !== null) order.fileRevocation(revocation);
      return await order.give();
    } catch (error) {
      if (!(error instanceof RpcFailure) || error.code !== "epoch_passed" || trial === TRIALS) throw error;
      if (options.printSeed === true) cli.note(`The seed above is void: its epoch began meanwhile with the old key. Another one follows.`);
    } finally {
      next.secret.fill(0);
    }
  }
}

/** Of a key that does not sign. */
export async function revokeOnly(cli: Cli, revocation: Revocation): Promise<Changed> {
  requireNothingPending(cli);
  const order = new Order(cli);
  order.fileRevocation(revocation);
  return await order.give();
}

export const TAKEN_UP = "The daemon was just starting, and has taken the change up: see receiptd key list.";

/** When the keyring has a new key that waits for the daemon. */
export const THEN = "when the daemon has started, and not before";

/** Throws `key_pending`. */
export function requireNothingPending(cli: Cli): void {
  const { nextKey, revocation, nextCheckpoint } = placesOf(cli.config);
  for (const path of [nextKey, revocation, nextCheckpoint]) {
    if (existsSync(path)) throw new KeyError("key_pending", `${path} is there, a change of keys that the daemon has not taken up yet: start it, or start it again (receiptd serve); its log says what was wrong`);
  }
}

/** What one command has left. */
export class Order {
  readonly #cli: Cli;
  readonly #filed: string[] = [];
  #seedFile: string | null = null;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  fileKey(keyring: Keyring, root: RootKey, next: NextKey, sealed: Uint8Array | null): void {
    const { nextKey, seed, keyring: path } = placesOf(this.#cli.config);
    const place = seed(next.keyId);
    const fresh = `${place}.${randomBytes(4).toString("hex")}`;
    if (sealed !== null) createSecretFile(fresh, sealed);
    try {
      fileNextKey(nextKey, keyring, root, next);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    }
    this.#filed.push(nextKey);
    const known = openKeyring(path, root).hmacKeys.find(({ keyId }) => keyId === next.keyId);
    if (known !== undefined && known.createdAt !== next.createdAt) { // the place was free since the daemon had taken up another one of this name
      this.#withdraw();
      rmSync(fresh, { force: true });
      throw new KeyError("key_pending", `another command has made ${next.keyId} at the same time, and the ledger goes on with that one; nothing was changed by this one, and a seed that it has printed is void`, { next: "see receiptd key list; run it again to rotate once more" });
    }
    if (sealed === null) return;
    renameSync(fresh, place); // what is there is the seed of a key that was withdrawn
    this.#seedFile = place;
  }

  fileRevocation(revocation: Revocation): void {
    const path = placesOf(this.#cli.config).revocation;
    fileRevocation(path, revocation);
    this.#filed.push(path);
  }

  fileCheckpoint(keyring: Keyring, root: RootKey, next: NextCheckpoint): void {
    const { nextCheckpoint } = placesOf(this.#cli.config);
    fileNextCheckpoint(nextCheckpoint, keyring, root, next);
    this.#filed.push(nextCheckpoint);
  }

  /** Has the daemon take it up. What it refuses is taken away again. */
  async give(): Promise<Changed> {
    try {
      const done = await this.#cli.ifRunning(async (client) => {
        const changed = (await client.call("key_change")) as unknown as KeyChange;
        if (changed.revoked !== null) await client.call("anchor");
        return changed;
      });
      const seed = this.#seedFile === null ? {} : { seed_file: this.#seedFile };
      if (done === null) return { rotated: null, revoked: null, checkpoint: null, left: null, pending: true, ...seed };
      const wasTaken = done.rotated === null && done.revoked === null && (done.checkpoint ?? null) === null && done.left === null && !this.#filed.some((path) => existsSync(path));
      return { ...done, pending: false, ...(wasTaken ? { taken_up: true } : {}), ...seed };
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error;
      if (REFUSALS.has(error.code)) this.#withdraw();
      if (!error.lost) throw error;
      throw new RpcFailure(error.code, `${error.message}, so nobody knows whether the change of keys was made`, {
        lost: true, next: "it stays in the data folder until the daemon, when it runs or starts again (receiptd serve), takes it up; to see whether it was: receiptd key list",
      });
    }
  }

  #withdraw(): void {
    for (const path of this.#filed) eraseSecretFile(path);
    if (this.#seedFile !== null) rmSync(this.#seedFile, { force: true });
  }
}
