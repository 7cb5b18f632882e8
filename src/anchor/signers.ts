/**
 * The checkpoint keys of a ledger in turn, and which of them signs an anchor (docs/FORMAT.md sections 7 and 9): up to the anchor behind a
 * `checkpoint_rotation` the one before, that one both, all behind it the next. The receipts say so; what is given here has to agree with them.
 */
import type { CheckpointRotationDetails } from "../format/fields.ts";
import { type NoteSigner, parseNote, parseVkey, type Vkey } from "../format/note.ts";
import { checkpointRotationAt, isReadable } from "../ledger/keys-said.ts";
import type { Reader } from "../ledger/reader.ts";
import { AnchorError } from "./errors.ts";
import { openSigner, type SigningKey } from "./signer.ts";

/** One key's time; everything here can be cloned into a thread. */
export interface SigningPeriod {
  readonly vkey: string;
  /** Tree size of the first anchor that it signs, with the key before it; of the ledger's first key 0. */
  readonly first: number;
  /** null: it was rotated away, and overwritten. */
  readonly key: SigningKey | null;
}

/** A key whose signature counts under anchors of at most `last` receipts; undefined: under all. */
export interface KnownVkey extends Vkey {
  readonly last?: number | undefined;
}

interface Period {
  readonly vkey: string;
  readonly first: number;
  readonly signer: NoteSigner | null;
}

export class Signers {
  readonly #periods: Period[] = [];
  /** Grows with each rotation. */
  readonly #known: KnownVkey[] = [];

  constructor(periods: readonly SigningPeriod[]) {
    for (const { vkey, first, key } of periods) this.add({ vkey, first, signer: key === null ? null : openSigner(key) });
  }

  add(period: Period): void {
    const before = this.#known.pop();
    if (before !== undefined) this.#known.push({ ...before, last: period.first });
    this.#periods.push(period);
    this.#known.push(parseVkey(period.vkey));
  }

  /** All of them. The array is the same ever after, and holds what was added since. */
  get known(): readonly KnownVkey[] {
    return this.#known;
  }

  /** In the order in which they sign the anchor of this size: one, or two. */
  #at(treeSize: number): readonly Period[] {
    return this.#periods.filter(({ first }, i) => first <= treeSize && (this.#periods[i + 1]?.first ?? Number.POSITIVE_INFINITY) >= treeSize);
  }

  /** Who signs; null where one of them is gone. `publisher_failed` where a receipt names a key that is not known: the keyring is an older one. */
  at(reader: Reader, treeSize: number): readonly NoteSigner[] | null {
    const periods = this.#at(treeSize);
    const said = checkpointRotationAt(reader, treeSize);
    if (!isAsSaid(periods, said) && (said !== null || isReadable(reader, treeSize - 2))) { // of a damaged receipt the keyring is believed
      const found = said === null ? `no checkpoint_rotation stands before the anchor of ${treeSize} receipts, with which ${periods.at(-1)?.vkey} begins` : `a checkpoint_rotation names ${said.vkey} before the anchor of ${treeSize} receipts`;
      throw new AnchorError("publisher_failed", `the keyring does not know the ledger's checkpoint keys: ${found}; put the newest backup of the keyring in its place`);
    }
    const signers = periods.map(({ signer }) => signer);
    return signers.every((signer) => signer !== null) ? signers : null;
  }

  /** Was a key that signs the anchor of this size rotated away since? */
  isRetired(treeSize: number): boolean {
    return this.#at(treeSize)[0] !== this.#periods.at(-1);
  }

  /** The keys that an anchor of this size is to be signed by. */
  vkeysAt(treeSize: number): readonly Vkey[] {
    return this.#at(treeSize).map(({ vkey }) => parseVkey(vkey));
  }

  /**
   * `publisher_failed` where the note of this size was signed by others: by a key of a keyring that is newer than this one; or, where that one was
   * away for a while, by one that was rotated away before.
   */
  requireSigned(note: string, treeSize: number): void {
    const due = this.vkeysAt(treeSize);
    const own = parseNote(note).signatures.filter(({ name }) => due.some((vkey) => vkey.name === name));
    const is = (vkey: Vkey) => (line: typeof own[number]): boolean => line.name === vkey.name && line.keyId === vkey.keyId;
    const isUnknown = own.some((line) => !this.#known.some((vkey) => is(vkey)(line)));
    if (!isUnknown && due.every((vkey) => own.some(is(vkey)))) return;
    throw new AnchorError("publisher_failed", isUnknown
      ? `this host has signed the anchor of ${treeSize} receipts with another checkpoint key than the keyring has for it; put the newest backup of the keyring in its place`
      : `this host has signed the anchor of ${treeSize} receipts with a checkpoint key that had been rotated away before, by an older keyring that was in the place of this one; move anchor.db away, make it anew with receiptd init --outbox, which signs those anchors again, and run receiptd audit`);
  }
}

/** A key begins with the anchor behind the receipt that names it, and each such receipt has its key. */
function isAsSaid(periods: readonly Period[], said: CheckpointRotationDetails | null): boolean {
  const [previous, next] = periods;
  if (said === null) return next === undefined;
  return previous?.vkey === said.previous_vkey && next?.vkey === said.vkey;
}
