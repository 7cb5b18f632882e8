/** `receiptd verify-bundle`: a file of evidence, an export or a report, offline. Neither a ledger nor a configuration is needed. */
import { readFileSync } from "node:fs";
import { Argument, type Command } from "commander";
import { InputFile, readBounded } from "../config/input-file.ts";
import { hashText } from "../format/chain.ts";
import { type Cosigner, parseCosigner } from "../format/cosignature.ts";
import { FormatError } from "../format/errors.ts";
import { MAX_EVIDENCE_BYTES, readEvidence } from "../format/evidence.ts";
import { isExport, MAX_EXPORT_HEADER, readExportHeader } from "../format/export.ts";
import type { PublishedAt } from "../format/members.ts";
import { isReport } from "../format/report.ts";
import { parseVkey } from "../format/note.ts";
import type { Json } from "../format/strict-json.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { type ChainRecordsFacts, verifyChainRecords } from "../verify/chain-records.ts";
import { VerifyError } from "../verify/errors.ts";
import { type EvidenceFacts, verifyEvidence } from "../verify/evidence.ts";
import { evidenceVerdict, wordsFor } from "../verify/evidence-words.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { addPinOptions, type PinOptions, pinsOf } from "./pins.ts";
import { printable } from "./table.ts";
import { timeRange } from "./times.ts";
import { verifyExport } from "./verify-export.ts";
import { verifyReportFile } from "./verify-report.ts";

const LF = 0x0a;

/** Bytes that are read: one that is too large for evidence is a finding, and one that would fill the memory is not read. */
const MAX_FILE = 16 * MAX_EVIDENCE_BYTES;
/** Bytes of records: as many events as a chain may have, each of some size. */
const MAX_RECORDS = 256 * 1024 * 1024;

interface BundleOptions extends PinOptions {
  readonly page?: boolean;
  readonly organization?: string;
  readonly from?: string;
  readonly to?: string;
  readonly auditor?: readonly string[];
  readonly records?: string;
}

interface BundleVerdict {
  readonly verdict: "anchored" | "logged" | "invalid";
  readonly sentence: string;
  readonly receipt_hash: string | null;
  readonly log_index: number | null;
  readonly tree_size: number | null;
  readonly root: string | null;
  readonly signed_by: readonly string[];
  /** Auditors that were pinned, with the times that they say. */
  readonly countersigned_by: readonly { readonly vkey: string; readonly time: number }[];
  /** As whoever made the file says. */
  readonly published: readonly PublishedAt[];
  readonly receipt: { readonly [name: string]: Json } | null;
  readonly checked: readonly string[];
  readonly not_checked: readonly string[];
  /** Of a chain: the places of events and approvals whose records were given, and of the others; and whether the events add up to what the receipt says. */
  readonly records_checked?: readonly number[];
  readonly records_not_disclosed?: readonly number[];
  readonly totals_checked?: boolean;
  readonly problem: { readonly code: string; readonly message: string; readonly pointer?: string; readonly expected?: string; readonly found?: string } | null;
}

export function addVerifyBundle(program: Command, run: Run): void {
  addPinOptions(program.command("verify-bundle")
    .summary("verify a file of evidence, an export or a report, offline")
    .description("Verifies a file that receiptd evidence, export or report has made: that the receipt in it is in the ledger whose key you pin; of an export, that all receipts of its time are there and none is left out; of a report, that the holder of that key has made it, whatever it says (its own verdict is told). It needs no ledger, no network and no configuration. Exit code 0: it is so; 1: the file shows no such thing; 2: it could not be checked."))
    .addArgument(new Argument("[file]", "the file of evidence, the export or the report"))
    .option("--auditor <vkey>", "of evidence: believe countersignatures by this auditor's key; may be given several times", collect)
    .option("--organization <name>", "the export has to be of this organization, or of all")
    .option("--from <time>", "the export has to begin at this date or time, UTC, or before it")
    .option("--to <time>", "the export has to reach up to this time, or to the end of this date, UTC")
    .option("--records <file>", "of evidence of a chain: records of its events and approvals (receiptd chain disclose), which have to be those that the receipt covers")
    .option("--page", "print verify.html instead, one page that checks evidence and exports in a browser, from disk and without a network")
    .addHelpText("after", examples([
      "receiptd verify-bundle PR-2026-00042.evidence.json --vkey 'receipts.example.com/loans+1a2b3c4d+AQ…' --auditor 'auditor.example.com+5e6f7a8b+BA…'", "receiptd verify-bundle november.export.ndjson --trust keys.txt", "receiptd verify-bundle report.json --trust keys.txt", "receiptd verify-bundle --page > verify.html",
    ]))
    .action(run(verifyBundle));
}

