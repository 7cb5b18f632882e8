/** A report for people: the verdict first, then what is wrong, then what the verdict does not cover. */
import { count } from "../format/count.ts";
import type { ReplayCounts } from "./replay.ts";
import type { AuditReport, Finding, KeyReport, RecordMade } from "./report.ts";
import { ended, subjectOf } from "./verdict.ts";

/** Findings that are printed; the report as JSON has more. */
const MAX_PRINTED = 50;

/** Lines, the last one ended. Everything from the ledger or a target is printed without control characters. */
export function formatReport(report: AuditReport): string {
  const { counts, findings, notChecked, failedToCheck } = report;
  const lines = [report.sentence, ""];
  const wrong = findings.filter(({ severity }) => severity !== "note");
  for (const finding of wrong.slice(0, MAX_PRINTED)) lines.push(...formatFinding(finding));
  const all = Object.values(report.findingCounts).reduce((sum, n) => sum + n, 0);
  const notes = findings.filter(({ severity }) => severity === "note");
  if (wrong.length > MAX_PRINTED || all > findings.length) {
    lines.push(`  … ${all - notes.length} findings in all: ${Object.entries(report.findingCounts).map(([code, n]) => `${code} ${n}`).join(", ")}`);
  }
  const consequences = Object.entries(report.consequences);
  if (consequences.length > 0) lines.push(`Follows from these: ${consequences.map(([code, n]) => `${code} ${n}`).join(", ")}.`);
  if (wrong.length > 0) lines.push("");
  lines.push(...notes.map(({ message }) => ended(`Note: ${message}`)));
  lines.push(...failedToCheck.map((what) => ended(`Could not check ${what}`)));
  if (notChecked.length > 0) lines.push("Not checked:", ...notChecked.map((what) => `  - ${what}`));
  if (report.record !== null) lines.push(...recordLines(report.record));
  if (report.replay !== null) lines.push(replayLine(report.replay));
  if (report.scope.ledger) {
    lines.push(`Ledger ${report.ledger.origin} ${report.ledger.ledgerId}: ${count(counts.receipts, "receipt")} of ${count(counts.organizations, "organization")}, ${count(counts.batches, "batch", "batches")}, ${count(counts.pending)} pending.`);
  } else {
    lines.push(`Ledger ${report.ledger.origin} ${report.ledger.ledgerId}: not read.`);
  }
  if (report.keys.length > 1 || report.keys.some(({ revoked }) => revoked !== null)) lines.push(...report.keys.map(keyLine));
  for (const target of counts.targets) {
    const newest = target.newestTime === null ? "none" : `newest of ${count(target.newestSize, "receipt")} at ${target.newestTime}`;
    const locked = target.lockedUntil === null ? "" : `; locked until ${target.lockedUntil} or later`;
    lines.push(`Target ${target.target}: ${count(target.anchors, "anchor")}, ${count(target.batches, "batch", "batches")}; ${newest}${locked}.`);
    const { archive } = target;
    if (archive.objects > 0) lines.push(`  Archive: ${count(archive.receipts, "receipt")} read in ${count(archive.objects, "object")}.`);
    if (target.remembered !== null) {
      const { since, anchors, batches, versions, readAgain } = target.remembered;
      lines.push(`  Of these ${count(target.anchors - anchors, "anchor")} and ${count(target.batches - batches, "batch", "batches")} were read now; ${count(anchors, "anchor")} and ${count(batches, "batch", "batches")} are listed (in ${count(versions, "version")}) as at the audit of ${since}, and ${count(readAgain, "version")} of them ${readAgain === 1 ? "was" : "were"} read again.`);
    }
  }
  lines.push(`${(report.elapsedMs / 1000).toFixed(1)} s, ${count(report.receiptsPerSecond)} receipts/s.`);
  return `${lines.map(printable).join("\n")}\n`;
}

function keyLine({ keyId, receipts, firstIndex, lastIndex, firstAt, lastAt, macsChecked, revoked, suspect }: KeyReport): string {
  const when = firstAt === null || lastAt === null ? "" : `, recorded ${firstAt} to ${lastAt}`;
  const doubt = revoked === null ? "" : `; revoked since ${revoked.since}, ${suspect === 0 ? "before which all of them were anchored" : `${count(suspect)} of them suspect`}`;
  return `Key ${keyId}: ${count(receipts, "receipt")}, ${firstIndex} to ${lastIndex}${when}; ${count(macsChecked, "MAC")} checked${doubt}.`;
}

function replayLine({ seed, decisions, drawn, same, differ, unanswered, notReplayable: { none, hashed, sealed } }: ReplayCounts): string {
  return `Made again: ${count(drawn)} of ${count(decisions, "decision")}: ${count(same)} the same, ${count(differ)} otherwise, ${count(unanswered)} not answered, ${count(none + hashed + sealed)} not replayable; drawn with --sample-seed ${seed}.`;
}

function recordLines({ isMade, why, readInFull }: RecordMade): string[] {
  if (!isMade) return [`No record of this audit is kept, because ${why!}.`];
  return readInFull.map(({ target, why: because }) => `The record has nothing at ${target} that a later audit could leave unread: ${because}.`);
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
