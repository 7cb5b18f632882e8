/** The anchors of a target against the ledger that was audited before (docs/FORMAT.md section 13.4). */
import type { AnchorTarget } from "../anchor/target.ts";
import { equal, toHex } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { count, receiptRange } from "../format/count.ts";
import { parseEntries } from "../format/entries.ts";
import { FormatError } from "../format/errors.ts";
import type { Observed } from "../format/fields.ts";
import { formatObjectName, type LedgerName } from "../format/names.ts";
import { formatTime } from "../format/time.ts";
import type { SeenAnchor } from "./anchor-group.ts";
import type { Evidence, SeenBatch } from "./evidence.ts";
import type { LedgerView } from "./ledger-view.ts";
import type { Findings, OpenFinding } from "./report.ts";
import type { SeenVersions } from "./seen-versions.ts";
import type { Times } from "./times.ts";
import type { Trail } from "./trail.ts";

/** The ledger as its own audit left it. */
export interface Joined {
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
}

export class AgainstLedger {
  readonly #target: string;
  readonly #hasClock: boolean;
  readonly #joined: Joined;
  readonly #evidence: Evidence;
  readonly #findings: Findings;
  /** By place in the trail: is there an anchor of this size? */
  readonly #present: Uint8Array;
  #newer = 0;
  #matched = 0;
  #isOther = false;

  constructor(target: Pick<AnchorTarget, "name" | "trustedTime">, joined: Joined, evidence: Evidence, findings: Findings) {
    this.#target = target.name;
    this.#hasClock = target.trustedTime;
    this.#joined = joined;
    this.#evidence = evidence;
    this.#findings = findings;
    this.#present = new Uint8Array(joined.trail.length);
  }

  /** Tree size of the newest anchor of which the ledger has the root; 0 where there is none. */
  get matched(): number {
    return this.#matched;
  }

