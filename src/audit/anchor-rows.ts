/**
 * The table `anchor`, and the log roots: rebuilt from the receipts, as the table has them, and as the next anchor receipt says.
 * Where two of the three agree, it is the third that was changed.
 */
import { hashText } from "../format/chain.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { AnchorRow } from "../ledger/reader.ts";
import { unlessCorrupt } from "./places.ts";
import type { Findings } from "./report.ts";
import type { BatchSeen } from "./segment-result.ts";

const PAGE = 1024;

/** The root at an anchor, compared. */
export interface JudgedRoot {
  readonly treeSize: number;
  /** It is the one that the ledger says. */
  readonly isRight: boolean;
}

interface OpenRoot {
  readonly treeSize: number;
  /** From the receipts. */
  readonly rebuilt: Uint8Array;
  /** From the table; null where it has no row, or was not asked. */
  readonly stored: Uint8Array | null;
}

export class AnchorRows {
  readonly #inspector: Inspector;
  readonly #findings: Findings;
  #page: AnchorRow[] = [];
  #next = 0;
  /** tree_size up to which rows were read. */
  #read: number;
  #isDamaged = false;
  #open: OpenRoot | null = null;
  #isDiverged = false;

  /** `after`: the tree size where the audit begins, and `root` the one that was anchored there, where that is known. */
  constructor(inspector: Inspector, findings: Findings, after: number, root: Uint8Array | null) {
    this.#inspector = inspector;
    this.#findings = findings;
    this.#read = after === 0 ? Number.MIN_SAFE_INTEGER : after;
    if (root !== null) this.#open = { treeSize: after, rebuilt: root, stored: null };
  }

  /** The receipts' root is not the one that the ledger says: nothing rebuilt from here on can be compared. */
  get isDiverged(): boolean {
    return this.#isDiverged;
  }

  /**
   * The next anchor of the log. `isTainted`: not all receipts before it are certain, for which there is a finding. Judges the
   * anchor before.
   */
  step(batch: BatchSeen, rebuilt: Uint8Array, isTainted: boolean): JudgedRoot | null {
    const link = batch.anchor?.details.previous_anchor ?? null;
    const judged = this.#judge(link, batch, isTainted);
    const row = this.#take(batch);
    this.#open = { treeSize: batch.treeSize, rebuilt, stored: row?.root ?? null };
    return judged;
  }

  /** After the last anchor; rows up to `size` should all have been there. As `step`. */
  finish(size: number, isTainted: boolean): JudgedRoot | null {
    const judged = this.#judge(null, null, isTainted);
    for (let row = this.#peek(); row !== null && row.treeSize <= size; row = this.#peek()) this.#extra(row);
    return judged;
  }

  #take(batch: BatchSeen): AnchorRow | null {
    let row = this.#peek();
    while (row !== null && row.treeSize < batch.treeSize) {
      this.#extra(row);
      row = this.#peek();
    }
    if (this.#isDamaged) return null;
    if (row?.treeSize !== batch.treeSize) {
      this.#mismatch(batch.treeSize, "the index has no row for the anchor", "anchor.tree_size", String(batch.treeSize), "none");
      return null;
    }
    this.#next++;
    const expected = batch.anchor?.details.batch.first_index ?? batch.firstIndex;
    if (row.firstIndex !== expected) {
      this.#mismatch(batch.treeSize, "the index has another beginning for the anchor's batch", "anchor.first_index", String(expected), String(row.firstIndex));
    } else if (this.#isMisled(row)) {
      this.#mismatch(batch.treeSize, "the index over first_index does not lead to the anchor", "anchor.first_index", String(row.treeSize), "another");
    }
    return row;
  }

  #isMisled(row: AnchorRow): boolean {
    return unlessCorrupt(() => this.#inspector.anchorByFirstIndex(row.firstIndex) !== row.treeSize, (message) => this.#damaged(message)) === true;
  }

  #judge(link: { readonly tree_size: number; readonly root: string } | null, next: BatchSeen | null, isTainted: boolean): JudgedRoot | null {
    const open = this.#open;
    this.#open = null;
    if (open === null) return null;
    const { treeSize, stored } = open;
    const rebuilt = hashText(open.rebuilt);
    const row = stored === null ? null : hashText(stored);
    const linked = link?.tree_size === treeSize ? link.root : null;
    const isRight = (row === null && linked === null) || row === rebuilt || linked === rebuilt;
    if (!isRight && !this.#isDiverged && (linked !== null || isTainted)) this.#diverge(treeSize, linked ?? row!, rebuilt, isTainted);
    const truth = linked ?? (this.#isDiverged ? null : rebuilt);
    if (row !== null && truth !== null && row !== truth && (linked === null || row !== rebuilt)) {
      this.#mismatch(treeSize, "the index has another root for the anchor", "anchor.root", truth, row);
    }
    if (isRight && linked !== null && linked !== rebuilt) this.#wrongLink(next!, rebuilt, linked);
    return { treeSize, isRight: !this.#isDiverged };
  }

  #diverge(treeSize: number, expected: string, found: string, isTainted: boolean): void {
    this.#isDiverged = true;
    if (isTainted) {
      this.#findings.addConsequence("log_root_mismatch");
      return;
    }
    this.#findings.add({
      severity: "violation", code: "log_root_mismatch", message: `the first ${treeSize} receipts do not have the root that the ledger says`,
      logIndex: treeSize - 1, expected, found,
    });
  }

  #wrongLink({ treeSize, anchor }: BatchSeen, expected: string, found: string): void {
    this.#findings.add({
      severity: "violation", code: "anchor_link_mismatch", message: "the anchor receipt names another root for the anchor before",
      logIndex: treeSize - 1, receiptId: anchor?.receiptId, receiptNumber: anchor?.receiptNumber, organization: LEDGER_ORGANIZATION,
      at: "/details/previous_anchor/root", expected, found,
    });
  }

  #extra(row: AnchorRow): void {
    this.#next++;
    this.#mismatch(row.treeSize, "the index has an anchor where there is no anchor receipt", "anchor.tree_size", "none", String(row.treeSize));
  }

  #mismatch(treeSize: number, message: string, at: string, expected: string, found: string): void {
    this.#findings.add({
      severity: "violation", code: "anchor_row_mismatch", message, ...(treeSize > 0 ? { logIndex: treeSize - 1 } : {}), at, expected, found,
    });
  }

  #peek(): AnchorRow | null {
    if (this.#next === this.#page.length && !this.#isDamaged) {
      this.#page = unlessCorrupt(() => this.#inspector.anchors(this.#read, PAGE), (message) => this.#damaged(message)) ?? [];
      this.#next = 0;
      this.#read = this.#page.at(-1)?.treeSize ?? this.#read;
    }
    return this.#page[this.#next] ?? null;
  }

  #damaged(message: string): void {
    this.#isDamaged = true;
    this.#findings.add({ severity: "violation", code: "ledger_corrupt", message: `the table anchor cannot be read: ${message}`, at: "anchor" });
  }
}
