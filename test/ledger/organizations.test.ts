/** The writer continues no organization under a name that its first receipt does not have. */
import Database from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import { fixture, type Fixture } from "../support/fixture.ts";

const opened: Fixture[] = [];
afterEach(() => {
  for (const f of opened.splice(0)) f.remove();
});

function closed(change: string): Fixture {
  const f = fixture();
  opened.push(f);
  const writer = f.open();
  for (const organization of ["loans", "claims", "loans"]) writer.commit([[f.request({ organization })]], f.keys, "disk");
  writer.close();
  const db = new Database(f.path);
  for (const name of db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").pluck().all()) db.exec(`DROP TRIGGER ${String(name)}`);
  db.exec(change);
  db.close();
  return f;
}

test.each([
  ["a name", "UPDATE organization SET name = 'loanz' WHERE name = 'loans'"],
  ["two names exchanged", "UPDATE organization SET name = 'x' WHERE org = 2; UPDATE organization SET name = 'loans' WHERE org = 3; UPDATE organization SET name = 'claims' WHERE org = 2"],
  ["a prefix", "UPDATE organization SET prefix = 'OTHER' WHERE name = 'loans'"],
  ["the first receipt, for another", "UPDATE organization SET first_index = 3 WHERE name = 'loans'"],
  ["a row that is gone", "DELETE FROM organization WHERE org = 2"],
  ["the newest row that is gone", "DELETE FROM organization WHERE org = 3"],
])("%s", (_, change) => {
  const f = closed(change);
  expect(() => f.open()).toThrow(expect.objectContaining({ code: "organization_mismatch" }));
});

test("bytes that are damaged or missing say nothing: the rest of the ledger goes on", () => {
  for (const change of ["UPDATE blob SET bytes = x'7b7d' WHERE log_index = 1", "DELETE FROM blob WHERE log_index = 1"]) {
    const f = closed(change);
    const writer = f.open();
    expect(writer.head("loans")?.orgSeq).toBe(2);
    writer.close();
  }
});
