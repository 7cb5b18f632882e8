/**
 * What an audit takes over from the record of an earlier one, and what it hands on (docs/FORMAT.md section 13.5): the part of each
 * target that is listed as it was, and the anchor behind which the ledger is read. Only where every target is as it was does the
 * ledger's audit begin there: an anchor that is missing from an old part is found by whoever has all of the ledger's.
 */
import { TargetError } from "../anchor/target.ts";
import type { Vkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import type { AuditOptions } from "./audit.ts";
import { auditHash } from "./hash.ts";
import type { LedgerView } from "./ledger-view.ts";
import { isRanged } from "./range.ts";
import { Recall, type Recalled } from "./recall.ts";
import { type AuditRecord, recordProblem, type TargetRecord } from "./record.ts";
import type { Findings } from "./report.ts";
import type { NotChecked } from "./verdict.ts";

const SAMPLE = 32;

export interface KnownTarget {
  /** What the record says of it. */
  readonly record: TargetRecord;
  /** Of that, what is not read again; null: it is read in full. */
  readonly recalled: Recalled | null;
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

/** Looks at the targets for what the record `since` says of them. */
export async function knownBy(since: AuditRecord, options: AuditOptions, knowing: KnowingOptions): Promise<Known> {
  const { findings, notChecked } = knowing;
  const targets = new Map<string, KnownTarget>();
  const failed = new Set<string>();
  if (knowing.vkeys.length === 0) return NOTHING_KNOWN;
  for (const target of options.targets) {
    knowing.onTarget(target.name);
    const record = recordOfTarget(target.name, since, options, findings);
    if (record === null) continue;
    try {
      const recalled = await new Recall(target, {
        ledger: options.ledger, vkeys: knowing.vkeys, hash: auditHash, verify: verifyByNode, findings, identities: [], hasLedger: knowing.view !== null, afterSize: 0,
        onObject: knowing.onObject, record, since: since.made_at, sample: options.sample ?? SAMPLE, now: options.now, view: knowing.view, isLockNeeded: options.allReceipts === true,
      }).run();
      targets.set(target.name, { record, recalled });
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      failed.add(target.name);
      notChecked.fail(`the target ${target.name}: ${error.message}`);
    }
  }
  const recalled = options.targets.filter(({ name }) => !failed.has(name)).map(({ name }) => targets.get(name)?.recalled ?? null);
  const anchor = knowing.view === null ? null : anchorBehind(recalled, since, options, findings);
  return { targets, failed, anchor };
}

/** The record's part on one target; null, reported, where it has none. */
function recordOfTarget(target: string, since: AuditRecord, { ledger, vkeys }: AuditOptions, findings: Findings): TargetRecord | null {
  const problem = recordProblem(since, ledger, vkeys);
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
  if (keys !== null && !receipts.macs) return inFull("the earlier audit did not check the MACs");
  if (keys !== null && keys.requestSecret !== null && !receipts.request_macs) return inFull("the earlier audit did not check request_mac");
  return anchors[0] ?? inFull("no target has an anchor that the earlier audit saw");
}

/** Says why the ledger is read from its beginning. */
export function ledgerInFull(why: string, findings: Findings): void {
  findings.add({ severity: "note", code: "read_in_full", message: `the ledger is read in full: ${why}` });
}

/** What a later audit need not read again. `first`: where the ledger's audit began; null: there was none. */
export function recordOf(options: AuditOptions, targets: readonly (TargetRecord | null)[], first: number | null): AuditRecord {
  const { ledger, vkeys, keys, now, program, since } = options;
  const made_at = formatTime(now);
  const read = { read_at: made_at, macs: keys !== null, request_macs: keys !== null && keys.requestSecret !== null };
  const before = since?.receipts ?? read;
  const receipts = first === 0 ? read : { read_at: before.read_at, macs: read.macs && before.macs, request_macs: read.request_macs && before.request_macs };
  return {
    receiptd_audit: 1, made_at, made_by: program ?? "receiptd", origin: ledger.origin, ledger_id: ledger.ledgerId, vkeys: [...vkeys],
    receipts: first === null ? null : receipts,
    targets: targets.flatMap((record) => (record === null ? [] : [record])),
  };
}
