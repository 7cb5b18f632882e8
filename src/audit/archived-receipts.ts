/**
 * The receipts that a target has archived, batch by batch (docs/FORMAT.md section 11). Whoever may write there can add objects that say
 * they are such; what decides is the entry of each receipt, which an anchor has signed. Several objects for the same receipts are
 * usual: another zlib, or another encryption. Memory: a part or two.
 */
import { ArchiveError, MAX_ARCHIVE_BYTES, unpackReceipts } from "../anchor/archive-object.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import { equal } from "../format/bytes.ts";
import { countEntries, receiptHashIn } from "../format/entries.ts";
import type { Hash } from "../format/hash.ts";
import { type LedgerName, objectPrefix } from "../format/names.ts";
import { VerifyError } from "../verify/errors.ts";
import { NOTHING_LISTED } from "./listed.ts";
import type { Locks } from "./locks.ts";
import { Peekable } from "./objects.ts";
import { type CountingObject, type VersionOptions, VersionReader } from "./versions.ts";

export interface ArchivedOptions {
  readonly ledger: LedgerName;
  readonly hash: Hash;
  readonly locks: Locks;
  /** age identities for what is encrypted. */
  readonly identities: readonly string[];
  /** Receipts before this one are of no interest. */
  readonly from: number;
  /** Look at every object, also at those of receipts that were there already. */
  readonly every: boolean;
  readonly onVersion: () => void;
  readonly report: VersionOptions<unknown>["report"];
}

export interface ArchivedReceipt {
  readonly logIndex: number;
  /** Has the hash that is anchored in this place. */
  readonly blob: Uint8Array;
}

/** Receipts in a row. */
interface Span {
  readonly firstIndex: number;
  readonly lastIndex: number;
}

interface Part {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly isEncrypted: boolean;
  readonly bytes: Uint8Array;
}

export class ArchivedReceipts {
  readonly #options: ArchivedOptions;
  readonly #next: Peekable<CountingObject<Part>>;
  /** Objects under the ledger's archive that have the hash in their name. */
  objects = 0;
  /** Those of them that no identity opens. */
  encrypted = 0;
  /**
   * Receipts of the batch that is being read which objects that nobody here can open say that they hold: in order, apart from one
   * another. Only such as are locked as was promised; what is not may be a name without anything behind it, put there today.
   */
  #unopened: Span[] = [];

  constructor(target: AnchorTarget, options: ArchivedOptions) {
    this.#options = options;
    const { ledger, hash, locks, report, onVersion, from } = options;
    const folder = `${objectPrefix(ledger)}receipts/`;
    const objects = new VersionReader<Part>(target, {
      ledger, hash, locks, report, onVersion, maxBytes: MAX_ARCHIVE_BYTES, onCounting: () => undefined,
      read: (name, bytes) => {
        if (name.kind !== "receipts") throw new VerifyError("bad_object_name", "the name is not that of receipts");
        return { firstIndex: name.firstIndex, lastIndex: name.lastIndex, isEncrypted: name.isEncrypted, bytes };
      },
    });
    this.#next = new Peekable(objects.objects(folder, from === 0 ? undefined : `${folder}${String(from).padStart(20, "0")}`, NOTHING_LISTED));
  }

  /** Of the batch that was read last, what may be there and could not be read. */
  get unopened(): readonly Span[] {
    return this.#unopened;
  }

  /** The receipts of a batch in order, without those that are not there. `entries` is the bundle of the batch's entries. */
  async *batch(firstIndex: number, entries: Uint8Array): AsyncGenerator<ArchivedReceipt, void, undefined> {
    const end = firstIndex + countEntries(entries);
    let at = firstIndex;
    this.#unopened = [];
    for (let part = await this.#next.peek(); part !== null && part.value.firstIndex < end; part = await this.#next.peek()) {
      await this.#next.take();
      this.objects++;
      const { firstIndex: first, lastIndex } = part.value;
      if (first < firstIndex || lastIndex >= end) {
        this.#report(part, "unanchored_receipts", "receipts that are not those of one batch: they do not count");
        continue;
      }
      if (lastIndex < at && !this.#options.every) continue;
      const blobs = await this.#open(part, firstIndex, entries);
      if (blobs === null) continue;
      at = Math.max(at, first);
      for (; at <= lastIndex; at++) yield { logIndex: at, blob: blobs[at - first]! };
    }
  }

  /** Leaves out what begins before `end`: the receipts there are not known. */
  async skip(end: number): Promise<void> {
    for (let part = await this.#next.peek(); part !== null && part.value.firstIndex < end; part = await this.#next.peek()) {
      await this.#next.take();
      this.objects++;
    }
  }

  /** At the end: the objects behind the last batch, in order. */
  async *rest(): AsyncGenerator<{ readonly name: string; readonly firstIndex: number }, void, undefined> {
    for (let part = await this.#next.take(); part !== null; part = await this.#next.take()) {
      this.objects++;
      yield { name: part.name, firstIndex: part.value.firstIndex };
    }
  }

  async close(): Promise<void> {
    await this.#next.close();
  }

  /** The part's receipts, each checked against its entry; null with a report. */
  async #open(part: CountingObject<Part>, batchFirst: number, entries: Uint8Array): Promise<readonly Uint8Array[] | null> {
    const { firstIndex, lastIndex, isEncrypted, bytes } = part.value;
    try {
      const blobs = await unpackReceipts(bytes, isEncrypted, this.#options.identities);
      const wrong = blobs.length === lastIndex + 1 - firstIndex
        ? blobs.findIndex((blob, i) => !equal(this.#options.hash.sha256(blob), receiptHashIn(entries, firstIndex + i - batchFirst)))
        : -2;
      if (wrong === -1) return blobs;
      this.#report(part, "archive_mismatch", wrong === -2
        ? `it has ${blobs.length} receipts, not those that its name says: it does not count`
        : `its receipt ${firstIndex + wrong} is not the one that is anchored: it does not count`);
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      if (error.code === "archive_encrypted") {
        this.encrypted++;
        if (part.lock.problem === null) this.#addUnopened(firstIndex, lastIndex);
      } else {
        this.#report(part, "archive_mismatch", `the object does not count: ${error.message}`);
      }
    }
    return null;
  }

  /** In order of the first index. */
  #addUnopened(firstIndex: number, lastIndex: number): void {
    const before = this.#unopened.at(-1);
    if (before === undefined || firstIndex > before.lastIndex + 1) this.#unopened.push({ firstIndex, lastIndex });
    else if (lastIndex > before.lastIndex) this.#unopened.splice(-1, 1, { firstIndex: before.firstIndex, lastIndex });
  }

  #report({ name }: CountingObject<Part>, code: "archive_mismatch" | "unanchored_receipts", message: string): void {
    this.#options.report("interference", code, message, name, {});
  }
}
