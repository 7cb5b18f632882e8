/**
 * Segments joined in order: the chains, the log and the epochs across them, the log's root at every anchor, the organizations'
 * heads. What it keeps grows with the organizations and, slowly, with the anchors.
 */
import { equal } from "../format/bytes.ts";
import { hashText, parseHash } from "../format/chain.ts";
import type { AnchorDetails } from "../format/fields.ts";
import type { Sha256 } from "../format/hash.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Inspector } from "../ledger/inspect.ts";
import { type ChainEnd, type ChainStart, joinStart } from "../verify/chain.ts";
import type { VerifyError } from "../verify/errors.ts";
import { joinedEnd, joinLog, type LogEnd } from "../verify/log.ts";
import { AnchorRows, type JudgedRoot } from "./anchor-rows.ts";
import { AttestationsSeen } from "./attestations.ts";
import { Heads } from "./heads.ts";
import { KeysSeen } from "./keys-seen.ts";
import { LogTree } from "./log-tree.ts";
import type { Findings } from "./report.ts";
import type { BatchSeen, MovedHead, OrganizationSeen, SegmentResult } from "./segment-result.ts";
import { Times } from "./times.ts";
import { Trail } from "./trail.ts";
import { TreeNodes } from "./tree-nodes.ts";

/** What is known before the first segment; of a whole ledger, nothing. */
export interface JoinStart {
  readonly size: number;
  readonly ends: ReadonlyMap<string, ChainEnd>;
  readonly log: LogEnd | null;
  readonly heads: readonly (MovedHead & { readonly firstIndex: number; readonly firstHash: Uint8Array })[];
  readonly frontier: readonly Uint8Array[];
  readonly openLeaves: readonly Uint8Array[];
  /** The anchor right before, where it is known from outside of the ledger; what the first new one says of it is compared. */
  readonly anchor: { readonly root: Uint8Array; readonly details: AnchorDetails } | null;
}

export const WHOLE: JoinStart = { size: 0, ends: new Map(), log: null, heads: [], frontier: [], openLeaves: [], anchor: null };

export interface Totals {
  rows: number;
  checked: number;
  batches: number;
  clockSteps: number;
  readonly notChecked: Map<string, number>;
  readonly macsChecked: Map<string, number>;
  readonly macsNotChecked: Map<string, number>;
}

export class Joiner {
  readonly trail = new Trail();
  readonly totals: Totals = {
    rows: 0, checked: 0, batches: 0, clockSteps: 0, notChecked: new Map(), macsChecked: new Map(), macsNotChecked: new Map(),
  };
  readonly heads: Heads;
  readonly keys = new KeysSeen();
  readonly attestations = new AttestationsSeen();
  /** log_index from which on all MACs of receipts that were read were checked. */
  macsCheckedFrom = 0;
  readonly times: Times;
  /** The newest anchor that can be read. */
  newest: NonNullable<BatchSeen["anchor"]> | null = null;
  readonly #findings: Findings;
  readonly #start: JoinStart;
  readonly #ends: Map<string, ChainEnd>;
  readonly #owners = new Map<string, string>();
  readonly #doubts = new Map<string, readonly Uint8Array[]>();
  readonly #numbers = new Map<string, OrganizationSeen[]>();
  readonly #tree: LogTree;
  readonly #nodes: TreeNodes;
  readonly #rows: AnchorRows;
  #log: LogEnd | null;
  /** Not all receipts up to the last anchor are certain; there is a finding for it. */
  #isTainted = false;
  #isTailTainted = false;
  #areHeadsWrong = false;

