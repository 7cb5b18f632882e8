/** The batch that is being read: its hashes, whose heads it moves, and what is in doubt in it until its anchored root decides. */
import { equal } from "../format/bytes.ts";
import { hashText, parseHash } from "../format/chain.ts";
import { receiptRange } from "../format/count.ts";
import { entryOf, formatEntries } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import type { Sha256 } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { AnchorSeen } from "../verify/log.ts";
import { HashList } from "./hash-list.ts";
import { libraryRoot } from "./library-root.ts";
import type { Identity } from "./receipt-check.ts";
import type { Findings } from "./report.ts";
import type { BatchSeen, MovedHead, TimedPlace } from "./segment-result.ts";
import { decide, reportAll, Suspect } from "./suspects.ts";

/** docs/FORMAT.md section 7. */
const MAX_BATCH = 65_536;

export interface ClosedBy {
  readonly logIndex: number;
  /** null: the anchor receipt cannot be read. */
  readonly anchor: AnchorSeen | null;
}

export interface Settled {
  /** Leaf hashes of the batch, and of the anchor receipt that closed it. */
  readonly leaves: HashList;
  readonly isRootRight: boolean;
  /** Not all leaves are certain. */
  readonly isTainted: boolean;
}

interface Head {
  readonly orgSeq: number;
  readonly logIndex: number;
  readonly hash: Uint8Array;
}

export class OpenBatch {
  readonly #firstIndex: number;
  readonly #sha256: Sha256;
  readonly #hashes = new HashList();
  readonly #suspects = new Map<number, Suspect>();
  readonly #heads = new Map<string, Head>();
  readonly #isRest: boolean;
  #anchorHash: Uint8Array | null = null;
  #anchorHead: MovedHead | null = null;
  #earliest: TimedPlace | null = null;
  #latest: TimedPlace | null = null;

  /** `isRest`: the beginning of the batch was given up. */
  constructor(firstIndex: number, sha256: Sha256, isRest = false) {
    this.#firstIndex = firstIndex;
    this.#sha256 = sha256;
    this.#isRest = isRest;
  }

