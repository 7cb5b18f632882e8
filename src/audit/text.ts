/** A report for people: the verdict first, then what is wrong, then what the verdict does not cover. */
import type { AuditReport, Finding } from "./report.ts";
import { subjectOf } from "./verdict.ts";

/** Findings that are printed; the report as JSON has more. */
const MAX_PRINTED = 50;

/** Lines, the last one ended. Everything from the ledger or a target is printed without control characters. */
export function formatReport(report: AuditReport): string {
  const { counts, findings, notChecked, failedToCheck } = report;
  const lines = [report.sentence, ""];
  const wrong = findings.filter(({ severity }) => severity !== "note");
  for (const finding of wrong.slice(0, MAX_PRINTED)) lines.push(...formatFinding(finding));
  const all = Object.values(report.findingCounts).reduce((sum, count) => sum + count, 0);
  const notes = findings.filter(({ severity }) => severity === "note");
  if (wrong.length > MAX_PRINTED || all > findings.length) {
    lines.push(`  … ${all - notes.length} findings in all: ${Object.entries(report.findingCounts).map(([code, count]) => `${code} ${count}`).join(", ")}`);
  }
  const consequences = Object.entries(report.consequences);
  if (consequences.length > 0) lines.push(`Follows from these: ${consequences.map(([code, count]) => `${code} ${count}`).join(", ")}.`);
  if (wrong.length > 0) lines.push("");
  lines.push(...notes.map(({ message }) => `Note: ${message}.`));
  lines.push(...failedToCheck.map((what) => `Could not check ${what}.`));
  if (notChecked.length > 0) lines.push("Not checked:", ...notChecked.map((what) => `  - ${what}`));
  if (report.scope.ledger) {
    lines.push(`Ledger ${report.ledger.origin} ${report.ledger.ledgerId}: ${counts.receipts} receipts of ${counts.organizations} organizations, ${counts.batches} batches, ${counts.pending} pending.`);
  } else {
    lines.push(`Ledger ${report.ledger.origin} ${report.ledger.ledgerId}: not read.`);
  }
  for (const target of counts.targets) {
    const newest = target.newestTime === null ? "none" : `newest of ${target.newestSize} receipts at ${target.newestTime}`;
    lines.push(`Target ${target.target}: ${target.anchors} anchors, ${target.batches} batches; ${newest}.`);
  }
  lines.push(`${(report.elapsedMs / 1000).toFixed(1)} s, ${report.receiptsPerSecond} receipts/s.`);
  return `${lines.map(printable).join("\n")}\n`;
}

function formatFinding(finding: Finding): string[] {
  const { severity, code, message, at, expected, found, also, changedAfter, organization } = finding;
  const lines = [`${severity} ${code}: ${subjectOf(finding)}${message}`];
  const where = [organization === undefined ? "" : `organization ${organization}`, at === undefined ? "" : `at ${at}`].filter((part) => part !== "").join(", ");
  if (where !== "") lines.push(`    ${where}`);
  if (expected !== undefined) lines.push(`    expected ${expected}`);
  if (found !== undefined) lines.push(`    found    ${found}`);
  if (also !== undefined && also.length > 0) lines.push(`    also     ${also.join(", ")}`);
  if (changedAfter !== undefined) {
    lines.push(`    changed after ${changedAfter.time}, when ${changedAfter.target} had the anchor of the first ${changedAfter.treeSize} receipts`);
  }
  return lines;
}

function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�");
}
