/**
 * Signs the ledger's anchors and brings them to the targets. It has no memory but the ledger, the outbox and the targets, so
 * starting again after a crash is the same as starting.
 *
 * Nothing is signed before the ledger was compared with what was anchored: by a restored backup or a copied ledger the key would
 * otherwise contradict itself. With several targets one that agrees is enough to begin; each of the others is compared before
 * anything is stored there.
 */
import { parseCheckpoint } from "../format/checkpoint.ts";
import type { LedgerName } from "../format/names.ts";
import { signNote } from "../format/note.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { AnchorRow, Reader } from "../ledger/reader.ts";
import type { Archive } from "./archive.ts";
import { COMPARED, compareOutbox, type Comparison, UNCOMPARED } from "./compare.ts";
import { AnchorError } from "./errors.ts";
import { Lane, type LaneHost, type TargetStatus } from "./lane.ts";
import { checkpointText } from "./objects.ts";
import type { Outbox } from "./outbox.ts";
import { publishedNotes } from "./published-notes.ts";
import type { Signers } from "./signers.ts";
import { type AnchorTarget, TargetError } from "./target.ts";
import { type Backoff, Latch, retryDelay, sleep, unlessAborted } from "./wait.ts";

export interface Progress {
  readonly comparison: Comparison;
  readonly targets: readonly TargetStatus[];
  /** Anchors up to this tree size are signed. */
  readonly signedSize: number;
  /** Why the last attempt to sign failed; null: it did not. It is made again. */
  readonly signerError: string | null;
  /** Receipts that all required targets have under an anchor; where none is required, that any target has. */
  readonly anchoredSize: number;
}

export interface PublisherTiming {
  readonly backoff: Backoff;
  /** ms to wait for the targets' first answers. */
  readonly compareMs: number;
}

export const TIMING: PublisherTiming = { backoff: { minMs: 100, maxMs: 60_000 }, compareMs: 10_000 };

export interface PublisherOptions {
  readonly reader: Reader;
  readonly outbox: Outbox;
  readonly ledger: LedgerName;
  readonly targets: readonly { readonly target: AnchorTarget; readonly required: boolean }[];
  /** Publishes the receipts themselves, too. */
  readonly archive?: Archive | null;
  /** Every key that this ledger's checkpoints were ever signed with. */
  readonly signers: Signers;
  /** Anchors up to this tree size are on the disk, and their epochs closed. */
  readonly signableSize: number;
  readonly onProgress: (progress: Progress) => void;
  readonly onFatal: (error: Error) => void;
  readonly now?: () => number;
  readonly timing?: PublisherTiming;
}

