/**
 * The anchor objects of one size (docs/FORMAT.md section 13.3 step 3). Whoever may write to a target can store any number of objects
 * with the same signed checkpoint: a line more that looks like a signature by an unknown key makes other bytes, and so another name. Of
 * one root they are one anchor, with the earliest time and the best lock of them. Memory: a few roots, whatever is stored.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import type { Listed } from "./listed.ts";
import { isBetter, type Lock } from "./locks.ts";
import type { CountingObject, VersionOptions } from "./versions.ts";

/** Each is signed by the key that is audited, and a fork is proven by two. */
const MAX_ROOTS = 8;

export interface SeenAnchor {
  readonly facts: AnchorFacts;
  /** ms, by the target's clock: of the earliest object with this root. */
  readonly lastModified: number;
  /** Of the object that `facts` were read from. */
  readonly versionId: string;
}

/** All that is signed for one size. */
export interface AnchorGroup {
  readonly treeSize: number;
  /** At least one, each with another root. */
  readonly anchors: readonly SeenAnchor[];
  /** Everything listed up to the last of them. */
  readonly listed: Listed;
}

interface OneRoot {
  /** The one with the best lock, of several the earliest. */
  best: CountingObject<AnchorFacts>;
  /** Of all of them, the pinned keys that signed. */
  readonly signedBy: Set<string>;
  lastModified: number;
}

export class OpenGroup {
  readonly treeSize: number;
  readonly #known: Uint8Array | null;
  readonly #report: VersionOptions<unknown>["report"];
  readonly #roots: OneRoot[] = [];
  #listed: Listed;

  /** `known`: the root that the ledger has at this size, which is kept whatever others are signed; null where that is not known. */
  constructor(treeSize: number, listed: Listed, known: Uint8Array | null, report: VersionOptions<unknown>["report"]) {
    this.treeSize = treeSize;
    this.#listed = listed;
    this.#known = known;
    this.#report = report;
  }

  add(object: CountingObject<AnchorFacts>): void {
    this.#listed = object.listed;
    const { root } = object.value;
    const same = this.#roots.find(({ best }) => equal(best.value.root, root));
    if (same !== undefined) this.#again(same, object);
    else if (this.#roots.length < MAX_ROOTS || (this.#known !== null && equal(root, this.#known))) this.#roots.push({ best: object, signedBy: new Set(object.value.signedBy), lastModified: object.lastModified });
    else this.#tooMany(object);
  }

  #again(same: OneRoot, object: CountingObject<AnchorFacts>): void {
    const { best } = same;
    for (const vkey of object.value.signedBy) same.signedBy.add(vkey);
    const isTheBest = isBetter(object.lock, best.lock) || (!isBetter(best.lock, object.lock) && object.lastModified < best.lastModified);
    if (isTheBest) same.best = object;
    same.lastModified = Math.min(same.lastModified, object.lastModified);
    const { name, lock } = isTheBest ? best : object;
    this.#report(lock.problem === null ? "note" : "interference", "duplicate_object",
      `a second anchor object for the tree of ${count(this.treeSize, "receipt")}, with the same root${lock.problem === null ? "" : `; unlike the other it is not protected as was promised: ${lock.problem}`}`, name, {});
  }

  #tooMany({ name, value: { root } }: CountingObject<AnchorFacts>): void {
    this.#report("violation", "fork", `more than ${MAX_ROOTS} roots are signed for the tree of ${count(this.treeSize, "receipt")}: nothing else of this one was looked at`,
      name, { expected: hashText(this.#roots[0]!.best.value.root), found: hashText(root) });
  }

  /** At the end; the lock of each root. */
  close(onLock: (name: string, lock: Lock) => void): AnchorGroup {
    for (const { best: { name, lock } } of this.#roots) onLock(name, lock);
    return {
      treeSize: this.treeSize, listed: this.#listed,
      anchors: this.#roots.map(({ best: { value, versionId }, signedBy, lastModified }) => ({ facts: { ...value, signedBy: [...signedBy] }, lastModified, versionId })),
    };
  }
}
