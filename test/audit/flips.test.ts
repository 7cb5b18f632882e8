/**
 * Any one byte: of any stored value, of the file's pages, of any object. The audit finds it and names it, and where it finds nothing,
 * nothing that is stored has changed.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditReport } from "../../src/audit/audit.ts";
import { TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy } from "./support.ts";

let ledger: TestLedger;
let target: DirectoryTarget;
/** The closed file. */
let pristine: Buffer;
let contents: string;

beforeAll(async () => {
  ledger = new TestLedger({ batches: [12, 0] });
  ledger.append(232, (n) => ({ inputs: { n }, gates: [], reasons: [] }));
  ledger.anchor();
  ledger.append(9);
  ledger.anchor();
  ledger.append(4);
  target = await publishToDirectory(ledger, "outside");
  ledger.close();
  pristine = readFileSync(ledger.path);
  contents = dump(ledger.path);
});
afterAll(() => ledger.remove());

/** Genesis, three batches with receipts and one without, each with its anchor, and four pending: a complete subtree of 256 is stored. */
const SIZE = 1 + 12 + 1 + 1 + 232 + 1 + 9 + 1 + 4;

const TABLES = {
  receipt: { key: "log_index", place: (row: Row) => row["log_index"] as number },
  blob: { key: "log_index", place: (row: Row) => row["log_index"] as number },
  organization: { key: "org", place: () => undefined },
  anchor: { key: "tree_size", place: (row: Row) => (row["tree_size"] as number) - 1 },
  tree: { key: "level, position", place: () => undefined },
  ledger: { key: "one", place: () => undefined },
} as const;
type Row = Readonly<Record<string, unknown>>;

/** Everything that is stored: each table by itself, each index by itself. */
function dump(path: string): string {
  const db = new Database(path, { readonly: true });
  try {
    const queries = Object.entries(TABLES).map(([table, { key }]) => `SELECT * FROM ${table} ORDER BY ${key}`);
    const indexes = [
      "SELECT receipt_id, log_index FROM receipt INDEXED BY receipt_by_id ORDER BY receipt_id", "SELECT org, org_seq, log_index FROM receipt INDEXED BY receipt_by_org ORDER BY org, org_seq",
      "SELECT recorded_at, log_index FROM receipt INDEXED BY receipt_by_time ORDER BY recorded_at, log_index",
      "SELECT name, org FROM organization ORDER BY name", "SELECT prefix, org FROM organization ORDER BY prefix", "SELECT first_index, org FROM organization ORDER BY first_index",
      "SELECT first_index, tree_size FROM anchor ORDER BY first_index", "SELECT name, sql FROM sqlite_schema ORDER BY name",
    ];
    const text = (value: unknown): unknown => (Buffer.isBuffer(value) ? value.toString("latin1") : value);
    return JSON.stringify([...queries, ...indexes].map((sql) => (db.prepare(sql).raw().all() as unknown[][]).map((row) => row.map(text))));
  } catch (error) {
    return `cannot be read: ${String(error)}`;
  } finally {
    db.close();
  }
}

const places = ({ findings }: AuditReport): readonly (number | undefined)[] =>
  findings.filter(({ severity }) => severity !== "note").flatMap(({ logIndex, lastIndex }) => (lastIndex === undefined ? [logIndex] : [logIndex, lastIndex]));

/** Another value of the same kind, one bit or one unit away. */
function other(value: unknown, at: number, bit: number): unknown {
  if (typeof value === "number") return value + (bit % 2 === 0 ? 1 : -1);
  if (typeof value === "string") {
    const i = at % value.length;
    return value.slice(0, i) + String.fromCharCode(value.charCodeAt(i) ^ (1 << bit % 5)) + value.slice(i + 1);
  }
  const bytes = Buffer.from(value as Buffer);
  bytes[at % bytes.length]! ^= 1 << bit;
  return bytes;
}

it("any stored value, one bit or one away", async () => {
  const anything = fc.record({ table: fc.constantFrom(...(Object.keys(TABLES) as (keyof typeof TABLES)[])), row: fc.nat(), column: fc.nat(), at: fc.nat(), bit: fc.nat(7) });
  await fc.assert(fc.asyncProperty(anything, async ({ table, row, column, at, bit }) => {
    const copy = new Copy(ledger);
    try {
      let expected: number | undefined;
      let name = "";
      copy.tamper((db) => {
        const rows = db.prepare(`SELECT * FROM ${table}`).all() as Row[];
        const chosen = rows[row % rows.length]!;
        const columns = Object.keys(chosen).filter((one) => chosen[one] !== null);
        name = columns[column % columns.length]!;
        expected = TABLES[table].place(chosen);
        const where = TABLES[table].key.split(", ").map((key) => `${key} = ${String(chosen[key])}`).join(" AND ");
        try {
          db.prepare(`UPDATE ${table} SET ${name} = ? WHERE ${where}`).run(other(chosen[name], at, bit));
        } catch (error) {
          if (!String(error).includes("UNIQUE")) throw error;
          db.prepare(`DELETE FROM ${table} WHERE ${where}`).run(); // it cannot have its neighbour's value: it goes
        }
      });
      const report = await auditOf(copy, [target]);
      expect(report.exitCode, `${table}.${name}`).toBe(1);
      if (expected !== undefined) expect(places(report), `${table}.${name} ${JSON.stringify(report.findings)}`).toContain(expected);
    } finally {
      copy.remove();
    }
  }), { numRuns: 18 });
}, 60_000);

