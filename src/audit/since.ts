/**
 * What an audit takes over from the record of an earlier one, and what it hands on (docs/FORMAT.md section 13.5): the part of each
 * target that is listed as it was, and the anchor behind which the ledger is read. Only where every target is as it was does the
 * ledger's audit begin there: an anchor that is missing from an old part is found by whoever has all of the ledger's.
 */
import { TargetError } from "../anchor/target.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import type { Vkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import type { AuditOptions } from "./audit.ts";
import { auditHash } from "./hash.ts";
import { holdRecord, notGiven } from "./held.ts";
import { MAX_KEYS } from "./keys-seen.ts";
import type { LedgerView } from "./ledger-view.ts";
import { isRanged } from "./range.ts";
import { Recall, type Recalled } from "./recall.ts";
import { type AuditRecord, type BreakRecord, RECORD_VERSION, type RevokedRecord, type TargetRecord } from "./record.ts";
import type { AuditReport, Findings } from "./report.ts";
import type { TargetSeen } from "./target-audit.ts";
import type { NotChecked, PartSeen } from "./verdict.ts";
import { type VkeysKnown, vkeysRecord } from "./vkeys.ts";

const SAMPLE = 32;

export interface KnownTarget {
  /** What the record says of it. */
  readonly record: TargetRecord;
  /** When the record was made, RFC 3339. */
  readonly madeAt: string;
  /** Of that, what is not read again; null: it is read in full. */
  readonly recalled: Recalled | null;
  /** Is the newest anchor of the record not listed any more, which is reported? */
  readonly isMissed: boolean;
}

export interface Known {
  /** By name, those of which the record says anything. */
  readonly targets: ReadonlyMap<string, KnownTarget>;
  /** Targets that did not answer, which is said. */
  readonly failed: ReadonlySet<string>;
  /** Read and verified now: the ledger's first receipts are those of this anchor. Null: all are read. */
  readonly anchor: AnchorFacts | null;
}

export const NOTHING_KNOWN: Known = { targets: new Map(), failed: new Set(), anchor: null };

export interface KnowingOptions {
  readonly vkeys: readonly Vkey[];
  readonly findings: Findings;
  readonly notChecked: NotChecked;
  /** null: the ledger is gone, or cannot be read. */
  readonly view: LedgerView | null;
  readonly onTarget: (name: string) => void;
  readonly onObject: () => void;
}

/** Holds the record `since` against the ledger, and looks at the targets for what it says of them. */
export async function knownBy(since: AuditRecord, options: AuditOptions, knowing: KnowingOptions): Promise<Known> {
  const { findings, notChecked, view } = knowing;
  const { problem, isOther } = holdRecord(since, options, view, findings, notChecked);
  const targets = new Map<string, KnownTarget>();
  const failed = new Set<string>();
  if (knowing.vkeys.length === 0) return NOTHING_KNOWN;
  for (const target of options.targets) {
    knowing.onTarget(target.name);
    const record = recordOfTarget(target.name, since, problem, findings);
    if (record === null) continue;
    try {
      const recall = new Recall(target, {
        ledger: options.ledger, vkeys: knowing.vkeys, hash: auditHash, verify: verifyByNode, findings, identities: [], hasLedger: view !== null, afterSize: 0,
        onObject: knowing.onObject, record, since: since.made_at, isOther, sample: options.sample ?? SAMPLE, now: options.now, isLockNeeded: options.allReceipts === true,
      });
      const recalled = await recall.run();
      targets.set(target.name, { record, madeAt: since.made_at, recalled, isMissed: recall.isMissed });
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      failed.add(target.name);
      notChecked.fail(`the target ${target.name}: ${error.message}`);
    }
  }
  const recalled = options.targets.filter(({ name }) => !failed.has(name)).map(({ name }) => targets.get(name)?.recalled ?? null);
  const anchor = view === null || isOther ? null : anchorBehind(recalled, since, options, findings);
  return { targets, failed, anchor };
}

/** The record's part on one target; null, reported, where it has none. */
function recordOfTarget(target: string, since: AuditRecord, problem: string | null, findings: Findings): TargetRecord | null {
  const record = problem === null ? since.targets.find((one) => one.target === target) : undefined;
  if (record !== undefined) return record;
  findings.add({ severity: "note", code: "read_in_full", message: `${target} is read in full: the record of the earlier audit says nothing about it${problem === null ? "" : `, because ${problem}`}` });
  return null;
}

/** The newest anchor that all targets have had before; the ledger's root there was compared with each. */
function anchorBehind(recalled: readonly (Recalled | null)[], { receipts }: AuditRecord, { allReceipts, range, keys }: AuditOptions, findings: Findings): AnchorFacts | null {
  if (allReceipts === true || isRanged(range ?? {}) || recalled.includes(null)) return null;
  const inFull = (why: string): null => {
    ledgerInFull(why, findings);
    return null;
  };
  const anchors = recalled.map((one) => one!.newest.facts).toSorted((a, b) => a.treeSize - b.treeSize);
  if (receipts === null) return inFull("the earlier audit was one of the targets alone");
  if (checksAllMacs(keys) && !receipts.macs) return inFull("the earlier audit did not check all MACs");
  if (keys !== null && keys.requestSecret !== null && !receipts.request_macs) return inFull("the earlier audit did not check request_mac");
  return anchors[0] ?? inFull("no target has an anchor that the earlier audit saw");
}