  /** All of the ledger's anchors up to this one were found at the target before, in these versions, and are the ledger's still. */
  remember({ facts }: SeenAnchor, versions: SeenVersions): void {
    const { trail } = this.#joined;
    this.#matched = facts.treeSize;
    this.#present.fill(1, 0, trail.indexFrom(facts.treeSize + 1));
    for (const [treeSize, lastModified] of versions.times()) {
      const place = trail.indexOf(treeSize);
      if (place !== -1) trail.publish(place, lastModified, this.#target, this.#hasClock);
    }
  }

  /** The place of the size in the trail, or -1; there is an anchor of it. */
  arrive(treeSize: number): number {
    const place = this.#joined.trail.indexOf(treeSize);
    if (place !== -1) this.#present[place] = 1;
    return place;
  }

  /** SHA-256 of the batch object of this anchor, hex; null where it is not known. */
  entriesAt(place: number): string | null {
    const entries = place === -1 ? null : this.#joined.trail.at(place).entries;
    return entries === null ? null : toHex(entries);
  }

  /** The root that the ledger has at this anchor; null where it has no anchor there. */
  rootAt(place: number): Uint8Array | null {
    return place === -1 ? null : this.#joined.trail.at(place).root;
  }

  /** Does the batch object belong to an anchor that is not here, which is said? */
  isOfMissing({ firstIndex, sha256 }: SeenBatch): boolean {
    const { trail } = this.#joined;
    const owner = trail.indexFrom(firstIndex + 1);
    if (owner === trail.length || this.#present[owner] === 1) return false;
    const { firstIndex: first, entries } = trail.at(owner);
    return first === firstIndex && entries !== null && toHex(entries) === sha256;
  }

  compare(seen: SeenAnchor, place: number, batch: SeenBatch | null): void {
    const { trail, times, view, size, clockSteps } = this.#joined;
    const { facts, lastModified } = seen;
    if (place !== -1) {
      const anchor = trail.at(place);
      trail.publish(place, lastModified, this.#target, this.#hasClock); // what it shows, it showed then
      if (equal(anchor.root, facts.root)) {
        this.#matched = facts.treeSize;
        times.published(anchor.latest, anchor.latestIndex, lastModified, this.#target, clockSteps);
        return;
      }
    } else if (facts.treeSize > size) {
      this.#newer++;
    }
    const error = view.compare(facts);
    if (error === null && place === -1) this.#matched = facts.treeSize;
    if (error?.code === "ledger_behind") {
      this.#evidence.report("violation", "ledger_behind",
        "more receipts are anchored than the ledger has: it was cut or restored from a backup", facts.name,
        { expected: error.expected, found: error.found, logIndex: size });
    } else if (error !== null || place !== -1) {
      this.#reportOther(seen, batch);
    }
  }

  /** The ledger is not what was anchored. Once it is not, it never is again: the first anchor tells where it begins. */
  #reportOther(seen: SeenAnchor, batch: SeenBatch | null): void {
    if (this.#isOther) {
      this.#findings.addConsequence("log_root_mismatch");
      return;
    }
    this.#isOther = true;
    const { facts } = seen;
    const { first_index: first, count: batched } = facts.details.batch;
    const anchored = [...(batch === null ? [] : receiptHashes(batch.bytes) ?? []), ...(batch === null && batched > 0 ? [] : [facts.receiptHash])];
    const difference = this.#joined.view.firstDifference(first, anchored);
    const object = { target: this.#target, name: facts.name };
    const base = { severity: "violation", code: "log_root_mismatch", object } as const;
    if (difference === null) {
      this.#add({
        ...base, logIndex: first, lastIndex: facts.treeSize - 1, expected: hashText(facts.root), found: "another root",
        message: `the first ${facts.treeSize} receipts are not those that were anchored; the batch of ${receiptRange(first, facts.treeSize - 2)} is the first that differs`,
      }, seen);
      return;
    }
    const { logIndex, receipt, expected, found, differing } = difference;
    this.#add({
      ...base, logIndex, ...receipt, expected: hashText(expected), found: found === null ? "nothing" : hashText(found),
      message: `the receipt is not the one that was anchored: the batch of ${receiptRange(first, facts.treeSize - 2)} is the first that differs, in ${differing} of ${count(anchored.length, "receipt")}`,
    }, seen);
  }

  /** Where the ledger's own audit has said it already, this only follows. */
  #add(finding: OpenFinding, { facts, lastModified }: SeenAnchor): void {
    const isKnown = this.#findings.kept.some(({ severity, logIndex, lastIndex, code, object }) => severity === "violation" && code !== "log_root_mismatch" && object === undefined
      && logIndex !== undefined && finding.logIndex !== undefined && logIndex <= (finding.lastIndex ?? finding.logIndex) && (lastIndex ?? logIndex) >= finding.logIndex);
    if (isKnown) {
      this.#findings.addConsequence(finding.code);
      return;
    }
    this.#findings.add({ ...finding, changedAfter: { treeSize: facts.treeSize, time: formatTime(lastModified), target: this.#target } });
  }

  /** What should be here and is not. Returns the ledger's first anchor that is not published, as `freshnessOf` wants it. */
  finish(ledger: LedgerName, newestSize: number): { readonly treeSize: number; readonly recordedAt: number } | null {
    const { trail, observed, isPart } = this.#joined;
    const confirmed = Math.max(observed?.tree_size ?? 0, newestSize);
    let unpublished = 0;
    let first: { readonly treeSize: number; readonly recordedAt: number } | null = null;
    for (let i = this.#present.indexOf(0); i !== -1; i = this.#present.indexOf(0, i + 1)) {
      const { treeSize, latest } = trail.at(i);
      if (this.#evidence.unpinned.has(treeSize)) continue; // there, and not believed, which is said
      if (treeSize > confirmed) {
        unpublished++;
        first ??= { treeSize, recordedAt: latest };
        continue;
      }
      const name = formatObjectName(ledger, { kind: "anchor", treeSize, sha256: "0".repeat(64) });
      this.#evidence.report("violation", "anchor_missing", `the anchor of the first ${treeSize} receipts was published here and is not there any more`,
        name.replace(/0{64}/, "…"), { logIndex: treeSize - 1, expected: "an anchor object", found: "nothing that counts" });
    }
    const note = (code: "not_published_yet" | "newer_than_audit", message: string): void => this.#findings.add({ severity: "note", code, message });
    if (unpublished > 0) note("not_published_yet", `the ledger's newest ${unpublished === 1 ? "anchor is" : `${count(unpublished)} anchors are`} not at ${this.#target} yet`);
    if (this.#newer > 0 && !isPart) note("newer_than_audit", `${count(this.#newer, "anchor")} at ${this.#target} ${this.#newer === 1 ? "is" : "are"} newer than the part of the ledger that was audited`);
    return first;
  }
}

/** Of a batch object; null where it is none. */
function receiptHashes(bytes: Uint8Array): Uint8Array[] | null {
  try {
    return parseEntries(bytes);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
