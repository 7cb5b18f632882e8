/**
 * Closing batches, in the writer's thread: the anchor receipt, the step of the ratchet, and word to the publisher that there is
 * something to sign.
 *
 * Order of writes, of which a crash may keep any first part (docs/ARCHITECTURE.md): the anchor receipt is on the disk; the next
 * epoch's key is on the disk and the old one overwritten; only then may the checkpoint be signed. Receipts of the next epoch
 * need not wait: at start the ratchet is stepped to the ledger's open epoch.
 */
import { hashText } from "../format/chain.ts";
import type { AnchorReason, Observed } from "../format/fields.ts";
import type { Request } from "../format/request.ts";
import { formatTime } from "../format/time.ts";
import { systemRequest } from "../format/seal.ts";
import type { Json } from "../format/strict-json.ts";
import { commitmentOf, type EpochKeys, keyCopy, type RatchetState } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import type { RatchetFile } from "../keys/ratchet-file.ts";
import type { Outcome } from "../ledger/admit.ts";
import type { StoredReceipt } from "../ledger/stage.ts";
import type { Durability, Rotation, Writer } from "../ledger/writer.ts";

export interface CloserOptions {
  readonly writer: Writer;
  readonly keys: EpochKeys;
  readonly ratchet: RatchetFile;
  readonly maxBatch: number;
  /** ms between anchors, at most, while nothing happens. */
  readonly heartbeat: number;
  /** ms added to the promise of the next anchor. */
  readonly grace: number;
  /** What the targets have confirmed, for the anchor receipt. */
  readonly observed: () => readonly Observed[];
  /** Anchors up to this tree size may be signed. */
  readonly signable: (treeSize: number) => void;
  /** The ratchet could not be stored: nothing more can be anchored. */
  readonly fatal: (error: Error) => void;
}

export interface ClosedBatch {
  readonly treeSize: number;
  /** `sha256:<hex>` of the log. */
  readonly root: string;
  readonly count: number;
}

/** A key to go on with. */
export interface Successor {
  readonly keyId: string;
  /** null: whichever comes next. */
  readonly firstEpoch: number | null;
  /** K of that epoch; overwritten when this is over. */
  readonly key: Uint8Array;
  /** Of the `key_rotation` receipt. */
  readonly receiptId: string;
  readonly details: Json;
}

export class BatchCloser {
  readonly #options: CloserOptions;
  #stored: Promise<void> = Promise.resolve();
  /** The newest batch that was closed and whose ratchet is not being stored yet. */
  #unstored: { readonly state: RatchetState; readonly treeSize: number } | null = null;

  constructor(options: CloserOptions) {
    this.#options = options;
  }

