/**
 * The ledger against what was anchored before (docs/FORMAT.md section 13.4): a restored backup, a cut tail, an edited past or a
 * clone that anchors with the same key are found before anything more is signed or published.
 *
 * Everything listed at a target is under the control of whoever can write there. What decides is a signature by this ledger's
 * key, and then tree size and root only: an object that the key's owner did not make decides nothing, and is counted as
 * interference.
 *
 * An object that is stored so that the daemon cannot read it (`target_unreadable`: under a key of the client's or of a foreign KMS,
 * in cold storage) is interference, too, as long as an anchor of the ledger can be read: else one PUT would end all publishing.
 * Nothing is lost by that. A restored backup or a clone of the daemon, which the comparison is there to find, stores what can be
 * read; and who holds the key and means to hide a fork need not put it there at all. What is *denied* (`target_denied`) stops
 * the lane, be it one object: that takes the bucket's policy or another owner of the object, so a rival daemon in another
 * account or somebody who hides one, and whoever can do that can deny every PUT as well.
 */
import { hash } from "node:crypto";
import { equal, toHex } from "../format/bytes.ts";
import { type Checkpoint, parseCheckpoint } from "../format/checkpoint.ts";
import { FormatError } from "../format/errors.ts";
import { type LedgerName, parseObjectName, sizeInName } from "../format/names.ts";
import { verifyNote } from "../format/note.ts";
import { MAX_TLOG_PROOF_BYTES, parseTlogProof } from "../format/tlog-proof.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Reader } from "../ledger/reader.ts";
import { fetchAhead, type Fetch } from "./fetch-ahead.ts";
import { anchorRowAt, anchorsPrefix, beforeAnchor } from "./objects.ts";
import type { Confirmed, Outbox } from "./outbox.ts";
import type { KnownVkey } from "./signers.ts";
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
  /** Read anew for each object: keys that are rotated to are added. */
  readonly vkeys: readonly KnownVkey[];
  /** Ends a long listing. */
  readonly signal: AbortSignal;
}

/** Objects that were looked at before and are not read again: of ours the last few; of junk as many as some 20 MB of memory hold. */
const MAX_OURS = 256;
const MAX_JUNK = 200_000;
const AHEAD = { count: 16, bytes: 4 << 20 };
/** Receipts to go back from the ledger's newest anchor, where it is not known how far the target is. */
const STEPS_BACK = [0, 4096, 65_536, 1_048_576, 16_777_216, Number.POSITIVE_INFINITY];

/** One version under the anchors' prefix. */
interface Seen {
  readonly version: TargetVersion;
  /** What it is remembered by. */
  readonly key: string;
  /** In its name; null where that is no anchor's. */
  readonly treeSize: number | null;
  /** The checkpoint that this ledger's key has signed; null for junk; why it cannot be read by the daemon. */
  readonly found: Checkpoint | TargetError | null;
}

/** Looks for anchors at one target that this ledger did not make. */
export class TargetWatch {
  readonly #options: WatchOptions;
  /** By `keyOf`. */
  readonly #ours = new Map<string, Checkpoint>();
  readonly #junk = new Set<string>();
  /** Those of the junk that could not be read, while it is open whether the ledger's own anchors can; and why the first one could not. */
  readonly #unreadable = new Set<string>();
  #unreadableBy: TargetError | null = null;
  /** The last of the ledger's own anchors that was seen. */
  #own: TargetVersion | null = null;
  /** Anchors that passed since the comparison began, under their own names. */
  #passed = 0;
  #warning: string | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Objects seen among the ledger's anchors that it did not make, at least. */
  get interference(): number {
    return this.#junk.size;
  }

  /** The last of them, in words; null where there is none. */
  get warning(): string | null {
    return this.#warning;
  }

  /**
   * The start-up comparison: every anchor from the confirmed one on; where none is known, from the newest valid one on that the
   * target has. Returns what is wrong, or null. Throws TargetError, TargetLost.
   */
  async compare(confirmed: Confirmed | null): Promise<Comparison | null> {
    const wrong = confirmed === null ? await this.#compareAll() : await this.#range(confirmed.treeSize, null, confirmed);
    if (wrong === null) await this.#settle(true);
    return wrong;
  }

