/**
 * What the record of an earlier audit knows, held against what is there now, whatever is read again and whatever the targets are
 * called: which ledger it was, with which keys, and which root it had at which size (docs/FORMAT.md section 13.5).
 */
import { fromHex } from "../format/bytes.ts";
import { count } from "../format/count.ts";
import type { AuditOptions } from "./audit.ts";
import type { LedgerView } from "./ledger-view.ts";
import { type AuditRecord, recordProblem, type TargetRecord } from "./record.ts";
import type { Findings } from "./report.ts";
import type { NotChecked } from "./verdict.ts";

export interface Held {
  /** Why the record says nothing about this audit's targets, in words; null where it does. */
  readonly problem: string | null;
  /** Is the ledger another than it was? Then nothing is taken over. */
  readonly isOther: boolean;
}

/** `view`: null where the ledger is gone, or cannot be read. */
export function holdRecord(
  record: AuditRecord, options: AuditOptions, view: LedgerView | null, findings: Findings, notChecked: NotChecked,
): Held {
  const { ledger: { origin, ledgerId }, vkeys, now } = options;
  const problem = recordProblem(record, options.ledger, vkeys, now);
  if (record.origin !== origin) {
    notChecked.fail(`the ledger against the record of the earlier audit: ${problem!}, and of another origin`);
    return { problem, isOther: true };
  }
  if (record.ledger_id !== ledgerId) {
    const key = record.vkeys.some((vkey) => vkeys.includes(vkey)) ? "and key" : "and none of the keys that are given now";
    findings.add({
      severity: "violation", code: "ledger_replaced", expected: record.ledger_id, found: ledgerId,
      message: `this is not the ledger of the audit of ${record.made_at}, which had the same origin ${key}: another was begun in its place`,
    });
    return { problem, isOther: true };
  }
  if (problem !== null) notChecked.fail(`the ledger against the record of the earlier audit: ${problem}`);
  if (view === null) {
    for (const { target } of notGiven(record, options)) {
      notChecked.fail(`the target ${target}: the audit of ${record.made_at} saw it, it is not given now, and there is no ledger to hold against what it had`);
    }
    return { problem, isOther: false };
  }
  const isOther = !continues(record, view, findings);
  if (!isOther) {
    for (const { target, newest } of notGiven(record, options)) {
      notChecked.add(`the target ${target}, which the audit of ${record.made_at} saw and which is not given now: only that the ledger still has the root that was anchored there for ${count(newest.tree_size, "receipt")}`);
    }
  }
  return { problem, isOther };
}

/** What the record says of targets that are not among those of this audit. */
export function notGiven({ targets }: AuditRecord, { targets: given }: AuditOptions): readonly TargetRecord[] {
  return targets.filter(({ target }) => given.every(({ name }) => name !== target));
}

/** Has the ledger the root of each target's newest anchor still, and the one that it had at its end? What is not so is reported, once for each root. */
function continues({ made_at, targets, ledger }: AuditRecord, view: LedgerView, findings: Findings): boolean {
  const hasStill = (treeSize: number, root: string, where: string): boolean => {
    const error = view.compare({ treeSize, root: fromHex(root.slice("sha256:".length), 32)! });
    if (error === null) return true;
    findings.add({
      severity: "violation", code: error.code, expected: error.expected, found: error.found,
      message: error.code === "ledger_behind"
        ? `the ledger has fewer receipts than at the audit of ${made_at}, ${where}: it was cut or restored from a backup`
        : `the ledger's first receipts are not what they were at the audit of ${made_at}, ${where}: the root of ${count(treeSize)} is another`,
    });
    return false;
  };
  let isSame = true;
  for (const known of Map.groupBy(targets, ({ newest }) => `${newest.tree_size} ${newest.root}`).values()) {
    const { tree_size: treeSize, root } = known[0]!.newest;
    if (!hasStill(treeSize, root, `which saw ${count(treeSize)} anchored at ${known.map(({ target }) => target).join(", ")}`)) isSame = false;
  }
  return isSame && (ledger === null || hasStill(ledger.size, ledger.root, `which read ${count(ledger.size)} of them`));
}
