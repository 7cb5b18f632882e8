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
import type { EpochKeys } from "../keys/epoch-keys.ts";
import type { RatchetFile } from "../keys/ratchet-file.ts";
import type { Outcome } from "../ledger/admit.ts";
import type { Durability, Writer } from "../ledger/writer.ts";

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

export class BatchCloser {
  readonly #options: CloserOptions;
  #stored: Promise<void> = Promise.resolve();

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
    const { writer, keys, ratchet, heartbeat, grace, observed, signable, fatal } = this.#options;
    const closed = writer.closeBatch(keys, (facts, recordedAt) => ({
      ...facts,
      epoch_commitment: keys.nextCommitment(),
      observed: observed(),
      next_anchor_by: reason === "shutdown" ? null : formatTime(recordedAt + heartbeat + grace),
      reason,
    }));
    keys.advance();
    const state = keys.state;
    this.#stored = this.#stored
      .then(() => ratchet.store(state).finally(() => void state.key.fill(0)))
      .then(() => signable(closed.treeSize))
      .catch((error: unknown) => fatal(error instanceof Error ? error : new Error(String(error))));
    return { treeSize: closed.treeSize, root: hashText(closed.root), count: closed.count };
  }

  /** The ratchet is stored for every batch closed so far. */
  settled(): Promise<void> {
    return this.#stored;
  }
}
