/**
 * What was before an export (docs/FORMAT.md section 16): the anchor receipt at which it begins, and that no receipt of the time asked for
 * stands before that. Times only rise but at a `clock_step`, so the ledger's own receipts show it: all of them but genesis and one anchor
 * receipt for each epoch, of which there are as many as the anchor receipt's number and epoch tell.
 */
import { receiptLeaf } from "../format/entries.ts";
import { type ExportHeader, type ProvenReceipt, readProvenLine } from "../format/export.ts";
import type { Hash } from "../format/hash.ts";
import { verifyInclusion } from "../format/merkle.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Receipt } from "../format/receipt.ts";
import { reading, VerifyError } from "./errors.ts";
import { type VerifiedReceipt, verifyReceipt } from "./receipt.ts";

export interface AnchorBefore {
  readonly receipt: Receipt;
  readonly hash: Uint8Array;
}

export class Before {
  readonly #header: ExportHeader;
  readonly #root: Uint8Array;
  readonly #hash: Hash;
  /** null at the log's beginning. */
  readonly anchor: AnchorBefore | null;
  #seq = 1;
  #done = 0;
  #unknown = 0;
  #clockSteps = 0;

  /** Throws the codes of 13.1, `bad_export`, `ledger_mismatch`, `inclusion_mismatch`. */
  constructor(header: ExportHeader, root: Uint8Array, hash: Hash) {
    this.#header = header;
    this.#root = root;
    this.#hash = hash;
    this.anchor = header.before === null ? null : this.#anchor(header.before);
    const others = this.anchor === null ? 0 : Math.max(0, this.anchor.receipt.org_seq - this.anchor.receipt.key_epoch - 2);
    if (header.ownBefore !== others) throw new VerifyError("bad_export", "not all of the ledger's own receipts before the file are there", { pointer: "/own_before", expected: others, found: header.ownBefore });
  }

  get isDone(): boolean {
    return this.#done === this.#header.ownBefore;
  }

  /** Of a schema_version that is not known. */
  get unknown(): number {
    return this.#unknown;
  }

  /** That turned the clock back from a time before the one asked for. */
  get clockSteps(): number {
    return this.#clockSteps;
  }

  /** One of the ledger's own receipts. */
  step(line: Uint8Array): void {
    const { receipt: blob, path } = reading(() => readProvenLine(line));
    const read = verifyReceipt(blob, this.#hash);
    this.#requireThere(read, path, "");
    const { organization, org_seq: seq, log_index: index } = read.receipt;
    if (organization !== LEDGER_ORGANIZATION || index >= this.#header.first - 1) throw new VerifyError("bad_export", "the line is none of the ledger's own receipts before the file", { pointer: "/receipt" });
    if (seq <= this.#seq) throw new VerifyError("bad_export", "the ledger's own receipts before the file are not in order", { pointer: "/receipt", expected: `more than ${this.#seq}`, found: seq });
    this.#seq = seq;
    this.#done++;
    if (!read.known) this.#unknown++;
    else this.#judge(read.receipt);
  }

  #judge({ type, details }: Receipt): void {
    if (type === "genesis" || type === "anchor") throw new VerifyError("bad_export", `the line is a receipt of type ${type}, which says nothing of the clock`, { pointer: "/receipt" });
    if (type !== "clock_step") return;
    const { from } = details as { readonly from: string };
    if (this.#header.from === null || from >= this.#header.from) {
      throw new VerifyError("bad_export", "the file begins too late: before it the clock was turned back from a time asked for", { pointer: "/first", expected: this.#header.from ?? "the log's beginning", found: from });
    }
    this.#clockSteps++;
  }

  #anchor({ receipt: blob, path }: ProvenReceipt): AnchorBefore {
    const { first, from } = this.#header;
    const read = verifyReceipt(blob, this.#hash);
    if (!read.known || read.receipt.type !== "anchor") throw new VerifyError("bad_export", "the receipt before is not an anchor receipt that can be read", { pointer: "/before/receipt" });
    this.#requireThere(read, path, "/before");
    const { receipt, hash } = read;
    if (receipt.log_index !== first - 1) throw new VerifyError("inclusion_mismatch", "the anchor receipt before is one of another place", { pointer: "/before", expected: first - 1, found: receipt.log_index });
    if (from === null || receipt.recorded_at >= from) {
      throw new VerifyError("bad_export", "the file begins too late: the anchor receipt before it does not stand before the time asked for", { pointer: "/first", expected: from ?? "the log's beginning", found: receipt.recorded_at });
    }
    return { receipt, hash };
  }

  #requireThere({ receipt, hash }: VerifiedReceipt, path: readonly Uint8Array[], pointer: string): void {
    const { ledger, end } = this.#header;
    const { ledger: found, log_index: index } = receipt;
    if (found !== ledger) throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger", { pointer: `${pointer}/receipt`, expected: ledger, found });
    const leafHash = receiptLeaf(hash, this.#hash.sha256);
    if (index >= end || !verifyInclusion({ leafHash, index, size: end, path, root: this.#root }, this.#hash.sha256)) {
      throw new VerifyError("inclusion_mismatch", "the path does not lead from the receipt to the signed root", { pointer: pointer === "" ? "/path" : pointer });
    }
  }
}
