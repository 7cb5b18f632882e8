/**
 * A small writer for the power-cut test: groups of rows in SQLite, each acknowledged on standard output once committed.
 *
 * Usage: node sqlite-child.ts DATABASE full|normal GROUPS ROWS_PER_GROUP
 * It checkpoints every few pages, so that the write-ahead log is started again many times.
 */
import { writeSync } from "node:fs";
import { argv } from "node:process";
import Database from "better-sqlite3";
import { payload } from "./payload.ts";

const [, , path = "", synchronous = "", groups = "", rows = ""] = argv;
const db = new Database(path);
db.pragma("journal_mode = WAL");
db.pragma(`synchronous = ${synchronous}`);
db.pragma("wal_autocheckpoint = 24");
db.exec("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT");
const insert = db.prepare<[number, Uint8Array]>("INSERT INTO t (id, payload) VALUES (?, ?)");

let id = 0;
const commit = db.transaction((count: number) => {
  for (let i = 0; i < count; i++) {
    id++;
    insert.run(id, payload(id));
  }
});
for (let group = 0; group < Number(groups); group++) {
  commit(Number(rows));
  writeSync(1, `ack ${id}\n`);
}
