/**
 * The ledger's SQLite file: created once, opened afterwards, never one for the other. A missing ledger is an error: whoever
 * deletes the file must not get a fresh, empty one in its place.
 */
import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { LedgerError, ledgerError } from "./errors.ts";
import { migrate as applyMigrations, type Migration, migrationsIn } from "./migrations.ts";

/** "rcpt": written into the file's header, so that `file` and we know it. */
const APPLICATION_ID = 0x72637074;
const MIGRATIONS = new URL("./migrations/", import.meta.url);

export type { Database } from "better-sqlite3";

export function migrations(): readonly Migration[] {
  return migrationsIn(MIGRATIONS);
}

/** Creates the file with the newest schema; `ledger_exists` where there is one. WAL mode stays with the file. */
export function createDatabase(path: string): Database.Database {
  if (existsSync(path)) throw new LedgerError("ledger_exists", `${path} is there already`);
  return guard(() => {
    const db = new Database(path);
    db.pragma("page_size = 8192"); // of 4096 bytes, receipts of 1,000 would leave a quarter empty
    db.pragma("journal_mode = WAL");
    db.pragma(`application_id = ${APPLICATION_ID}`);
    configure(db);
    migrate(db);
    return db;
  });
}

/** Opens for writing and applies the migrations that are missing; the caller holds the lock. */
export function openDatabase(path: string): Database.Database {
  return guard(() => {
    const db = openExisting(path, false);
    configure(db);
    migrate(db);
    return db;
  });
}

/** Opens for reading beside a writer. Read in short statements: a long read transaction keeps the WAL from being reset. */
export function openReadOnly(path: string): Database.Database {
  return guard(() => {
    const db = openExisting(path, true);
    db.pragma("query_only = ON");
    db.pragma("cache_size = -2048"); // 2 MiB: what is read is seldom read again
    const newest = migrations().at(-1)!.version;
    const version = db.pragma("user_version", { simple: true }) as number;
    if (version !== newest) {
      throw new LedgerError("newer_ledger", `${path} has schema ${version}, this receiptd reads ${newest}; start the daemon of the newer version once`);
    }
    return db;
  });
}

/** A second connection of the daemon's, which moves pages and writes no row. */
export function openForCheckpoints(path: string): Database.Database {
  return guard(() => {
    const db = openExisting(path, false);
    db.pragma("synchronous = FULL");
    db.pragma("cache_size = -64"); // it reads none
    return db;
  });
}

function openExisting(path: string, readonly: boolean): Database.Database {
  if (!existsSync(path)) throw new LedgerError("ledger_missing", `no ledger at ${path}; create one with: receiptd init`);
  const db = new Database(path, { readonly, fileMustExist: true, timeout: 5000 });
  if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) {
    db.close();
    throw new LedgerError("not_a_ledger", `${path} is not a receiptd ledger`);
  }
  return db;
}

function configure(db: Database.Database): void {
  // FULL: every commit is fsynced; the writer lowers it for groups that asked for less (writer.ts)
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = OFF"); // the audit re-derives every reference; per-row look-ups would cost each append
  db.pragma("trusted_schema = OFF");
  db.pragma("cell_size_check = ON");
  db.pragma("cache_size = -8192"); // 8 MiB; the kernel keeps the rest
  // twice what the log grows to before it begins anew (INLINE_PAGES): giving the room back and taking it again costs whoever waits 5 ms each time
  db.pragma("journal_size_limit = 67108864");
}

function migrate(db: Database.Database): void {
  const flaw = applyMigrations(db, migrations());
  if (flaw !== null) throw new LedgerError("newer_ledger", `the ledger ${flaw}`);
}

function guard<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw ledgerError(error);
  }
}
