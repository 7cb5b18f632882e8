/**
 * The ledger against what was anchored before (docs/FORMAT.md section 13.4): a restored backup, a cut tail, an edited past or a
 * clone that anchors with the same key are found before anything more is signed or published.
 *
 * Everything listed at a target is under the control of whoever can write there. What decides is a signature by this ledger's
 * key, and then tree size and root only: an object that the key's owner did not make decides nothing, and is counted as
 * interference.
 */
import { equal, toHex } from "../format/bytes.ts";
import { type Checkpoint, parseCheckpoint } from "../format/checkpoint.ts";
import { FormatError } from "../format/errors.ts";
import { type LedgerName, parseObjectName } from "../format/names.ts";
import { type Vkey, verifyNote } from "../format/note.ts";
import { MAX_TLOG_PROOF_BYTES, parseTlogProof } from "../format/tlog-proof.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Reader } from "../ledger/reader.ts";
import { anchorRowAt, anchorsPrefix, beforeAnchor } from "./objects.ts";
import type { Confirmed, Outbox } from "./outbox.ts";
import { type AnchorTarget, TargetError, type TargetVersion } from "./target.ts";

export interface Comparison {
  /**
   * `ledger_behind`: more was anchored than the ledger has. `forked`: something else was anchored than what the ledger has. Both
   * are for a person to resolve, receipts must be refused. `uncompared`: no target has answered; receipts may be taken, nothing
   * is signed.
   */
  readonly state: "ok" | "ledger_behind" | "forked" | "uncompared";
  /** One sentence for the operator. */
  readonly detail: string;
}

export const COMPARED: Comparison = { state: "ok", detail: "the ledger continues what was anchored" };
export const UNCOMPARED: Comparison = { state: "uncompared", detail: "no target has answered yet; receipts are taken, nothing is signed" };

/** What was found instead of the anchor that the target had confirmed. */
export class TargetLost extends Error {
  override readonly name = "TargetLost";
  readonly code = "target_lost";
}

/** The ledger against the roots that this host has signed: needs no target. Null where there is nothing wrong. */
export function compareOutbox(reader: Reader, outbox: Outbox): Comparison | null {
  const newest = outbox.newest();
  return newest === null ? null : judge(reader, newest.treeSize, newest.root, "this host has signed");
}

function judge(reader: Reader, treeSize: number, root: Uint8Array, who: string): Comparison | null {
  const size = reader.size();
  if (treeSize > size) {
    return { state: "ledger_behind", detail: `${who} an anchor of ${treeSize} receipts, the ledger has ${size}: was it restored from a backup?` };
  }
  if (!equal(reader.rootAt(treeSize), root)) {
    return { state: "forked", detail: `${who} an anchor of ${treeSize} receipts that are not the ledger's first ${treeSize}: the ledger was changed, or a copy of it is running` };
  }
  if (anchorRowAt(reader, treeSize) === null) {
    return { state: "forked", detail: `${who} an anchor of ${treeSize} receipts, where the ledger has none: its key is used elsewhere` };
  }
  return null;
}

interface WatchOptions {
  readonly target: AnchorTarget;
  readonly reader: Reader;
  readonly ledger: LedgerName;
  readonly vkeys: readonly Vkey[];
  /** Ends a long listing. */
  readonly signal: AbortSignal;
}

/** Objects that were looked at before and are not read again: of ours the last few, of junk as many as one can make at a sitting. */
const MAX_OURS = 256;
const MAX_JUNK = 10_000;
/** Receipts to go back from the ledger's newest anchor, where it is not known how far the target is. */
const STEPS_BACK = [0, 4096, 65_536, 1_048_576, 16_777_216, Number.POSITIVE_INFINITY];

/** Looks for anchors at one target that this ledger did not make. */
export class TargetWatch {
  readonly #options: WatchOptions;
  /** By name, version, size and time. */
  readonly #ours = new Map<string, Checkpoint>();
  readonly #junk = new Set<string>();
  /** Anchors that passed since the comparison began, under their own names. */
  #passed = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Objects seen among the ledger's anchors that it did not make, at least. */
  get interference(): number {
    return this.#junk.size;
  }

