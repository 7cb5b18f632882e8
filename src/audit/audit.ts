/**
 * The audit: everything, or what is new since an earlier one, is derived again from the receipts' bytes and the targets' objects
 * (docs/FORMAT.md section 13), on a ledger that may be growing meanwhile. What could not be checked is said, never passed over.
 */
import { availableParallelism } from "node:os";
import { type AnchorTarget, TargetError } from "../anchor/target.ts";
import { FormatError } from "../format/errors.ts";
import { requestKey } from "../format/mac.ts";
import { parseVkey, type Vkey } from "../format/note.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { LedgerError } from "../ledger/errors.ts";
import { Inspector } from "../ledger/inspect.ts";
import { Reader } from "../ledger/reader.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import { VerifyError } from "../verify/errors.ts";
import { RatchetKeys } from "../verify/keys.ts";
import { judgeArchived, judgeAttestations } from "./attestations.ts";
import { judgeBreaks } from "./breaks.ts";
import { checkLog, checkStructure, sizeOf } from "./extent.ts";
import { auditHash } from "./hash.ts";
import { Joiner } from "./join.ts";
import { LedgerView } from "./ledger-view.ts";
import type { AuditHooks, AuditOptions } from "./options.ts";
import { planSegments, Ratchet } from "./plan.ts";
import { runSegments } from "./pool.ts";
import { ProgressMeter } from "./progress.ts";
import { type AuditRange, isRanged, type Part, partOf } from "./range.ts";
import type { AuditRecord } from "./record.ts";
import { type AuditReport, Findings } from "./report.ts";
import { judgeKeys } from "./revoked.ts";
import { knownBy, type Known, type KnownTarget, keepRecord, ledgerInFull, NOTHING_KNOWN } from "./since.ts";
import { partSince } from "./since-start.ts";
import { checkSiblings } from "./siblings.ts";
import { Surveying } from "./surveying.ts";
import { checkExtent, checkIdentity, checkNumbersByTable, checkOrganizations, countIndexes, plausibleSize, plausibleSizeFrom } from "./tables.ts";
import { auditTarget, type TargetSeen } from "./target-audit.ts";
import { NotChecked, type PartSeen, reportOf } from "./verdict.ts";
import { judgeVkeys, unusedVkeys, type VkeysKnown } from "./vkeys.ts";

export type { AuditHooks, AuditOptions } from "./options.ts";
export type { Progress } from "./progress.ts";
export type { AuditReport, Finding } from "./report.ts";

/** ms that an anchor may be late, where nobody says otherwise. */
const GRACE = 60_000;
/** Receipts below which starting threads takes longer than the audit. */
const SMALL = 20_000;
const MAX_WORKERS = 16;
/** Receipts in a segment: small enough for progress and for sharing work, large enough for pages to be read once. */
const SEGMENT = { least: 2048, most: 32_768 } as const;

/** Never throws because of what it finds; LedgerError and TargetError only where they are nobody's finding. */
export async function audit(options: AuditOptions, hooks: AuditHooks = {}): Promise<AuditReport> {
  return new Audit(options, hooks).run();
}

class Audit {
  readonly #options: AuditOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #findings = new Findings();
  readonly #notChecked = new NotChecked();
  readonly #meter: ProgressMeter;
  readonly #onRecord: AuditHooks["onRecord"];
  readonly #onSurvey: AuditHooks["onSurvey"];
  #surveying: Surveying | null = null;
  readonly #vkeys: readonly Vkey[];
  readonly #startedAt = performance.now();

  constructor(options: AuditOptions, { onProgress, onRecord, onSurvey, signal }: AuditHooks) {
    this.#options = options;
    this.#signal = signal;
    this.#meter = new ProgressMeter(onProgress ?? (() => undefined), () => performance.now());
    this.#onRecord = onRecord;
    this.#onSurvey = onSurvey;
    this.#vkeys = options.vkeys.map(parseVkey);
  }

