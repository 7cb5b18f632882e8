/** The thread that keeps the write-ahead log short, on a real file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Checkpointer } from "../../src/ledger/checkpointer.ts";
import { createDatabase } from "../../src/ledger/database.ts";

let dir: string;
let db: Database.Database;
let checkpointer: Checkpointer;
let fatal: Error[];
let moved = 0;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-test-"));
  const path = join(dir, "ledger.db");
  db = createDatabase(path);
  db.exec("CREATE TABLE t (bytes BLOB); PRAGMA wal_autocheckpoint = 0; PRAGMA wal_checkpoint(TRUNCATE)");
  fatal = [];
  moved = 0;
  checkpointer = new Checkpointer(path, (error) => fatal.push(error));
  checkpointer.endWith(() => {
    moved++;
    db.pragma("wal_checkpoint(PASSIVE)");
  });
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

/** One transaction of a page each. */
function write(pages: number): void {
  const insert = db.prepare("INSERT INTO t VALUES (zeroblob(8000))");
  db.transaction(() => {
    for (let i = 0; i < pages; i++) insert.run();
  })();
  checkpointer.wrote(pages);
}

/** Pages that are in the log, and those of them that are in the file. */
const log = () => (db.pragma("wal_checkpoint(NOOP)") as [{ readonly log: number; readonly checkpointed: number }])[0];

test("a short log is moved by the thread alone", async () => {
  write(600);
  await checkpointer.stop();
  expect(moved).toBe(0);
  const { log: pages, checkpointed } = log();
  expect(pages).toBeGreaterThan(600);
  expect(checkpointed).toBe(pages);
});

test("of a long log the writer moves what came meanwhile, so that it begins anew", async () => {
  write(2100);
  write(10); // while the thread is at work, or before: it is told nothing of these
  await checkpointer.stop();
  expect(moved).toBe(1);
  write(1);
  expect(log().log).toBeLessThan(10);
  expect(fatal).toEqual([]);
});

test("what fails on the writer's connection is fatal, but for want of room", async () => {
  const failWith = (code: string) => checkpointer.endWith(() => { throw new Database.SqliteError("no", code); });
  failWith("SQLITE_FULL");
  write(2100);
  await checkpointer.stop();
  expect(fatal).toEqual([]);
  checkpointer = new Checkpointer(join(dir, "ledger.db"), (error) => fatal.push(error));
  failWith("SQLITE_IOERR_WRITE");
  write(2100);
  await checkpointer.stop();
  expect(fatal).toMatchObject([{ code: "ledger_io", message: "the ledger's file could not be brought up to date: no" }]);
});
