/**
 * One target: its complete listing, by itself and against the ledger (docs/FORMAT.md sections 13.3 and 13.4). With the ledger gone,
 * the anchors and batch objects are checked alone. What an earlier audit has read and cannot have changed is not read again.
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { count, receiptRange } from "../format/count.ts";
import { readEntries } from "../format/entries.ts";
import { formatObjectName } from "../format/names.ts";
import { formatTime } from "../format/time.ts";
import { AnchorWalk } from "../verify/anchors.ts";
import { Ahead } from "./ahead.ts";
import type { AnchorGroup, SeenAnchor } from "./anchor-group.ts";
import { AgainstLedger, type Joined } from "./against-ledger.ts";
import type { Attested } from "./attestations.ts";
import { entriesRoot } from "./entries-root.ts";
import { Evidence, type EvidenceOptions, type SeenBatch } from "./evidence.ts";
import { Delays, freshnessOf } from "./freshness.ts";
import { Lineage } from "./lineage.ts";
import { type Listed, listingRecord, NOTHING_LISTED } from "./listed.ts";
import { isHeld, type Recalled } from "./recall.ts";
import type { TargetRecord } from "./record.ts";
import { RecordedNewest } from "./recorded-newest.ts";
import type { TargetCounts } from "./report.ts";
import type { KnownTarget } from "./since.ts";
import { Signers } from "./signers.ts";
import type { VkeysKnown } from "./vkeys.ts";

export interface TargetAuditOptions extends EvidenceOptions {
  /** The ledger that was audited before, or null: the target is checked alone. */
  readonly joined: Joined | null;
  /** What an earlier audit has said of this target. */
  readonly known: KnownTarget | null;
  /** What the ledger's receipts say of its checkpoint keys. */
  readonly checkpoint: VkeysKnown;
  /** ms */
  readonly now: number;
  /** ms that an anchor may be late. */
  readonly grace: number;
}

export interface TargetSeen {
  readonly counts: TargetCounts;
  /** For an audit later on; null where no anchor counts. */
  readonly record: TargetRecord | null;
  /** What could not be compared. */
  readonly notChecked: readonly string[];
  /** What could not be believed. */
  readonly failed: readonly string[];
  /** Of the anchors that count, the pinned keys that signed them. */
  readonly signedBy: ReadonlySet<string>;
  /** Of the archived receipts; none where the ledger is at hand. */
  readonly attested: Attested;
}

/** Throws TargetError `target_unavailable`, `target_denied`. */
export async function auditTarget(target: AnchorTarget, options: TargetAuditOptions): Promise<TargetSeen> {
  return new TargetAudit(target, options).run();
}

/** Two pasts in one listing are neither linked nor in order: what follows from that. */
const OF_A_FORK: ReadonlySet<string> = new Set(["anchor_link_mismatch", "epoch_mismatch", "log_root_mismatch", "batch_missing"]);

class TargetAudit {
  readonly #target: AnchorTarget;
  readonly #options: TargetAuditOptions;
  readonly #recalled: Recalled | null;
  readonly #evidence: Evidence;
  readonly #lineage: Lineage;
  readonly #ledger: AgainstLedger | null;
  /** For a target alone. */
  readonly #walk: AnchorWalk;
  readonly #delays: Delays;
  readonly #ahead: Ahead;
  readonly #recorded: RecordedNewest;
  readonly #signers: Signers;
  #newest: SeenAnchor | null;
  /** By tree size, of the anchors that count; kept where the ledger does not tell. */
  readonly #roots = new Map<number, Uint8Array>();
  #anchors = 0;
  #batches = 0;
  /** Up to the newest anchor and batch that count. */
  #listedAnchors: Listed;
  #listedBatches: Listed;

