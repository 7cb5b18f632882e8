/**
 * What every error of the layers below is for a person or a script: a stable code, a sentence, what to do next. The one place
 * where errors become exit codes: 0 done, 1 something was found, 2 it could not be checked or done.
 */
import { CommanderError } from "commander";
import { redacted } from "../config/redacted.ts";
import { printable } from "./table.ts";

export type ExitCode = 0 | 1 | 2;

export type CliErrorCode =
  | "bad_usage"
  | "file_exists"
  | "file_unreadable"
  | "ledger_missing"
  | "no_receipt"
  | "not_anchored"
  | "not_found"
  | "not_stored"
  | "server_not_started"
  | "wrong_ledger"
  | "no_targets"
  | "no_evidence";

/** An error of the command line itself. `next` says what to do about it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  readonly next: string | undefined;

  constructor(code: CliErrorCode, message: string, next?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.next = next;
  }
}

export interface Complaint {
  readonly code: string;
  /** A sentence without its full stop; a ConfigError has a line for each issue. */
  readonly message: string;
  readonly next?: string;
  readonly pointer?: string;
  readonly line?: number;
  readonly column?: number;
}

/** What to do next, where the message does not say so itself. */
const NEXT: Readonly<Record<string, string>> = {
  daemon_not_running: "start it with: receiptd serve",
  socket_not_allowed: "run this as a member of the socket's group, or name another socket with --socket",
  connection_lost: "try again: a receipt that was stored is not stored twice under the same receipt_id",
  no_answer: "look at the daemon's log, or wait longer with --timeout",
  disk_full: "make room on the disk of the ledger and try again",
  ledger_behind: "the ledger was put back to an earlier state: nothing may be written until a person has looked; see: receiptd recover",
  forked: "two ledgers were signed with one key: nothing may be written until a person has looked; see: receiptd recover",
  wrong_origin: "a ledger keeps its origin for ever: set origin in the configuration to it, or data_dir to the other ledger's folder",
  organization_mismatch: "keep a copy of all files in data_dir as evidence; then: receiptd recover",
  wal_damaged: "keep all files in data_dir, and see what can be saved with: receiptd recover",
  ledger_corrupt: "see what is damaged, and what can be done, with: receiptd recover",
  chains_unreadable: "keep a copy of chains.db and chains.db-wal, then put a backup in their place, or move them away: chains that were open are then unknown, and all receipts are as they were",
  key_file_missing: "restore the file from its backup",
  key_file_damaged: "restore the file from its backup",
  wrong_root_key: "give the right one, or restore root key and keyring from one and the same backup",
  kms_unavailable: "see that KMS can be reached (receiptd doctor tries), and try again",
  http_not_possible: "stop what listens there, or set http.listen in the configuration",
  token_unknown: "see: receiptd token list",
  socket_in_use: "stop that process first, or set socket.path in the configuration",
  target_unavailable: "see that the target can be reached (receiptd doctor tries), and try again",
};

/** A disk without room, a quota that is used up. */
const OUT_OF_SPACE: ReadonlySet<string | undefined> = new Set(["ENOSPC", "EDQUOT"]);

/** The error class of each layer, by name: to import them all would load the whole daemon for `receiptd append`. */
const LAYERS: ReadonlySet<string> = new Set([
  "CliError", "BundleError", "ArchiveError", "RpcFailure", "ConfigError", "FormatError", "VerifyError", "KeyError", "LedgerError", "TargetError", "TargetLost", "AnchorError", "SocketError", "RpcError", "HttpError", "TokenError", "ReceiptError", "ChainError",
]);

/** What the layers' errors have beside code and message. */
interface LayerError extends Error {
  readonly code: string;
  readonly next?: string | undefined;
  readonly pointer?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/** Null for what is not an expected error: a mistake of the program, whose stack is then worth seeing. */
function expected(error: unknown): Complaint | null {
  if (error instanceof Error && LAYERS.has(error.name)) {
    const { code, message, next, pointer, line, column } = error as LayerError;
    return complaint(code, message, { ...(next === undefined ? {} : { next }), pointer, line, column });
  }
  if (error instanceof CommanderError) {
    return complaint("bad_usage", error.message.replace(/^error: /, "").replaceAll("\n", " "), { next: "see: receiptd --help" });
  }
  if (error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string") {
    return complaint(OUT_OF_SPACE.has((error as NodeJS.ErrnoException).code) ? "disk_full" : "file_unreadable", error.message, {});
  }
  return null;
}

function complaint(code: string, message: string, more: { readonly [name: string]: string | number | undefined }): Complaint {
  const known = Object.fromEntries(Object.entries({ next: NEXT[code], ...more }).filter(([, value]) => value !== undefined));
  return { code, message, ...known };
}

function complaintOf(error: unknown): Complaint {
  const found = expected(error) ?? { code: "internal", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  return { ...found, message: redacted(found.message) }; // arguments are quoted, and a key or seed may stand where a file's name belongs
}

/** `receiptd: <code>: <sentence>; <what to do next>`, or the same as one line of JSON. */
export function complaintText(error: unknown, json: boolean): string {
  const found = complaintOf(error);
  if (json) return JSON.stringify({ error: found });
  const at = found.pointer === undefined || found.pointer === "" || found.message.startsWith(found.pointer) ? "" : `${found.pointer}: `;
  const lines = found.message.split("\n");
  const next = found.next === undefined ? "" : `; ${found.next}`;
  if (found.code === "internal") return `receiptd: internal: ${found.message}`;
  return lines.map((line) => printable(`receiptd: ${found.code}: ${at}${line}`)).join("\n") + next; // names and texts of files are quoted, which may be anybody's
}
