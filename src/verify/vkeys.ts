/**
 * The checkpoint keys of a ledger, one after the other: as its receipts name them (docs/FORMAT.md section 13.2 step 8), and as its anchors
 * are signed (13.3 step 3, 13.4). A key that was rotated away may be in other hands: behind its last anchor it vouches for nothing.
 */
import { toHex } from "../format/bytes.ts";
import type { GenesisDetails } from "../format/fields.ts";
import type { AnchorFacts } from "./anchor.ts";
import { VerifyError } from "./errors.ts";
import { checkpointRotationOf, detailsOf } from "./log.ts";
import type { VerifiedReceipt } from "./receipt.ts";

/** What a `checkpoint_rotation` says: up to the anchor of `treeSize`, which both sign, `previous` signs; behind it `vkey`. */
export interface VkeyRotation {
  /** Of the anchor receipt behind it. */
  readonly treeSize: number;
  readonly previous: string;
  readonly vkey: string;
}

/** Receipts in the order of the log, of which those that name no checkpoint key may be left out. */
export class VkeyChain {
  readonly #rotations: VkeyRotation[] = [];
  /** Each key that was ever named. */
  readonly #named = new Set<string>();
  /** The newest may be any of these; none: it is not known. */
  #newest: readonly string[] = [];

  /** In order. */
  get rotations(): readonly VkeyRotation[] {
    return this.#rotations;
  }

  step(r: VerifiedReceipt): VerifyError[] {
    if (r.known && r.receipt.type === "genesis") this.begin(detailsOf<GenesisDetails>(r.receipt).vkeys);
    const said = checkpointRotationOf(r);
    return said === null ? [] : this.rotate({ treeSize: r.receipt.log_index + 2, previous: said.previous_vkey, vkey: said.vkey });
  }

  /** What genesis says; none where that is not known. */
  begin(vkeys: readonly string[]): void {
    this.#newest = vkeys;
    for (const vkey of vkeys) this.#named.add(vkey);
  }

  rotate(rotation: VkeyRotation): VerifyError[] {
    const { previous, vkey } = rotation;
    const findings: VerifyError[] = [];
    if (this.#newest.length > 0 && !this.#newest.includes(previous)) {
      findings.push(new VerifyError("vkey_mismatch", "the checkpoint_rotation is one of another key than the newest", { pointer: "/details/previous_vkey", expected: this.#newest.join(" or "), found: previous }));
    }
    if (vkey === previous || this.#named.has(vkey)) {
      findings.push(new VerifyError("vkey_mismatch", "the checkpoint_rotation names a key that the ledger had before", { pointer: "/details/vkey", found: vkey }));
    }
    this.#rotations.push(rotation);
    this.#newest = [vkey];
    this.#named.add(previous).add(vkey);
    return findings;
  }
}

export interface SignersOptions {
  /** The keys that are believed, as vkeys. */
  readonly pinned: readonly string[];
  /** What the ledger's receipts name, in order; of anchors of at most `upTo` receipts that is all. Default: nothing is known. */
  readonly announced?: readonly VkeyRotation[] | undefined;
  readonly upTo?: number | undefined;
}

/** Of one root that is signed for a size. Where it does not count, it is set aside as if it were signed by nobody. */
export interface SignersVerdict {
  readonly error: VerifyError | null;
  readonly counts: boolean;
  /** In force behind this one. */
  readonly next: string | null;
}

const FINE: SignersVerdict = { error: null, counts: true, next: null };

/** Anchors in order of size. */
export class SignerWalk {
  readonly #pinned: ReadonlySet<string>;
  readonly #announced: readonly VkeyRotation[];
  readonly #upTo: number;
  /** In force, or earlier. */
  readonly #seen = new Set<string>();
  #inForce: string | null;
  #next = 0;

  constructor({ pinned, announced = [], upTo = 0 }: SignersOptions) {
    this.#pinned = new Set(pinned);
    this.#announced = announced;
    this.#upTo = upTo;
    this.#inForce = announced[0]?.previous ?? null;
    if (this.#inForce !== null) this.#seen.add(this.#inForce);
  }

  /** The roots that are signed for the next size: of each the pinned keys that have signed it, in the order of their signatures. */
  step(treeSize: number, roots: readonly (readonly string[])[]): SignersVerdict[] {
    for (let rotation = this.#announced[this.#next]; rotation !== undefined && rotation.treeSize < treeSize; rotation = this.#announced[++this.#next]) {
      this.#enter(rotation.previous);
      this.#enter(rotation.vkey);
    }
    const verdicts = roots.map((signed) => this.#judge(treeSize, signed));
    const next = verdicts.find((verdict) => verdict.next !== null)?.next ?? null;
    if (next !== null) {
      for (const key of roots.flat()) if (this.#inForce === null) this.#enter(key);
      this.#enter(next);
    }
    return verdicts;
  }

  #enter(key: string): void {
    this.#seen.add(key);
    this.#inForce = key;
  }

  #judge(treeSize: number, signed: readonly string[]): SignersVerdict {
    const due = this.#announced[this.#next];
    if (due?.treeSize === treeSize && (signed.includes(due.previous) || signed.includes(due.vkey))) return this.#judgeAnnounced(due, signed);
    const inForce = this.#inForce ?? signed[0]!;
    if (!signed.includes(inForce)) return this.#judgeOther(treeSize, inForce, signed);
    const fresh = signed.filter((key) => key !== inForce && !this.#seen.has(key));
    if (fresh.length === 0) return this.#inForce === null ? { ...FINE, next: inForce } : FINE;
    if (fresh.length === 1 && treeSize > this.#upTo) return { ...FINE, next: fresh[0]! };
    return { error: new VerifyError("vkey_mismatch", "the anchor is signed by a second key, and no checkpoint_rotation before it names that one", { expected: inForce, found: fresh.join(" ") }), counts: true, next: null };
  }

  #judgeAnnounced({ previous, vkey }: VkeyRotation, signed: readonly string[]): SignersVerdict {
    const missing = [previous, vkey].filter((key) => this.#pinned.has(key) && !signed.includes(key));
    if (missing.length === 0) return FINE;
    return { error: new VerifyError("vkey_mismatch", "the checkpoint_rotation before the anchor names two keys, and they have not both signed it", { expected: missing.join(" "), found: signed.join(" ") }), counts: true, next: null };
  }

  #judgeOther(treeSize: number, inForce: string, signed: readonly string[]): SignersVerdict {
    const retired = signed.find((key) => this.#seen.has(key));
    if (retired !== undefined) {
      return { error: new VerifyError("retired_key", "the anchor is signed by a key that was rotated away before, and not by the one that signs since", { expected: inForce, found: retired }), counts: false, next: null };
    }
    const isOnly = treeSize > this.#upTo; // else the ledger tells which key signs
    return { error: new VerifyError("vkey_mismatch", "the anchor is signed by a key that nothing before it has named", { expected: inForce, found: signed.join(" ") }), counts: isOnly, next: isOnly ? signed[0]! : null };
  }
}

/** Of several objects with one size and root, the pinned keys that have signed any: they are one anchor. By the root in hex, in the order given. */
export function signersByRoot(anchors: readonly Pick<AnchorFacts, "root" | "signedBy">[]): ReadonlyMap<string, readonly string[]> {
  const roots = new Map<string, string[]>();
  for (const { root, signedBy } of anchors) {
    const hex = toHex(root);
    roots.set(hex, [...new Set([...(roots.get(hex) ?? []), ...signedBy])]);
  }
  return roots;
}
