/** The checkpoint keys of a target's anchors, in turn (docs/FORMAT.md section 13.3 step 3); what is signed out of turn is set aside. */
import { count } from "../format/count.ts";
import { vkeyText } from "../format/note.ts";
import { SignerWalk } from "../verify/vkeys.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import type { AnchorGroup, SeenAnchor } from "./anchor-group.ts";
import type { Evidence, EvidenceOptions } from "./evidence.ts";
import { unpinnedText, type VkeysKnown } from "./vkeys.ts";

export class Signers {
  readonly #evidence: Evidence;
  readonly #known: VkeysKnown;
  readonly #walk: SignerWalk;
  /** Of the anchors that count, the pinned keys that signed them. */
  readonly signedBy = new Set<string>();
  /** The first anchor with a line by another key of the ledger's name, of which no receipt is known. */
  #other: { readonly treeSize: number; readonly keyId: string } | null = null;

  /** `newest`: of an earlier audit, which has judged it and all before it. */
  constructor(evidence: Evidence, { vkeys }: Pick<EvidenceOptions, "vkeys">, known: VkeysKnown, newest: SeenAnchor | null) {
    this.#evidence = evidence;
    this.#known = known;
    this.#walk = new SignerWalk({ pinned: vkeys.map(vkeyText), announced: known.rotations, upTo: known.upTo });
    if (newest === null) return;
    this.#walk.step(newest.facts.treeSize, [newest.facts.signedBy]);
    this.#note([newest]);
  }

  /** The next size, without what a key has signed whose time was over, or had not come; null: nothing is left. */
  step({ treeSize, anchors, listed }: AnchorGroup): AnchorGroup | null {
    const verdicts = this.#walk.step(treeSize, anchors.map(({ facts }) => facts.signedBy));
    for (const [i, { error }] of verdicts.entries()) {
      if (error !== null) this.#evidence.report("violation", error.code, error.message, anchors[i]!.facts.name, { expected: error.expected, found: error.found, logIndex: treeSize - 1 });
    }
    const left = anchors.filter((_, i) => verdicts[i]!.counts);
    this.#note(left);
    const [other] = left.flatMap(({ facts }) => facts.others);
    if (other !== undefined && this.#known.rotations.every((rotation) => rotation.treeSize !== treeSize)) this.#other ??= { treeSize, keyId: other };
    return left.length === 0 ? null : { treeSize, anchors: left, listed };
  }

  /**
   * At the end. Are there anchors of larger trees that are not believed, since their key, which the ledger's receipts name, is not pinned? Then
   * the newest one is no end.
   */
  settle(newest: AnchorFacts | null): boolean {
    const { unknown, unpinned, archive } = this.#evidence;
    for (const { name, error: { code, message, expected, found } } of unknown.settle(newest, archive.rotations)) {
      this.#evidence.report("interference", code, `the object does not count: ${message}`, name, { expected, found });
    }
    return unknown.isGoneOn || [...unpinned.keys()].some((treeSize) => treeSize > (newest?.treeSize ?? 0));
  }

  /** What may be one half of a rotation, in words. */
  beside(target: string): readonly string[] {
    if (this.#other === null) return [];
    const { treeSize, keyId } = this.#other;
    return [`whether another key has signed anchors of ${target}: the anchor of ${count(treeSize, "receipt")} has a line by a second key of the ledger's name (${keyId}), which is not pinned; if the checkpoint key was rotated there, pin both keys`];
  }

  /** What is not believed, in words. */
  unbelieved(target: string): readonly string[] {
    const sizes = new Map<string, [number, number]>();
    for (const [treeSize, vkey] of this.#evidence.unpinned) {
      const [first, last] = sizes.get(vkey) ?? [treeSize, treeSize];
      sizes.set(vkey, [Math.min(first, treeSize), Math.max(last, treeSize)]);
    }
    return [...unpinnedText(target, sizes, this.#known), ...this.#evidence.unknown.text(target)];
  }

  #note(anchors: readonly SeenAnchor[]): void {
    for (const { facts } of anchors) for (const vkey of facts.signedBy) this.signedBy.add(vkey);
  }
}
