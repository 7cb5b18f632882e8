/** The error class of anchor/ for what concerns the whole daemon; what a target says is a TargetError (target.ts). */

export type AnchorErrorCode =
  | "outbox_exists"
  | "outbox_missing"
  | "not_an_outbox"
  | "newer_outbox"
  | "wrong_ledger"
  | "equivocation"
  | "outbox_full"
  | "outbox_busy"
  | "outbox_failed"
  | "archive_failed"
  | "signer_failed"
  | "publisher_failed";

/** Errors that pass when somebody makes room, lets go of the file or brings the key's server back; after any other the process must end. */
const PASSING: ReadonlySet<AnchorErrorCode> = new Set(["outbox_full", "outbox_busy", "archive_failed", "signer_failed"]);

export class AnchorError extends Error {
  override readonly name = "AnchorError";
  readonly code: AnchorErrorCode;

  constructor(code: AnchorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get fatal(): boolean {
    return !PASSING.has(this.code);
  }
}
