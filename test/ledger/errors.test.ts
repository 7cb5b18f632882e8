import { expect, test } from "vitest";
import Database from "better-sqlite3";
import { ledgerError } from "../../src/ledger/errors.ts";

const system = (code: string): Error => Object.assign(new Error(`${code}: no, write`), { code, syscall: "write" });

test.each([
  [system("ENOSPC"), "disk_full", false],
  [system("EDQUOT"), "disk_full", false],
  [system("EIO"), "ledger_failed", true],
  [new Database.SqliteError("full", "SQLITE_FULL"), "disk_full", false],
  [new Database.SqliteError("disk I/O error", "SQLITE_IOERR_WRITE"), "ledger_io", true], // a quota that is used up is one, too
  [new Database.SqliteError("disk I/O error", "SQLITE_IOERR_FSYNC"), "ledger_io", true],
])("%s", (error, code, fatal) => {
  expect(ledgerError(error)).toMatchObject({ code, fatal, cause: error });
});
