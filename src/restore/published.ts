/**
 * What a target holds of a ledger, in the order in which it was published: each anchor with its batch's entries (docs/FORMAT.md
 * section 13.3 steps 1 to 5). All of it may be anybody's; what does not count is set aside and counted.
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { ArchivedReceipts } from "../audit/archived-receipts.ts";
import { auditHash } from "../audit/hash.ts";
import { NOTHING_LISTED } from "../audit/listed.ts";
import { Locks } from "../audit/locks.ts";
import { MAX_ANCHOR_BYTES, MAX_BATCH_BYTES, Peekable } from "../audit/objects.ts";
import { type CountingObject, VersionReader } from "../audit/versions.ts";
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { entryOf, parseEntries } from "../format/entries.ts";
import { leafHash } from "../format/merkle.ts";
import { type LedgerName, objectPrefix } from "../format/names.ts";
import { type Vkey, vkeyText } from "../format/note.ts";
import { parseTlogProof } from "../format/tlog-proof.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { type AnchorFacts, verifyAnchorObject } from "../verify/anchor.ts";
import { batchRoot } from "../verify/anchors.ts";
import { VerifyError } from "../verify/errors.ts";
import { SignerWalk } from "../verify/vkeys.ts";

export interface PublishedAnchor {
  readonly facts: AnchorFacts;
  /** The signed checkpoint in it. */
  readonly note: string;
  readonly versionId: string;
  /** ms, the target's clock. */
  readonly lastModified: number;
}

interface BatchObject {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly bytes: Uint8Array;
}

export class Published {
  readonly receipts: ArchivedReceipts;
  /** A key that was rotated away signs no past behind its last anchor. */
  readonly #signers: SignerWalk;
  readonly #anchors: AsyncIterable<CountingObject<Pick<PublishedAnchor, "facts" | "note">>>;
  readonly #batches: Peekable<CountingObject<BatchObject>>;
  /** Versions that do not count. */
  setAside = 0;

  constructor(target: AnchorTarget, { ledger, vkeys, identities }: {
    readonly ledger: LedgerName; readonly vkeys: readonly Vkey[]; readonly identities: readonly string[];
  }) {
    this.#signers = new SignerWalk({ pinned: vkeys.map(vkeyText) });
    const common = {
      ledger, hash: auditHash,
      locks: new Locks(() => undefined), // for the audit
      report: (severity: string) => { if (severity !== "note") this.setAside++; },
      onCounting: () => undefined,
      onVersion: () => undefined,
    };
    const prefix = objectPrefix(ledger);
    this.#anchors = new VersionReader(target, {
      ...common, maxBytes: MAX_ANCHOR_BYTES,
      read: (_, bytes, { name }) => ({
        facts: verifyAnchorObject(name, bytes, ledger, vkeys, { hash: auditHash, verify: verifyByNode }), note: parseTlogProof(bytes).checkpoint,
      }),
    }).objects(`${prefix}anchors/`, undefined, NOTHING_LISTED);
    this.#batches = new Peekable(new VersionReader<BatchObject>(target, {
      ...common, maxBytes: MAX_BATCH_BYTES,
      read: (name, bytes) => {
        if (name.kind !== "batch") throw new VerifyError("bad_object_name", "the name is not that of a batch");
        return { firstIndex: name.firstIndex, lastIndex: name.lastIndex, bytes };
      },
    }).objects(`${prefix}batches/`, undefined, NOTHING_LISTED));
    this.receipts = new ArchivedReceipts(target, { ...common, identities, from: 0, every: false });
  }

  /** In order of size; those of one size together, without those that repeat a root. */
  async *anchors(): AsyncGenerator<readonly PublishedAnchor[], void, undefined> {
    let group: PublishedAnchor[] = [];
    for await (const { value: { facts, note }, versionId, lastModified } of this.#anchors) {
      if (group[0] !== undefined && group[0].facts.treeSize !== facts.treeSize) {
        yield* this.#inTurn(group);
        group = [];
      }
      const found = { facts, note, versionId, lastModified };
      const same = group.findIndex((other) => equal(other.facts.root, facts.root));
      if (same === -1) group.push(found);
      else if (isBetter(found, group[same]!)) group[same] = found; // others are copies of it
    }
    if (group.length > 0) yield* this.#inTurn(group);
  }

  *#inTurn(group: readonly PublishedAnchor[]): Generator<readonly PublishedAnchor[], void, undefined> {
    const verdicts = this.#signers.step(group[0]!.facts.treeSize, group.map(({ facts }) => facts.signedBy));
    const left = group.filter((_, i) => verdicts[i]!.counts);
    this.setAside += group.length - left.length;
    if (left.length > 0) yield left;
  }

  /** The bundle of the entries that the anchor has signed, or null where no object holds it. Anchors are asked for in order. */
  async entries({ details: { batch } }: AnchorFacts): Promise<Uint8Array | null> {
    if (batch.count === 0) return new Uint8Array(0);
    let found: Uint8Array | null = null;
    for (let next = await this.#batches.peek(); next !== null && next.value.firstIndex <= batch.first_index; next = await this.#batches.peek()) {
      await this.#batches.take();
      const { firstIndex, lastIndex, bytes } = next.value;
      if (found !== null || firstIndex !== batch.first_index || lastIndex !== firstIndex + batch.count - 1) continue;
      if (rootOf(bytes, batch.count) === batch.root) found = bytes;
      else this.setAside++;
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#batches.close();
    await this.receipts.close();
  }
}

/** With more of the signatures: of a rotation's anchor both are needed. */
function isBetter(one: PublishedAnchor, other: PublishedAnchor): boolean {
  const more = one.facts.signedBy.length - other.facts.signedBy.length;
  return more > 0 || (more === 0 && one.lastModified < other.lastModified);
}

/** Null for what is no bundle of so many entries. */
function rootOf(bytes: Uint8Array, count: number): string | null {
  try {
    const hashes = parseEntries(bytes);
    return hashes.length === count ? hashText(batchRoot(hashes.map((hash) => leafHash(entryOf(hash), auditHash.sha256)), auditHash)) : null;
  } catch {
    return null;
  }
}