  async #compareAll(): Promise<Comparison | null> {
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
    if (wrong !== null) return { ...wrong, state: "forked" };
    await this.#settle(false);
    return null;
  }

  async #range(from: number, last: number | null, confirmed: Confirmed | null): Promise<Comparison | null> {
    const { target, signal, reader } = this.#options;
    let isConfirmed = confirmed === null;
    let unreadable: TargetError | null = null;
    for await (const { version, key, treeSize, found } of fetchAhead(this.#listed(from, last), AHEAD, (one) => this.#plan(one))) {
      if (signal.aborted) return null;
      if (found === null || found instanceof TargetError) {
        this.#discard(version, key, found);
        if (treeSize === confirmed?.treeSize) unreadable ??= found;
        continue;
      }
      const wrong = judge(reader, found.size, found.root, `${target.name} holds`);
      if (wrong !== null) return { ...wrong, detail: `${wrong.detail} (${version.name})` };
      if (found.size !== treeSize) { // a checkpoint of ours that somebody put under another name: what was judged once stays so
        this.#discard(version, key, null);
        continue;
      }
      if (this.#ours.size >= MAX_OURS) this.#ours.clear();
      this.#ours.set(key, found);
      this.#own = version;
      this.#passed++;
      isConfirmed ||= treeSize === confirmed?.treeSize;
    }
    if (!isConfirmed && confirmed !== null) {
      this.#forgetUnreadable();
      throw unreadable ?? new TargetLost(`${target.name} had confirmed the anchor of ${confirmed.treeSize} receipts and does not have it any more; is it the right folder or disk? A new, empty target needs a name of its own`);
    }
    return null;
  }

  /** Versions not known as junk, up to the size. */
  async *#listed(from: number, last: number | null): AsyncGenerator<Omit<Seen, "found">> {
    const { target, ledger, signal } = this.#options;
    for await (const version of target.list(anchorsPrefix(ledger), beforeAnchor(ledger, from))) {
      const treeSize = sizeInName(ledger, version.name);
      if (signal.aborted || (last !== null && treeSize !== null && treeSize > last)) return;
      const key = keyOf(version);
      if (!this.#junk.has(key)) yield { version, key, treeSize };
    }
  }

  #plan(seen: Omit<Seen, "found">): Fetch<Seen> {
    const { version, key, treeSize } = seen;
    const known = this.#ours.get(key) ?? (treeSize === null || version.kind !== "object" || version.size > MAX_TLOG_PROOF_BYTES ? null : undefined);
    if (known !== undefined) return { bytes: 0, start: () => Promise.resolve({ ...seen, found: known }) };
    return { bytes: version.size, start: async () => ({ ...seen, found: await this.#fetch(version) }) };
  }

  async #fetch(version: TargetVersion): Promise<Seen["found"]> {
    const { target, ledger, vkeys } = this.#options;
    try {
      const { bytes } = await target.get(version, MAX_TLOG_PROOF_BYTES);
      if (parseObjectName(ledger, version.name).sha256 !== toHex(nodeHash.sha256(bytes))) return null;
      const { text, keys } = verifyNote(parseTlogProof(bytes).checkpoint, vkeys, verifyByNode);
      const checkpoint = parseCheckpoint(text);
      const isInTurn = vkeys.some((vkey) => keys.includes(vkey) && checkpoint.size <= (vkey.last ?? checkpoint.size)); // else the key was rotated away before: it may be anybody's by now
      return isInTurn && checkpoint.origin === ledger.origin ? checkpoint : null;
    } catch (error) {
      if (error instanceof FormatError || (error instanceof TargetError && (error.code === "target_missing" || error.code === "target_damaged"))) return null;
      if (error instanceof TargetError && error.code === "target_unreadable") return error;
      throw error;
    }
  }

  #discard(version: TargetVersion, key: string, unreadable: TargetError | null): void {
    if (this.#junk.size < MAX_JUNK) this.#junk.add(key);
    if (unreadable !== null) {
      this.#unreadable.add(key);
      this.#unreadableBy ??= unreadable;
    }
    this.#warning = unreadable?.message ?? `${this.#options.target.name}: ${JSON.stringify(version.name.slice(0, 300))} is none of the ledger's anchors`;
  }

  /**
   * What was unreadable is junk if an anchor of the ledger's own can be read at this moment. Else it is no property of single
   * objects (a key of the whole bucket is gone, all is in cold storage): throws why, and looks at all of it anew the next time.
   * Where nothing of the ledger's own is known that is so `atStart`, when it may be its whole past; later nothing was published yet.
   */
  async #settle(atStart: boolean): Promise<void> {
    const error = this.#unreadableBy;
    if (error === null || this.#options.signal.aborted) return;
    try {
      if (this.#own !== null) await this.#options.target.get(this.#own, MAX_TLOG_PROOF_BYTES);
      else if (atStart) throw error;
    } catch (thrown) {
      this.#forgetUnreadable();
      throw thrown;
    }
    this.#unreadable.clear();
    this.#unreadableBy = null;
  }

  #forgetUnreadable(): void {
    for (const key of this.#unreadable) this.#junk.delete(key);
    this.#unreadable.clear();
    this.#unreadableBy = null;
  }
}

/** 16 bytes: of a name that an attacker chose a second version with the same key cannot be made. */
function keyOf({ name, versionId, size, lastModified }: TargetVersion): string {
  return hash("sha256", [name, versionId, size, lastModified].join("\0"), "buffer").toString("latin1", 0, 16);
}
