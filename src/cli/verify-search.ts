/**
 * Looking for an anchor among what a target lists. Whoever may write there can put any number of objects under the names of
 * anchors, and versions beside one: each is read until one counts, up to a limit that is said when it is reached.
 */
import { type AnchorTarget, TargetError, type TargetVersion } from "../anchor/target.ts";
import { equal } from "../format/bytes.ts";
import { type LedgerName, sizeInName } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import { MAX_TLOG_PROOF_BYTES } from "../format/tlog-proof.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { type AnchorFacts, verifyAnchorObject } from "../verify/anchor.ts";
import { VerifyError } from "../verify/errors.ts";

export interface FoundAnchor {
  readonly facts: AnchorFacts;
  /** Of all versions with this root the one that was stored first, which is what its time proves. */
  readonly version: TargetVersion;
  /** A pinned key has signed another root for this size, too. */
  readonly isFork: boolean;
}

/** In one listing: objects that have the hash in their name and are no anchor. */
const MAX_TRIES = 1000;
/** Objects that are read at all: those without that hash are only bytes to load. */
const MAX_READS = 10_000;

export class AnchorSearch {
  /** Why the first object that was read does not count. */
  first: VerifyError | null = null;
  /** Of an object that may be an anchor and may not be read. */
  denied: TargetError | null = null;
  /** Has a limit been reached? */
  isStopped = false;
  /** Objects read, in all listings. */
  reads = 0;
  readonly #target: AnchorTarget;
  readonly #ledger: LedgerName;
  readonly #vkeys: readonly Vkey[];
  #tries = 0;

  constructor(target: AnchorTarget, ledger: LedgerName, vkeys: readonly Vkey[]) {
    this.#target = target;
    this.#ledger = ledger;
    this.#vkeys = vkeys;
  }

  /** The first anchor of a size that `isWanted`, in a listing in order of size; it ends with the first size that is not. Throws TargetError. */
  async find(versions: AsyncIterable<TargetVersion>, isWanted: (treeSize: number) => boolean): Promise<FoundAnchor | null> {
    let found: FoundAnchor | null = null;
    const most = this.reads + MAX_READS;
    this.#tries = 0;
    for await (const version of versions) {
      const treeSize = sizeInName(this.#ledger, version.name);
      if (treeSize === null) continue;
      if (!isWanted(treeSize) || (found !== null && treeSize !== found.facts.treeSize)) break;
      // a delete marker hides nothing from a listing of versions
      if (version.kind !== "object" || version.isMultipart || version.size > MAX_TLOG_PROOF_BYTES) continue;
      if (this.reads === most || this.#tries === MAX_TRIES) {
        this.isStopped = true;
        break;
      }
      const facts = await this.#read(version);
      if (facts === null) continue;
      found = joined(found, facts, version);
    }
    return found;
  }

  async #read(version: TargetVersion): Promise<AnchorFacts | null> {
    this.reads++;
    try {
      const { bytes } = await this.#target.get(version, MAX_TLOG_PROOF_BYTES);
      return verifyAnchorObject(version.name, bytes, this.#ledger, this.#vkeys, { hash: nodeHash });
    } catch (error) {
      if (error instanceof VerifyError) {
        if (error.code !== "name_mismatch") this.#tries++;
        this.first ??= error;
      } else if (error instanceof TargetError && error.code === "target_denied") {
        this.#tries++;
        this.denied ??= error;
      } else if (error instanceof TargetError && error.code !== "target_unavailable") {
        this.first ??= new VerifyError("bad_tlog_proof", error.message); // one version among others, whosever it is
      } else {
        throw error;
      }
      return null;
    }
  }
}

/** With one more version of the same size. */
function joined(found: FoundAnchor | null, facts: AnchorFacts, version: TargetVersion): FoundAnchor {
  if (found === null) return { facts, version, isFork: false };
  if (!equal(facts.root, found.facts.root)) return { ...found, isFork: true };
  return version.lastModified < found.version.lastModified ? { ...found, facts, version } : found;
}