  constructor(target: AnchorTarget, options: TargetAuditOptions) {
    const recalled = options.known?.recalled ?? null;
    this.#target = target;
    this.#options = options;
    this.#recalled = recalled;
    const newest = recalled?.newest ?? null;
    this.#newest = newest;
    this.#listedAnchors = recalled?.before.anchors ?? NOTHING_LISTED;
    this.#listedBatches = recalled?.before.batches ?? NOTHING_LISTED;
    this.#evidence = new Evidence(target, options, recalled?.before);
    const group = newest === null ? null : { treeSize: newest.facts.treeSize, anchors: [newest], listed: this.#listedAnchors };
    this.#lineage = new Lineage(this.#evidence, target, group);
    this.#ledger = options.joined === null ? null : new AgainstLedger(target, options.joined, this.#evidence, options.findings);
    if (recalled !== null) this.#ledger?.remember(recalled.newest, recalled.before.versions);
    this.#walk = new AnchorWalk({ hash: options.hash, after: newest?.facts });
    this.#delays = new Delays(options.grace);
    this.#ahead = new Ahead(this.#evidence);
    this.#recorded = new RecordedNewest(options.known, this.#evidence);
    this.#signers = new Signers(this.#evidence, options, options.checkpoint, newest);
    if (newest !== null) this.#delays.add(newest.facts, newest.lastModified);
  }

  async run(): Promise<TargetSeen> {
    try {
      for await (const group of this.#evidence.anchors((size) => this.#rootAt(size))) await this.#group(group);
      for await (const batch of this.#evidence.batchesBefore(Number.POSITIVE_INFINITY)) this.#unanchored(batch);
      await this.#ahead.finish(this.#target, this.#options.ledger, this.#newest?.facts.treeSize ?? 0);
      await this.#evidence.archive.finish(this.#newest?.facts.treeSize ?? 0);
      await this.#evidence.lookBeside();
    } finally {
      await this.#evidence.close();
    }
    this.#evidence.requireReadable();
    this.#recorded.finish(this.#newest?.facts.treeSize ?? 0);
    const { joined, ledger, findings, now, grace } = this.#options;
    if (joined?.observed !== undefined) this.#lineage.compare(joined.observed, objectOf(this.#newest, this.#target.name), joined.size - 1);
    const newest = this.#newest?.facts ?? null;
    const unpublished = this.#ledger?.finish(ledger, newest?.treeSize ?? 0) ?? null;
    const { state, findings: found } = freshnessOf({
      target: this.#target.name, newest, isForked: this.#lineage.isForked, unpublished, now, grace, isOwing: joined === null || (joined.trail.length > 0 && this.#options.afterSize === 0),
    });
    for (const finding of this.#signers.settle(newest) ? [] : found) findings.add(finding);
    const late = this.#target.trustedTime ? this.#delays.finding(this.#target.name) : null;
    if (late !== null) findings.add(late);
    return { counts: this.#counts(state), record: this.#record(), notChecked: this.#notChecked(), failed: this.#signers.unbelieved(this.#target.name), signedBy: this.#signers.signedBy, attested: { seen: this.#evidence.archive.attestations, roots: this.#roots, from: this.#recalled?.newest.facts.treeSize ?? 0 } };
  }

  #notChecked(): string[] {
    const { name } = this.#target;
    const others = this.#lineage.otherNames(this.#options.joined?.times.observed.keys() ?? []);
    const { unlocked } = this.#evidence;
    return [
      ...this.#signers.beside(name),
      ...(others.length === 0 ? [] : [`what was confirmed at ${name} against what anchor receipts saw: they name ${others.join(", ")}, and nothing at ${name}; if it is one of these, say so with --target`]),
      ...(unlocked === 0 ? [] : [`what a later audit would find at ${name} without reading it: ${count(unlocked, "version")} at ${name} ${unlocked === 1 ? "is" : "are"} not locked as was promised, though others with the same bytes are`]),
    ];
  }

  /** Everything signed for one size: one of them counts, the first with the ledger's root. */
  async #group(all: AnchorGroup): Promise<void> {
    const group = this.#signers.step(all);
    if (group === null) return;
    const { treeSize, anchors, listed } = group;
    const place = this.#ledger?.arrive(treeSize) ?? -1;
    const root = this.#rootAt(treeSize);
    const counting = anchors.find(({ facts }) => root !== null && equal(facts.root, root)) ?? anchors[0]!;
    this.#recorded.compare(group);
    this.#lineage.step(group, counting);
    this.#newest = counting;
    if (this.#ledger === null) this.#roots.set(treeSize, counting.facts.root);
    this.#delays.add(counting.facts, counting.lastModified);
    this.#anchors++;
    this.#listedAnchors = listed;
    for await (const batch of this.#evidence.batchesBefore(counting.facts.details.batch.first_index)) this.#unanchored(batch);
    const batch = await this.#batchOf(counting, place);
    const { first_index: first, count: receipts } = counting.facts.details.batch;
    await this.#evidence.archived(first, receipts, batch !== null && (batch.sha256 === this.#ledger?.entriesAt(place) || this.#fits(batch, counting)) ? batch.bytes : null);
    if (this.#ledger === null) this.#walkOn(counting, batch);
    else this.#ledger.compare(counting, place, batch);
  }

  /** Null where the ledger has no anchor of this size. */
  #rootAt(treeSize: number): Uint8Array | null {
    const { joined } = this.#options;
    return this.#ledger?.rootAt(joined?.trail.indexOf(treeSize) ?? -1) ?? null;
  }

  /** The batch object that belongs to the anchor; others in its place are interference, of which anybody can make any number. */
  async #batchOf(seen: SeenAnchor, place: number): Promise<SeenBatch | null> {
    const { batch } = seen.facts.details;
    const hex = this.#ledger?.entriesAt(place) ?? null;
    let first: SeenBatch | null = null;
    let right: SeenBatch | null = null;
    let isOnly = true;
    for await (const candidate of this.#evidence.batchesBefore(batch.first_index + 1)) {
      this.#listedBatches = candidate.listed;
      if (first === null) {
        first = candidate;
        continue;
      }
      if (isOnly) right = this.#choose(first, right, seen, hex);
      isOnly = false;
      right = this.#choose(candidate, right, seen, hex);
    }
    if (first !== null && isOnly) {
      // alone, the one candidate is judged by the walk
      const isJudgedLater = this.#ledger === null && first.lastIndex === batch.first_index + batch.count - 1;
      right = isJudgedLater ? first : this.#choose(first, right, seen, hex);
    }
    if (right !== null) {
      this.#batches++;
      this.#evidence.judgeLock(right.name, right.lock);
    } else if (batch.count > 0 && this.#ledger !== null) this.#reportNoBatch(seen, hex);
    return right;
  }

  /** The one that is right, if any is by now. */
  #choose(candidate: SeenBatch, right: SeenBatch | null, seen: SeenAnchor, hex: string | null): SeenBatch | null {
    const { first_index: first, count: batched } = seen.facts.details.batch;
    const isOfPlace = candidate.firstIndex === first && candidate.lastIndex === first + batched - 1;
    if (right === null && isOfPlace && (candidate.sha256 === hex || this.#fits(candidate, seen))) return candidate;
    this.#unanchored(candidate);
    return right;
  }

  #fits({ firstIndex, lastIndex, bytes }: SeenBatch, { facts }: SeenAnchor): boolean {
    const { first_index, count: batched, root } = facts.details.batch;
    if (firstIndex !== first_index || lastIndex !== first_index + batched - 1) return false;
    const found = entriesRoot(bytes, batched, this.#options.hash);
    return found !== null && hashText(found) === root;
  }

  #reportNoBatch({ facts }: SeenAnchor, sha256: string | null): void {
    const { first_index: firstIndex, count: batched, root } = facts.details.batch;
    if (this.#lineage.isForked) {
      this.#options.findings.addConsequence("batch_missing");
      return;
    }
    const lastIndex = firstIndex + batched - 1;
    const name = formatObjectName(this.#options.ledger, { kind: "batch", firstIndex, lastIndex, sha256: sha256 ?? "0".repeat(64) });
    this.#evidence.report("violation", "batch_missing", `the batch object of ${receiptRange(firstIndex, lastIndex)} is not there`,
      sha256 === null ? facts.name : name, { expected: `entries with the root ${root}`, found: "nothing" });
  }

  #unanchored(batch: SeenBatch): void {
    if (this.#ledger?.isOfMissing(batch) === true) return;
    const size = this.#newest?.facts.treeSize ?? 0;
    if (batch.firstIndex >= size) this.#ahead.add(batch, size);
    else this.#evidence.report("interference", "unanchored_batch", "a batch object that is not that of the anchor in its place: it does not count", batch.name);
  }

  #walkOn({ facts }: SeenAnchor, batch: SeenBatch | null): void {
    for (const error of this.#walk.step(facts, () => (batch === null ? null : readEntries(batch.bytes)))) {
      const { code, message, expected, found } = error;
      if (this.#lineage.isForked && OF_A_FORK.has(code)) {
        this.#options.findings.addConsequence(code);
        continue;
      }
      const isOfBatch = code === "batch_root_mismatch" || code === "bad_entries";
      this.#evidence.report("violation", code, message, isOfBatch && batch !== null ? batch.name : facts.name, { expected, found, logIndex: facts.treeSize - 1 });
    }
  }

  #counts(state: TargetCounts["state"]): TargetCounts {
    const newest = this.#newest;
    const { objects, read, archive, archivedBefore, locks } = this.#evidence;
    const recalled = this.#recalled;
    const { known, now } = this.#options;
    return {
      target: this.#target.name,
      state,
      objects: objects + (recalled?.versions ?? 0),
      read: read + (recalled?.readAgain ?? 0),
      anchors: this.#anchors + (recalled?.anchors ?? 0),
      batches: this.#batches + (recalled?.batches ?? 0),
      archive: { ...archive.counts, before: archivedBefore },
      remembered: recalled === null ? null : {
        since: known!.madeAt, readAt: known!.record.read_at, anchors: recalled.anchors, batches: recalled.batches, versions: recalled.versions, readAgain: recalled.readAgain,
        lockedUntil: known!.record.listing!.locked_until, isLocked: isHeld(known!.record.listing!.locked_until, now),
      },
      lockedUntil: locks.until === null || locks.until <= now ? null : formatTime(locks.until),
      newestSize: newest?.facts.treeSize ?? 0, anchoredSize: this.#ledger?.matched ?? 0, newestTime: newest === null ? null : formatTime(newest.lastModified),
      nextAnchorBy: newest?.facts.details.next_anchor_by ?? null,
    };
  }

  #record(): TargetRecord | null {
    const newest = this.#newest;
    const { joined, known, now, afterSize } = this.#options;
    if (newest === null || afterSize > 0) return null;
    const { facts, lastModified, versionId } = newest;
    const { retain } = this.#target;
    const { locks: { until }, unlocked } = this.#evidence;
    return {
      target: this.#target.name,
      read_at: this.#recalled === null ? formatTime(now) : known!.record.read_at,
      with_ledger: joined !== null, // what was not, before, is not recalled with it
      newest: { name: facts.name, version_id: versionId, last_modified: formatTime(lastModified), tree_size: facts.treeSize, root: hashText(facts.root) },
      // what is not locked may go, and nothing is wrong
      listing: retain !== null && (until === null || unlocked > 0) ? null : listingRecord(
        { listed: this.#listedAnchors, objects: this.#anchors + (this.#recalled?.anchors ?? 0) }, { listed: this.#listedBatches, objects: this.#batches + (this.#recalled?.batches ?? 0) }, until, retain,
      ),
    };
  }
}

function objectOf(newest: SeenAnchor | null, target: string): string {
  return newest?.facts.name ?? target;
}
