/**
 * The archive: a batch's exact receipts, published beside its anchor (docs/FORMAT.md section 11). Parts are built from the ledger by
 * its reader, one at a time for all targets, at most 8 MiB of receipts each.
 *
 * Like everything that is published they can never be taken back, so each receipt is checked against its entry first. One that is damaged
 * or was edited is left out: a hole in the archive, which every audit sees, is less than a batch that is not anchored.
 */
import { concat, equal, toHex, utf8 } from "../format/bytes.ts";
import { countEntries, entriesBetween, receiptHashIn } from "../format/entries.ts";
import { formatObjectName } from "../format/names.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Reader } from "../ledger/reader.ts";
import { MAX_PART_BYTES, packReceipts } from "./archive-object.ts";
import { ArchiveSpool } from "./archive-spool.ts";
import type { PublishedObject } from "./objects.ts";

export interface ArchiveOptions {
  /** Where objects wait until every target has them. */
  readonly folder: string;
  /** age recipients; with none the objects are not encrypted. */
  readonly recipients: readonly string[];
}

/** Bytes of blobs that are asked of the ledger at a time. */
const READ_BYTES = 1 << 20;

interface Part {
  readonly lastIndex: number;
  readonly bytes: Uint8Array;
}

/** A batch, by the bundle of its entries (section 11), which has been checked. */
interface Batch {
  readonly firstIndex: number;
  readonly entries: Uint8Array;
  readonly count: number;
}

export class Archive {
  readonly #reader: Reader;
  readonly #recipients: readonly string[];
  readonly #spool: ArchiveSpool;
  #turn: Promise<unknown> = Promise.resolve();
  #released = -1;

  constructor(reader: Reader, { folder, recipients }: ArchiveOptions) {
    this.#reader = reader;
    this.#recipients = recipients;
    this.#spool = new ArchiveSpool(folder);
  }

  /**
   * The parts of the batch of these entries, in order, each made when it is asked for, and the same again however often the batch is
   * asked for until it is released; without receipts that the ledger does not have as they were recorded. Throws AnchorError `archive_failed`.
   */
  async *parts(firstIndex: number, entries: Uint8Array): AsyncGenerator<PublishedObject, void, undefined> {
    const batch: Batch = { firstIndex, entries, count: countEntries(entries) };
    const end = firstIndex + batch.count;
    for (let at = firstIndex; at < end;) {
      const part = await this.#inTurn(() => this.#part(batch, at));
      if (part === null) {
        at++;
        continue;
      }
      const { lastIndex, bytes } = part;
      const isEncrypted = this.#recipients.length > 0;
      yield {
        name: formatObjectName(this.#reader.identity(), { kind: "receipts", firstIndex: at, lastIndex, sha256: toHex(nodeHash.sha256(bytes)), isEncrypted }),
        bytes,
      };
      at = lastIndex + 1;
    }
  }

  /** Every target has the receipts below `treeSize`. */
  async release(treeSize: number): Promise<void> {
    if (treeSize <= this.#released) return;
    await this.#inTurn(() => this.#spool.release(treeSize));
    this.#released = treeSize;
  }

  /** One part is made at a time: targets that want the same get the same, and memory is bounded. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return await done;
  }

  /** null: the receipt `at` is damaged. */
  async #part(batch: Batch, at: number): Promise<Part | null> {
    const found = await this.#spool.find(at, (lastIndex) => this.#tag(batch, at, lastIndex));
    if (found !== null) return found;
    const blobs = this.#blobs(batch, at);
    if (blobs.length === 0) return null;
    const lastIndex = at + blobs.length - 1;
    const bytes = await packReceipts(blobs, this.#recipients);
    await this.#spool.keep({ firstIndex: at, lastIndex, tag: this.#tag(batch, at, lastIndex)! }, bytes);
    return { lastIndex, bytes };
  }

  /** Which receipts, and for whom; null for receipts that are not the batch's. */
  #tag({ firstIndex, entries, count }: Batch, from: number, lastIndex: number): string | null {
    if (lastIndex < from || lastIndex >= firstIndex + count) return null;
    const part = entriesBetween(entries, from - firstIndex, lastIndex + 1 - firstIndex);
    return toHex(nodeHash.sha256(concat(part, utf8(this.#recipients.toSorted().join(" ")))));
  }

  /** Receipts from `at` on, as many as fit into a part, up to one that is damaged. */
  #blobs({ firstIndex, entries, count }: Batch, at: number): readonly Uint8Array[] {
    const blobs: Uint8Array[] = [];
    const end = firstIndex + count;
    for (let bytes = 0; at + blobs.length < end;) {
      const page = this.#read(at + blobs.length, end);
      if (page.length === 0) return blobs;
      for (const blob of page) {
        const index = at + blobs.length;
        if (!equal(nodeHash.sha256(blob), receiptHashIn(entries, index - firstIndex))) return blobs;
        bytes += blob.length + 1;
        if (bytes > MAX_PART_BYTES) return blobs;
        blobs.push(blob);
      }
    }
    return blobs;
  }

  /** The next receipts; none where the first of them is not there or on a damaged page. */
  #read(first: number, end: number): readonly Uint8Array[] {
    try {
      return this.#reader.blobs(first, end, READ_BYTES);
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "ledger_corrupt") throw error;
      return end > first + 1 ? this.#read(first, first + 1) : []; // a page further on may be the damaged one
    }
  }
}
