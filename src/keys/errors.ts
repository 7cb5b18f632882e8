/** The one error class of keys/. Messages name files and modes, never a key. */
export type KeyErrorCode =
  | "key_file_exists"
  | "key_file_missing"
  | "key_file_mode"
  | "key_file_damaged"
  | "wrong_root_key"
  | "wrong_ledger"
  | "key_missing"
  | "key_pending"
  | "key_unknown"
  | "key_in_use"
  | "epoch_passed"
  | "ratchet_lost"
  | "ratchet_ahead"
  | "ratchet_wrong"
  | "ratchet_usable"
  | "batch_full"
  | "ledger_behind"
  | "forked"
  | "bad_seed"
  | "bad_keys"
  | "credential_missing"
  | "passphrase_missing"
  | "bad_passphrase"
  | "kms_unavailable"
  | "kms_denied"
  | "wrong_checkpoint_key";

export class KeyError extends Error {
  override readonly name = "KeyError";
  readonly code: KeyErrorCode;
  /** What to do about it, where that is known here. */
  readonly next: string | undefined;

  constructor(code: KeyErrorCode, message: string, options: ErrorOptions & { readonly next?: string | undefined } = {}) {
    super(message, options);
    this.code = code;
    this.next = options.next;
  }
}