  async run(): Promise<AuditReport> {
    const { keysProblem } = this.#options;
    if (keysProblem !== undefined) this.#notChecked.fail(`the receipts' MACs: ${keysProblem}`); // what else cannot be checked may follow from it
    const opened = this.#open();
    try {
      const { since } = this.#options;
      const view = opened === null ? null : new LedgerView(opened.reader, opened.inspector, auditHash);
      const known = since === undefined ? NOTHING_KNOWN : await this.#known(since, view);
      const part = opened === null ? null : await this.#auditLedger(opened.inspector, known.anchor);
      const vkeys = judgeVkeys(this.#options, part, this.#findings);
      const targets = await this.#auditTargets(part, view, known, vkeys);
      const counts = targets.map((one) => one.counts);
      if (part !== null) this.#notChecked.ofPending(this.#options, part, counts);
      for (const { notChecked, failed } of targets) {
        for (const what of notChecked) this.#notChecked.add(what);
        for (const what of failed) this.#notChecked.fail(what);
      }
      if (targets.length > 0) for (const what of unusedVkeys(this.#options, vkeys, new Set(targets.flatMap(({ signedBy }) => [...signedBy])))) this.#notChecked.fail(what);
      this.#notChecked.ofTargets(this.#options, counts);
      if (part !== null && view !== null) judgeAttestations(this.#options, part.joined.attestations, view, this.#findings, this.#notChecked);
      else judgeArchived(this.#options, targets.map(({ attested }) => attested), this.#findings, this.#notChecked);
      const breaks = judgeBreaks(this.#options, part, this.#findings);
      const { keys, revoked } = judgeKeys(this.#options, part, this.#findings, this.#notChecked);
      const into = { findings: this.#findings, notChecked: this.#notChecked };
      const replay = this.#surveying === null ? null : (await this.#onSurvey?.(this.#surveying.seen(), { ...into, reader: opened!.reader, signal: this.#signal })) ?? null;
      const report = reportOf({
        options: this.#options, keys, ...into, part, targets: counts, replay, elapsedMs: performance.now() - this.#startedAt,
      });
      return keepRecord(report, this.#options, { targets, part, revoked, breaks, vkeys }, this.#onRecord);
    } finally {
      opened?.inspector.close();
      opened?.reader.close();
    }
  }

  #open(): { readonly inspector: Inspector; readonly reader: Reader } | null {
    const { ledgerPath } = this.#options;
    if (ledgerPath === null) return null;
    let inspector: Inspector | null = null;
    try {
      checkLog(ledgerPath, this.#findings);
      inspector = new Inspector(ledgerPath);
      return { inspector, reader: new Reader(ledgerPath, auditHash.sha256) };
    } catch (error) {
      inspector?.close();
      if (!(error instanceof LedgerError)) throw error;
      if (error.code === "ledger_corrupt" || error.code === "not_a_ledger") {
        this.#findings.add({ severity: "violation", code: error.code, message: `the ledger cannot be read: ${error.message}` });
      } else {
        this.#notChecked.fail(`the ledger: ${error.message}`);
      }
      return null;
    }
  }

  #known(since: AuditRecord, view: LedgerView | null): Promise<Known> {
    return knownBy(since, this.#options, {
      vkeys: this.#vkeys, findings: this.#findings, notChecked: this.#notChecked, view,
      onTarget: (name) => this.#meter.begin("targets", null, name), onObject: () => this.#object(),
    });
  }

  /** `after`: the anchor up to which an earlier audit has read it. */
  async #auditLedger(inspector: Inspector, after: AnchorFacts | null): Promise<PartSeen | null> {
    const findings = this.#findings;
    const { ledger, range = {} } = this.#options;
    checkIdentity(inspector, ledger, findings);
    const since = after === null ? null : this.#partSince(inspector, after);
    if (since === null && !isRanged(range)) checkStructure(inspector, this.#findings);
    const counted = since === null ? this.#count(inspector, range) : { size: since.end, entries: new Map() };
    const part = since ?? this.#part(inspector, counted.size, range);
    if (part === null) return null;
    const trusted = new Set(this.#options.targets.filter(({ trustedTime }) => trustedTime).map(({ name }) => name));
    const joined = new Joiner(inspector, findings, auditHash.sha256, trusted, part.start);
    await this.#walk(inspector, part, joined);
    joined.finish();
    for (const revocation of part.revocations ?? []) if (joined.keys.has(revocation.keyId)) joined.keys.revoke(revocation);
    if (!isRanged(range)) {
      checkExtent(inspector, joined.totals.rows, counted.entries, findings);
      checkOrganizations(inspector, joined, joined.ends, findings);
    } else checkNumbersByTable(inspector, joined, findings);
    const seen = { part, joined, isRanged: isRanged(range), since: since === null ? null : this.#options.since! };
    this.#notChecked.ofLedger(this.#options, seen);
    return seen;
  }

  /** Receipts to audit, and what each index has. */
  #count(inspector: Inspector, range: AuditRange): { readonly size: number; readonly entries: ReturnType<typeof countIndexes> } {
    const findings = this.#findings;
    const size = sizeOf(inspector, findings);
    if (isRanged(range)) return { size, entries: new Map() };
    this.#meter.begin("indexes", null);
    const entries = countIndexes(inspector, size, findings);
    return { size: plausibleSize(inspector, size, entries.values(), findings), entries };
  }

  /** What is behind the anchor; null where the ledger up to there is not what was anchored: it is read in full then. */
  #partSince(inspector: Inspector, after: AnchorFacts): Part | null {
    try {
      return partSince(inspector, after, plausibleSizeFrom(inspector, after.treeSize, sizeOf(inspector, this.#findings), this.#findings), auditHash);
    } catch (error) {
      if (!(error instanceof LedgerError || error instanceof VerifyError || error instanceof FormatError)) throw error;
      ledgerInFull(error.message, this.#findings);
      return null;
    }
  }

  #part(inspector: Inspector, size: number, range: AuditRange): Part | null {
    try {
      const { keys } = this.#options;
      return partOf(inspector, size, range, { findings: this.#findings, hash: auditHash, keys: keys === null ? null : new RatchetKeys(keys.starts, { hash: auditHash, disclosed: keys.disclosed ?? [] }) });
    } catch (error) {
      if (!(error instanceof LedgerError || error instanceof VerifyError || error instanceof FormatError)) throw error;
      this.#findings.add({ severity: "violation", code: "ledger_corrupt", message: `the range cannot be found in the ledger: ${error.message}; audit the whole ledger` });
      return null;
    }
  }

  async #walk(inspector: Inspector, part: Part, joined: Joiner): Promise<void> {
    const { ledgerPath, ledger, keys, range, survey } = this.#options;
    const total = part.end - part.first;
    const workers = this.#options.workers ?? (total < SMALL ? 0 : Math.min(availableParallelism(), MAX_WORKERS));
    const aim = Math.min(SEGMENT.most, Math.max(SEGMENT.least, Math.ceil(total / (8 * Math.max(1, workers)))));
    const ratchet = keys === null ? null : new Ratchet(keys.starts, auditHash);
    this.#meter.begin("receipts", total);
    const secret = keys?.requestSecret ?? null;
    if (survey !== undefined) this.#surveying = new Surveying(survey, inspector, part, this.#options.grace ?? GRACE);
    const segments = runSegments(planSegments(inspector, part, aim, ratchet, auditHash), {
      ledgerPath: ledgerPath!, ledger, organization: range?.organization ?? null, disclosed: keys?.disclosed ?? [], survey,
      requestKey: secret === null ? null : requestKey(secret, ledger.ledgerId, auditHash),
    }, inspector, workers, { onProgress: (receipts) => this.#meter.add(receipts), signal: this.#signal });
    for await (const result of segments) {
      joined.add(result);
      this.#surveying?.add(result);
    }
  }

  async #auditTargets(seen: PartSeen | null, view: LedgerView | null, known: Known, vkeys: VkeysKnown): Promise<TargetSeen[]> {
    if (this.#vkeys.length === 0) {
      this.#notChecked.fail("the targets: no verifier key was given to check the anchors' signatures with (--vkey, --trust)");
      return [];
    }
    const found: TargetSeen[] = [];
    for (const target of this.#options.targets.filter(({ name }) => !known.failed.has(name))) {
      this.#signal?.throwIfAborted();
      this.#meter.begin("targets", null, target.name);
      try {
        found.push(await this.#auditTarget(target, seen, view, known.targets.get(target.name) ?? null, vkeys));
        if (seen?.isRanged === true && seen.part.first > 0 && found.at(-1)!.counts.anchors === 0) this.#notChecked.fail(`the ledger against ${target.name}: it has no anchor of this part; audit everything`);
        await checkSiblings(target, this.#options.ledger, this.#vkeys, this.#findings, this.#notChecked, () => this.#signal?.throwIfAborted());
      } catch (error) {
        if (!(error instanceof TargetError)) throw error;
        this.#notChecked.fail(`the target ${target.name}: ${error.message}`);
      }
    }
    return found;
  }

  async #auditTarget(target: AnchorTarget, seen: PartSeen | null, view: LedgerView | null, known: KnownTarget | null, checkpoint: VkeysKnown): Promise<TargetSeen> {
    const joined = seen?.joined ?? null;
    return auditTarget(target, {
      ledger: this.#options.ledger, vkeys: this.#vkeys, hash: auditHash, verify: verifyByNode, findings: this.#findings,
      identities: this.#options.identities ?? [], acceptedBreaks: this.#options.acceptedBreaks, hasLedger: joined !== null,
      afterSize: seen?.since === null ? seen.part.first : 0, now: this.#options.now, grace: this.#options.grace ?? GRACE,
      known, checkpoint, unpinned: checkpoint.unpinned, onObject: () => this.#object(),
      joined: joined === null || view === null ? null : {
        trail: joined.trail, times: joined.times, view, size: joined.size, isPart: isRanged(this.#options.range ?? {}), clockSteps: joined.totals.clockSteps, observed: joined.times.observed.get(target.name),
      },
    });
  }

  #object(): void {
    this.#signal?.throwIfAborted();
    this.#meter.add(1);
  }
}
