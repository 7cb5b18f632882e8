/**
 * One run of whole batches, checked by itself (docs/FORMAT.md section 13.2): every blob, every row of the index, the chains and the
 * log inside the run, every batch's root. What needs the receipts before is handed over to join.ts.
 *
 * All that is read may be an attacker's. What is wrong with one receipt must not hide what is wrong with the next, so the walks go
 * on with what the receipt most likely was; the batch's root then says what it really was (suspects.ts).
 */
import { hashText, parseHash } from "../format/chain.ts";
import type { Hash } from "../format/hash.ts";
import type { Inspector } from "../ledger/inspect.ts";
import { ChainWalk } from "../verify/chain.ts";
import type { VerifyError } from "../verify/errors.ts";
import { RatchetKeys } from "../verify/keys.ts";
import { anchorOf, type LogStart, LogWalk } from "../verify/log.ts";
import type { VerifiedReceipt } from "../verify/receipt.ts";
import { AttestationsSeen } from "./attestations.ts";
import { type ClosedBy, OpenBatch } from "./batch.ts";
import { lookUpProblems } from "./lookups.ts";
import { KeysSeen } from "./keys-seen.ts";
import { readPlaces, unlessCorrupt } from "./places.ts";
import { recoveryNote } from "./recovery-note.ts";
import { type CheckedPlace, problemOf, ReceiptCheck } from "./receipt-check.ts";
import { Findings } from "./report.ts";
import type { BatchSeen, SegmentOptions, SegmentResult, SegmentTask } from "./segment-result.ts";
import { SegmentTree } from "./segment-tree.ts";
import { isAboutReceipt, type Problem, Suspect } from "./suspects.ts";
import { Survey } from "./survey.ts";

/** Receipts between two calls of `onProgress`. */
const PROGRESS_STEP = 2048;
/** Rows whose index entries are looked up at a time. */
const LOOK_UP = 4096;

export class SegmentAudit {
  readonly #inspector: Inspector;
  readonly #options: SegmentOptions;
  readonly #task: SegmentTask;
  readonly #hash: Hash;
  readonly #receipts: ReceiptCheck;
  readonly #findings = new Findings();
  readonly #chain = new ChainWalk();
  readonly #tree: SegmentTree;
  readonly #batches: BatchSeen[] = [];
  readonly #organizations = new Map<string, { org: number; organization: string; logIndex: number; count: number }>();
  readonly #assumed = new Set<string>();
  readonly #keys = new KeysSeen();
  readonly #attestations = new AttestationsSeen();
  /** Organizations whose newest receipt is in doubt. */
  readonly #doubts = new Map<string, Suspect>();
  readonly #survey: Survey | null;
  #log: LogWalk;
  #logStart: LogStart | null = null;
  #batch: OpenBatch;
  /** Anchor receipts so far, and receipts of which not even that is known. */
  #epochs = 0;
  #rows = 0;
  #checked = 0;
  #clockSteps = 0;
  #isTailTainted = false;

  constructor(inspector: Inspector, task: SegmentTask, options: SegmentOptions, hash: Hash) {
    this.#inspector = inspector;
    this.#options = options;
    this.#task = task;
    this.#hash = hash;
    const keys = task.keys === null ? null : new RatchetKeys(task.keys, { hash, disclosed: options.disclosed });
    const organizations = unlessCorrupt(() => inspector.organizations().rows, () => undefined) ?? []; // tables.ts tells
    this.#receipts = new ReceiptCheck(options, keys, hash, new Map(organizations.map((row) => [row.org, row])), this.#findings);
    if (task.commitment !== null) this.#receipts.expectKey(task.epoch, task.commitment, task.keyBefore);
    this.#tree = new SegmentTree(task.first, hash.sha256);
    this.#log = new LogWalk(options.ledger);
    this.#batch = new OpenBatch(task.first, hash.sha256);
    this.#survey = options.survey === undefined ? null : new Survey(options.survey, hash.sha256);
  }

