/**
 * Statements on a file whose schema may not be the one that receiptd made: each is prepared when it is first asked for, so that a table
 * or index that is missing costs what needs it, and nothing else.
 */
import Database from "better-sqlite3";
import { LedgerError } from "./errors.ts";

/** The statement; LedgerError `ledger_corrupt` where a table, column or index is not there that it names. */
export function prepared<P extends unknown[] = unknown[], R = unknown>(db: Database.Database, sql: string): Database.Statement<P, R> {
  try {
    return db.prepare<P, R>(sql) as Database.Statement<P, R>;
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || error.code !== "SQLITE_ERROR") throw error;
    throw new LedgerError("ledger_corrupt", `the ledger's schema is not as receiptd makes it: ${error.message}`, { cause: error });
  }
}

/** An object whose members are made when they are first read, and kept. */
export function lazily<T extends object>(makers: { readonly [K in keyof T]: () => T[K] }): T {
  const made = {} as T;
  for (const name of Object.keys(makers) as (keyof T)[]) {
    Object.defineProperty(made, name, {
      configurable: true,
      get: () => {
        const value = makers[name]();
        Object.defineProperty(made, name, { value });
        return value;
      },
    });
  }
  return made;
}
