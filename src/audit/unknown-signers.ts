/**
 * Anchors that may be signed by a key which nobody has pinned, after a rotation that an auditor without the ledger has not been told of. By
 * themselves they prove nothing: whoever may write to the target can make them. So they never count; all that is decided here is whether they
 * are called junk, or what could not be checked, and for the second they have to go on from the newest anchor that counts, link by link, under
 * a key that has a line in that one. Nothing else becomes milder for it, unless an archived receipt under a pinned key's signature names the key.
 */
import { equal } from "../format/bytes.ts";
import { parseHash } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import type { LedgerName } from "../format/names.ts";
import { parseNote, parseVkey, type Vkey } from "../format/note.ts";
import { parseTlogProof } from "../format/tlog-proof.ts";
import { type AnchorFacts, verifyAnchorObject } from "../verify/anchor.ts";
import { verifyCheckpoint, type VerifyOptions } from "../verify/checkpoint.ts";
import { VerifyError } from "../verify/errors.ts";

/** Objects that are kept until the newest anchor that counts is known; any further one is junk. */
const MAX_KEPT = 16_384;
const MAX_NAMED = 8;

interface Unknown {
  readonly name: string;
  readonly treeSize: number;
  readonly root: Uint8Array;
  readonly previous: AnchorFacts["details"]["previous_anchor"];
  readonly note: string;
  /** Of its lines with the ledger's name, in hex. */
  readonly keyIds: readonly string[];
  readonly error: VerifyError;
}

type Pinned = { readonly ledger: LedgerName; readonly vkeys: readonly Vkey[] } & VerifyOptions;

export class UnknownSigners {
  readonly #options: Pinned;
  readonly #kept: Unknown[] = [];
  /** Names of those that are kept. */
  readonly names = new Set<string>();
  #newest: AnchorFacts | null = null;
  #goingOn: readonly Unknown[] = [];
  /** The key that an archived receipt names for the first of them. */
  #named: string | null = null;

  constructor(options: Pinned) {
    this.#options = options;
  }

  /** An object with the name of an anchor that did not count for this. */
  add(name: string, bytes: Uint8Array, error: VerifyError): void {
    const { ledger, vkeys, hash } = this.#options;
    if (this.#kept.length >= MAX_KEPT) return;
    try {
      const note = parseTlogProof(bytes).checkpoint;
      const own = parseNote(note).signatures.filter((line) => line.name === ledger.origin);
      if (own.length === 0 || own.some(({ keyId }) => vkeys.some((vkey) => vkey.name === ledger.origin && vkey.keyId === keyId))) return; // a pinned key's line that is wrong
      const lines = own.map(({ keyId }): Vkey => ({ name: ledger.origin, keyId, publicKey: new Uint8Array(32) }));
      const { treeSize, root, details } = verifyAnchorObject(name, bytes, ledger, lines, { hash, verify: () => true });
      this.#kept.push({ name, treeSize, root, previous: details.previous_anchor, note, keyIds: own.map(({ keyId }) => keyId.toString(16).padStart(8, "0")), error });
      this.names.add(name);
    } catch (other) {
      if (!(other instanceof VerifyError || other instanceof FormatError)) throw other; // not even an anchor
    }
  }

  /** At the end, with the newest anchor that counts and the keys that the archived receipts before it name. Returns what is junk after all. */
  settle(newest: AnchorFacts | null, announced: ReadonlyMap<number, string>): readonly Pick<Unknown, "name" | "error">[] {
    this.#newest = newest;
    const allowed = new Set(newest?.others);
    const goingOn: Unknown[] = [];
    let before: Pick<Unknown, "treeSize" | "root"> | null = newest;
    const junk = this.#kept.filter((one) => {
      if (before === null || !follows(one, before) || !one.keyIds.some((keyId) => allowed.has(keyId))) return true;
      for (const keyId of one.keyIds) allowed.add(keyId);
      goingOn.push(one);
      before = one;
      return false;
    });
    this.#goingOn = goingOn;
    const vkey = newest === null ? undefined : announced.get(newest.treeSize);
    const [first] = goingOn;
    if (vkey !== undefined && first !== undefined && this.#isSignedBy(first, vkey)) this.#named = vkey;
    return junk;
  }

  /** Is there an anchor behind the newest one by a key that this ledger's own receipt names? */
  get isGoneOn(): boolean {
    return this.#named !== null;
  }

  /** What could not be checked, in words. */
  text(target: string): readonly string[] {
    const newest = this.#newest;
    const [first, last] = [this.#goingOn[0], this.#goingOn.at(-1)];
    if (first === undefined || last === undefined || newest === null) return [];
    const { ledger: { origin } } = this.#options;
    const ids = [...new Set(this.#goingOn.flatMap(({ keyIds }) => keyIds))];
    const keys = ids.slice(0, MAX_NAMED).map((keyId) => `${origin}+${keyId}`).join(", ") + (ids.length > MAX_NAMED ? " …" : "");
    const anchors = first === last ? `the anchor of ${count(first.treeSize, "receipt")}` : `the anchors of ${count(first.treeSize)} to ${count(last.treeSize, "receipt")}`;
    const why = this.#named !== null ? `an archived receipt before the anchor of ${count(newest.treeSize, "receipt")} names ${this.#named} as the ledger's next one`
      : `the anchor of ${count(newest.treeSize, "receipt")} has a line by such a key, too, so the reason may be a rotation of the checkpoint key; or somebody who can write there has made them`;
    return [`${anchors} at ${target}: signed by ${keys}, which is not pinned, and by no pinned key; ${why}: nothing of it is believed; pin the ledger's newer key, too, once you know by another way that it is that (--vkey)`];
  }

  #isSignedBy({ note }: Unknown, vkey: string): boolean {
    const { ledger: { origin }, hash, verify } = this.#options;
    try {
      return verifyCheckpoint(note, origin, [parseVkey(vkey)], { hash, verify }).signedBy.length > 0;
    } catch (error) {
      if (error instanceof VerifyError || error instanceof FormatError) return false;
      throw error;
    }
  }
}

function follows({ treeSize, previous }: Unknown, before: Pick<Unknown, "treeSize" | "root">): boolean {
  return treeSize > before.treeSize && previous?.tree_size === before.treeSize && equal(parseHash(previous.root), before.root);
}
