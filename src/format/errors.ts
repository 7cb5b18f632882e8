/**
 * The one error class of format/: bytes that are not what the format says.
 *
 * Every error has a stable `code` (tests and clients compare it, never the message) and, where the input is JSON,
 * the `pointer` (RFC 6901) of the offending value. All input to format/ is under the control of a stranger.
 */
export type FormatErrorCode =
  // strict JSON (docs/FORMAT.md section 3)
  | "not_utf8"
  | "bad_json"
  | "duplicate_name"
  | "forbidden_name"
  | "lone_surrogate"
  | "nul_character"
  | "number_not_exact"
  | "number_negative_zero"
  | "number_out_of_range"
  | "too_deep"
  | "too_large"
  | "not_canonical"
  // receipts (sections 4 and 5)
  | "missing_field"
  | "bad_field"
  | "unknown_field"
  | "reserved_field"
  | "reserved_type"
  | "unknown_type"
  | "bad_receipt"
  // trees (section 8)
  | "bad_proof"
  | "bad_hash"
  // C2SP texts and object names (sections 9 to 11)
  | "bad_vkey"
  | "bad_note"
  | "bad_checkpoint"
  | "bad_tlog_proof"
  | "bad_entries"
  | "bad_object_name"
  // evidence (section 15)
  | "bad_evidence"
  | "digest_mismatch"
  // an export (section 16)
  | "bad_export"
  // a report (section 17)
  | "bad_report"
  // an attestation (section 18)
  | "bad_attestation";

export class FormatError extends Error {
  override readonly name = "FormatError";
  readonly code: FormatErrorCode;
  /** RFC 6901 pointer to the offending value; "" is the whole document; undefined where the input is not JSON. */
  readonly pointer: string | undefined;

  constructor(code: FormatErrorCode, message: string, pointer?: string) {
    super(message);
    this.code = code;
    this.pointer = pointer;
  }
}
