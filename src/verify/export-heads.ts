/** What two anchor receipts show of an export (docs/FORMAT.md section 16): an organization's newest receipt before it and at its end. */
import { concat, equal, uint64 } from "../format/bytes.ts";
import { hashText, parseHash } from "../format/chain.ts";
import type { ExportHeader, ExportHeads, ProvenHead } from "../format/export.ts";
import type { AnchorDetails } from "../format/fields.ts";
import type { Hash } from "../format/hash.ts";
import { leafHash, verifyInclusion } from "../format/merkle.ts";
import { VerifyError } from "./errors.ts";
import type { AnchorBefore } from "./export-before.ts";
import { verifyReceipt } from "./receipt.ts";

/** A chain's newest receipt; 0 and null where it has none. */
export interface ChainPoint {
  readonly orgSeq: number;
  readonly hash: Uint8Array | null;
}

export class Heads {
  readonly #heads: ExportHeads;
  readonly #organization: string | null;
  readonly #firstHash: Uint8Array;
  readonly #hash: Hash;
  /** The organization's newest receipt before the range. */
  readonly before: ChainPoint;

  constructor({ ledger, organization }: ExportHeader, heads: ExportHeads, before: AnchorBefore | null, hash: Hash) {
    this.#heads = heads;
    this.#organization = organization;
    this.#hash = hash;
    // who it is says its first receipt, whose hash is in the root: names are not
    const first = verifyReceipt(heads.firstReceipt, hash);
    this.#firstHash = first.hash;
    const { receipt } = first;
    if (receipt.ledger !== ledger || receipt.organization !== organization || receipt.org_seq !== 1) {
      throw new VerifyError("org_heads_mismatch", "the receipt is not the first one of the organization", { pointer: "/heads/first_receipt", expected: `${organization} 1`, found: `${receipt.organization} ${receipt.org_seq}` });
    }
    this.before = heads.before ?? { orgSeq: 0, hash: null };
    if (heads.before === null) return;
    if (before === null) throw new VerifyError("org_heads_mismatch", "before the log's beginning no organization has a receipt", { pointer: "/heads/before" });
    this.#require(heads.before, before.receipt["details"] as AnchorDetails, "/heads/before");
  }

  /** Does the chain end where the last anchor receipt says? Throws `org_heads_mismatch`, `org_seq_gap`, `link_mismatch`. */
  requireEnd(details: AnchorDetails, { orgSeq, hash }: ChainPoint): void {
    const { end } = this.#heads;
    this.#require(end, details, "/heads/end");
    if (orgSeq !== end.orgSeq) {
      throw new VerifyError("org_seq_gap", `receipts of ${this.#organization} are left out: the last anchor shows a later one than the file has`, { pointer: "/heads/end", expected: end.orgSeq, found: orgSeq });
    }
    if (hash === null || !equal(hash, end.hash)) {
      throw new VerifyError("link_mismatch", `the newest receipt of ${this.#organization} is not the one that the last anchor shows`, { pointer: "/heads/end", expected: hashText(end.hash), found: hash === null ? null : hashText(hash) });
    }
  }

  #require({ orgSeq, hash, index, size, path }: ProvenHead, { org_heads_root: root }: AnchorDetails, pointer: string): void {
    const leaf = leafHash(concat(this.#firstHash, uint64(orgSeq), hash), this.#hash.sha256);
    if (!verifyInclusion({ leafHash: leaf, index, size, path, root: parseHash(root) }, this.#hash.sha256)) {
      throw new VerifyError("org_heads_mismatch", `the anchor receipt does not show this newest receipt of ${this.#organization}`, { pointer });
    }
  }
}
