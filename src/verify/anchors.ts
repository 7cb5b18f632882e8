/**
 * The anchors of a target, one after the other, with what they anchor (docs/FORMAT.md sections 13.3 steps 3 to 6 and 13.4).
 *
 * What a batch holds comes from the target's batch objects, or from a ledger: then only leaf hashes need to be at hand.
 */
import { equal, toHex } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { receiptRange } from "../format/count.ts";
import { entryOf } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { CompactRange, leafHash, nodeHash } from "../format/merkle.ts";
import type { AnchorFacts } from "./anchor.ts";
import { asVerifyError, VerifyError } from "./errors.ts";

/**
 * The receipt hashes (or leaf hashes, see `AnchorWalkOptions`) of a batch with count > 0, null where they cannot be had. It,
 * or its iterator, may throw FormatError `bad_entries`.
 */
export type BatchOf = (batch: AnchorDetails["batch"]) => Iterable<Uint8Array> | null;

export interface AnchorWalkOptions {
  readonly hash?: Hash | undefined;
  /** What `BatchOf` returns; default receipt hashes. */
  readonly holds?: "receipt_hashes" | "leaf_hashes" | undefined;
  /** Goes on behind this anchor, which was verified, as was everything before it. Default: begins at the ledger's beginning. */
  readonly after?: AnchorFacts | undefined;
}

export class AnchorWalk {
  readonly #hash: Hash;
  readonly #toLeaf: (given: Uint8Array) => Uint8Array;
  #previous: AnchorFacts | null = null;
  #range: CompactRange | null;
  #rootsChecked = 0;
  #rootsNotChecked = 0;

  constructor(options: AnchorWalkOptions = {}) {
    this.#hash = options.hash ?? pureHash;
    this.#toLeaf = options.holds === "leaf_hashes" ? (leaf) => leaf : (hash) => leafHash(entryOf(hash), this.#hash.sha256);
    this.#previous = options.after ?? null;
    this.#range = options.after === undefined ? new CompactRange({ sha256: this.#hash.sha256 }) : rangeOf(options.after, this.#hash);
  }

  /** The newest anchor so far; where two fork, the first of them. */
  get newest(): AnchorFacts | null {
    return this.#previous;
  }

  /** Anchors whose log root was rebuilt, and those whose was not, because something before them is missing or wrong. */
  get rootsChecked(): number {
    return this.#rootsChecked;
  }
  get rootsNotChecked(): number {
    return this.#rootsNotChecked;
  }

