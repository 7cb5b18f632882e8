/**
 * What the anchors of a target say of each other: each names the one before it, and the versions that were seen at the targets when
 * it was made. Two signed anchors that contradict each other mean that the key has signed two pasts.
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import type { Observed } from "../format/fields.ts";
import { formatTime } from "../format/time.ts";
import type { AnchorGroup, SeenAnchor } from "./anchor-group.ts";
import type { Evidence } from "./evidence.ts";
import { TOLERANCE } from "./times.ts";

const MAX_NAMES = 64;
const KEEP = "keep every object as evidence";

export class Lineage {
  readonly #evidence: Evidence;
  /** The name by which anchor receipts know the target. */
  readonly #target: string;
  /** Its versions and times are its own, and not the host's, which prove nothing. */
  readonly #hasClock: boolean;
  #before: AnchorGroup | null = null;
  #isForked = false;
  /** Names of targets that anchor receipts saw something at. */
  readonly #named = new Set<string>();
  /** Compared last: most anchors saw the one before, those of an outage all the same one. */
  #observed = "";

  constructor(evidence: Evidence, target: Pick<AnchorTarget, "name" | "trustedTime">, before: AnchorGroup | null) {
    this.#evidence = evidence;
    this.#target = target.name;
    this.#hasClock = target.trustedTime;
    this.#before = before;
  }

  /** Two pasts are signed: what contradicts the rest is known to. */
  get isForked(): boolean {
    return this.#isForked;
  }

  /** Where anchor receipts name targets, but never this one: the names, of which one may be meant. `more`: what those of the ledger name. */
  otherNames(more: Iterable<string>): readonly string[] {
    const names = new Set([...this.#named, ...more]);
    return names.has(this.#target) ? [] : [...names].sort().slice(0, MAX_NAMES);
  }

  /** The next size; `counting` is the anchor of it that the others are compared with. */
  step(group: AnchorGroup, counting: SeenAnchor): void {
    for (const seen of group.anchors) {
      if (seen !== counting) this.#sameSize(seen, counting);
      this.#link(seen);
      for (const observed of seen.facts.details.observed) this.compare(observed, seen.facts.name, seen.facts.treeSize - 1);
    }
    this.#before = group;
  }

  #sameSize({ facts }: SeenAnchor, { facts: other }: SeenAnchor): void {
    this.#fork(`two roots are signed for the tree of ${count(facts.treeSize, "receipt")}: the key has signed another past (${KEEP})`,
      facts.name, facts.treeSize, hashText(other.root), hashText(facts.root));
  }

  /** An anchor continues the newest one before it, if there is one; a missing one is not told here. */
  #link({ facts: { name, treeSize, details: { previous_anchor: link } } }: SeenAnchor): void {
    const before = this.#before;
    if (before === null || (link !== null && link.tree_size > before.treeSize)) return;
    const roots = before.anchors.map(({ facts }) => hashText(facts.root));
    if (link !== null && link.tree_size === before.treeSize && roots.includes(link.root)) return;
    this.#fork(`the anchor of ${count(treeSize, "receipt")} leaves out that of ${before.treeSize}, which the same key has signed: two pasts are signed, so a copy of the ledger has been anchoring or the past was rewritten (${KEEP})`,
      name, treeSize, `a continuation of the anchor of ${before.treeSize} with ${roots[0]!}`, link === null ? "a first anchor" : `a continuation of the anchor of ${link.tree_size} with ${link.root}`);
  }

  #fork(message: string, object: string, treeSize: number, expected: string, found: string): void {
    this.#isForked = true;
    this.#evidence.report("violation", "fork", message, object, { expected, found, logIndex: treeSize - 1 });
  }

  /** What an anchor receipt saw here must still be here, as it was: a lock in mode COMPLIANCE is for that. */
  compare(observed: Observed, object: string, logIndex: number): void {
    const { target, tree_size: size, version_id: id, last_modified: time } = observed;
    const { versions } = this.#evidence;
    const key = `${size} ${id} ${time}`;
    if (this.#named.size < MAX_NAMES) this.#named.add(target);
    if (!this.#hasClock || target !== this.#target || key === this.#observed || !versions.has(size)) return; // an anchor that is missing is told elsewhere
    this.#observed = key;
    const found = versions.find(size, id);
    if (found === null) {
      this.#evidence.report("violation", "version_missing",
        `the version of the anchor of ${count(size, "receipt")} that was confirmed when it was published is not there any more, only another with the same bytes: what should have been locked was removed`,
        object, { logIndex, expected: `version ${id} of ${time}`, found: "not listed" });
    } else if (Math.abs(found - Date.parse(time)) > TOLERANCE) {
      this.#evidence.report("violation", "observed_mismatch",
        `the anchor of ${count(size, "receipt")} is said to have been stored at another time than the target says`,
        object, { logIndex, expected: formatTime(found), found: time });
    }
  }
}
