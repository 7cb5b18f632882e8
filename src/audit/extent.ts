/** A ledger's file as a whole: whether SQLite can read its pages and its log, and how many receipts there are. */
import type { Inspector } from "../ledger/inspect.ts";
import { damagedLog } from "../ledger/left-over.ts";
import { unlessCorrupt } from "./places.ts";
import type { Findings } from "./report.ts";

/** One look of SQLite over its own pages, the only statement of an audit that takes longer as the ledger grows (about a second for a GB). */
export function checkStructure(inspector: Inspector, findings: Findings): void {
  const damaged = (message: string): void => findings.add({ severity: "violation", code: "ledger_corrupt", message: `the ledger's file is damaged: ${message}` });
  for (const text of unlessCorrupt(() => inspector.structure(), damaged) ?? []) damaged(text.split("\n").join("; ").slice(0, 300));
}

/** Beside a daemon: what it has in memory leads past the damage. To whoever opens the ledger after it, the receipts behind it are not there. */
export function checkLog(ledgerPath: string, findings: Findings): void {
  const message = damagedLog(ledgerPath);
  if (message !== null) findings.add({ severity: "violation", code: "wal_damaged", message });
}

/** Receipts, by the newest log_index. */
export function sizeOf(inspector: Inspector, findings: Findings): number {
  const extent = unlessCorrupt(() => inspector.extent(), (message) => {
    findings.add({ severity: "violation", code: "ledger_corrupt", message: `a table cannot be read to its end: ${message}` });
  });
  return (extent?.receipt?.[1] ?? lastAnchor(inspector) - 1) + 1;
}

/** Where the end of the receipts cannot be read. */
function lastAnchor(inspector: Inspector): number {
  let last = 0;
  for (;;) {
    const newest = unlessCorrupt(() => inspector.anchors(last, 1024).at(-1)?.treeSize, () => undefined);
    if (newest === undefined || !(newest > last)) return last;
    last = newest;
  }
}