/** Not so on the host of a forward-secure key. */
function checksAllMacs(keys: AuditOptions["keys"]): boolean {
  return keys !== null && (keys.sealed ?? []).length === 0;
}

/** Says why the ledger is read from its beginning. */
export function ledgerInFull(why: string, findings: Findings): void {
  findings.add({ severity: "note", code: "read_in_full", message: `the ledger is read in full: ${why}` });
}

/** What a record is made of. */
interface Kept {
  readonly targets: readonly TargetSeen[];
  /** Of the ledger; null: it was not read. */
  readonly part: PartSeen | null;
  readonly revoked: readonly RevokedRecord[];
  readonly breaks: readonly BreakRecord[];
  readonly vkeys: VkeysKnown;
}

/** Gives what is to be kept to whoever asked for it, and says of it in the report; `onRecord` undefined: nobody did. */
export function keepRecord(
  report: AuditReport, options: AuditOptions, kept: Kept, onRecord: ((record: AuditRecord) => void) | undefined,
): AuditReport {
  if (onRecord === undefined) return report;
  const record = recordOf(options, kept, report);
  const why = whyNone(report, options) ?? whyLess(record, options);
  if (why !== null) return { ...report, record: { isMade: false, why, readInFull: [] } };
  onRecord(record);
  const readInFull = kept.targets.flatMap(({ counts: { target }, record }) => (record === null ? [{ target, why: "none of its anchors counts" }]
    : record.listing === null ? [{ target, why: "not everything there is locked as it should be" }] : []));
  return { ...report, record: { isMade: true, why: null, readInFull } };
}

function whyNone({ verdict }: AuditReport, { range }: AuditOptions): string | null {
  if (verdict === "findings") return "something is wrong";
  if (verdict === "not_checked") return "not everything could be checked";
  return isRanged(range ?? {}) ? "it was an audit of a part" : null;
}

/** Whoever audits without the old record would lose what it can hold against a ledger that was rolled back. */
function whyLess({ origin, ledger_id: id, targets, ledger, revoked }: AuditRecord, { replaces }: AuditOptions): string | null {
  if (replaces === undefined || replaces.origin !== origin || replaces.ledger_id !== id) return null;
  const more = replaces.targets.find(({ target, newest }) => targets.every((one) => one.target !== target || one.newest.tree_size < newest.tree_size));
  const advice = "which this audit did not: hold the ledger against that with --since, or remove it";
  if (more !== undefined) return `the one in its place has seen ${count(more.newest.tree_size, "receipt")} anchored at ${more.target}, ${advice}`;
  const forgotten = replaces.revoked.find(({ key_id, since }) => revoked.every((one) => one.key_id !== key_id || Date.parse(one.since) > Date.parse(since)));
  if (forgotten !== undefined) return `the one in its place says that ${forgotten.key_id} is revoked since ${forgotten.since}, which nobody told this audit: go on from it with --since, or remove it`;
  const size = replaces.ledger?.size ?? 0;
  return size <= (ledger?.size ?? 0) ? null : `the one in its place is of an audit that read ${count(size, "receipt")}, ${advice}`;
}

function keyIds({ since }: AuditOptions, part: PartSeen | null): string[] | null {
  if (since !== undefined && since.key_ids === null) return null;
  const ids = new Set([...(since?.key_ids ?? []), ...(part?.joined.keys.keys ?? []).map(({ keyId }) => keyId)]);
  return ids.size < MAX_KEYS ? [...ids] : null;
}

/** What a later audit need not read again, and what it holds against what it finds. */
function recordOf(options: AuditOptions, { targets, part, revoked, breaks, vkeys: named }: Kept, { scope, counts, macsChecked, notChecked }: AuditReport): AuditRecord {
  const { ledger, vkeys, keys, now, program, since } = options;
  const made_at = formatTime(now);
  const read = { read_at: made_at, macs: checksAllMacs(keys), request_macs: keys !== null && keys.requestSecret !== null };
  const before = since?.receipts ?? read;
  const checked = Object.values(macsChecked).reduce((sum, n) => sum + n, 0);
  const receipts = part?.part.first === 0 ? read : { read_at: before.read_at, macs: read.macs && before.macs, request_macs: read.request_macs && before.request_macs };
  return {
    receiptd_audit: RECORD_VERSION, made_at, made_by: program ?? "receiptd", origin: ledger.origin, ledger_id: ledger.ledgerId, vkeys: [...vkeys],
    ledger: part === null ? since?.ledger ?? null : { size: part.joined.size, root: hashText(part.joined.root()) },
    receipts: part === null ? null : receipts,
    audit: { verdict: "ok", read_from: scope.firstIndex, macs_checked: checked, macs_not_checked: counts.receipts - checked, not_checked: [...notChecked] },
    revoked: [...revoked],
    key_ids: keyIds(options, part),
    breaks: [...breaks],
    checkpoint_keys: vkeysRecord(named),
    // of a target that was not given the ledger still has the root, or there would be no record
    targets: [...targets.flatMap(({ record }) => (record === null ? [] : [record])), ...(since === undefined ? [] : notGiven(since, options))],
  };
}
