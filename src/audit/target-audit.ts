/**
 * One target: its complete listing, by itself and against the ledger (docs/FORMAT.md sections 13.3 and 13.4). With the ledger gone,
 * the anchors and batch objects are checked alone.
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { equal, toHex } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { parseEntries } from "../format/entries.ts";
import { FormatError } from "../format/errors.ts";
import type { Observed } from "../format/fields.ts";
import { entryOf } from "../format/entries.ts";
import { leafHash } from "../format/merkle.ts";
import { formatObjectName } from "../format/names.ts";
import { formatTime } from "../format/time.ts";
import { AnchorWalk, batchRoot } from "../verify/anchors.ts";
import { type AnchorGroup, Evidence, type EvidenceOptions, type SeenAnchor, type SeenBatch } from "./evidence.ts";
import type { LedgerView } from "./ledger-view.ts";
import type { OpenFinding, TargetCounts } from "./report.ts";
import type { Times } from "./times.ts";
import type { Trail } from "./trail.ts";

export interface TargetAuditOptions extends EvidenceOptions {
  /** The ledger that was audited before, or null: the target is checked alone. */
  readonly joined: {
    readonly trail: Trail;
    readonly times: Times;
    readonly view: LedgerView;
    /** Receipts that were audited. */
    readonly size: number;
    /** Of a part, anchors beyond its end are expected. */
    readonly isPart: boolean;
    readonly clockSteps: number;
    /** The newest anchor that the ledger saw confirmed here. */
    readonly observed: Observed | undefined;
  } | null;
  /** ms */
  readonly now: number;
  /** ms that an anchor may be late. */
  readonly grace: number;
}

export class TargetAudit {
  readonly #target: AnchorTarget;
  readonly #options: TargetAuditOptions;
  readonly #evidence: Evidence;
  /** For a target alone. */
  readonly #walk: AnchorWalk;
  /** By place in the trail: is there an anchor of this size? */
  readonly #present: Uint8Array;
  #newest: SeenAnchor | null = null;
  #anchors = 0;
  #batches = 0;
  #newer = 0;
  #isOther = false;

  constructor(target: AnchorTarget, options: TargetAuditOptions) {
    this.#target = target;
    this.#options = options;
    this.#evidence = new Evidence(target, options);
    this.#walk = new AnchorWalk({ hash: options.hash });
    this.#present = new Uint8Array(options.joined?.trail.length ?? 0);
  }

