/**
 * What an audit says of the receipts that a target has archived (docs/FORMAT.md section 11). An anchor promises none of them, so what
 * is missing is a note; what contradicts the batch is interference; with the ledger gone they are the receipts, and are checked as such.
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { count, receiptRange } from "../format/count.ts";
import { objectPrefix } from "../format/names.ts";
import { VerifyError } from "../verify/errors.ts";
import { checkpointRotationOf } from "../verify/log.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { type ArchivedOptions, ArchivedReceipts } from "./archived-receipts.ts";
import { AttestationsSeen } from "./attestations.ts";
import { isAccepted, textOf } from "./breaks.ts";
import { type BreakSeen, breakSeen } from "./keys-seen.ts";
import type { ArchiveCounts, AuditCode, Severity } from "./report.ts";

export interface ArchiveAuditOptions extends Omit<ArchivedOptions, "every" | "report"> {
  /** As in AuditOptions. */
  readonly acceptedBreaks: ReadonlySet<string> | undefined;
  /** Are the receipts known from the ledger? */
  readonly hasLedger: boolean;
  readonly report: (severity: Severity, code: AuditCode, message: string, object: string, detail: {
    readonly expected?: string | undefined; readonly found?: string | undefined; readonly logIndex?: number;
  }) => void;
}

export class ArchiveAudit {
  readonly #target: AnchorTarget;
  readonly #options: ArchiveAuditOptions;
  readonly #archived: ArchivedReceipts;
  readonly #folder: string;
  readonly #start: string;
  #receipts = 0;
  #missing = 0;
  #unread = 0;
  #firstMissing: string | null = null;
  /** Without the ledger: by the size of the anchor behind it, the key that a `checkpoint_rotation` names. */
  readonly rotations = new Map<number, string>();
  readonly attestations = new AttestationsSeen();
  /** Keys that began with a `ratchet_break`. */
  readonly #broken = new Set<string>();

  constructor(target: AnchorTarget, options: ArchiveAuditOptions) {
    this.#target = target;
    this.#options = options;
    this.#archived = new ArchivedReceipts(target, { ...options, every: true });
    this.#folder = `${objectPrefix(options.ledger)}receipts/`;
    this.#start = options.from === 0 ? this.#folder : `${this.#folder}${String(options.from).padStart(20, "0")}`;
  }

  get counts(): ArchiveCounts {
    const { objects, encrypted } = this.#archived;
    return { objects, receipts: this.#receipts, missing: objects === 0 ? 0 : this.#missing, encrypted, unread: this.#unread };
  }

  /** Is this a name that is judged here? */
  covers(name: string): boolean {
    return name.startsWith(this.#folder) && name > this.#start;
  }

  /** The next batch, in order. `entries`: the bundle of its entries, or null where that is not known. */
  async batch(firstIndex: number, receipts: number, entries: Uint8Array | null): Promise<void> {
    if (entries === null) {
      await this.#archived.skip(firstIndex + receipts);
      return;
    }
    const isThere = new Uint8Array(receipts);
    let found = 0;
    for await (const { logIndex, blob } of this.#archived.batch(firstIndex, entries)) {
      found++;
      isThere[logIndex - firstIndex] = 1;
      if (!this.#options.hasLedger) this.#verify(logIndex, blob, firstIndex);
    }
    this.#receipts += found;
    const unread = this.#archived.unopened.reduce((sum, span) => sum + countZeros(isThere.subarray(span.firstIndex - firstIndex, span.lastIndex + 1 - firstIndex)), 0);
    this.#unread += unread;
    const missing = receipts - found - unread;
    if (missing === 0) return;
    this.#missing += missing;
    this.#firstMissing ??= receiptRange(firstIndex, firstIndex + receipts - 1);
  }

  /** At the end; `newest` is the size of the newest anchor that counts. */
  async finish(newest: number): Promise<void> {
    const { report } = this.#options;
    for await (const { name, firstIndex } of this.#archived.rest()) {
      // receipts are archived before their anchor is published
      if (firstIndex < newest) report("interference", "unanchored_receipts", "receipts that are not those of one batch: they do not count", name, {});
    }
    const { missing } = this.counts;
    if (missing === 0) return;
    report("note", "not_archived", `${count(missing, "receipt")} under anchors ${missing === 1 ? "is" : "are"} not archived at ${this.#target.name}, the first in the batch of ${this.#firstMissing!}: a restore from there would stop before it`, this.#folder, {});
  }

  async close(): Promise<void> {
    await this.#archived.close();
  }

  #break(broken: BreakSeen): void {
    const { report, acceptedBreaks } = this.#options;
    report(isAccepted(broken.receiptHash, acceptedBreaks) ? "note" : "violation", "ratchet_break", textOf(broken), this.#folder, { logIndex: broken.logIndex, found: broken.receiptHash ?? undefined });
    this.#broken.add(broken.keyId);
  }

  #verify(logIndex: number, blob: Uint8Array, batchFirst: number): void {
    const wrong = (error: VerifyError): void =>
      this.#options.report("violation", error.code, `a receipt was anchored as it is archived, and does not pass: ${error.message}`, this.#folder, { expected: error.expected, found: error.found, logIndex });
    try {
      const read = verifyReceipt(blob, this.#options.hash);
      const { receipt } = read;
      if (receipt.log_index !== logIndex) wrong(new VerifyError("log_index_gap", "it says that it has another place", { expected: logIndex, found: receipt.log_index }));
      if (receipt.ledger !== this.#options.ledger.origin) wrong(new VerifyError("ledger_mismatch", "it is one of another ledger", { expected: this.#options.ledger.origin, found: receipt.ledger }));
      const rotation = checkpointRotationOf(read);
      this.attestations.add(read);
      if (rotation !== null) this.rotations.set(logIndex + 2, rotation.vkey);
      const broken = breakSeen(read, batchFirst, !this.#broken.has(receipt.key_id));
      if (broken !== null) this.#break(broken);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      wrong(error);
    }
  }
}

function countZeros(bytes: Uint8Array): number {
  return bytes.reduce((zeros, byte) => (byte === 0 ? zeros + 1 : zeros), 0);
}