  /**
   * The start-up comparison: every anchor from the confirmed one on; where none is known, from the newest valid one on that the
   * target has. Returns what is wrong, or null. Throws TargetError, TargetLost.
   */
  async compare(confirmed: Confirmed | null): Promise<Comparison | null> {
    if (confirmed !== null) return this.#range(confirmed.treeSize, null, confirmed);
    this.#passed = 0;
    const newest = this.#options.reader.newestAnchor()?.treeSize ?? 0;
    for (const step of STEPS_BACK) {
      const from = Math.max(1, newest - step);
      const wrong = await this.#range(from, null, null);
      if (wrong !== null || from === 1 || this.#passed > 0) return wrong;
    }
    return null;
  }

  /**
   * Before publishing anchors up to `last`: does somebody else publish, too? Looks at the anchors from the confirmed one up to
   * `last`, and at those beyond the newest that may be signed. Returns what is wrong, or null. Throws TargetError, TargetLost.
   */
  async check(confirmed: Confirmed | null, last: number, signable: number): Promise<Comparison | null> {
    const gap = last < signable; // those between are looked at in their turn
    const wrong = await this.#range(confirmed?.treeSize ?? 1, gap ? last : null, confirmed)
      ?? (gap ? await this.#range(signable + 1, null, null) : null);
    return wrong === null ? null : { ...wrong, state: "forked" };
  }

  async #range(from: number, last: number | null, confirmed: Confirmed | null): Promise<Comparison | null> {
    const { target, ledger, signal, reader } = this.#options;
    let found = confirmed === null;
    for await (const version of target.list(anchorsPrefix(ledger), beforeAnchor(ledger, from))) {
      if (signal.aborted) return null;
      const treeSize = sizeInName(ledger, version.name);
      if (last !== null && treeSize !== null && treeSize > last) break;
      const signed = await this.#read(version, treeSize);
      if (signed === null) continue;
      const wrong = judge(reader, signed.size, signed.root, `${target.name} holds`);
      if (wrong !== null) return { ...wrong, detail: `${wrong.detail} (${version.name})` };
      if (signed.size !== treeSize) continue; // a checkpoint of ours that somebody put under another name
      this.#passed++;
      found ||= treeSize === confirmed?.treeSize;
    }
    if (!found && confirmed !== null) {
      throw new TargetLost(`${target.name} had confirmed the anchor of ${confirmed.treeSize} receipts and does not have it any more; is it the right folder or disk? A new, empty target needs a name of its own`);
    }
    return null;
  }

  /** The checkpoint of an object that counts, if this ledger's key has signed it. */
  async #read(version: TargetVersion, treeSize: number | null): Promise<Checkpoint | null> {
    const key = [version.name, version.versionId, version.size, version.lastModified].join("\0");
    if (this.#junk.has(key)) return null;
    const known = this.#ours.get(key);
    if (known !== undefined) return known;
    const checkpoint = treeSize === null || version.kind !== "object" || version.size > MAX_TLOG_PROOF_BYTES ? null : await this.#fetch(version);
    if (checkpoint === null) {
      if (this.#junk.size < MAX_JUNK) this.#junk.add(key);
      return null;
    }
    if (this.#ours.size >= MAX_OURS) this.#ours.clear();
    this.#ours.set(key, checkpoint);
    return checkpoint;
  }

  async #fetch(version: TargetVersion): Promise<Checkpoint | null> {
    const { target, ledger, vkeys } = this.#options;
    try {
      const { bytes } = await target.get(version, MAX_TLOG_PROOF_BYTES);
      if (parseObjectName(ledger, version.name).sha256 !== toHex(nodeHash.sha256(bytes))) return null;
      const checkpoint = parseCheckpoint(verifyNote(parseTlogProof(bytes).checkpoint, vkeys).text);
      return checkpoint.origin === ledger.origin ? checkpoint : null;
    } catch (error) {
      // what may not be read may be a foreign anchor: only what is gone or damaged is none
      if (error instanceof FormatError || (error instanceof TargetError && (error.code === "target_missing" || error.code === "target_damaged"))) return null;
      throw error;
    }
  }
}

/** The tree size in the name of an anchor; null for any other name. */
export function sizeInName(ledger: LedgerName, name: string): number | null {
  try {
    const parsed = parseObjectName(ledger, name);
    return parsed.kind === "anchor" ? parsed.treeSize : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