  run(onProgress: (receipts: number) => void): SegmentResult {
    const { first, end, epoch } = this.#task;
    const isOfOne = this.#options.organization !== null;
    const places = readPlaces(this.#inspector, first, end, isOfOne ? (row) => this.#receipts.wants(row) : undefined);
    let lookedUp = first;
    let problems: ReadonlyMap<number, Problem[]> = new Map();
    for (const place of places) {
      const { logIndex, row } = place;
      if (logIndex >= lookedUp) {
        problems = lookUpProblems(this.#inspector, lookedUp, Math.min(end, lookedUp + LOOK_UP));
        lookedUp += LOOK_UP;
      }
      if (row !== null) this.#rows++;
      const isUnread = isOfOne && row !== null && !this.#receipts.wants(row);
      if (!isUnread) this.#checked++;
      const checked = isUnread ? this.#receipts.rowOnly(place) : this.#receipts.check(place, { first: epoch, last: epoch + this.#epochs });
      const lookUps = problems.get(logIndex);
      if (lookUps !== undefined) checked.problems.push(...lookUps);
      if (checked.read?.known === true && !checked.isRowBetter) this.#survey?.take(checked.read.receipt, place.blob!, checked.hash);
      this.#step(checked);
      const done = logIndex + 1 - first;
      if (done % PROGRESS_STEP === 0) onProgress(PROGRESS_STEP);
    }
    onProgress((end - first) % PROGRESS_STEP);
    this.#settle(null);
    return this.#result();
  }

  #step(checked: CheckedPlace): void {
    const { logIndex, row, isRowBetter, read, hash, problems } = checked;
    const r = isRowBetter ? this.#fromRow(checked) : read;
    const links: VerifyError[] = [];
    if (r === null) {
      this.#skipLog(logIndex);
    } else {
      const errors = this.#log.step(r.receipt.log_index === logIndex ? r : inPlace(r, logIndex));
      if (!isRowBetter) problems.push(...errors.map(problemOf));
      for (const error of this.#chain.step(r)) {
        const isLink = error.code === "link_mismatch" || error.code === "org_seq_gap";
        if (isLink && (isRowBetter || !problems.some(isAboutReceipt))) links.push(error);
        else problems.push(problemOf(error));
      }
      if (!isRowBetter && row !== null) this.#noteNumber(row.org, r.receipt.organization, logIndex);
    }
    const anchor = r === null || isRowBetter ? null : anchorOf(r);
    const isLost = (r === null || isRowBetter) && problems.length > 0;
    const isAnchor = anchor !== null || (isLost && this.#wasAnchor(logIndex));
    if (isAnchor || isLost) this.#epochs++;
    const suspect = problems.length > 0 || checked.isDisputed ? new Suspect(checked) : null;
    for (const error of links) this.#link(error, r!, checked);
    this.#batch.add(logIndex, hash, suspect, isAnchor);
    if (r !== null) this.#note(r, logIndex, hash, suspect);
    if (isAnchor) this.#close({ logIndex, anchor });
    else if (this.#batch.isOverfull) this.#restart(logIndex);
  }

  /** What the index says of a receipt whose bytes say nothing; what it does not say is assumed to fit. */
  #fromRow({ logIndex, row, hash }: CheckedPlace): VerifiedReceipt | null {
    const organization = this.#receipts.organizationOf(row!);
    if (organization === undefined) return null;
    const before = this.#chain.ends.get(organization);
    if (before === undefined) this.#assumed.add(organization);
    const { end } = this.#log;
    return {
      known: false,
      notChecked: [],
      hash,
      receipt: {
        schema_version: 0, ledger: this.#options.ledger.origin, organization, org_seq: row!.orgSeq, log_index: logIndex,
        key_id: end === null || end.isAnchor ? "" : end.keyId, key_epoch: row!.keyEpoch, signature: "",
        previous_receipt_hash: before === undefined ? null : hashText(before.hash),
      },
    };
  }

  /** A link that leads elsewhere: perhaps it is the receipt that it should lead to which was changed, and the link is right. */
  #link(error: VerifyError, { receipt }: VerifiedReceipt, { logIndex, isRowBetter, read }: CheckedPlace): void {
    const { organization, previous_receipt_hash: link } = receipt;
    const finding = {
      severity: "violation" as const, ...problemOf(error), logIndex, organization,
      ...(read?.known === true && !isRowBetter ? { receiptId: read.receipt.receipt_id, receiptNumber: read.receipt.receipt_number } : {}),
    };
    const wanted = link === null || isRowBetter ? null : parseHash(link);
    const suspect = wanted === null ? null : this.#explaining(error, organization);
    if (wanted !== null && suspect !== null) {
      suspect.addCandidate(wanted);
      suspect.links.push({ hash: wanted, finding });
      return;
    }
    const earlier = this.#doubts.get(organization);
    if (wanted !== null && error.code === "link_mismatch" && earlier?.isDamaged === true && earlier.mayHaveBeen(wanted)) {
      this.#findings.addConsequence(error.code);
    } else {
      this.#findings.add(finding);
    }
  }

  /** A receipt of the open batch that may be the cause. */
  #explaining(error: VerifyError, organization: string): Suspect | null {
    if (error.code === "org_seq_gap") {
      const isOneMissing = Number(error.found) === Number(error.expected) + 1;
      const hole = isOneMissing ? this.#batch.onlyHole() : null;
      if (hole !== null) hole.organization ??= organization;
      return hole;
    }
    const previous = this.#batch.newest(organization);
    return previous === null ? null : this.#batch.suspectAt(previous, () => this.#receipts.identityAt(this.#inspector, previous, organization));
  }

