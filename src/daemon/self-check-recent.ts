/**
 * The receipts of the open batch, again and again, a slice at a time: read here, their MACs checked by the writer's thread, which alone has
 * the open epoch's keys. A slice costs it some tens of microseconds; the next one is sent when it has answered.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { QuickReceipts } from "../format/quick-receipt.ts";
import { unsignedBytes } from "../format/receipt.ts";
import type { OpenFinding } from "../audit/report.ts";
import { auditHash } from "../audit/hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import { Reader } from "../ledger/reader.ts";
import { asVerifyError } from "../verify/errors.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import type { UnsignedReceipt } from "./self-check-messages.ts";

/** Receipts, and bytes of them unless a single one has more. */
const SLICE = { receipts: 16, bytes: 65_536 } as const;

/** docs/FORMAT.md section 7: more than that was not written by the daemon. */
const MAX_BATCH = 65_537;
/** ms between two slices, at least. */
const PATIENCE = 10;

export interface RecentOptions {
  readonly ledgerPath: string;
  /** ms between the beginnings of two passes, at least. */
  readonly interval: number;
  /** Slices that the writer's thread has answered. */
  readonly answered: () => number;
  readonly send: (slice: readonly UnsignedReceipt[]) => void;
  readonly onFound: (finding: OpenFinding) => void;
}

export class Recent {
  readonly #options: RecentOptions;
  readonly #quick = new QuickReceipts((bytes, from, end) => (bytes as Buffer).toString("latin1", from, end));
  /** One for each pass: what it has in its memory is no longer what is in the file. */
  #pass: { readonly reader: Reader; at: number; readonly end: number } | null = null;
  #nextPass = 0;
  #sent = 0;

  constructor(options: RecentOptions) {
    this.#options = options;
  }

  /** The next slice, if it is time for one; ms until it may be time again. What of the ledger cannot be read is a round's to tell. */
  step(): number {
    if (this.#options.answered() !== this.#sent) return PATIENCE;
    try {
      this.#pass ??= this.#begin();
      if (this.#pass !== null) this.#slice(this.#pass);
    } catch (error) {
      this.close();
      if (!(error instanceof LedgerError)) throw error;
    }
    return this.#pass === null ? this.#nextPass - performance.now() : PATIENCE;
  }

  close(): void {
    this.#pass?.reader.close();
    this.#pass = null;
  }

  #begin(): { readonly reader: Reader; at: number; readonly end: number } | null {
    const now = performance.now();
    if (now < this.#nextPass) return null;
    this.#nextPass = now + this.#options.interval;
    const reader = new Reader(this.#options.ledgerPath, auditHash.sha256);
    try {
      const first = reader.newestAnchor()?.treeSize ?? 0;
      return { reader, at: first, end: Math.min(reader.size(), first + MAX_BATCH) };
    } catch (error) {
      reader.close();
      throw error;
    }
  }

  #slice(pass: { readonly reader: Reader; at: number; readonly end: number }): void {
    const { reader, at, end } = pass;
    if (at >= end) return this.close();
    const blobs = reader.blobs(at, Math.min(end, at + SLICE.receipts), SLICE.bytes);
    const hashes = reader.receiptHashes(at, at + blobs.length);
    pass.at += blobs.length;
    const slice = blobs.flatMap((blob, i) => this.#read(blob, at + i, hashes.subarray(i * 32, i * 32 + 32)) ?? []);
    if (slice.length === 0) return;
    this.#sent++;
    this.#options.send(slice);
  }

  #read(blob: Uint8Array, logIndex: number, rowHash: Uint8Array): UnsignedReceipt | null {
    const hash = auditHash.sha256(blob);
    try {
      const quick = this.#quick.read(blob);
      const read = quick === null ? verifyReceipt(blob, auditHash) : { known: true as const, receipt: quick };
      const { organization, key_id: keyId, key_epoch: epoch, signature } = read.receipt;
      const names = read.known ? { receiptId: read.receipt.receipt_id, receiptNumber: read.receipt.receipt_number } : { receiptId: undefined, receiptNumber: undefined };
      if (!equal(hash, rowHash)) {
        this.#options.onFound({
          severity: "violation", code: "index_mismatch", message: "the index names another receipt than the one that is stored", logIndex, organization, ...names,
          at: "receipt.receipt_hash", expected: hashText(hash), found: hashText(rowHash),
        });
      }
      const unsigned = quick === null ? unsignedBytes(blob, signature) : this.#quick.unsigned().slice();
      return { logIndex, organization, ...names, keyId, epoch, unsigned, signature, hash: hashText(hash) };
    } catch (error) {
      const { code, message, pointer } = asVerifyError(error);
      this.#options.onFound({ severity: "violation", code, message, logIndex, at: pointer });
      return null;
    }
  }
}