  /** Throws TargetError `target_unavailable`. */
  async run(): Promise<TargetCounts> {
    try {
      for await (const group of this.#evidence.anchors()) await this.#group(group);
      for await (const batch of this.#evidence.batchesBefore(Number.POSITIVE_INFINITY)) this.#unanchored(batch);
      await this.#evidence.lookBeside();
    } finally {
      await this.#evidence.close();
    }
    if (this.#options.joined !== null) this.#reportMissing(this.#options.joined);
    this.#reportAge();
    return this.#counts();
  }

  /** Everything signed for one size: one of them counts, the first with the ledger's root. */
  async #group({ treeSize, anchors }: AnchorGroup): Promise<void> {
    const { joined } = this.#options;
    const place = joined?.trail.indexOf(treeSize) ?? -1;
    const root = place === -1 ? null : joined!.trail.at(place).root;
    const counting = anchors.find(({ facts }) => root !== null && equal(facts.root, root)) ?? anchors[0]!;
    this.#reportOthers(anchors, counting);
    if (place !== -1) this.#present[place] = 1;
    if (counting.facts.treeSize > (this.#newest?.facts.treeSize ?? 0)) this.#newest = counting;
    this.#anchors++;
    for await (const batch of this.#evidence.batchesBefore(counting.facts.details.batch.first_index)) this.#unanchored(batch);
    const batch = await this.#batchOf(counting, place);
    if (joined === null) this.#walkOn(counting, batch);
    else await this.#compare(counting, place, batch);
  }

  #reportOthers(anchors: readonly SeenAnchor[], counting: SeenAnchor): void {
    for (const { facts } of anchors) {
      if (facts === counting.facts) continue;
      if (equal(facts.root, counting.facts.root)) {
        this.#evidence.report("note", "duplicate_object", `a second anchor object for the tree of ${facts.treeSize} receipts, with the same root`, facts.name);
        continue;
      }
      this.#evidence.report("violation", "fork",
        `two roots are signed for the tree of ${facts.treeSize} receipts: the key has signed another past (keep both objects as evidence)`, facts.name,
        { expected: hashText(counting.facts.root), found: hashText(facts.root), logIndex: facts.treeSize - 1 });
    }
  }

  /** The batch object that belongs to the anchor; others in its place are interference. */
  async #batchOf(seen: SeenAnchor, place: number): Promise<SeenBatch | null> {
    const { batch } = seen.facts.details;
    const candidates: SeenBatch[] = [];
    for await (const candidate of this.#evidence.batchesBefore(batch.first_index + 1)) candidates.push(candidate);
    const expected = place === -1 ? null : this.#options.joined!.trail.at(place).entries;
    const hex = expected === null ? null : toHex(expected);
    const last = batch.first_index + batch.count - 1;
    // alone, the one candidate is judged by the walk
    const only = this.#options.joined === null && candidates.length === 1 && candidates[0]!.lastIndex === last ? candidates[0] : undefined;
    const right = batch.count === 0 ? undefined : only ?? candidates.find(({ sha256, lastIndex }) => sha256 === hex && lastIndex === last) ?? candidates.find((candidate) => this.#fits(candidate, seen));
    for (const candidate of candidates) if (candidate !== right) this.#unanchored(candidate);
    if (right !== undefined) this.#batches++;
    else if (batch.count > 0 && this.#options.joined !== null) this.#reportNoBatch(seen, hex);
    return right ?? null;
  }

  #fits({ firstIndex, lastIndex, bytes }: SeenBatch, { facts }: SeenAnchor): boolean {
    const { first_index, count, root } = facts.details.batch;
    if (firstIndex !== first_index || lastIndex !== first_index + count - 1) return false;
    const hashes = receiptHashes(bytes);
    return hashes?.length === count && hashText(this.#root(hashes)) === root;
  }

  #root(hashes: readonly Uint8Array[]): Uint8Array {
    const { hash } = this.#options;
    return batchRoot(hashes.map((receiptHash) => leafHash(entryOf(receiptHash), hash.sha256)), hash);
  }

  #reportNoBatch({ facts }: SeenAnchor, sha256: string | null): void {
    const { first_index: firstIndex, count, root } = facts.details.batch;
    const name = formatObjectName(this.#options.ledger, { kind: "batch", firstIndex, lastIndex: firstIndex + count - 1, sha256: sha256 ?? "0".repeat(64) });
    this.#evidence.report("violation", "batch_missing", `the batch object of the receipts ${firstIndex} to ${firstIndex + count - 1} is not there`,
      sha256 === null ? facts.name : name, { expected: `entries with the root ${root}`, found: "nothing" });
  }

  #unanchored({ name, firstIndex, sha256 }: SeenBatch): void {
    const { trail } = this.#options.joined ?? {};
    const owner = trail?.indexFrom(firstIndex + 1) ?? -1;
    if (trail !== undefined && owner < trail.length && this.#present[owner] === 0) {
      const { firstIndex: first, entries } = trail.at(owner);
      if (first === firstIndex && entries !== null && toHex(entries) === sha256) return; // its anchor is missing, which is said
    }
    // a batch object is published before its anchor
    const isAhead = firstIndex >= (this.#newest?.facts.treeSize ?? 0);
    this.#evidence.report(isAhead ? "note" : "interference", "unanchored_batch",
      isAhead ? "a batch object without an anchor yet" : "a batch object that no anchor names: it does not count", name);
  }

  #walkOn({ facts }: SeenAnchor, batch: SeenBatch | null): void {
    for (const error of this.#walk.step(facts, () => (batch === null ? null : parseEntries(batch.bytes)))) {
      const isOfBatch = error.code === "batch_root_mismatch" || error.code === "bad_entries";
      this.#evidence.report("violation", error.code, error.message, isOfBatch && batch !== null ? batch.name : facts.name, {
        expected: error.expected, found: error.found, logIndex: facts.treeSize - 1,
      });
    }
  }

  async #compare(seen: SeenAnchor, place: number, batch: SeenBatch | null): Promise<void> {
    const { trail, times, view, size, clockSteps } = this.#options.joined!;
    const { facts, lastModified } = seen;
    if (place !== -1) {
      const anchor = trail.at(place);
      if (equal(anchor.root, facts.root)) {
        trail.publish(place, lastModified, this.#target.name);
        times.published(anchor.latest, anchor.latestIndex, lastModified, this.#target.name, clockSteps);
        return;
      }
      trail.publish(place, lastModified, this.#target.name); // what it shows, it showed then
    } else if (facts.treeSize > size) {
      this.#newer++;
    }
    const error = view.compare(facts);
    if (error?.code === "ledger_behind") {
      this.#evidence.report("violation", "ledger_behind",
        "more receipts are anchored than the ledger has: it was cut or restored from a backup", facts.name,
        { expected: error.expected, found: error.found, logIndex: size });
    } else if (error !== null || place !== -1) {
      this.#reportOther(seen, batch, view);
    }
  }

  /** The ledger is not what was anchored. Once it is not, it never is again: the first anchor tells where it begins. */
  #reportOther(seen: SeenAnchor, batch: SeenBatch | null, view: LedgerView): void {
    if (this.#isOther) {
      this.#options.findings.addConsequence("log_root_mismatch");
      return;
    }
    this.#isOther = true;
    const { facts } = seen;
    const { first_index: first, count } = facts.details.batch;
    const anchored = [...(batch === null ? [] : receiptHashes(batch.bytes) ?? []), ...(batch === null && count > 0 ? [] : [facts.receiptHash])];
    const difference = view.firstDifference(first, anchored);
    const object = { target: this.#target.name, name: facts.name };
    const base = { severity: "violation", code: "log_root_mismatch", object } as const;
    if (difference === null) {
      this.#add({
        ...base, logIndex: first, lastIndex: facts.treeSize - 1, expected: hashText(facts.root), found: "another root",
        message: `the first ${facts.treeSize} receipts are not those that were anchored; the batch of receipts ${first} to ${facts.treeSize - 2} is the first that differs`,
      }, seen);
      return;
    }
    const { logIndex, receipt, expected, found, differing } = difference;
    this.#add({
      ...base, logIndex, ...receipt, expected: hashText(expected), found: found === null ? "nothing" : hashText(found),
      message: `the receipt is not the one that was anchored: the batch of receipts ${first} to ${facts.treeSize - 2} is the first that differs, in ${differing} of ${anchored.length} receipts`,
    }, seen);
  }

  /** Where the ledger's own audit has said it already, this only follows. */
  #add(finding: OpenFinding, { facts, lastModified }: SeenAnchor): void {
    const { findings } = this.#options;
    const isKnown = findings.kept.some(({ severity, logIndex, lastIndex, code }) => severity === "violation" && code !== "log_root_mismatch"
      && logIndex !== undefined && finding.logIndex !== undefined && logIndex <= (finding.lastIndex ?? finding.logIndex) && (lastIndex ?? logIndex) >= finding.logIndex);
    if (isKnown) {
      findings.addConsequence(finding.code);
      return;
    }
    findings.add({ ...finding, changedAfter: { treeSize: facts.treeSize, time: formatTime(lastModified), target: this.#target.name } });
  }

  #reportMissing({ trail, observed, isPart }: NonNullable<TargetAuditOptions["joined"]>): void {
    const confirmed = Math.max(observed?.tree_size ?? 0, this.#newest?.facts.treeSize ?? 0);
    let unpublished = 0;
    for (let i = 0; i < trail.length; i++) {
      if (this.#present[i] === 1) continue;
      const { treeSize } = trail.at(i);
      if (treeSize > confirmed) {
        unpublished++;
        continue;
      }
      const name = formatObjectName(this.#options.ledger, { kind: "anchor", treeSize, sha256: "0".repeat(64) });
      this.#evidence.report("violation", "anchor_missing", `the anchor of the first ${treeSize} receipts was published here and is not there any more`,
        name.replace(/0{64}/, "…"), { logIndex: treeSize - 1, expected: "an anchor object", found: "nothing that counts" });
    }
    if (unpublished > 0) this.#note("not_published_yet", `${unpublished} of the ledger's newest anchors are not at ${this.#target.name} yet`);
    if (this.#newer > 0 && !isPart) this.#note("newer_than_audit", `${this.#newer} anchors at ${this.#target.name} are newer than the part of the ledger that was audited`);
  }

  #reportAge(): void {
    const { now, grace, joined } = this.#options;
    const { name } = this.#target;
    if (this.#newest === null) {
      const isOwing = joined === null || joined.trail.length > 0;
      if (isOwing) this.#options.findings.add({ severity: "violation", code: "anchor_missing", message: `no anchor of this ledger is at ${name}` });
      return;
    }
    const { facts } = this.#newest;
    const by = facts.details.next_anchor_by;
    if (by === null) {
      this.#note("stopped", `${name}: the ledger was stopped in order at ${facts.receipt.recorded_at}; nothing was promised after that`);
    } else if (now > Date.parse(by) + grace) {
      this.#evidence.report("violation", "anchor_late", `${name} has had no anchor since ${facts.receipt.recorded_at}: the next one was promised for ${by}`,
        facts.name, { expected: `an anchor by ${by}`, found: `none at ${formatTime(now)}` });
    }
  }

  #note(code: "stopped" | "not_published_yet" | "newer_than_audit", message: string): void {
    this.#options.findings.add({ severity: "note", code, message });
  }

  #counts(): TargetCounts {
    const newest = this.#newest;
    return {
      target: this.#target.name, objects: this.#evidence.objects, anchors: this.#anchors, batches: this.#batches,
      newestSize: newest?.facts.treeSize ?? 0, newestTime: newest === null ? null : formatTime(newest.lastModified),
      nextAnchorBy: newest?.facts.details.next_anchor_by ?? null,
    };
  }
}

function receiptHashes(bytes: Uint8Array): Uint8Array[] | null {
  try {
    return parseEntries(bytes);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
