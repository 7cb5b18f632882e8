/** Numbered migrations of a SQLite file: a number is never used twice, and a published file never changes. */
import { readdirSync, readFileSync } from "node:fs";
import type Database from "better-sqlite3";

export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/** Those in a folder, in order. */
export function migrationsIn(folder: URL): readonly Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), sql: readFileSync(new URL(name, folder), "utf8") }));
}

/** Applies what is missing; returns what is wrong with a file that a newer receiptd made, and changes nothing of that. */
export function migrate(db: Database.Database, all: readonly Migration[]): string | null {
  const version = db.pragma("user_version", { simple: true }) as number;
  const newest = all.at(-1)!.version;
  if (version > newest) return `has schema ${version}; this receiptd knows ${newest}: use a newer one`;
  for (const migration of all) {
    if (migration.version <= version) continue;
    db.transaction(() => {
      db.exec(migration.sql);
      db.pragma(`user_version = ${migration.version}`);
    }).exclusive();
  }
  return null;
}
