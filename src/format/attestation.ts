/**
 * An auditor's word on an audit, docs/FORMAT.md section 18: a statement as a signed note, and beside it a countersignature of the newest checkpoint that
 * the audit covers. Reading authenticates nothing; see verify/attestation.ts.
 */
import { equal, utf8 } from "./bytes.ts";
import { canonicalize } from "./canonical.ts";
import { hashText, parseHash } from "./chain.ts";
import { FormatError } from "./errors.ts";
import { formatCheckpoint } from "./checkpoint.ts";
import { Members } from "./members.ts";
import { MAX_ATTESTATION_NOTE } from "./limits.ts";
import { LEDGER_ID } from "./names.ts";
import { type Json, parseStrict, parseStrictBytes } from "./strict-json.ts";
import { parseTime } from "./time.ts";

const ATTESTATION_FORMAT = "receiptd-attestation/1";
/** The first line of what is signed: an origin has no space, and the line behind it is no tree size. */
const FIRST_LINE = "receiptd attestation/1";
const MAX_FILE = 3 * 2 * MAX_ATTESTATION_NOTE;
const MAX_NOT_CHECKED = 64;
const members = new Members("bad_attestation");

/** Two signed notes: the statement, and the checkpoint. */
export interface Attestation {
  readonly statement: string;
  readonly cosigned: string;
}

/** A tree and its root, 32 bytes. */
export interface Tree {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface Statement {
  readonly origin: string;
  readonly ledgerId: string;
  /** Of the audit, like `recorded_at`. */
  readonly auditedAt: string;
  /** The program that audited. */
  readonly auditedBy: string;
  readonly attestedAt: string;
  /** The ledger as the audit read it. */
  readonly log: Tree;
  /** The newest anchor that it saw. */
  readonly anchor: Tree;
  /** log_index from which on this audit read the receipts; those before it an earlier audit had read, at `readAt` the last that read all. */
  readonly readFrom: number;
  readonly readAt: string;
  readonly macsChecked: number;
  readonly macsNotChecked: number;
  readonly notChecked: readonly string[];
}

/** The text that the auditor signs. Throws `bad_attestation` where `readStatement` would refuse it. */
export function formatStatement(statement: Statement): string {
  const { origin, ledgerId, auditedAt, auditedBy, attestedAt, log, anchor, readFrom, readAt, macsChecked, macsNotChecked, notChecked } = statement;
  const text = `${FIRST_LINE}\n${canonicalize({
    origin, ledger_id: ledgerId, audited_at: auditedAt, audited_by: auditedBy, attested_at: attestedAt, verdict: "ok", log: treeJson(log), anchor: treeJson(anchor),
    read_from: readFrom, read_at: readAt, macs_checked: macsChecked, macs_not_checked: macsNotChecked, not_checked: [...notChecked],
  })}\n`;
  readStatement(text);
  return text;
}

/** The checkpoint that is countersigned: what the log itself has signed of this tree. */
export function checkpointOf({ origin, anchor: { size, root } }: Statement): string {
  return formatCheckpoint({ origin, size, root });
}

/** Throws `bad_attestation`. */
export function readStatement(text: string): Statement {
  const [first, json, end, ...more] = text.split("\n");
  if (first !== FIRST_LINE || json === undefined || end !== "" || more.length > 0) throw members.bad("not the text of an attestation", "");
  const value = strictly(() => parseStrict(json));
  if (canonicalize(value) !== json) throw members.bad("the statement is not canonical JSON", "");
  const all = members.of(value, [
    "anchor", "attested_at", "audited_at", "audited_by", "ledger_id", "log", "macs_checked", "macs_not_checked", "not_checked", "origin", "read_at", "read_from", "verdict",
  ], "");
  if (all["verdict"] !== "ok") throw members.bad("the audit did not find everything in order", "/verdict");
  const ledgerId = members.text(all["ledger_id"], "/ledger_id");
  if (!LEDGER_ID.test(ledgerId)) throw members.bad("not the id of a ledger", "/ledger_id");
  const [log, anchor, readFrom] = [treeOf(all["log"], "/log"), treeOf(all["anchor"], "/anchor"), countOf(all["read_from"], "/read_from")];
  if (anchor.size > log.size || readFrom > log.size || (anchor.size === log.size && !equal(anchor.root, log.root))) throw members.bad("the anchor is not one of the log that was read", "/anchor");
  return {
    origin: members.origin(all["origin"], "/origin"), ledgerId, log, anchor, readFrom,
    auditedAt: timeOf(all["audited_at"], "/audited_at"), auditedBy: members.hint(all["audited_by"], "/audited_by"), attestedAt: timeOf(all["attested_at"], "/attested_at"), readAt: timeOf(all["read_at"], "/read_at"),
    macsChecked: countOf(all["macs_checked"], "/macs_checked"), macsNotChecked: countOf(all["macs_not_checked"], "/macs_not_checked"),
    notChecked: members.list(all["not_checked"], MAX_NOT_CHECKED, "/not_checked").map((one, i) => members.hint(one, `/not_checked/${i}`)),
  };
}

/** The file: canonical JSON, and a line feed. */
export function formatAttestation({ statement, cosigned }: Attestation): string {
  return `${canonicalize({ format: ATTESTATION_FORMAT, statement, cosigned })}\n`;
}

/** Throws the codes of strict JSON, `not_canonical` and `bad_attestation`. */
export function readAttestationFile(bytes: Uint8Array): Attestation {
  const value = parseStrictBytes(bytes, { maxBytes: MAX_FILE });
  if (!equal(utf8(`${canonicalize(value)}\n`), bytes)) throw new FormatError("not_canonical", "the file is not canonical JSON and one line feed");
  const { format, ...rest } = members.of(value, ["cosigned", "format", "statement"], "");
  if (format !== ATTESTATION_FORMAT) throw members.bad(`not a file of the format ${ATTESTATION_FORMAT}`, "/format");
  return readAttestation(rest);
}

/** `details` of a receipt of type `attestation`, or the same from elsewhere. Throws `bad_attestation`. */
export function readAttestation(value: Json | undefined): Attestation {
  const { statement, cosigned } = members.of(value, ["cosigned", "statement"], "");
  return { statement: noteOf(statement, "/statement"), cosigned: noteOf(cosigned, "/cosigned") };
}

function noteOf(value: Json | undefined, pointer: string): string {
  const text = members.text(value, pointer);
  if (text.length === 0 || text.length > MAX_ATTESTATION_NOTE) throw members.bad(`not 1 to ${MAX_ATTESTATION_NOTE} characters`, pointer);
  return text;
}

function treeJson({ size, root }: Tree): Json {
  return { size, root: hashText(root) };
}

function treeOf(value: Json | undefined, pointer: string): Tree {
  const { root, size } = members.of(value, ["root", "size"], pointer);
  const tree = { size: countOf(size, `${pointer}/size`), root: strictly(() => parseHash(members.text(root, `${pointer}/root`))) };
  if (tree.size === 0) throw members.bad("an empty tree", `${pointer}/size`);
  return tree;
}

function countOf(value: Json | undefined, pointer: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw members.bad("not an integer from 0 to 2^53-1", pointer);
  return value as number;
}

function timeOf(value: Json | undefined, pointer: string): string {
  if (parseTime(value) === null) throw members.bad("not a time like 2026-06-01T10:00:05.234Z", pointer);
  return value as string;
}

/** One code for all of the statement: whoever signed it meant it as one. */
function strictly<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError && error.code !== "bad_attestation") throw members.bad(error.message, error.pointer ?? "");
    throw error;
  }
}
