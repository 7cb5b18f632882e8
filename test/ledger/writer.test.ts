import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromUtf8 } from "../../src/format/bytes.ts";
import { parseCanonical } from "../../src/format/canonical.ts";
import { rootOf, leafHash, verifyInclusion } from "../../src/format/merkle.ts";
import { entryOf } from "../../src/format/entries.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { createLedger } from "../../src/ledger/create.ts";
import { createDatabase, openDatabase } from "../../src/ledger/database.ts";
import { Reader } from "../../src/ledger/reader.ts";
import type { Outcome } from "../../src/ledger/admit.ts";
import { Writer } from "../../src/ledger/writer.ts";
import { type Fixture, fixture } from "../support/fixture.ts";

let f: Fixture;
beforeEach(() => { f = fixture(); });
afterEach(() => f.remove());

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "nothing thrown";
};
const stored = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => (outcome.ok ? outcome.receipts.map(({ stored: s, duplicate }) => ({ index: s.logIndex, seq: s.orgSeq, organization: s.organization, duplicate })) : outcome.code));

describe("creation", () => {
  test("begins with genesis", () => {
    const reader = new Reader(f.path, nodeHash.sha256);
    const genesis = parseCanonical(fromUtf8(reader.byIndex(0)!.blob!)) as { [name: string]: unknown };
    expect(genesis).toMatchObject({ type: "genesis", organization: "_ledger", log_index: 0, org_seq: 1, previous_receipt_hash: null, receipt_number: "LEDGER-2026-00001" });
    reader.close();
  });

  test("is not opening, and opening is not creation", () => {
    expect(code(() => createLedger(f.path, { origin: "a", ledgerId: "b", details: {} }, f.keys, f.options))).toBe("ledger_exists");
    expect(code(() => createDatabase(f.path))).toBe("ledger_exists");
    const missing = join(f.dir, "other.db");
    expect(code(() => Writer.open(missing, f.options))).toBe("ledger_missing");
    expect(existsSync(missing)).toBe(false);
  });

  test("a file that is something else is refused", () => {
    const other = join(f.dir, "other.db");
    new Database(other).exec("CREATE TABLE t (a)").close();
    expect(code(() => openDatabase(other))).toBe("not_a_ledger");
  });

  test("a newer schema is refused", () => {
    const db = new Database(f.path);
    db.pragma("user_version = 9999");
    db.close();
    expect(code(() => f.open())).toBe("newer_ledger");
    expect(code(() => new Reader(f.path, nodeHash.sha256))).toBe("newer_ledger");
  });

  test("the schema is the committed one", () => {
    const db = new Database(f.path, { readonly: true });
    const dump = (db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name").all() as { sql: string }[]).map((row) => `${row.sql};\n`).join("");
    db.close();
    expect(dump).toBe(readFileSync(new URL("./schema.sql", import.meta.url), "utf8"));
  });
});

describe("one writer", () => {
  test("a second one is refused, in this process and in another, and not after the first is gone", () => {
    const writer = f.open();
    expect(code(() => f.open())).toBe("ledger_locked");
    const script = `import { lockLedger } from ${JSON.stringify(new URL("../../src/ledger/lock.ts", import.meta.url).pathname)};
      try { lockLedger(${JSON.stringify(f.path)}).release(); console.log("free"); } catch (error) { console.log(error.code); }`;
    const other = (): string => execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }).trim();
    expect(other()).toBe("ledger_locked");
    writer.close();
    expect(other()).toBe("free");
  });

  test("the lock dies with a killed process", async () => {
    const script = `import { lockLedger } from ${JSON.stringify(new URL("../../src/ledger/lock.ts", import.meta.url).pathname)};
      globalThis.held = lockLedger(${JSON.stringify(f.path)}); console.log("held"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(code(() => f.open())).toBe("ledger_locked");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    f.open().close();
  });
});

describe("append-only", () => {
  test.each(["ledger", "organization", "receipt", "blob", "anchor", "tree"])("%s takes no UPDATE and no DELETE", (table) => {
    const writer = f.open();
    writer.commit(Array.from({ length: 300 }, () => [f.request()]), f.keys, "disk");
    f.close(writer);
    writer.close();
    const db = new Database(f.path);
    const column = (db.pragma(`table_info(${table})`) as { name: string }[])[0]!.name;
    expect(() => db.exec(`UPDATE ${table} SET ${column} = ${column}`)).toThrow(`append-only: ${table}`);
    expect(() => db.exec(`DELETE FROM ${table}`)).toThrow(`append-only: ${table}`);
    db.close();
  });
});

describe("commit", () => {
  test("numbers, chains and indexes by organization", () => {
    const writer = f.open();
    const outcomes = writer.commit([[f.request()], [f.request({ organization: "acme-corp" }), f.request()], [f.request({ organization: "acme-corp" })]], f.keys, "disk");
    expect(stored(outcomes)).toEqual([
      [{ index: 1, seq: 1, organization: "default", duplicate: false }],
      [{ index: 2, seq: 1, organization: "acme-corp", duplicate: false }, { index: 3, seq: 2, organization: "default", duplicate: false }],
      [{ index: 4, seq: 2, organization: "acme-corp", duplicate: false }],
    ]);
    const reader = new Reader(f.path, nodeHash.sha256);
    const last = reader.byNumber("ACMECORP", 2)!;
    expect(last.logIndex).toBe(4);
    expect(reader.byId(last.receiptId)).toEqual(last);
    expect(reader.byOrgSeq("acme-corp", 2)).toEqual(last);
    expect(parseCanonical(fromUtf8(last.blob!))).toMatchObject({ receipt_number: "ACMECORP-2026-00002", previous_receipt_hash: `sha256:${Buffer.from(reader.byIndex(2)!.receiptHash).toString("hex")}` });
    reader.close();
    writer.close();
  });

  test("prefixes are unique and stay", () => {
    const writer = f.open();
    writer.commit(["a-b", "ab", "7up", "ledger", "a.b"].map((organization) => [f.request({ organization })]), f.keys, "disk");
    writer.close();
    const again = f.open();
    again.commit([[f.request({ organization: "a_b" })], [f.request({ organization: "ab" })]], f.keys, "disk");
    const reader = new Reader(f.path, nodeHash.sha256);
    expect(reader.organizations().map((row) => row.prefix)).toEqual(["LEDGER", "AB", "AB2", "R7UP", "LEDGER2", "AB3", "AB4"]);
    reader.close();
    again.close();
  });

  test("the same id and content is a duplicate, other content a conflict that stores nothing of its call", () => {
    const writer = f.open();
    const receipt_id = "0190a000-0000-7000-8000-000000000001";
    expect(stored(writer.commit([[f.request({ receipt_id })], [f.request({ receipt_id, type: "decision", organization: "default" })]], f.keys, "disk"))).toEqual([
      [{ index: 1, seq: 1, organization: "default", duplicate: false }], [{ index: 1, seq: 1, organization: "default", duplicate: true }]]);
    expect(stored(writer.commit([[f.request(), f.request({ receipt_id, region: "eu" })], [f.request({ receipt_id })], [f.request()]], f.keys, "disk"))).toEqual([
      "conflict", [{ index: 1, seq: 1, organization: "default", duplicate: true }], [{ index: 2, seq: 2, organization: "default", duplicate: false }]]);
    expect(stored(writer.commit([[f.request({ receipt_id: "0190a000-0000-7000-8000-000000000002" }), f.request({ receipt_id: "0190a000-0000-7000-8000-000000000002", x_other: 1 })]], f.keys, "disk"))).toEqual(["conflict"]);
    expect(writer.size).toBe(3);
    writer.close();
  });

  test("a stranger cannot make organizations without end", () => {
    f.remove();
    f = fixture({ maxOrganizations: 3 });
    const writer = f.open();
    expect(stored(writer.commit([[f.request({ organization: "a" })], [f.request({ organization: "b" }), f.request({ organization: "c" })], [f.request({ organization: "b" })], [f.request({ organization: "c" })]], f.keys, "disk"))
      .map((outcome) => (typeof outcome === "string" ? outcome : outcome.length))).toEqual([1, "too_many_organizations", 1, "too_many_organizations"]);
    expect(stored(writer.commit([[f.request({ organization: "c" })], [f.request({ organization: "a" })]], f.keys, "disk"))).toEqual(["too_many_organizations", [{ index: 3, seq: 2, organization: "a", duplicate: false }]]);
    writer.close();
  });

  test("a batch takes max_batch receipts and no more", () => {
    f.remove();
    f = fixture({ maxBatch: 10 });
    const writer = f.open();
    expect(writer.commit(Array.from({ length: 12 }, () => [f.request()]), f.keys, "disk")).toHaveLength(9); // genesis is in the batch too
    expect(f.close(writer)).toMatchObject({ count: 10, treeSize: 11 });
    expect(writer.commit([Array.from({ length: 10 }, () => f.request())], f.keys, "disk")).toHaveLength(1);
    expect(writer.commit([[f.request()]], f.keys, "disk")).toHaveLength(0);
    writer.close();
  });
});

describe("time", () => {
  const times = (): string[] => {
    const reader = new Reader(f.path, nodeHash.sha256);
    const rows = reader.page(1, reader.size(), 1000).map((row) => {
      const { type, recorded_at } = parseCanonical(fromUtf8(row.blob!)) as { type: string; recorded_at: string };
      return `${type} ${recorded_at.slice(11)}`;
    });
    reader.close();
    return rows;
  };

  test("a small step back is held, a large one is recorded and followed", () => {
    const writer = f.open();
    writer.commit([[f.request()]], f.keys, "disk");
    f.clock.now -= 1000;
    writer.commit([[f.request()]], f.keys, "disk");
    f.clock.now -= 1;
    writer.commit([[f.request()], [f.request()]], f.keys, "disk");
    f.clock.now += 5;
    f.close(writer);
    f.clock.now -= 60_000;
    f.close(writer);
    writer.close();
    expect(times()).toEqual([
      "decision 10:00:00.000Z", "decision 10:00:00.000Z", "clock_step 09:59:58.999Z", "decision 09:59:58.999Z", "decision 09:59:58.999Z",
      "anchor 09:59:59.004Z", "clock_step 09:58:59.004Z", "anchor 09:58:59.004Z"]);
  });
});

describe("trees", () => {
  test("the writer's roots, the reader's and those over all leaves agree, across restarts", () => {
    let writer = f.open();
    const keeping = new Reader(f.path, nodeHash.sha256, 2); // of the four blocks that there will be
    const leaves: Uint8Array[] = [];
    for (let round = 0; round < 8; round++) {
      writer.commit(Array.from({ length: 97 }, (_, i) => [f.request({ organization: `o${i % 3}` })]), f.keys, round % 2 ? "disk" : "wal");
      if (round % 3 === 0) f.close(writer);
      if (round % 2 === 0) {
        writer.close();
        writer = f.open();
      }
      const reader = new Reader(f.path, nodeHash.sha256);
      leaves.length = 0;
      for (const row of reader.page(0, reader.size(), 10_000)) leaves.push(leafHash(entryOf(row.receiptHash)));
      expect(writer.size).toBe(leaves.length);
      const root = rootOf(leaves);
      expect(Buffer.from(writer.logRoot()).equals(root)).toBe(true);
      expect(Buffer.from(reader.rootAt(leaves.length)).equals(root)).toBe(true);
      for (const index of [0, 255, 256, 511, leaves.length - 1].filter((i) => i < leaves.length)) {
        const path = reader.inclusionPath(index, leaves.length);
        expect(verifyInclusion({ leafHash: leaves[index]!, index, size: leaves.length, path, root })).toBe(true);
        expect(keeping.inclusionPath(index, leaves.length)).toEqual(path);
      }
      reader.close();
    }
    keeping.close();
    writer.close();
  });
});

describe("durability", () => {
  test("a commit for the disk covers what was committed for the process only; sync does so alone", async () => {
    const writer = f.open();
    writer.commit([[f.request()]], f.keys, "wal");
    expect([writer.size, writer.syncedSize]).toEqual([2, 1]);
    expect(await writer.sync()).toBe(2);
    writer.commit([[f.request()]], f.keys, "wal");
    writer.commit([[f.request()]], f.keys, "disk");
    expect([writer.size, writer.syncedSize]).toEqual([4, 4]);
    writer.close();
  });

  test("a group that cannot be stored leaves no trace, in the file or in memory", () => {
    const writer = f.open();
    const before = { size: writer.size, root: Buffer.from(writer.logRoot()), epoch: writer.epoch };
    // another process has taken the next index, as no daemon would
    const db = new Database(f.path);
    db.exec("INSERT INTO blob (log_index, bytes) VALUES (2, x'00')");
    expect(code(() => writer.commit([[f.request()], [f.request({ organization: "new" })]], f.keys, "disk"))).toBe("ledger_failed");
    expect({ size: writer.size, root: Buffer.from(writer.logRoot()), epoch: writer.epoch }).toEqual(before);
    db.exec("DROP TRIGGER blob_no_delete; DELETE FROM blob WHERE log_index = 2");
    db.close();
    expect(stored(writer.commit([[f.request({ organization: "new" })]], f.keys, "disk"))).toEqual([[{ index: 1, seq: 1, organization: "new", duplicate: false }]]);
    writer.close();
  });

  test("a copy taken while the writer is killed opens and goes on", () => {
    const writer = f.open();
    writer.commit([[f.request()], [f.request()]], f.keys, "disk");
    const copy = join(f.dir, "copy.db");
    for (const suffix of ["", "-wal"]) copyFileSync(f.path + suffix, copy + suffix);
    writer.close();
    rmSync(f.path);
    const again = Writer.open(copy, f.options);
    expect(again.size).toBe(3);
    expect(stored(again.commit([[f.request()]], f.keys, "disk"))).toEqual([[{ index: 3, seq: 3, organization: "default", duplicate: false }]]);
    again.close();
  });
});