  constructor(inspector: Inspector, findings: Findings, sha256: Sha256, trusted: ReadonlySet<string>, start: JoinStart = WHOLE) {
    this.#findings = findings;
    this.#start = start;
    this.#ends = new Map(start.ends);
    for (const [organization, { prefix }] of start.ends) if (prefix !== null) this.#owners.set(prefix, organization);
    this.#log = start.log;
    this.heads = new Heads(sha256);
    for (const head of start.heads) this.heads.move(head, () => ({ logIndex: head.firstIndex, hash: head.firstHash }));
    this.#nodes = new TreeNodes(inspector, findings);
    this.#tree = new LogTree(sha256, (level, position, hash) => this.#nodes.compare(level, position, hash), {
      blocks: Math.floor(start.size / 256), frontier: start.frontier,
    });
    for (const leaf of start.openLeaves) this.#tree.append(leaf);
    this.#rows = new AnchorRows(inspector, findings, start.size, start.anchor?.root ?? null);
    this.times = new Times(findings, trusted);
    if (start.anchor !== null) this.times.begin(start.anchor.details);
  }

  /** Receipts joined so far, and those before the first segment. */
  get size(): number {
    return this.#tree.size;
  }

  /** Root of the log as far as it was joined. */
  root(): Uint8Array {
    return this.#tree.root();
  }

  get ends(): ReadonlyMap<string, ChainEnd> {
    return this.#ends;
  }

  /** By organization, the numbers that rows have for it. */
  get numbers(): ReadonlyMap<string, readonly OrganizationSeen[]> {
    return this.#numbers;
  }

  /** Tree size of the last anchor. */
  get anchoredSize(): number {
    return this.trail.length === 0 ? this.#start.size : this.trail.at(this.trail.length - 1).treeSize;
  }

  add(result: SegmentResult): void {
    this.#findings.addAll(result.findings);
    this.#count(result);
    this.macsCheckedFrom = Math.max(this.macsCheckedFrom, result.lastUnchecked + 1);
    this.#joinLog(result);
    this.#joinChains(result);
    const { batches } = result;
    this.#tree.appendFolded(result.leaves, batches.map(({ treeSize }) => treeSize), batches.map(({ frontier }) => frontier),
      (i, root) => this.#anchor(batches[i]!, root, result));
    for (const head of result.openHeads) this.#move(head, result);
    this.times.open(result.openEarliest, this.totals.clockSteps);
    this.#isTailTainted = result.isTailTainted;
  }

  finish(): void {
    this.#settle(this.#rows.finish(this.size, this.#isTainted));
    this.#nodes.settle(!this.#rows.isDiverged && !this.#isTainted && !this.#isTailTainted, this.size);
    this.#nodes.finish(this.#start.size, this.size);
  }

  #count(result: SegmentResult): void {
    const { totals } = this;
    totals.rows += result.rows;
    totals.checked += result.checked;
    totals.batches += result.batches.length;
    totals.clockSteps += result.clockSteps;
    for (const broken of result.breaks) this.keys.break(broken);
    this.keys.joinVkeys(result.vkeys);
    this.attestations.join(result.attestations);
    for (const key of result.keys) this.keys.join(key);
    for (const revocation of result.revocations) this.keys.revoke(revocation);
    for (const name of ["notChecked", "macsChecked", "macsNotChecked"] as const) {
      for (const [key, count] of result[name]) totals[name].set(key, (totals[name].get(key) ?? 0) + count);
    }
    for (const seen of result.organizations) {
      const known = this.#numbers.get(seen.organization);
      if (known === undefined) this.#numbers.set(seen.organization, [seen]);
      else if (!known.some(({ org }) => org === seen.org)) known.push(seen);
    }
  }

  #joinLog({ first, end, log }: SegmentResult): void {
    const before = this.#log;
    if (log.start !== null) {
      const isLate = log.start.receipt.receipt.log_index !== first; // what is missing before it is said already
      for (const error of joinLog(log.start, before)) {
        if (isLate && error.code === "log_index_gap") continue;
        const { receipt, known } = log.start.receipt;
        const of = error.code === "batch_gap" || error.code === "anchor_link_mismatch" ? log.start.firstAnchor : null;
        this.#report(error, of?.logIndex ?? receipt.log_index, of === null ? receipt.organization : LEDGER_ORGANIZATION,
          of?.receiptId ?? (known ? log.start.receipt.receipt.receipt_id : null));
      }
    }
    if (log.end !== null) this.#log = joinedEnd(log.end, before);
    else if (before !== null) this.#log = { ...before, logIndex: end - 1, recordedAt: null };
  }

  #joinChains({ chain }: SegmentResult): void {
    for (const [organization, start] of chain.starts) {
      for (const error of joinStart(start, organization, this.#ends.get(organization), this.#owners)) {
        this.#joinChain(error, organization, start, chain.assumed.has(organization));
      }
    }
    for (const [organization, end] of chain.ends) {
      const prefix = end.prefix ?? this.#ends.get(organization)?.prefix ?? null;
      this.#ends.set(organization, { ...end, prefix });
      if (prefix !== null && !this.#owners.has(prefix)) this.#owners.set(prefix, organization);
      const doubts = chain.doubts.get(organization);
      if (doubts === undefined) this.#doubts.delete(organization);
      else this.#doubts.set(organization, doubts);
    }
  }

  #joinChain(error: VerifyError, organization: string, start: ChainStart, isAssumed: boolean): void {
    if (error.code === "link_mismatch") {
      if (isAssumed) return; // read from the index, which has no links
      const link = start.previousHash === null ? null : parseHash(start.previousHash);
      if (link !== null && this.#doubts.get(organization)?.some((hash) => equal(hash, link)) === true) {
        this.#findings.addConsequence(error.code);
        return;
      }
    }
    this.#report(error, start.logIndex, organization, start.receiptId);
  }

  #anchor(batch: BatchSeen, root: Uint8Array, result: SegmentResult): void {
    for (const head of batch.heads) this.#move(head, result);
    if (batch.anchor !== null) this.#compareHeads(batch);
    if (batch.anchorHead !== null) this.#move(batch.anchorHead, result);
    this.#settle(this.#rows.step(batch, root, this.#isTainted));
    this.#isTainted ||= batch.isTainted;
    this.times.step(batch, this.totals.clockSteps);
    this.trail.push({
      firstIndex: batch.firstIndex, treeSize: batch.treeSize, root, entries: batch.entries,
      latest: batch.latest === null ? Number.NaN : Date.parse(batch.latest.time), latestIndex: batch.latest?.logIndex ?? -1,
    });
    if (batch.anchor !== null) this.newest = batch.anchor;
  }

  /** The root up to the anchor before was compared: it proves the receipts, or they are known to be others. */
  #settle(judged: JudgedRoot | null): void {
    if (judged === null) return;
    if (judged.isRight) this.#isTainted = false;
    this.#nodes.settle(judged.isRight, judged.treeSize);
  }

  #compareHeads({ anchor, treeSize }: BatchSeen): void {
    const root = hashText(this.heads.root());
    if (this.#areHeadsWrong || anchor!.details.org_heads_root === root) return;
    this.#areHeadsWrong = true; // and ever after
    if (this.#findings.wrong > 0) {
      this.#findings.addConsequence("org_heads_mismatch");
      return;
    }
    this.#findings.add({
      severity: "violation", code: "org_heads_mismatch", message: "the organizations' newest receipts do not have the root in the anchor receipt",
      logIndex: treeSize - 1, receiptId: anchor!.receiptId, receiptNumber: anchor!.receiptNumber, organization: LEDGER_ORGANIZATION,
      at: "/details/org_heads_root", expected: anchor!.details.org_heads_root, found: root,
    });
  }

  #move(head: MovedHead, { chain }: SegmentResult): void {
    this.heads.move(head, (organization) => {
      const start = chain.starts.get(organization);
      return start ?? { logIndex: -1, hash: head.hash };
    });
  }

  #report(error: VerifyError, logIndex: number, organization: string, receiptId: string | null): void {
    this.#findings.add({
      severity: "violation", code: error.code, message: error.message, logIndex, organization, ...(receiptId === null ? {} : { receiptId }),
      at: error.pointer, expected: error.expected, found: error.found,
    });
  }
}
