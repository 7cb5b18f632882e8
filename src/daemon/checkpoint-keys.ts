/**
 * The checkpoint keys of a daemon that runs: what signs now, a rotation that is taken up, and the old key overwritten when its last anchor is where
 * it belongs.
 *
 * Order of writes, of which a crash may keep any first part: the new key is in `next.checkpoint`, left by the command; it is in the keyring; the
 * `checkpoint_rotation` receipt and the anchor receipt behind it are in the ledger, in one transaction, and until then the old key signs; the anchor
 * is signed with both, stored and published, by the publisher; the old private key is overwritten. It is kept that long because an outbox that is
 * lost is made anew from the targets: nobody could sign that anchor again without it.
 */
import type { Logger } from "pino";
import type { BatchCloser } from "../anchor/closer.ts";
import type { PublisherClient } from "../anchor/client.ts";
import { equal } from "../format/bytes.ts";
import { parseVkey } from "../format/note.ts";
import type { Json } from "../format/strict-json.ts";
import { KeyError } from "../keys/errors.ts";
import { addCheckpointKey, type CheckpointKey, privateKeyOf, retireCheckpointKey } from "../keys/keyring.ts";
import { KmsCheckpointKey } from "../keys/kms/checkpoint-key.ts";
import type { NextCheckpoint } from "../keys/next-checkpoint.ts";
import type { RootKey } from "../keys/root-key.ts";
import { eraseReplaced, eraseSecretFile } from "../keys/secret-file.ts";
import type { CheckpointPeriod } from "./checkpoint-key.ts";
import type { Places } from "./places.ts";

interface Parts {
  readonly places: Places;
  readonly root: RootKey;
  readonly periods: readonly CheckpointPeriod[];
  readonly publisher: PublisherClient;
  /** Without any, what is signed is where it belongs. */
  readonly hasTargets: boolean;
  readonly newId: () => string;
  readonly log: Logger;
}

export interface HandedOver {
  readonly previous_vkey: string;
  readonly vkey: string;
  /** Of the anchor that both sign. */
  readonly tree_size: number;
}

/** As `status` and `receiptd key list` show it: tree sizes of the first and last anchor that the key signs. */
export function periodJson({ key: { vkey, privateKey, kmsKey, createdAt }, first, last }: CheckpointPeriod): { readonly [name: string]: Json } {
  return { vkey, state: last === null ? "signs" : "rotated", kept: kmsKey ?? (privateKey === undefined ? null : "here"), first_size: first, last_size: last, created_at: createdAt ?? null };
}

export class CheckpointKeys {
  readonly #parts: Parts;
  #periods: readonly CheckpointPeriod[];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#periods = parts.periods;
    eraseReplaced(parts.places.keyring);
    parts.publisher.onProgress(() => this.#retire());
  }

  get vkey(): string {
    return this.#periods.at(-1)!.key.vkey;
  }

  status(): Json {
    return this.#periods.map(periodJson);
  }

  /** Throws KeyError for a key that cannot be taken up, and nothing has changed. */
  async require(next: NextCheckpoint): Promise<void> {
    const at = this.#periods.findIndex(({ key }) => key.vkey === next.vkey);
    const { createdAt } = this.#periods.at(-1)!.key;
    if (at === this.#periods.length - 1) return; // it was taken up, and a crash has left the file
    if (at !== -1 || (createdAt !== undefined && next.createdAt < createdAt)) {
      throw new KeyError("key_file_damaged", `the key in next.checkpoint is older than ${this.vkey}, which signs: it was put back; remove the file`);
    }
    if (next.secret instanceof Uint8Array) return;
    const kms = new KmsCheckpointKey(next.secret);
    if (!equal(await kms.publicKey(), parseVkey(next.vkey).publicKey)) throw new KeyError("wrong_checkpoint_key", `${next.secret.key} is not the key of ${next.vkey}`);
    await kms.requireSign(); // else no anchor could be signed any more
  }

  /** null where it was taken up before. `next` is what `require` has let pass. */
  takeUp(next: NextCheckpoint, closer: BatchCloser): HandedOver | null {
    const { places, root, publisher, newId, log } = this.#parts;
    const { vkey, secret, reason, createdAt } = next;
    const previous = this.vkey;
    if (vkey === previous) {
      eraseSecretFile(places.nextCheckpoint);
      return null;
    }
    let after = 0;
    const { treeSize } = closer.handOver({ receiptId: newId(), details: { previous_vkey: previous, vkey, reason } }, (size) => {
      after = size;
      addCheckpointKey(places.keyring, root, previous, { vkey, createdAt, after, secret: secret instanceof Uint8Array ? secret : secret.key });
    });
    const own = secret instanceof Uint8Array ? { vkey, privateKey: privateKeyOf(secret) } : { vkey, kmsKey: secret.key };
    publisher.rotated({ vkey, first: treeSize, key: secret instanceof Uint8Array ? { vkey, privateKey: privateKeyOf(secret) } : { vkey, kms: secret } });
    const before = this.#periods.at(-1)!;
    this.#periods = [...this.#periods.slice(0, -1), { ...before, last: treeSize }, { key: { ...own, createdAt, after }, first: treeSize, last: null }];
    if (secret instanceof Uint8Array) secret.fill(0);
    log.info({ previous_vkey: previous, vkey, tree_size: treeSize }, "the checkpoint key is rotated: both keys sign this anchor, the new one alone those behind it");
    eraseSecretFile(places.nextCheckpoint);
    return { previous_vkey: previous, vkey, tree_size: treeSize };
  }

  /** The private keys of this host whose last anchors are where they belong. */
  #retire(): void {
    const { places, root, publisher, hasTargets, log } = this.#parts;
    const { signedSize, anchoredSize } = publisher.status();
    const size = hasTargets ? Math.min(signedSize, anchoredSize) : signedSize;
    for (const { key: { vkey, privateKey }, last } of this.#periods) {
      if (last === null || last > size || privateKey === undefined) continue;
      try {
        retireCheckpointKey(places.keyring, root, vkey);
        log.info({ vkey }, "the private key of the checkpoint key that was rotated away is overwritten");
      } catch (error) {
        log.error({ err: error, vkey }, "the private key of the checkpoint key that was rotated away cannot be overwritten; the next start tries again");
      }
      this.#periods = this.#periods.map((period) => (period.key.vkey === vkey ? { ...period, key: withoutSecret(period.key) } : period));
    }
  }
}

function withoutSecret({ vkey, createdAt, after }: CheckpointKey): CheckpointKey {
  return { vkey, ...(createdAt === undefined ? {} : { createdAt }), after };
}