/** Anchors read, signed and stored in the outbox together. */
const PAGE = 256;

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #timing: PublisherTiming;
  readonly #stopping = new AbortController();
  readonly #lanes: readonly Lane[];
  readonly #work: Latch;
  readonly #loops: Promise<void>[] = [];
  #comparison: Comparison = UNCOMPARED;
  #signableSize = 0;
  #signedSize: number;
  /** The outbox had no notes: it was made anew, or nothing was ever signed. */
  readonly #isOutboxNew: boolean;
  #signerError: string | null = null;
  #announced = true;

  constructor(options: PublisherOptions) {
    const { reader, outbox, ledger, targets, now = Date.now } = options;
    this.#options = options;
    this.#timing = options.timing ?? TIMING;
    this.#work = new Latch(this.#stopping.signal);
    this.#signedSize = outbox.signedSize();
    this.#isOutboxNew = this.#signedSize === 0;
    const host: LaneHost = {
      reader, outbox, ledger, now,
      vkeys: options.signers.known,
      archive: options.archive ?? null,
      backoff: this.#timing.backoff,
      signal: this.#stopping.signal,
      signableSize: () => this.#signableSize,
      signedSize: () => this.#signedSize,
      confirmedSize: () => Math.min(...this.#lanes.map((lane) => lane.confirmed?.treeSize ?? 0)),
      compared: () => this.#compared(),
      halt: (found) => this.#halt(found),
      changed: () => this.#changed(),
    };
    this.#lanes = targets.map(({ target, required }) => new Lane(host, target, required));
    for (const lane of this.#lanes) lane.expect(countAnchors(reader, lane.confirmed?.treeSize ?? 0, options.signableSize));
    this.#signableSize = options.signableSize;
  }

  /** Starts, and resolves when the targets have answered, failed to, or taken too long. It goes on either way, but for `forked` and `ledger_behind`. */
  async start(): Promise<Comparison> {
    const { reader, outbox } = this.#options;
    const { signal } = this.#stopping;
    const wrong = compareOutbox(reader, outbox);
    if (wrong !== null) {
      this.#halt(wrong);
      return wrong;
    }
    const note = outbox.note(this.#signedSize);
    if (note !== null) this.#options.signers.requireSigned(note, this.#signedSize);
    if (this.#lanes.length === 0) this.#compared();
    const stopped = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    this.#loops.push(...[...this.#lanes.map((lane) => lane.run()), this.#sign()].map((loop) => loop.catch((error: unknown) => this.#fail(error))));
    await Promise.race([Promise.all(this.#lanes.map((lane) => lane.answered)), stopped, sleep(this.#timing.compareMs, signal)]);
    return this.#comparison;
  }

  /** The anchor of this tree size is on the disk and its epoch is over: it may be signed. */
  closed(treeSize: number): void {
    if (treeSize <= this.#signableSize) return;
    const anchors = countAnchors(this.#options.reader, this.#signableSize, treeSize);
    for (const lane of this.#lanes) lane.expect(anchors);
    this.#signableSize = treeSize;
    this.#work.wake();
    this.#changed();
  }

  status(): Progress {
    const targets = this.#lanes.map((lane) => lane.status());
    const sizeOf = (target: TargetStatus): number => target.confirmed?.treeSize ?? 0;
    const required = targets.filter((target) => target.required).map(sizeOf);
    const anchoredSize = required.length > 0 ? Math.min(...required) : Math.max(0, ...targets.map(sizeOf));
    return { comparison: this.#comparison, targets, signedSize: this.#signedSize, signerError: this.#signerError, anchoredSize };
  }

  /**
   * Ends all work, waiting at most `timeoutMs` for targets to finish what they are doing. What is not finished is done at the
   * next start. From the call on nothing is written to the outbox.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping.abort();
    const patience = new AbortController();
    await Promise.race([Promise.all(this.#loops), sleep(timeoutMs, patience.signal)]);
    patience.abort();
  }

  async #sign(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const more = this.#comparison.state === "ok" && await this.#signPage();
        failures = 0;
        this.#tellSigner(null);
        if (!more) await this.#work.wait();
      } catch (error) {
        if (!(error instanceof LedgerError || error instanceof AnchorError) || error.fatal) throw error;
        failures++;
        this.#tellSigner(error.message);
        await sleep(retryDelay(failures, this.#timing.backoff, Math.random()), signal);
      }
    }
  }

  #tellSigner(error: string | null): void {
    if (this.#signerError === error) return;
    this.#signerError = error;
    this.#changed();
  }

  /**
   * Signs the next anchors in order; false if there are none. A crash between reserving and saving signs the same again. Where signing ends in
   * an error, what was signed before it is saved: a signer far away may never get through a whole page.
   */
  async #signPage(): Promise<boolean> {
    const { reader, outbox } = this.#options;
    const { signal } = this.#stopping;
    const rows = reader.anchors(this.#signedSize, PAGE).filter((row) => row.treeSize <= this.#signableSize);
    if (rows.length === 0) return false;
    const wrong = compareOutbox(reader, outbox);
    if (wrong !== null) {
      this.#halt(wrong);
      return false;
    }
    const texts = rows.map((row) => ({ treeSize: row.treeSize, text: checkpointText(reader, row.treeSize), signers: this.#options.signers.at(reader, row.treeSize) }));
    outbox.reserve(texts.map(({ treeSize, text }) => ({ treeSize, root: parseCheckpoint(text).root })));
    const isGone = ({ treeSize, signers }: typeof texts[number]): boolean => signers === null || (this.#isOutboxNew && this.#options.signers.isRetired(treeSize));
    const published = await unlessAborted(this.#published(rows.filter((_, i) => isGone(texts[i]!))), signal);
    const notes: { readonly treeSize: number; readonly note: string }[] = [];
    try {
      for (const { treeSize, text, signers } of texts) {
        const note = published?.get(treeSize) ?? (signers === null ? null : await unlessAborted(signNote(text, ...signers), signal));
        if (note === null && !signal.aborted) throw new AnchorError("signer_failed", `the key of the anchor of ${treeSize} receipts was rotated away and overwritten, and no target that answers has the anchor: put the newest backup of anchor.db in its place, or bring the target back`);
        if (note === null) return false;
        notes.push({ treeSize, note });
      }
    } finally {
      if (!signal.aborted) this.#save(notes);
    }
    return !signal.aborted;
  }

  /** Of anchors that nobody can sign any more, or that an outbox which was made anew has lost and whose key may be gone: as the targets have them. */
  async #published(rows: readonly AnchorRow[]): Promise<ReadonlyMap<number, string>> {
    const notes = new Map<number, string>();
    for (const { target } of this.#options.targets) {
      const wanted = rows.filter(({ treeSize }) => !notes.has(treeSize)).map(({ treeSize, root }) => ({ treeSize, root, vkeys: this.#options.signers.vkeysAt(treeSize) }));
      try {
        for (const [treeSize, note] of await publishedNotes(target, this.#options.ledger, wanted)) notes.set(treeSize, note);
      } catch (error) {
        if (!(error instanceof TargetError)) throw error; // its lane tells; another may have them
      }
    }
    return notes;
  }

  #save(notes: readonly { readonly treeSize: number; readonly note: string }[]): void {
    const last = notes.at(-1);
    if (last === undefined) return;
    this.#options.outbox.saveNotes(notes);
    this.#signedSize = last.treeSize;
    for (const lane of this.#lanes) lane.wake();
    this.#changed();
  }

  #compared(): void {
    if (this.#comparison.state !== "uncompared") return;
    this.#comparison = COMPARED;
    this.#work.wake();
    this.#changed();
  }

  /** The first finding stays; what the lanes are doing ends after the current step. */
  #halt(found: Comparison): void {
    if (this.#stopping.signal.aborted) return;
    this.#comparison = found;
    this.#stopping.abort();
    this.#changed();
  }

  #fail(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#options.onFatal(error instanceof Error ? error : new Error(String(error)));
  }

  /** Many changes at once are told once. */
  #changed(): void {
    if (!this.#announced) return;
    this.#announced = false;
    setImmediate(() => {
      this.#announced = true;
      this.#options.onProgress(this.status());
    });
  }
}

/** Anchors with after < tree size ≤ upTo. */
function countAnchors(reader: Reader, after: number, upTo: number): number {
  let count = 0;
  let page: readonly AnchorRow[];
  do {
    page = reader.anchors(after, 1024).filter((row) => row.treeSize <= upTo);
    count += page.length;
    after = page.at(-1)?.treeSize ?? upTo;
  } while (page.length > 0);
  return count;
}
