/** The ledger as it is now, for comparing it with single anchors of a target. */
import { equal } from "../format/bytes.ts";
import { FormatError } from "../format/errors.ts";
import type { Hash } from "../format/hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { Reader } from "../ledger/reader.ts";
import { compareWithLedger } from "../verify/anchors.ts";
import { VerifyError } from "../verify/errors.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { unlessCorrupt } from "./places.ts";

export interface Difference {
  readonly logIndex: number;
  /** What was anchored. */
  readonly expected: Uint8Array;
  /** What the ledger has; null for nothing. */
  readonly found: Uint8Array | null;
  /** How the ledger's receipt calls itself. */
  readonly receipt: { readonly receiptId?: string; readonly receiptNumber?: string; readonly organization?: string };
  /** How many of the receipts differ. */
  readonly differing: number;
}

export class LedgerView {
  readonly #reader: Reader;
  readonly #inspector: Inspector;
  readonly #hash: Hash;

  constructor(reader: Reader, inspector: Inspector, hash: Hash) {
    this.#reader = reader;
    this.#inspector = inspector;
    this.#hash = hash;
  }

  /** `ledger_behind`, `log_root_mismatch`, or null. A ledger that cannot give the root has another one. */
  compare(facts: { readonly treeSize: number; readonly root: Uint8Array }): VerifyError | null {
    try {
      const size = this.#reader.size();
      return compareWithLedger(facts, { size, rootAt: (at) => this.#reader.rootAt(at) });
    } catch (error) {
      if (!(error instanceof LedgerError || error instanceof FormatError)) throw error;
      return new VerifyError("log_root_mismatch", "the ledger cannot give this root", { found: error.message });
    }
  }

  /** The first of the receipts from `first` on whose bytes do not have the hash that was anchored, or null where all have. */
  firstDifference(first: number, anchored: readonly Uint8Array[]): Difference | null {
    let difference: Omit<Difference, "differing"> | null = null;
    let differing = 0;
    anchored.forEach((expected, i) => {
      const logIndex = first + i;
      const blob = unlessCorrupt(() => this.#inspector.blobs(logIndex, logIndex + 1, 1).blobs[0]?.bytes, () => undefined);
      const found = blob === undefined ? null : this.#hash.sha256(blob);
      if (found !== null && equal(found, expected)) return;
      differing++;
      difference ??= { logIndex, expected, found, receipt: blob === undefined ? {} : this.#identify(blob) };
    });
    return difference === null ? null : { ...(difference as Omit<Difference, "differing">), differing };
  }

  #identify(blob: Uint8Array): Difference["receipt"] {
    try {
      const { known, receipt } = verifyReceipt(blob, this.#hash);
      return known
        ? { receiptId: receipt.receipt_id, receiptNumber: receipt.receipt_number, organization: receipt.organization }
        : { organization: receipt.organization };
    } catch (error) {
      if (error instanceof VerifyError) return {};
      throw error;
    }
  }
}
