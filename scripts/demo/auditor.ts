/** The auditor: pins the ledger's public key, runs `receiptd audit`, and says whether a report is what a step is to show. */
import { readFileSync } from "node:fs";
import type { Host } from "./hosts.ts";
import { lines, type Outcome, receiptd } from "./processes.ts";

interface Finding {
  readonly severity: "violation" | "interference" | "note";
  readonly code: string;
  readonly message: string;
  readonly log_index?: number;
  readonly receipt_number?: string;
  readonly object?: { readonly target: string; readonly name: string };
  readonly changed_after?: { readonly tree_size: number; readonly time: string };
}

/** What `receiptd audit --json` prints, as far as it is used here. */
interface AuditReport {
  readonly exit_code: number;
  readonly sentence: string;
  readonly findings: readonly Finding[];
}

/** With a file of pinned vkeys. The exit code of the process is the one that is believed. */
export async function audit(host: Host, pins: string): Promise<AuditReport> {
  const outcome = await receiptd(host, "audit", "--trust", pins);
  const report = parse(outcome);
  if (report.exit_code !== outcome.code) throw new Error(`the audit ended with ${outcome.code}, its report says ${report.exit_code}`);
  return report;
}

function parse({ code, stdout, stderr }: Outcome): AuditReport {
  try {
    return JSON.parse(stdout) as AuditReport;
  } catch {
    throw new Error(`the audit ended with ${code} without a report: ${stderr.trim()}`);
  }
}

/** The audit's one sentence where it finds nothing; throws otherwise. */
export async function passes(host: Host, pins: string): Promise<string> {
  const { exit_code, sentence, findings } = await audit(host, pins);
  if (exit_code !== 0) throw new Error([`it should have passed, but: ${sentence}`, ...findings.map(told)].join("\n            "));
  return sentence;
}

/** What the audit finds, where one of its findings is the expected one: the code, and where it is. Throws otherwise. */
export async function catches(host: Host, pins: string, isExpected: (finding: Finding) => boolean): Promise<string> {
  return caughtIn(await audit(host, pins), isExpected);
}

/** The same in an audit that is there: of several attacks at once. */
export function caughtIn({ exit_code, sentence, findings }: AuditReport, isExpected: (finding: Finding) => boolean): string {
  const found = findings.find((finding) => finding.severity !== "note" && isExpected(finding));
  if (exit_code !== 1 || found === undefined) throw new Error([`NOT caught as it should be: ${sentence}`, ...findings.map(told)].join("\n            "));
  return told(found);
}

function told({ code, message, log_index, receipt_number, object, changed_after }: Finding): string {
  const where = receipt_number ?? (object === undefined ? log_index === undefined ? "the ledger" : `log index ${log_index}` : shortName(object.name));
  const since = changed_after === undefined ? "" : `; changed after ${changed_after.time.slice(11, 19)}, when the first ${changed_after.tree_size} receipts were anchored`;
  return `${code} at ${where}: ${message}${since}`;
}

/** `anchors/…1004-3f2a…tlog-proof` of an object's full name. */
function shortName(name: string): string {
  return name.replace(/^.*\/(anchors|batches)\/0*/, "$1/…").replace(/-([0-9a-f]{8})[0-9a-f]{56}\./, "-$1….");
}

interface Listed {
  readonly receipt_id: string;
  readonly receipt_hash: string;
}

/** What writers kept against what the ledger has: how many acknowledged receipts are there, changed, and gone. */
export async function compare(acknowledgements: string, host: Host): Promise<{ readonly same: number; readonly changed: number; readonly gone: number }> {
  const listed = await lines<Listed>(host, "list", "--organization", "loans", "--limit", "0");
  const stored = new Map(listed.map((one) => [one.receipt_id, one.receipt_hash]));
  const kept = readFileSync(acknowledgements, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Listed);
  const isSame = (one: Listed): boolean => stored.get(one.receipt_id) === one.receipt_hash;
  const gone = kept.filter((one) => !stored.has(one.receipt_id)).length;
  const same = kept.filter(isSame).length;
  return { same, changed: kept.length - same - gone, gone };
}
