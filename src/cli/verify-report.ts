/** `receiptd verify-bundle` of a report: whose word it is. */
import { count } from "../format/count.ts";
import { parseVkey } from "../format/note.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { VerifyError } from "../verify/errors.ts";
import { type ReportFacts, verifyReport } from "../verify/report.ts";
import type { Cli } from "./cli.ts";
import type { ExitCode } from "./errors.ts";
import { printable } from "./table.ts";

interface ReportVerdict {
  /** `unsigned`: it may be anybody's. */
  readonly verdict: "signed" | "unsigned" | "invalid";
  readonly sentence: string;
  /** What the report itself says of the ledger. */
  readonly says: { readonly verdict: string; readonly sentence: string; readonly ledger: string; readonly ledger_id: string; readonly from: string; readonly to: string; readonly made_at: string } | null;
  readonly signed_by: readonly string[];
  readonly not_checked: readonly string[];
  readonly problem: { readonly code: string; readonly message: string; readonly pointer?: string; readonly expected?: string; readonly found?: string } | null;
}

const NOT_CHECKED = [
  "whether what it says is true: it is the word of whoever holds the ledger's key; receiptd audit finds out",
  "when it was made: that is the host's own clock; and whether a key that was rotated away since was still in force",
  "the page beside it: only this file is signed, and its hash stands on the page",
];

export function verifyReportFile(cli: Cli, bytes: Uint8Array, vkeys: readonly string[]): ExitCode {
  const verdict = judge(bytes, vkeys);
  cli.result(verdict, () => text(verdict, bytes.length).map(printable).join("\n"));
  return verdict.verdict === "signed" ? 0 : verdict.verdict === "unsigned" ? 2 : 1;
}

function judge(bytes: Uint8Array, vkeys: readonly string[]): ReportVerdict {
  try {
    return shown(verifyReport(bytes, vkeys.map(parseVkey), { hash: nodeHash, verify: verifyByNode }));
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    const { code, message, pointer, expected, found } = error;
    return {
      verdict: "invalid", sentence: `This report is nobody's word: ${code}: ${message}.`, says: null, signed_by: [], not_checked: [],
      problem: { code, message, ...(pointer === undefined ? {} : { pointer }), ...(expected === undefined ? {} : { expected }), ...(found === undefined ? {} : { found }) },
    };
  }
}

function shown({ report, signedBy }: ReportFacts): ReportVerdict {
  const { ledger, ledgerId, period, madeAt, verdict, sentence } = report;
  const what = `this report on the ledger ${ledger}, of the time from ${period.from} up to ${period.to}`;
  return {
    verdict: signedBy.length > 0 ? "signed" : "unsigned",
    sentence: signedBy.length > 0 ? `A key you pinned has signed ${what}.` : `Nobody has signed ${what}: anybody can have made it.`,
    says: { verdict, sentence, ledger, ledger_id: ledgerId, ...period, made_at: madeAt }, signed_by: signedBy, not_checked: NOT_CHECKED, problem: null,
  };
}

function text({ sentence, says, signed_by, not_checked }: ReportVerdict, size: number): readonly string[] {
  if (says === null) return [sentence];
  return [
    sentence,
    `  it says      ${says.verdict}: ${says.sentence}`,
    `  ledger id    ${says.ledger_id}`,
    `  made         ${says.made_at}, ${count(size, "byte")}`,
    ...signed_by.map((vkey) => `  signed by    ${vkey}`),
    ...not_checked.map((what) => `  not checked  ${what}`),
  ];
}
