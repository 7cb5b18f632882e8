/**
 * One target's way through the outbox: compare, then publish one anchor after the other, for ever. What a crash or a failure cuts
 * is done again from the last confirmed anchor: every step can be repeated. No lane waits for another.
 */
import { equal } from "../format/bytes.ts";
import type { LedgerName } from "../format/names.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { AnchorRow, Reader } from "../ledger/reader.ts";
import type { Archive } from "./archive.ts";
import { type Comparison, TargetLost, TargetWatch } from "./compare.ts";
import { AnchorError } from "./errors.ts";
import { anchorObject, batchObject, type PublishedObject } from "./objects.ts";
import type { Confirmed, Outbox } from "./outbox.ts";
import type { KnownVkey } from "./signers.ts";
import { type AnchorTarget, lockProblem, type StoredObject, TargetError, type TargetErrorCode, type VersionName } from "./target.ts";
import { type Backoff, Latch, retryDelay, sleep } from "./wait.ts";

/** `refused`: trying again will not help, a person must look; it is still tried now and then. */
export type TargetState = "comparing" | "publishing" | "current" | "unavailable" | "refused";

export interface TargetStatus {
  readonly name: string;
  readonly required: boolean;
  readonly state: TargetState;
  readonly confirmed: Confirmed | null;
  /** Anchors of the ledger that are not confirmed here. */
  readonly pending: number;
  /** What failed last, until something succeeds. `at` in ms. */
  readonly lastError: { readonly code: TargetErrorCode | "target_lost" | "local"; readonly message: string; readonly at: number } | null;
  /** Objects seen under the ledger's anchors that are none of them: junk that somebody put there. */
  readonly interference: number;
  /** The last of them, or another's object that cannot be read: which, and why. */
  readonly warning: string | null;
}

/** What all lanes share. */
export interface LaneHost {
  readonly reader: Reader;
  readonly outbox: Outbox;
  /** null: receipts are not archived. */
  readonly archive: Archive | null;
  readonly ledger: LedgerName;
  readonly vkeys: readonly KnownVkey[];
  readonly backoff: Backoff;
  readonly now: () => number;
  /** When it is aborted nothing more is recorded. */
  readonly signal: AbortSignal;
  /** Anchors up to this tree size may be signed; those up to `signedSize` have been. */
  readonly signableSize: () => number;
  readonly signedSize: () => number;
  /** Every lane's target has the anchors up to this tree size. */
  readonly confirmedSize: () => number;
  /** The target and the ledger agree. */
  readonly compared: () => void;
  /** Nothing may be signed or published any more. */
  readonly halt: (found: Comparison) => void;
  readonly changed: () => void;
}

/** Anchors published after one look at what others have published. */
const ROUND = 64;

export class Lane {
  readonly required: boolean;
  /** Resolves when the target has answered, or failed to, for the first time. */
  readonly answered: Promise<void>;
  #answer!: () => void;
  readonly #host: LaneHost;
  readonly #target: AnchorTarget;
  readonly #watch: TargetWatch;
  readonly #news: Latch;
  #state: TargetState = "comparing";
  #confirmed: Confirmed | null;
  #pending = 0;
  #lastError: TargetStatus["lastError"] = null;

