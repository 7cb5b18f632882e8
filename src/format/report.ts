/**
 * A report on a period, signed: `receiptd-report/1`, docs/FORMAT.md section 17. The ledger's key signs a text that holds the report's hash, and
 * that no checkpoint begins like. Reading authenticates nothing; see verify/report.ts.
 */
import { equal, utf8 } from "./bytes.ts";
import { canonicalize } from "./canonical.ts";
import { hashText } from "./chain.ts";
import { FormatError } from "./errors.ts";
import { type Hash, pureHash } from "./hash.ts";
import { Members } from "./members.ts";
import { LEDGER_ID } from "./names.ts";
import { isArray, type Json, parseStrictBytes } from "./strict-json.ts";
import { parseTime } from "./time.ts";

const REPORT_FORMAT = "receiptd-report/1";
/** UTF-8 bytes of the largest file. */
const MAX_REPORT_BYTES = 8 * 1024 * 1024;
/** The first line of what is signed: an origin has no space, and the line behind it is no tree size. */
const FIRST_LINE = "receiptd report/1";
const VERDICTS = ["ok", "findings", "not_checked"] as const;
const members = new Members("bad_report");

export interface Report {
  readonly ledger: string;
  readonly ledgerId: string;
  /** Like `recorded_at`: from `from` up to, and not including, `to`. */
  readonly period: { readonly from: string; readonly to: string };
  readonly madeAt: string;
  readonly verdict: (typeof VERDICTS)[number];
  readonly sentence: string;
  /** What the report says, which nobody but its reader judges. */
  readonly content: { readonly [name: string]: Json };
}

export interface ReadReport extends Report {
  /** The signed note; null: nobody has signed it. */
  readonly note: string | null;
  /** What the note's text must be. */
  readonly text: string;
}

/** What is signed of a report. */
export function reportText(report: Report, hash: Hash = pureHash): string {
  return textOf(fieldsOf(report), hash);
}

/** The file: canonical JSON, and a line feed. */
export function formatReportFile(report: Report, note: string | null): string {
  return `${canonicalize({ ...fieldsOf(report), note })}\n`;
}

/** Is this a report, of whatever version? */
export function isReport(bytes: Uint8Array): boolean {
  try {
    const value = parseStrictBytes(bytes, { maxBytes: MAX_REPORT_BYTES });
    if (typeof value !== "object" || value === null || isArray(value)) return false;
    return typeof value["format"] === "string" && value["format"].startsWith("receiptd-report/");
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Section 17.1 steps 1 and 2. Throws the codes of strict JSON, `not_canonical` and `bad_report`. */
export function readReport(bytes: Uint8Array, hash: Hash = pureHash): ReadReport {
  const value = parseStrictBytes(bytes, { maxBytes: MAX_REPORT_BYTES });
  if (!equal(utf8(`${canonicalize(value)}\n`), bytes)) throw new FormatError("not_canonical", "the file is not canonical JSON and one line feed");
  const { note, ...fields } = members.of(value, ["content", "format", "ledger", "ledger_id", "made_at", "note", "period", "sentence", "verdict"], "");
  if (fields["format"] !== REPORT_FORMAT) throw members.bad(`not a file of the format ${REPORT_FORMAT}`, "/format");
  const period = members.of(fields["period"], ["from", "to"], "/period");
  const [from, to] = [timeOf(period["from"], "/period/from"), timeOf(period["to"], "/period/to")];
  if (from >= to) throw members.bad("the period is empty", "/period/to");
  const { content } = fields;
  if (typeof content !== "object" || content === null || isArray(content)) throw members.bad("not an object", "/content");
  const verdict = VERDICTS.find((one) => one === fields["verdict"]);
  if (verdict === undefined) throw members.bad(`none of ${VERDICTS.join(", ")}`, "/verdict");
  const ledgerId = members.text(fields["ledger_id"], "/ledger_id");
  if (!LEDGER_ID.test(ledgerId)) throw members.bad("not the id of a ledger", "/ledger_id");
  return {
    ledger: members.origin(fields["ledger"], "/ledger"), ledgerId, period: { from, to }, madeAt: timeOf(fields["made_at"], "/made_at"), verdict,
    sentence: members.text(fields["sentence"], "/sentence"), content, note: note === null ? null : members.text(note, "/note"), text: textOf(fields, hash),
  };
}

function fieldsOf({ ledger, ledgerId, period, madeAt, verdict, sentence, content }: Report): { readonly [name: string]: Json } {
  return { format: REPORT_FORMAT, ledger, ledger_id: ledgerId, period: { ...period }, made_at: madeAt, verdict, sentence, content };
}

/** Of all members but `note`. */
function textOf(fields: { readonly [name: string]: Json }, hash: Hash): string {
  return [FIRST_LINE, hashText(hash.sha256(utf8(canonicalize(fields)))), fields["ledger"] as string, fields["ledger_id"] as string, ""].join("\n");
}

function timeOf(value: Json | undefined, pointer: string): string {
  if (parseTime(value) === null) throw members.bad("not a time like 2026-06-01T10:00:05.234Z", pointer);
  return value as string;
}