function verifyBundle(cli: Cli, file: string | undefined, options: BundleOptions): ExitCode {
  if (options.page === true) {
    process.stdout.write(readFileSync(new URL("./verify.html", import.meta.url)));
    return 0;
  }
  if (file === undefined) throw new CliError("bad_usage", "a file of evidence is missing", "for example: receiptd verify-bundle PR-2026-00042.evidence.json --vkey …");
  const { vkeys } = pinsOf(options, null);
  const { from, to } = timeRange(options);
  const input = new InputFile(file, (why) => new CliError("bad_usage", `${file} is no file of evidence, no export and no report: ${why}`));
  try {
    const begin = beginningOf(input);
    const end = begin.indexOf(LF);
    const line = end < 0 ? begin : begin.subarray(0, end);
    const isOne = isExport(line);
    const whole = isOne ? null : input.rest([begin], MAX_FILE);
    const isOfPeriod = whole !== null && isReport(whole);
    const hint = vkeys.length > 0 || isOfPeriod ? "" : hinted(() => (whole === null ? readExportHeader(line) : readEvidence(whole, nodeHash)));
    if (vkeys.length === 0) throw new CliError("bad_usage", `no key is pinned${hint}`, "name the ledger's vkey, which you have from elsewhere, with --vkey or --trust");
    if (whole === null) return verifyExport(cli, input, begin, vkeys, { organization: options.organization ?? null, from: options.from === undefined ? null : from, to: options.to === undefined ? null : to });
    if (isOfPeriod) return verifyReportFile(cli, whole, vkeys);
    const verdict = judge(whole, vkeys, (options.auditor ?? []).map(parseCosigner), options.records === undefined ? null : recordsIn(options.records));
    cli.result(verdict, () => report(verdict));
    return verdict.verdict === "invalid" ? 1 : 0;
  } finally {
    input.close();
  }
}

/** The beginning of the file with its first line, if that is none too long: it says what the file is. */
function beginningOf(input: InputFile): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let piece = input.read(); piece !== null; piece = input.read()) {
    parts.push(piece);
    size += piece.length;
    if (piece.includes(LF) || size > MAX_EXPORT_HEADER) break;
  }
  return Buffer.concat(parts);
}

/** One a line. */
function recordsIn(path: string): readonly Uint8Array[] {
  const bytes = readBounded(path, MAX_RECORDS, (why) => new CliError("bad_usage", `${path} cannot be read: ${why}`));
  const lines: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(LF, at);
    lines.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return lines;
}

function judge(bytes: Uint8Array, vkeys: readonly string[], auditors: readonly Cosigner[], records: readonly Uint8Array[] | null): BundleVerdict {
  try {
    const facts = verifyEvidence(bytes, vkeys.map(parseVkey), { hash: nodeHash, verify: verifyByNode, auditors });
    const verdict = { ...shown(facts, auditors.length), problem: null };
    return records === null ? verdict : withRecords(verdict, verifyChainRecords(facts.receipt, records, nodeHash));
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    const { code, message, pointer, expected, found } = error;
    return {
      verdict: "invalid", sentence: code === "record_mismatch" ? `These are not the records that the receipt covers: ${message}.` : `This file is no evidence: ${code}: ${message}.`, receipt_hash: null, log_index: null, tree_size: null, root: null, signed_by: [], countersigned_by: [], published: [], receipt: null, checked: [], not_checked: [],
      problem: { code, message, ...(pointer === undefined ? {} : { pointer }), ...(expected === undefined ? {} : { expected }), ...(found === undefined ? {} : { found }) },
    };
  }
}

function shown(facts: EvidenceFacts, auditors: number): Omit<BundleVerdict, "problem"> {
  const { sentence, checked, notChecked } = wordsFor(facts, true, auditors);
  const { evidence, receipt, receiptHash, logIndex, treeSize, root, signedBy, cosigned } = facts;
  return {
    verdict: evidenceVerdict(facts), sentence, receipt_hash: hashText(receiptHash), log_index: logIndex, tree_size: treeSize, root: hashText(root), signed_by: signedBy, countersigned_by: cosigned.map(({ cosigner: { vkey }, time }) => ({ vkey, time })),
    published: evidence.published, receipt, checked, not_checked: notChecked,
  };
}

function withRecords(verdict: BundleVerdict, { checked, notDisclosed, addUp }: ChainRecordsFacts): BundleVerdict {
  const checks = [`the records of ${checked.length} of the chain's ${checked.length + notDisclosed.length} events and approvals: they are those that the receipt covers`, ...(addUp ? ["what all events add up to"] : [])];
  const not = notDisclosed.length === 0 ? [] : [`the events and approvals ${notDisclosed.slice(0, 20).join(", ")}${notDisclosed.length > 20 ? " …" : ""} of the chain: their records were not given${addUp ? "" : ", nor what all of them add up to"}`];
  return { ...verdict, records_checked: checked, records_not_disclosed: notDisclosed, totals_checked: addUp, checked: [...verdict.checked, ...checks], not_checked: [...verdict.not_checked, ...not] };
}

/** The keys that the file names: what to look for elsewhere, and never what to pin. */
function hinted(read: () => { readonly ledger: string; readonly vkeys: readonly string[] }): string {
  try {
    const { vkeys, ledger } = read();
    return `; the file, which anybody could have made, is of ${ledger} and names ${vkeys.map((vkey) => `“${vkey.slice(0, 300)}”`).join(", ") || "none"}`;
  } catch (error) {
    if (error instanceof FormatError) return "";
    throw error;
  }
}

function report({ verdict, sentence, problem, receipt, receipt_hash, published, signed_by, countersigned_by, checked, not_checked }: BundleVerdict): string {
  if (verdict === "invalid") return [sentence, ...(problem?.expected === undefined ? [] : [`  expected     ${problem.expected}`, `  found        ${problem.found ?? ""}`])].map(printable).join("\n");
  return [
    sentence,
    `  hash         ${receipt_hash}`,
    ...signed_by.map((vkey) => `  signed by    ${vkey}`),
    ...countersigned_by.map(({ vkey }) => `  countersign  ${vkey}`),
    ...published.map((one) => `  says that    it was published at ${one.object} (${one.target}), version ${one.version_id}, ${one.last_modified}`),
    ...checked.map((what) => `  checked      ${what}`),
    ...not_checked.map((what) => `  not checked  ${what}`),
    ...JSON.stringify(receipt, null, 2).split("\n"),
  ].map(printable).join("\n");
}