it("any byte of a receipt's blob, without any key", async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.nat(), fc.nat(7), async (row, at, bit) => {
    const copy = new Copy(ledger);
    try {
      const logIndex = row % (SIZE - 4);
      copy.tamper((db) => {
        const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(logIndex) as Buffer;
        db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(other(bytes, at, bit), logIndex);
      });
      const report = await auditOf(copy, [], { keys: null, vkeys: [] });
      expect(report.exitCode).toBe(1);
      expect(places(report)).toContain(logIndex);
    } finally {
      copy.remove();
    }
  }), { numRuns: 10 });
}, 60_000);

/** Where in the file the stored values lie: every occurrence of their bytes. */
function valuesInFile(): number[] {
  const db = new Database(ledger.path, { readonly: true });
  const values = [
    "SELECT bytes FROM blob", "SELECT receipt_id FROM receipt", "SELECT receipt_hash FROM receipt", "SELECT request_mac FROM receipt WHERE request_mac IS NOT NULL",
    "SELECT root FROM anchor", "SELECT hash FROM tree",
  ].flatMap((sql) => db.prepare(sql).pluck().all() as Buffer[]);
  db.close();
  const found: number[] = [];
  for (const value of values) {
    // of a long blob, what lies on its first page
    const begin = value.subarray(0, 32);
    for (let at = pristine.indexOf(begin); at !== -1; at = pristine.indexOf(begin, at + 1)) for (let i = 0; i < begin.length; i++) found.push(at + i);
  }
  return found;
}

async function flipInFile(at: number, bit: number): Promise<{ readonly report: AuditReport; readonly isSame: boolean }> {
  const copy = new Copy(ledger);
  try {
    const bytes = Buffer.from(pristine);
    bytes[at]! ^= 1 << bit;
    writeFileSync(copy.path, bytes);
    const report = await auditOf(copy, [target]);
    return { report, isSame: dump(copy.path) === contents };
  } finally {
    copy.remove();
  }
}

it("any byte of a stored value in the file: of a table, or of an index", async () => {
  const offsets = valuesInFile();
  expect(offsets.length).toBeGreaterThan(20_000);
  await fc.assert(fc.asyncProperty(fc.nat(offsets.length - 1), fc.nat(7), async (i, bit) => {
    const { report, isSame } = await flipInFile(offsets[i]!, bit);
    // the pages of a freed index can hold old copies: those are no stored value
    if (!isSame) expect(report.exitCode, String(offsets[i])).toBe(1);
    if (!isSame) expect(report.findings.some(({ severity, logIndex, at }) => severity === "violation" && (logIndex !== undefined || at !== undefined))).toBe(true);
  }), { numRuns: 18 });
}, 60_000);

it("any byte of the file: found, or nothing that is stored has changed", async () => {
  await fc.assert(fc.asyncProperty(fc.nat(pristine.length - 1), fc.nat(7), async (at, bit) => {
    const { report, isSame } = await flipInFile(at, bit);
    expect(report.exitCode === 0 ? isSame : true, `byte ${at} bit ${bit}`).toBe(true);
  }), { numRuns: 18 });
}, 60_000);

it("any byte of any object of a target", async () => {
  const objects = (readdirSync(ledger.targetPath("outside"), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(ledger.targetPath("outside").length + 1));
  const copy = ledger.targetPath("flipped");
  cpSync(ledger.targetPath("outside"), copy, { recursive: true, preserveTimestamps: true });
  await fc.assert(fc.asyncProperty(fc.constantFrom(...objects), fc.nat(), fc.nat(7), fc.boolean(), async (name, at, bit, hasLedger) => {
    const bytes = readFileSync(join(copy, name));
    bytes[at % bytes.length]! ^= 1 << bit;
    rmSync(join(copy, name));
    writeFileSync(join(copy, name), bytes);
    const report = await auditOf(ledger, [new DirectoryTarget({ name: "outside", path: copy })], hasLedger ? {} : { ledgerPath: null });
    rmSync(join(copy, name));
    cpSync(join(ledger.targetPath("outside"), name), join(copy, name), { preserveTimestamps: true });
    expect(report.exitCode).toBe(1);
    expect(report.findings.map(({ object }) => object?.name)).toContain(name);
  }), { numRuns: 18 });
}, 60_000);