  /** The same batch from here on, without what was kept of its beginning. */
  rest(firstIndex: number): OpenBatch {
    const rest = new OpenBatch(firstIndex, this.#sha256, true);
    for (const { organization, orgSeq, hash } of this.heads()) rest.#heads.set(organization, { orgSeq, logIndex: -1, hash });
    return rest;
  }

  /** log_index of its first receipt. */
  get firstIndex(): number {
    return this.#firstIndex;
  }

  get isOverfull(): boolean {
    return this.#hashes.length > MAX_BATCH;
  }

  /** The next receipt. The anchor receipt is the last one. */
  add(logIndex: number, hash: Uint8Array, suspect: Suspect | null, isAnchor: boolean): void {
    if (isAnchor) this.#anchorHash = hash;
    else this.#hashes.push(hash);
    if (suspect !== null) this.#suspects.set(logIndex, suspect);
  }

  /** The receipt is its organization's newest. */
  move(organization: string, orgSeq: number, hash: Uint8Array, logIndex: number): void {
    if (this.#anchorHash !== null) this.#anchorHead = { organization, orgSeq, hash };
    else this.#heads.set(organization, { orgSeq, logIndex, hash });
  }

  time(recordedAt: string, logIndex: number): void {
    if (this.#earliest === null || recordedAt < this.#earliest.time) this.#earliest = { time: recordedAt, logIndex };
    if (this.#latest === null || recordedAt > this.#latest.time) this.#latest = { time: recordedAt, logIndex };
  }

  /** The organization's newest receipt so far, if it is in this batch. */
  newest(organization: string): number | null {
    const logIndex = this.#heads.get(organization)?.logIndex ?? -1;
    return logIndex < this.#firstIndex ? null : logIndex;
  }

  /** `identify` is asked where the receipt was beyond suspicion so far. */
  suspectAt(logIndex: number, identify: () => Identity): Suspect {
    let suspect = this.#suspects.get(logIndex);
    if (suspect === undefined) {
      const hash = Uint8Array.from(this.#hashes.at(logIndex - this.#firstIndex));
      suspect = new Suspect({ logIndex, identity: identify(), blobHash: hash, row: { receiptHash: hash }, hash, problems: [] });
      this.#suspects.set(logIndex, suspect);
    }
    return suspect;
  }

  /** The one receipt of which nothing is left, if it is only one. */
  onlyHole(): Suspect | null {
    const holes = [...this.#suspects.values()].filter((suspect) => suspect.isHole);
    return holes.length === 1 ? holes[0]! : null;
  }

  /** Decides what is in doubt, says what is wrong, and gives the leaves. `closedBy` null: the batch is open. */
  settle(closedBy: ClosedBy | null, findings: Findings): Settled {
    const claimed = closedBy?.anchor?.details.batch ?? null;
    const suspects = [...this.#suspects.values()].sort((a, b) => a.logIndex - b.logIndex);
    const inBatch = suspects.filter((suspect) => suspect.logIndex !== closedBy?.logIndex);
    const leaves = new HashList();
    for (const hash of this.#hashes) leaves.push(this.#leaf(hash));
    const isRootRight = claimed !== null && this.#decide(inBatch, leaves, parseHash(claimed.root));
    reportAll(suspects, findings, ({ logIndex }) => ({
      proven: isRootRight && logIndex !== closedBy?.logIndex ? this.#hashes.at(logIndex - this.#firstIndex) : null,
      state: closedBy === null ? "open" : logIndex === closedBy.logIndex ? "anchor" : "closed",
    }));
    if (claimed !== null && !isRootRight) this.#reportRoot(claimed, closedBy!, leaves, suspects, findings);
    const isTainted = this.#isRest || suspects.some((suspect) => suspect.isUncertain(isRootRight && suspect.logIndex !== closedBy?.logIndex))
      || (claimed !== null && !isRootRight);
    if (this.#anchorHash !== null) leaves.push(this.#leaf(this.#anchorHash));
    return { leaves, isRootRight, isTainted };
  }

  /** For the one who joins the segments; `frontier` as `SegmentTree.frontier` has it after the anchor receipt. */
  seen(settled: Settled, { logIndex, anchor }: ClosedBy, frontier: Uint8Array | null): BatchSeen {
    const isEmpty = this.#hashes.length === 0;
    return {
      firstIndex: this.#firstIndex,
      treeSize: logIndex + 1,
      anchor: anchor === null ? null : {
        receiptId: anchor.receiptId, receiptNumber: anchor.receiptNumber, recordedAt: anchor.recordedAt, keyEpoch: anchor.keyEpoch,
        details: anchor.details,
      },
      isRootRight: settled.isRootRight,
      isTainted: settled.isTainted,
      entries: isEmpty || settled.isTainted ? null : this.#sha256(formatEntries(this.#hashes.bytes)),
      heads: this.heads(),
      anchorHead: this.#anchorHead,
      earliest: this.#earliest,
      latest: this.#latest,
      frontier,
    };
  }

  heads(): MovedHead[] {
    return Array.from(this.#heads, ([organization, { orgSeq, logIndex, hash }]) => (
      { organization, orgSeq, hash: logIndex < this.#firstIndex ? hash : Uint8Array.from(this.#hashes.at(logIndex - this.#firstIndex)) }));
  }

  get earliest(): TimedPlace | null {
    return this.#earliest;
  }

  /** Whether the leaves have this root, with what is in doubt as the root wants it; `leaves` and hashes are then so. */
  #decide(suspects: readonly Suspect[], leaves: HashList, root: Uint8Array): boolean {
    if (equal(libraryRoot(leaves, this.#sha256), root)) return true;
    const truths = decide(suspects, this.#firstIndex, [...leaves], root, this.#sha256);
    if (truths === null) return false;
    suspects.forEach(({ logIndex }, i) => {
      const offset = logIndex - this.#firstIndex;
      this.#hashes.set(offset, truths[i]!);
      leaves.set(offset, this.#leaf(truths[i]!));
    });
    return equal(libraryRoot(leaves, this.#sha256), root);
  }

  #reportRoot(
    claimed: AnchorDetails["batch"], { logIndex, anchor }: ClosedBy, leaves: HashList, suspects: readonly Suspect[], findings: Findings,
  ): void {
    const isExplained = suspects.some(({ isDamaged }) => isDamaged) || claimed.count !== leaves.length || claimed.first_index !== this.#firstIndex;
    if (isExplained) {
      findings.addConsequence("batch_root_mismatch");
      return;
    }
    findings.add({
      severity: "violation", code: "batch_root_mismatch",
      message: `the batch of ${receiptRange(this.#firstIndex, logIndex - 1)} does not have the root in the anchor receipt that closes it`,
      logIndex, receiptId: anchor?.receiptId, receiptNumber: anchor?.receiptNumber, organization: LEDGER_ORGANIZATION,
      at: "/details/batch/root", expected: claimed.root, found: hashText(libraryRoot(leaves, this.#sha256)),
    });
  }

  #leaf(hash: Uint8Array): Uint8Array {
    return leafHash(entryOf(hash), this.#sha256);
  }
}