  /**
   * Stores the requests in order, closing the batch wherever it is full. Each transaction is whole; an error leaves the requests
   * behind the last outcome unstored.
   */
  commit(requests: readonly (readonly Request[])[], durability: Durability): { readonly outcomes: readonly Outcome[]; readonly error: Error | null } {
    const { writer, keys, maxBatch } = this.#options;
    const outcomes: Outcome[] = [];
    try {
      while (outcomes.length < requests.length) {
        outcomes.push(...writer.commit(requests.slice(outcomes.length), keys, durability));
        if (outcomes.length < requests.length || writer.openBatch.count === maxBatch) this.close("count");
      }
      return { outcomes, error: null };
    } catch (error) {
      return { outcomes, error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  /** Closes the open batch, empty or not. A LedgerError means that it is open still. */
  close(reason: AnchorReason): ClosedBatch {
    const { keys } = this.#options;
    const closed = this.#close(reason, keys.nextCommitment(), null);
    keys.advance();
    this.#settle(closed);
    return closed;
  }

  /**
   * Closes the open batch with the receipt that names the next key, and goes on with that key. `file` puts it into the keyring, before
   * anything is signed with it. A LedgerError means that nothing has changed; so does `epoch_passed`: the key is one for an epoch that has
   * begun with another.
   */
  async rotate({ keyId, firstEpoch, key, receiptId, details }: Successor, file: (firstEpoch: number) => void): Promise<ClosedBatch & { readonly firstEpoch: number }> {
    const { keys, writer } = this.#options;
    try {
      for (;;) {
        this.#makeRoom();
        const epoch = writer.epoch + 1;
        if (firstEpoch !== null && firstEpoch !== epoch) throw new KeyError("epoch_passed", `${keyId} was made for epoch ${firstEpoch}, and the next one is ${epoch}; make another key`);
        const state = { keyId, epoch, key };
        await this.#prepare(state);
        if (writer.epoch + 1 !== epoch || writer.openBatch.count >= this.#options.maxBatch) continue; // receipts came meanwhile
        file(epoch);
        const closed = this.#close("request", commitmentOf(key), { receipt: systemRequest("key_rotation", receiptId, details), keyId });
        keys.change({ ...state, key: keyCopy(key) });
        this.#settle(closed);
        return { ...closed, firstEpoch: epoch };
      }
    } finally {
      key.fill(0);
    }
  }

  /**
   * Closes the open batch with the receipt that names the next checkpoint key: that and the one that signs sign its anchor, the next one alone
   * those behind it. `file` puts it into the keyring before, told how many receipts there are. A LedgerError means that nothing has changed.
   */
  handOver({ receiptId, details }: Pick<Successor, "receiptId" | "details">, file: (size: number) => void): ClosedBatch {
    const { keys, writer } = this.#options;
    this.#makeRoom();
    file(writer.size);
    const closed = this.#close("request", keys.nextCommitment(), { receipt: systemRequest("checkpoint_rotation", receiptId, details), keyId: keys.keyId });
    keys.advance();
    this.#settle(closed);
    return closed;
  }

  /** Stores a system receipt that says something of the keys, of the ledger's file, of an audit, or of who was handed receipts. Survives power loss. */
  announce(type: "key_revocation" | "recovery" | "attestation" | "access", receiptId: string, details: Json): StoredReceipt {
    const { writer, keys } = this.#options;
    this.#makeRoom();
    return writer.announce(systemRequest(type, receiptId, details), keys);
  }

  #makeRoom(): void {
    const { writer, maxBatch } = this.#options;
    if (writer.openBatch.count >= maxBatch) this.close("count"); // which a full disk may have kept from being closed
  }

  /** Behind what is being stored: both write to the ratchet's file. */
  async #prepare(state: RatchetState): Promise<void> {
    const prepared = this.#stored.then(() => this.#options.ratchet.prepare(state));
    this.#stored = prepared.catch(() => undefined); // whoever asked is told
    await prepared;
  }

  #close(reason: AnchorReason, commitment: string, rotation: Rotation | null): ClosedBatch {
    const { writer, keys, heartbeat, grace, observed } = this.#options;
    const { treeSize, root, count } = writer.closeBatch(keys, (facts, recordedAt) => ({
      ...facts,
      epoch_commitment: commitment,
      observed: observed(),
      next_anchor_by: reason === "shutdown" ? null : formatTime(recordedAt + heartbeat + grace),
      reason,
    }), rotation);
    return { treeSize, root: hashText(root), count };
  }

  /**
   * The ratchet is stored, then the checkpoint may be signed. Batches that are closed while one is being stored have the newest one's key
   * stored for all of them: the file is never more than that behind, however fast batches are closed.
   */
  #settle({ treeSize }: ClosedBatch): void {
    const { keys, ratchet, signable, fatal } = this.#options;
    this.#unstored?.state.key.fill(0);
    this.#unstored = { state: keys.state, treeSize };
    this.#stored = this.#stored
      .then(async () => {
        const newest = this.#unstored;
        if (newest === null) return;
        this.#unstored = null;
        await ratchet.store(newest.state).finally(() => void newest.state.key.fill(0));
        signable(newest.treeSize);
      })
      .catch((error: unknown) => fatal(error instanceof Error ? error : new Error(String(error))));
  }

  /** The ratchet is stored for every batch closed so far. */
  settled(): Promise<void> {
    return this.#stored;
  }
}