  #note(r: VerifiedReceipt, logIndex: number, hash: Uint8Array, suspect: Suspect | null): void {
    const { organization, org_seq } = r.receipt;
    this.#batch.move(organization, org_seq, hash, logIndex);
    if (suspect !== null) this.#doubts.set(organization, suspect);
    else if (this.#doubts.size > 0) this.#doubts.delete(organization);
    if (r.receipt.key_id !== "") this.#keys.add(r, logIndex, this.#batch.firstIndex); // else only the index is known
    if (!r.known) return;
    this.#batch.time(r.receipt.recorded_at, logIndex);
    if (r.receipt.type === "clock_step") this.#clockSteps++;
    this.#attestations.add(r);
    if (r.receipt.type === "recovery") this.#findings.add(recoveryNote(r.receipt));
  }

  /** The number that a row has for its receipt's organization: join.ts knows which it must be. */
  #noteNumber(org: number, organization: string, logIndex: number): void {
    const key = `${org} ${organization}`;
    const seen = this.#organizations.get(key);
    if (seen === undefined) this.#organizations.set(key, { org, organization, logIndex, count: 1 });
    else seen.count++;
  }

  #close(closedBy: ClosedBy): void {
    const { logIndex, anchor } = closedBy;
    if (anchor === null) this.#skipAnchor(logIndex);
    else this.#receipts.expectKey(anchor.keyEpoch + 1, anchor.details.epoch_commitment, anchor.keyId);
    this.#settle(closedBy);
    this.#batch = new OpenBatch(logIndex + 1, this.#hash.sha256);
  }

  /** No batch is that large: anchor receipts are missing. What was kept of it goes, and memory stays bounded. */
  #restart(logIndex: number): void {
    this.#settle(null);
    this.#batch = this.#batch.rest(logIndex + 1);
  }

  /** Decides what is in doubt in the batch, and lets its leaves into the log. */
  #settle(closedBy: ClosedBy | null): void {
    const settled = this.#batch.settle(closedBy, this.#findings);
    for (const leaf of settled.leaves) this.#tree.append(leaf);
    if (closedBy === null) this.#isTailTainted = settled.isTainted;
    else this.#batches.push(this.#batch.seen(settled, closedBy, this.#tree.frontier()));
  }

  /** Nothing is known of what was here: the log goes on after it. */
  #skipLog(logIndex: number): void {
    const { end } = this.#log;
    if (end === null) return;
    this.#logStart ??= this.#log.start;
    this.#log = new LogWalk(this.#options.ledger, {
      ...end, logIndex, recordedAt: null, isAnchor: false, isAnchorDue: false,
      ...(end.isAnchor ? { keyEpoch: end.keyEpoch + 1, keyId: end.rotatedTo ?? end.keyId, rotatedTo: null } : {}),
    });
  }

  /** What the anchor receipt said is lost; that it was one is known from the index. */
  #skipAnchor(logIndex: number): void {
    const { end } = this.#log;
    if (end === null) return;
    this.#logStart ??= this.#log.start;
    this.#log = new LogWalk(this.#options.ledger, { ...end, logIndex, recordedAt: null, isAnchor: true, anchorSize: logIndex + 1 });
  }

  #wasAnchor(logIndex: number): boolean {
    return unlessCorrupt(() => this.#inspector.anchors(logIndex, 1)[0]?.treeSize === logIndex + 1, () => undefined) === true;
  }

  #result(): SegmentResult {
    const { first, end } = this.#task;
    const { notChecked, macsChecked, macsNotChecked, lastUnchecked } = this.#receipts;
    const doubts = [...this.#doubts].filter(([, suspect]) => suspect.isDamaged);
    return {
      first,
      end,
      rows: this.#rows,
      checked: this.#checked,
      findings: this.#findings.data,
      notChecked,
      macsChecked,
      macsNotChecked,
      lastUnchecked,
      chain: {
        starts: this.#chain.starts,
        ends: this.#chain.ends,
        assumed: this.#assumed,
        doubts: new Map(doubts.map(([organization, suspect]) => [organization, suspect.candidates])),
      },
      log: { start: this.#logStart ?? this.#log.start, end: this.#log.end },
      batches: this.#batches,
      openHeads: this.#batch.heads(),
      openEarliest: this.#batch.earliest,
      organizations: [...this.#organizations.values()],
      leaves: this.#tree.folded(),
      isTailTainted: this.#isTailTainted,
      keys: this.#keys.keys,
      revocations: this.#keys.revocations,
      breaks: this.#keys.breaks,
      vkeys: this.#keys.vkeys,
      attestations: this.#attestations.all,
      clockSteps: this.#clockSteps,
      survey: this.#survey?.data ?? null,
    };
  }
}

/** The receipt as if it stood in its place: that it does not is said once. */
function inPlace(r: VerifiedReceipt, logIndex: number): VerifiedReceipt {
  return r.known ? { ...r, receipt: { ...r.receipt, log_index: logIndex } } : { ...r, receipt: { ...r.receipt, log_index: logIndex } };
}
