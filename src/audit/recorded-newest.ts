/**
 * The newest anchor of an earlier audit's record, at a target that is read in full: whatever keeps the target now, and whatever it is
 * called in the configuration, an anchor of that size and with that root must be there still.
 */
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import type { AnchorGroup } from "./anchor-group.ts";
import type { Evidence } from "./evidence.ts";
import type { KnownTarget } from "./since.ts";

export class RecordedNewest {
  readonly #known: KnownTarget | null;
  readonly #evidence: Evidence;
  #isSeen: boolean;

  /** `known`: what the record says of the target; null where it says nothing. */
  constructor(known: KnownTarget | null, evidence: Evidence) {
    this.#known = known;
    this.#evidence = evidence;
    this.#isSeen = known === null || known.recalled !== null || known.isMissed;
  }

  /** Each size of which there is an anchor. */
  compare({ treeSize, anchors }: AnchorGroup): void {
    if (this.#known === null || this.#known.record.newest.tree_size !== treeSize) return;
    this.#isSeen = true;
    const { root, name } = this.#known.record.newest;
    const roots = anchors.map(({ facts }) => hashText(facts.root));
    if (roots.includes(root)) return;
    this.#evidence.report("violation", "fork",
      `another root is signed for the tree of ${count(treeSize, "receipt")} than at the audit of ${this.#known.madeAt}: the past was rewritten`, name, { expected: root, found: roots[0], logIndex: treeSize - 1 });
  }

  /** At the end; `newestSize`: of the newest anchor that counts. */
  finish(newestSize: number): void {
    if (this.#known === null || this.#isSeen) return;
    const { record: { newest: { name, tree_size: size } }, madeAt } = this.#known;
    this.#evidence.report("violation", "version_missing", `no anchor of ${count(size, "receipt")} is here, which was the newest at the audit of ${madeAt}`,
      name, { expected: `an anchor of ${count(size, "receipt")}`, found: newestSize === 0 ? "none" : `the newest is of ${count(newestSize)}` });
  }
}