  /**
   * The next anchor in order of size. A second one of the same size and root is no news; with another root it is a `fork`, and the
   * walk goes on from the first.
   */
  step(facts: AnchorFacts, batchOf: BatchOf): VerifyError[] {
    const previous = this.#previous;
    if (previous !== null && facts.treeSize === previous.treeSize) {
      if (equal(facts.root, previous.root)) return [];
      return [forkOf(previous, facts)];
    }
    const findings = [...judgeLink(facts, previous), ...judgeEpoch(facts, previous)];
    this.#previous = facts;
    const isNext = this.#range?.size === facts.details.batch.first_index;
    // null from where roots cannot be rebuilt any more; the cause is reported
    this.#range = this.#appended(isNext ? this.#range : null, facts, batchOf, findings);
    const range = this.#range;
    if (range === null) {
      this.#rootsNotChecked++;
      return findings;
    }
    range.append(leafHash(entryOf(facts.receiptHash), this.#hash.sha256));
    this.#rootsChecked++;
    const root = range.root();
    if (!equal(root, facts.root)) {
      findings.push(new VerifyError("log_root_mismatch", `the receipts up to ${facts.treeSize} do not have the signed root`, {
        expected: hashText(facts.root), found: hashText(root),
      }));
      this.#range = null;
    }
    return findings;
  }

  /** `before` and the batch, which is checked in any case; null if either is not there, or with a finding. */
  #appended(before: CompactRange | null, facts: AnchorFacts, batchOf: BatchOf, findings: VerifyError[]): CompactRange | null {
    const { batch } = facts.details;
    if (batch.count !== facts.treeSize - 1 - batch.first_index) {
      findings.push(new VerifyError("batch_gap", "the batch does not hold all receipts since the anchor before", {
        pointer: "/details/batch/count", expected: facts.treeSize - 1 - batch.first_index, found: batch.count,
      }));
      return null;
    }
    const alone = new CompactRange({ sha256: this.#hash.sha256 });
    const range = before?.clone() ?? null;
    try {
      const given = batch.count === 0 ? [] : batchOf(batch);
      if (given === null) {
        findings.push(new VerifyError("batch_missing", `the batch of ${receiptRange(batch.first_index, facts.treeSize - 2)} is not there`));
        return null;
      }
      for (const one of given) {
        const leaf = this.#toLeaf(one);
        alone.append(leaf);
        range?.append(leaf);
      }
    } catch (error) {
      findings.push(asVerifyError(error));
      return null;
    }
    if (alone.size !== batch.count) {
      findings.push(new VerifyError("bad_entries", "the batch has another number of entries", { expected: batch.count, found: alone.size }));
      return null;
    }
    const root = alone.root();
    if (hashText(root) === batch.root) return range;
    findings.push(new VerifyError("batch_root_mismatch", "the batch does not have the anchored root", {
      pointer: "/details/batch/root", expected: batch.root, found: hashText(root),
    }));
    return null;
  }
}

/** A ledger as 13.4 sees it. */
export interface LedgerTree {
  /** Receipts. */
  readonly size: number;
  /** RFC 6962 root of the first `size` receipts, 32 bytes. */
  rootAt(size: number): Uint8Array;
}

/** 13.4 for one anchor: `ledger_behind`, `log_root_mismatch`, or null. */
export function compareWithLedger(facts: Pick<AnchorFacts, "treeSize" | "root">, ledger: LedgerTree): VerifyError | null {
  if (ledger.size < facts.treeSize) {
    return new VerifyError("ledger_behind", "the ledger has fewer receipts than are anchored", { expected: facts.treeSize, found: ledger.size });
  }
  const root = ledger.rootAt(facts.treeSize);
  if (equal(root, facts.root)) return null;
  return new VerifyError("log_root_mismatch", `the ledger's root at ${facts.treeSize} receipts is not the anchored one`, {
    expected: hashText(facts.root), found: hashText(root),
  });
}

/** RFC 6962 root of a batch's leaf hashes. */
export function batchRoot(leaves: readonly Uint8Array[], hash: Hash = pureHash): Uint8Array {
  const range = new CompactRange({ sha256: hash.sha256 });
  for (const leaf of leaves) range.append(leaf);
  return range.root();
}

/** The tree of an anchor's size: the path from its last leaf holds every subtree that a further leaf is hashed with. */
function rangeOf({ treeSize, receiptHash, path }: AnchorFacts, { sha256 }: Hash): CompactRange {
  let node = leafHash(entryOf(receiptHash), sha256);
  let used = 0;
  for (let index = treeSize - 1; index % 2 === 1; index = Math.floor(index / 2)) node = nodeHash(path[used++]!, node, sha256);
  return new CompactRange({ size: treeSize, nodes: [...path.slice(used).reverse(), node], sha256 });
}

/** Step 3: two anchors of one size with different roots. Both objects are the evidence. */
export function forkOf(one: Pick<AnchorFacts, "treeSize" | "root">, other: Pick<AnchorFacts, "root">): VerifyError {
  return new VerifyError("fork", `two roots are signed for the tree of ${one.treeSize} receipts`, {
    expected: hashText(one.root), found: hashText(other.root),
  });
}

/** Step 4: size and root of the anchor before, and where its batch ended. */
function judgeLink(facts: AnchorFacts, previous: AnchorFacts | null): VerifyError[] {
  const link = facts.details.previous_anchor;
  const expected = previous === null ? "null" : `${previous.treeSize} ${toHex(previous.root)}`;
  const found = link === null ? "null" : `${link.tree_size} ${link.root.slice("sha256:".length)}`;
  if (found !== expected) {
    return [new VerifyError("anchor_link_mismatch", "the anchor does not continue the one before: one is missing or replaced", {
      pointer: "/details/previous_anchor", expected, found,
    })];
  }
  const first = previous?.treeSize ?? 0;
  if (facts.details.batch.first_index === first) return [];
  return [new VerifyError("anchor_link_mismatch", "the batch does not begin where the one before ended", {
    pointer: "/details/batch/first_index", expected: first, found: facts.details.batch.first_index,
  })];
}

function judgeEpoch(facts: AnchorFacts, previous: AnchorFacts | null): VerifyError[] {
  // after a missing anchor epochs are missing too, which is known already
  if (previous !== null && facts.details.previous_anchor?.tree_size !== previous.treeSize) return [];
  if (previous === null && facts.details.previous_anchor !== null) return [];
  const expected = previous === null ? 0 : previous.receipt.key_epoch + 1;
  if (facts.receipt.key_epoch === expected) return [];
  return [new VerifyError("epoch_mismatch", "the anchor does not close the next epoch", {
    pointer: "/key_epoch", expected, found: facts.receipt.key_epoch,
  })];
}
