/** The newest receipt of every organization at every anchor (docs/FORMAT.md section 8.2), kept as a tree that moves with each batch. */
import { concat, uint64 } from "../format/bytes.ts";
import type { Sha256 } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import { EditableTree } from "./editable-tree.ts";
import type { MovedHead } from "./segment-result.ts";

export interface KnownOrganization {
  readonly name: string;
  /** 1, 2, 3 … in the order of first receipts: the number in the index. */
  readonly org: number;
  readonly firstIndex: number;
  readonly firstHash: Uint8Array;
}

export class Heads {
  readonly #tree: EditableTree;
  readonly #sha256: Sha256;
  readonly #known = new Map<string, KnownOrganization>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
    this.#tree = new EditableTree(sha256);
  }

  get size(): number {
    return this.#known.size;
  }

  get(organization: string): KnownOrganization | undefined {
    return this.#known.get(organization);
  }

  [Symbol.iterator](): IterableIterator<KnownOrganization> {
    return this.#known.values();
  }

  /** `first` tells of the organization's first receipt; it is asked when the organization is new. */
  move({ organization, orgSeq, hash }: MovedHead, first: (organization: string) => { readonly logIndex: number; readonly hash: Uint8Array }): void {
    let known = this.#known.get(organization);
    if (known === undefined) {
      const { logIndex, hash: firstHash } = first(organization);
      known = { name: organization, org: this.#known.size + 1, firstIndex: logIndex, firstHash };
      this.#known.set(organization, known);
    }
    this.#tree.set(known.org - 1, leafHash(concat(known.firstHash, uint64(orgSeq), hash), this.#sha256));
  }

  /** `org_heads_root` of the heads as they are. */
  root(): Uint8Array {
    return this.#tree.root();
  }
}
