/** `receiptd report`: an audit of a period, and what its receipts are about, as a page to read and a file that the ledger's key has signed. */
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { openSigner } from "../anchor/signer.ts";
import { AnchorError } from "../anchor/errors.ts";
import { checkpointPeriods, signingKeyOf } from "../daemon/checkpoint-key.ts";
import { signNote } from "../format/note.ts";
import { formatReportFile, type Report, reportText } from "../format/report.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { KeyError } from "../keys/errors.ts";
import type { Keyring } from "../keys/keyring.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { attestedBy, newestAttestations } from "../ledger/attestations.ts";
import { addAuditOptions, type AuditOptions, runAudit } from "./audit-run.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { auditorsOf } from "./evidence.ts";
import { withReader } from "./ledger-files.ts";
import { periodOf } from "./period.ts";
import { contentOf, type ReportContent } from "./report-content.ts";
import { reportPage } from "./report-page.ts";
import { snakeCased } from "./snake-case.ts";
import { printable } from "./table.ts";
import { versionText } from "./version.ts";

interface ReportOptions extends Omit<AuditOptions, "from" | "to" | "since" | "record" | "allReceipts" | "ledgerGone"> {
  readonly period: string;
  readonly output?: string;
  readonly jsonOut?: string;
  readonly refusal?: readonly string[];
  readonly auditor?: readonly string[];
  /** False with --no-sign. */
  readonly sign: boolean;
}

/** By whom it is signed, or why by nobody. */
type Signed = { readonly note: string; readonly vkey: string } | { readonly note: null; readonly why: string };

export function addReport(program: Command, run: Run): void {
  addAuditOptions(program.command("report")
    .summary("a report on a period")
    .description("Audits a period, and writes what it found and what the receipts of that time are about: a page to read and to print, and a file that is signed with the ledger's key where this host has it. Exit code as of audit: 0: all is well; 1: something is wrong; 2: something could not be checked.")
    .requiredOption("--period <period>", "a year, quarter, month or days, UTC: 2026, 2026-Q3, 2026-09, 2026-09-01..2026-09-30")
    .option("-o, --output <file>", "write the page to this new file")
    .option("--json-out <file>", "write the signed file to this new file")
    .option("--organization <name>", "only this organization's receipts")
    .option("--refusal <action>", "an action of yours by which nothing is done, so that a failed gate was heeded; may be given several times", collect)
    .option("--auditor <vkey>", "say how far this auditor has attested, beside those that are configured; may be given several times", collect)
    .option("--no-sign", "do not sign the file, though this host could"))
    .addHelpText("after", examples([
      "receiptd report --period 2026-Q3 -o report.html --json-out report.json", "receiptd report --period 2026-09 --organization loans -o loans.html --replay 'python3 model.py --replay'", "receiptd verify-bundle report.json --vkey 'receipts.example.com/loans+1a2b3c4d+AQ…'",
    ]))
    .action(run(report));
}

async function report(cli: Cli, options: ReportOptions): Promise<ExitCode> {
  const period = periodOf(options.period);
  const files = [options.output, options.jsonOut].filter((name) => name !== undefined);
  if (files.length === 0 && !cli.json) throw new CliError("bad_usage", "it is not said where the report is to go", "name a file with -o (the page) or --json-out (the signed file)");
  if (new Set(files).size < files.length) throw new CliError("bad_usage", "the page and the signed file cannot be one file");
  for (const name of files) if (existsSync(name)) throw new CliError("bad_usage", `${name} is there already`, "name a new file"); // before the work, and not behind it
  const program = `receiptd ${versionText()}`;
  const { report: audit, seen, keyring } = await runAudit(cli, { ...options, from: period.from, to: period.to }, { refusals: options.refusal ?? [] });
  const now = Date.now();
  const content = contentOf({ program, period, now, attested: seen === null ? null : await attested(cli, options) }, audit, seen);
  const made: Report = {
    ledger: audit.ledger.origin, ledgerId: audit.ledger.ledgerId, period: { from: period.from, to: period.to }, madeAt: formatTime(now),
    verdict: audit.verdict, sentence: wellFormed(audit.sentence) as string, content: wellFormed(snakeCased(content)) as { readonly [name: string]: Json },
  };
  const text = reportText(made, nodeHash);
  const signed = await signedBy(cli, options, keyring, text);
  const file = formatReportFile(made, signed.note);
  if (options.jsonOut !== undefined) writeFileSync(options.jsonOut, file, { flag: "wx" });
  if (options.output !== undefined) writeFileSync(options.output, page(content, made, text, signed), { flag: "wx" });
  if (cli.json) process.stdout.write(file);
  else cli.line(summary(content, options, signed).map(printable).join("\n"));
  return audit.exitCode;
}

function page(content: ReportContent, { madeAt }: Report, text: string, signed: Signed): string {
  return reportPage(content, {
    madeAt, digest: text.split("\n")[1]!, signedBy: signed.note === null ? null : signed.vkey, why: signed.note === null ? signed.why : null,
    styleHash: (style) => createHash("sha256").update(style).digest("base64"),
  });
}

function summary({ audit }: ReportContent, { output, jsonOut }: ReportOptions, signed: Signed): readonly string[] {
  const by = signed.note === null ? `signed by nobody: ${signed.why}` : `signed by ${signed.vkey}`;
  return [
    audit.sentence,
    ...(output === undefined ? [] : [`The report is in ${output}.`]),
    ...(jsonOut === undefined ? [] : [`The file is in ${jsonOut}, ${by}.${signed.note === null ? "" : ` Whoever gets it needs the vkey by another way: receiptd verify-bundle ${jsonOut} --vkey …`}`]),
  ];
}

async function attested(cli: Cli, options: ReportOptions): Promise<ReportContent["attested"]> {
  const auditors = auditorsOf(cli, options);
  if (auditors.length === 0) return null;
  return await withReader(cli, options, (reader) => attestedBy(reader, auditors, newestAttestations(reader, auditors, verifyByNode)));
}

/** With the key of anchors, where it can be had; a report without is one all the same. */
async function signedBy(cli: Cli, options: ReportOptions, keyring: Keyring | null, text: string): Promise<Signed> {
  if (!options.sign) return { note: null, why: "it was not to be signed" };
  if (keyring === null) return { note: null, why: "this host has not the ledger's key, or was not to use it" };
  try {
    const key = signingKeyOf(cli.config, await withReader(cli, options, (reader) => checkpointPeriods(reader, keyring.checkpointKeys)));
    return { note: await signNote(text, openSigner(key)), vkey: key.vkey };
  } catch (error) {
    if (!(error instanceof KeyError || error instanceof AnchorError)) throw error;
    return { note: null, why: error.message };
  }
}

/** Errors of the system and its servers are quoted in it, which may hold what no strict JSON does. */
function wellFormed(value: unknown): Json {
  if (typeof value === "string") return value.toWellFormed().replaceAll("\0", "�");
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined).map(([name, member]) => [name, wellFormed(member)]));
  return value as Json;
}