  constructor(host: LaneHost, target: AnchorTarget, required: boolean) {
    const { reader, ledger, vkeys, signal, outbox } = host;
    this.required = required;
    this.answered = new Promise((resolve) => { this.#answer = resolve; });
    this.#host = host;
    this.#target = target;
    this.#watch = new TargetWatch({ target, reader, ledger, vkeys, signal });
    this.#news = new Latch(signal);
    this.#confirmed = outbox.confirmed(target.name);
  }

  get confirmed(): Confirmed | null {
    return this.#confirmed;
  }

  status(): TargetStatus {
    return {
      name: this.#target.name,
      required: this.required,
      state: this.#state,
      confirmed: this.#confirmed,
      pending: this.#pending,
      lastError: this.#lastError,
      interference: this.#watch.interference,
      warning: this.#watch.warning,
    };
  }

  /** That many more anchors are in the ledger. */
  expect(anchors: number): void {
    this.#pending += anchors;
  }

  /** There may be something to publish. */
  wake(): void {
    this.#news.wake();
  }

  /** Ends when the signal is aborted; throws only what is fatal. */
  async run(): Promise<void> {
    const { signal, backoff } = this.#host;
    let compared = false;
    let failures = 0;
    while (!signal.aborted) {
      try {
        compared = compared || await this.#compare();
        const more = compared && await this.#round(() => { failures = 0; });
        if (!more) await this.#news.wait();
      } catch (error) {
        this.#failed(error);
        failures++;
        this.#answer();
        const wait = this.#state === "refused" ? backoff.maxMs : retryDelay(failures, backoff, Math.random());
        await sleep(wait, signal);
      }
    }
  }

  async #compare(): Promise<boolean> {
    const { signal, halt, compared } = this.#host;
    const wrong = await this.#watch.compare(this.#confirmed);
    if (signal.aborted) return false;
    if (wrong !== null) {
      halt(wrong);
      return false;
    }
    this.#enter("publishing");
    compared();
    this.#answer();
    return true;
  }

  /** Publishes the next anchors that are signed; false if there are none. */
  async #round(succeeded: () => void): Promise<boolean> {
    const { reader, signal, signedSize, signableSize, halt } = this.#host;
    const signed = signedSize();
    const rows = reader.anchors(this.#confirmed?.treeSize ?? 0, ROUND).filter((row) => row.treeSize <= signed);
    const last = rows.at(-1);
    if (last === undefined) {
      this.#enter("current");
      return false;
    }
    if (this.#lastError === null) this.#enter("publishing"); // after a failure only when something succeeds
    const wrong = await this.#watch.check(this.#confirmed, last.treeSize, signableSize());
    if (signal.aborted) return false;
    if (wrong !== null) {
      halt(wrong);
      return false;
    }
    for (const row of rows) {
      if (!await this.#publish(row)) return false;
      succeeded();
    }
    return true;
  }

  /** The batch's receipts, its entries, then its anchor; each counts when it was read back. */
  async #publish(row: AnchorRow): Promise<boolean> {
    const { reader, outbox, archive, signal, confirmedSize, changed } = this.#host;
    const batch = batchObject(reader, row);
    if (batch !== null) {
      for await (const part of archive?.parts(row.firstIndex, batch.bytes) ?? []) {
        await this.#store(part);
        if (signal.aborted) return false;
      }
      await this.#store(batch);
    }
    if (signal.aborted) return false;
    const note = outbox.note(row.treeSize);
    if (note === null) throw new AnchorError("publisher_failed", `the anchor at ${row.treeSize} has no note in the outbox`);
    const { versionId, lastModified } = await this.#store(anchorObject(reader, row.treeSize, note));
    if (signal.aborted) return false;
    const confirmed: Confirmed = { treeSize: row.treeSize, versionId, lastModified };
    outbox.confirm(this.#target.name, confirmed);
    this.#confirmed = confirmed;
    this.#pending--;
    this.#lastError = null;
    this.#state = "publishing";
    changed();
    await archive?.release(confirmedSize());
    return true;
  }

  /** Stores the object and reads it back, by its version and with its lock. */
  async #store({ name, bytes }: PublishedObject): Promise<VersionName & Pick<StoredObject, "lastModified">> {
    const target = this.#target;
    const version = await target.put(name, bytes);
    const stored = await target.get(version, bytes.length);
    if (!equal(stored.bytes, bytes)) throw new TargetError("target_damaged", `${target.name} returns other bytes for ${name} than it was given`);
    const problem = lockProblem(target.retain, stored);
    if (problem !== null) throw new TargetError("target_unlocked", `${target.name} stored ${name}, but ${problem}; see: receiptd doctor`);
    return { ...version, lastModified: stored.lastModified };
  }

  #enter(state: TargetState): void {
    if (state === "current") this.#lastError = null;
    if (state === this.#state) return;
    this.#state = state;
    this.#host.changed();
  }

  /** Notes what time or a person can heal, and throws the rest. */
  #failed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const at = this.#host.now();
    if (error instanceof TargetError || error instanceof TargetLost) {
      this.#lastError = { code: error.code, message, at };
      this.#state = error.code === "target_unavailable" || error.code === "target_missing" ? "unavailable" : "refused";
    } else if ((error instanceof LedgerError || error instanceof AnchorError) && !error.fatal) {
      this.#lastError = { code: "local", message, at };
      this.#state = "unavailable";
    } else {
      throw error;
    }
    this.#host.changed();
  }
}
