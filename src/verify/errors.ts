/**
 * The one error class of verify/: what was checked is not what docs/FORMAT.md section 13 says it must be.
 *
 * `code` is stable; the message is one sentence for people. `expected` and `found` are short texts. All that is verified may be
 * an attacker's, so messages quote at most a little of it.
 */
import { FormatError, type FormatErrorCode } from "../format/errors.ts";

export type VerifyErrorCode =
  | FormatErrorCode
  // one receipt (13.1)
  | "number_mismatch"
  | "mac_mismatch"
  // a ledger (13.2)
  | "log_index_gap"
  | "genesis_mismatch"
  | "ledger_mismatch"
  | "duplicate_receipt_id"
  | "org_seq_gap"
  | "link_mismatch"
  | "time_backwards"
  | "epoch_mismatch"
  | "key_mismatch"
  | "commitment_mismatch"
  | "ratchet_break"
  | "vkey_mismatch"
  | "batch_gap"
  | "batch_root_mismatch"
  | "anchor_link_mismatch"
  | "org_heads_mismatch"
  // the objects of a target, and both against each other (13.3, 13.4)
  | "name_mismatch"
  | "inclusion_mismatch"
  | "retired_key"
  | "fork"
  | "batch_missing"
  | "log_root_mismatch"
  | "ledger_behind"
  // records of a chain (section 19)
  | "record_mismatch";

export interface VerifyErrorDetail {
  /** RFC 6901 pointer into the receipt. */
  readonly pointer?: string | undefined;
  readonly expected?: string | number | null | undefined;
  readonly found?: string | number | null | undefined;
  readonly cause?: unknown;
}

export class VerifyError extends Error {
  override readonly name = "VerifyError";
  readonly code: VerifyErrorCode;
  readonly pointer: string | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;

  constructor(code: VerifyErrorCode, message: string, detail: VerifyErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.pointer = detail.pointer;
    this.expected = detail.expected === undefined ? undefined : short(detail.expected);
    this.found = detail.found === undefined ? undefined : short(detail.found);
  }
}

/** Runs `read`; a FormatError comes out as a VerifyError with the same code (or `code`, where the step has one for all) and pointer. */
export function reading<T>(read: () => T, code?: VerifyErrorCode): T {
  try {
    return read();
  } catch (error) {
    throw asVerifyError(error, code);
  }
}

/** The VerifyError for what a reader of format/ threw; what is no such error is thrown as it is: a mistake of the program. */
export function asVerifyError(error: unknown, code?: VerifyErrorCode): VerifyError {
  if (error instanceof VerifyError && (code === undefined || error.code === code)) return error;
  if (!(error instanceof FormatError || error instanceof VerifyError)) throw error;
  return new VerifyError(code ?? error.code, error.message, { pointer: error.pointer, cause: error });
}

function short(value: string | number | null): string {
  const text = String(value);
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
