/** The one error class of ledger/, and the translation of what SQLite says. */
import Database from "better-sqlite3";

export type LedgerErrorCode =
  | "ledger_exists"
  | "ledger_missing"
  | "ledger_locked"
  | "not_a_ledger"
  | "newer_ledger"
  | "wrong_origin"
  | "ledger_busy"
  | "disk_full"
  | "ledger_io"
  | "ledger_corrupt"
  | "wal_damaged"
  | "organization_mismatch"
  | "ledger_failed";

/** Errors after which what is in memory and what is on the disk may differ: the process must end and start again. */
const FATAL: ReadonlySet<LedgerErrorCode> = new Set(["ledger_io", "ledger_corrupt", "ledger_failed"]);

export class LedgerError extends Error {
  override readonly name = "LedgerError";
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get fatal(): boolean {
    return FATAL.has(this.code);
  }
}

/** Did the file system refuse for want of room, or of quota? SQLite itself tells only the former apart. */
export function isOutOfSpace(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

/**
 * What a SQLite error means here. A failed fsync is `ledger_io`: the kernel may have dropped the pages, so trying again would
 * acknowledge what is not stored.
 */
export function ledgerError(error: unknown): LedgerError {
  if (error instanceof LedgerError) return error;
  if (isOutOfSpace(error)) return new LedgerError("disk_full", `no space left for the ledger: ${error.message}`, { cause: error });
  if (!(error instanceof Database.SqliteError)) {
    return new LedgerError("ledger_failed", error instanceof Error ? error.message : String(error), { cause: error });
  }
  const { code } = error;
  const text = `${error.message} (${code})`;
  if (code === "SQLITE_FULL") return new LedgerError("disk_full", "no space left for the ledger; nothing was stored", { cause: error });
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") return new LedgerError("ledger_corrupt", text, { cause: error });
  if (code.startsWith("SQLITE_IOERR")) return new LedgerError("ledger_io", text, { cause: error });
  if (code.startsWith("SQLITE_BUSY")) return new LedgerError("ledger_busy", text, { cause: error });
  if (code.startsWith("SQLITE_READONLY")) {
    return new LedgerError("ledger_failed", `${text}: SQLite keeps two files beside the ledger while it is read; copy it to a folder that you may write to`, { cause: error });
  }
  if (code === "SQLITE_CANTOPEN") return new LedgerError("ledger_missing", text, { cause: error });
  return new LedgerError("ledger_failed", text, { cause: error });
}
