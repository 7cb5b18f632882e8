/** `receiptd verify-bundle` of an export: in one pass, in the memory of a few lines. */
import { exportOptions } from "../bundle/export-options.ts";
import type { InputFile } from "../config/input-file.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import type { PublishedAt } from "../format/members.ts";
import { parseVkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { VerifyError } from "../verify/errors.ts";
import { type ExportFacts, ExportReader } from "../verify/export.ts";
import { type ExportVerdict, exportVerdict, wordsForExport } from "../verify/export-words.ts";
import type { Cli } from "./cli.ts";
import type { ExitCode } from "./errors.ts";
import { progress } from "./progress.ts";
import { printable } from "./table.ts";

interface ExportVerdictText {
  readonly verdict: ExportVerdict | "invalid";
  readonly sentence: string;
  readonly ledger: string | null;
  /** As asked for when the file was made, and as the file shows it. */
  readonly organization: string | null;
  readonly from: string | null;
  readonly to: string | null;
  /** `recorded_at` of the last anchor receipt. */
  readonly until: string | null;
  /** Asked for. */
  readonly receipts: number | null;
  readonly first: number | null;
  readonly end: number | null;
  readonly root: string | null;
  readonly signed_by: readonly string[];
  /** As whoever made the file says. */
  readonly published: readonly PublishedAt[];
  readonly checked: readonly string[];
  readonly not_checked: readonly string[];
  readonly problem: { readonly code: string; readonly message: string; readonly pointer?: string; readonly expected?: string; readonly found?: string } | null;
}

/** What whoever checks the file had asked for. ms; null: anything. */
export interface ExpectedExport {
  readonly organization: string | null;
  readonly from: number | null;
  readonly to: number | null;
}

/** `begin`: what was read of the file already. */
export function verifyExport(cli: Cli, file: InputFile, begin: Uint8Array, vkeys: readonly string[], expected: ExpectedExport): ExitCode {
  const verdict = judge(file, begin, vkeys, expected);
  cli.result(verdict, () => report(verdict));
  return verdict.verdict === "invalid" ? 1 : exportExit(verdict.verdict, verdict.to);
}

/** 2: not all that was asked for is shown. */
export function exportExit(verdict: ExportVerdict, to: string | null): ExitCode {
  return verdict === "complete" || (verdict === "complete_until" && to === null) ? 0 : 2;
}

/** Does the file show less, or something else? */
function requireExpected({ header, endAt }: ExportFacts, { organization, from, to }: ExpectedExport): void {
  const other = (what: string, expected: string, found: string | null): VerifyError => new VerifyError("bad_export", `it is not what you expect: ${what}`, { expected, found: found ?? "all" });
  if (organization !== null && header.organization !== null && header.organization !== organization) throw other("it is of another organization", organization, header.organization);
  if (from !== null && header.from !== null && Date.parse(header.from) > from) throw other("it begins later", formatTime(from), header.from);
  const until = header.to !== null && header.to < endAt ? header.to : endAt;
  if (to !== null && Date.parse(until) < to) throw other("it ends earlier", formatTime(to), until);
}

function judge(file: InputFile, begin: Uint8Array, vkeys: readonly string[], expected: ExpectedExport): ExportVerdictText {
  const reader = new ExportReader(vkeys.map(parseVkey), exportOptions);
  const bar = progress("receipts", null);
  try {
    for (let piece: Uint8Array | null = begin; piece !== null; piece = file.read()) {
      reader.push(piece);
      const at = reader.progress;
      if (at !== null) bar.update(at.done, at.done / at.all);
    }
    const facts = reader.end();
    requireExpected(facts, expected);
    return shown(facts);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return refused(error);
  } finally {
    bar.end();
  }
}

function shown(facts: ExportFacts): ExportVerdictText {
  const { header: { ledger, organization, from, to, first, end, published }, receipts, endAt, root, signedBy } = facts;
  const { sentence, checked, notChecked } = wordsForExport(facts);
  return {
    verdict: exportVerdict(facts), sentence, ledger, organization, from, to, until: endAt, receipts, first, end, root: hashText(root), signed_by: signedBy, published, checked, not_checked: notChecked, problem: null,
  };
}

function refused({ code, message, pointer, expected, found }: VerifyError): ExportVerdictText {
  return {
    verdict: "invalid", sentence: `This export shows nothing: ${code}: ${message}.`, ledger: null, organization: null, from: null, to: null, until: null, receipts: null, first: null, end: null, root: null,
    signed_by: [], published: [], checked: [], not_checked: [],
    problem: { code, message, ...(pointer === undefined ? {} : { pointer }), ...(expected === undefined ? {} : { expected }), ...(found === undefined ? {} : { found }) },
  };
}

function report({ verdict, sentence, problem, receipts, first, end, root, signed_by, published, checked, not_checked }: ExportVerdictText): string {
  if (verdict === "invalid") return [sentence, ...(problem?.expected === undefined ? [] : [`  expected     ${problem.expected}`, `  found        ${problem.found ?? ""}`])].map(printable).join("\n");
  return [
    sentence,
    `  receipts     ${count(receipts ?? 0)} asked for, of ${count((end ?? 0) - (first ?? 0))} places of the log`,
    `  root         ${root}`,
    ...signed_by.map((vkey) => `  signed by    ${vkey}`),
    ...published.map((one) => `  says that    it was published at ${one.object} (${one.target}), version ${one.version_id}, ${one.last_modified}`),
    ...checked.map((what) => `  checked      ${what}`),
    ...not_checked.map((what) => `  not checked  ${what}`),
  ].map(printable).join("\n");
}
