/**
 * Baselines without a socket, each in this process by itself: what the parts cost that no ledger can do without. The rows are a real
 * ledger's. Reads `{kind, ...}` as JSON from the argument and prints measurements as JSON.
 */
import { createHmac, createSecretKey, hash, randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { migrations } from "../../src/ledger/database.ts";
import { type Measured, summary } from "./summary.ts";

export type RawTask =
  /** Inserts of finished rows, `group` a transaction. */
  | { readonly kind: "inserts"; readonly folder: string; readonly ledger: string; readonly rows: number; readonly group: number; readonly synchronous: "NORMAL" | "FULL" }
  | { readonly kind: "fdatasync"; readonly folder: string; readonly count: number }
  /** SHA-256 and HMAC-SHA-256 of `count` times `size` bytes; `write`: and into a file, with one fdatasync at the end. */
  | { readonly kind: "hash"; readonly folder: string; readonly size: number; readonly count: number; readonly write: boolean };

export type RawMeasured = Measured & { readonly count: number; readonly perSecond: number };

type Cells = readonly unknown[];

/** Tables with one row for each receipt, and that of the tree, whatever columns they have. */
function receiptTables(db: Database.Database): readonly { readonly name: string; readonly columns: number }[] {
  const names = db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
  const columnsOf = (name: string): readonly string[] => db.prepare<[string], string>("SELECT name FROM pragma_table_info(?)").pluck().all(name);
  return names.filter((name) => columnsOf(name).includes("log_index")).map((name) => ({ name, columns: columnsOf(name).length }));
}

function insertInto(db: Database.Database, table: string, columns: number): Database.Statement {
  return db.prepare(`INSERT INTO ${table} VALUES (${Array.from({ length: columns }, () => "?").join(", ")})`);
}

function inserts({ folder, ledger, rows: most, group, synchronous }: RawTask & { readonly kind: "inserts" }): RawMeasured {
  const from = new Database(ledger, { readonly: true });
  const tables = receiptTables(from);
  const rows = tables.map(({ name }) => from.prepare<[number], Cells>(`SELECT * FROM ${name} ORDER BY log_index LIMIT ?`).raw().all(most));
  const nodes = from.prepare<[], Cells>("SELECT level, position, hash FROM tree WHERE level = 8 ORDER BY position").raw().all();
  from.close();
  const count = Math.min(...rows.map(({ length }) => length));
  const file = join(folder, "raw.db");
  const db = new Database(file);
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma("cache_size = -16384");
  for (const { sql } of migrations()) db.exec(sql);
  const statements = tables.map(({ name, columns }) => insertInto(db, name, columns));
  const tree = insertInto(db, "tree", 3);
  const commit = db.transaction((first: number, end: number) => {
    for (let i = first; i < end; i++) {
      for (let table = 0; table < statements.length; table++) statements[table]!.run(...rows[table]![i]!);
      const node = i % 256 === 255 ? nodes[(i - 255) / 256] : undefined;
      if (node !== undefined) tree.run(...node);
    }
  });
  const times: number[] = [];
  const start = performance.now();
  for (let i = 0; i < count; i += group) {
    const began = performance.now();
    commit(i, Math.min(count, i + group));
    times.push(performance.now() - began);
  }
  const seconds = (performance.now() - start) / 1000;
  db.close();
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  return { ...summary(times), count, perSecond: count / seconds };
}

/** The first of the file's pages are not measured: afterwards they are written over, as those of a write-ahead log. */
const NEW_PAGES = 256;

function fdatasync({ folder, count }: RawTask & { readonly kind: "fdatasync" }): RawMeasured {
  const file = join(folder, "raw.bin");
  const fd = openSync(file, "w");
  const page = randomBytes(4096);
  const times: number[] = [];
  for (let i = 0; i < NEW_PAGES + count; i++) {
    writeSync(fd, page, 0, page.length, (i % NEW_PAGES) * page.length);
    if (i < NEW_PAGES) continue;
    const began = performance.now();
    fdatasyncSync(fd);
    times.push(performance.now() - began);
  }
  closeSync(fd);
  rmSync(file);
  return { ...summary(times), count, perSecond: (count * 1000) / times.reduce((sum, time) => sum + time, 0) };
}

function hashes({ folder, size, count, write }: RawTask & { readonly kind: "hash" }): RawMeasured {
  const bytes = randomBytes(size);
  const key = createSecretKey(randomBytes(32));
  const file = join(folder, "raw.bin");
  const fd = openSync(file, "w");
  const times: number[] = [];
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    hash("sha256", bytes, "buffer");
    createHmac("sha256", key).update(bytes).digest();
    if (write) writeSync(fd, bytes);
    times.push(performance.now() - began);
  }
  if (write) fdatasyncSync(fd);
  const seconds = (performance.now() - start) / 1000;
  closeSync(fd);
  rmSync(file);
  return { ...summary(times), count, perSecond: count / seconds };
}

const task = JSON.parse(process.argv[2]!) as RawTask;
const result = task.kind === "inserts" ? inserts(task) : task.kind === "fdatasync" ? fdatasync(task) : hashes(task);
process.stdout.write(`${JSON.stringify(result)}\n`);
