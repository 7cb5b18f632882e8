/** Writes test/ledger/schema.sql, what the migrations make of an empty file: a change of schema is seen in review. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase } from "../src/ledger/database.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-schema-"));
const db = createDatabase(join(dir, "ledger.db"));
const rows = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name").all() as { sql: string }[];
db.close();
rmSync(dir, { recursive: true });
writeFileSync(new URL("../test/ledger/schema.sql", import.meta.url), rows.map((row) => `${row.sql};\n`).join(""));
