import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOutbox, openOutbox, type Outbox } from "../../src/anchor/outbox.ts";

const LEDGER = { origin: "a.example/log", ledgerId: "0123456789abcdef0123456789abcdef" };
const A = new Uint8Array(32).fill(1);
const B = new Uint8Array(32).fill(2);

let dir: string;
let path: string;
let outbox: Outbox;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-test-"));
  path = join(dir, "anchor.db");
  createOutbox(path, LEDGER);
  outbox = openOutbox(path, LEDGER);
});
afterEach(() => {
  outbox.close();
  rmSync(dir, { recursive: true, force: true });
});

function reopen(): void {
  outbox.close();
  outbox = openOutbox(path, LEDGER);
}

describe("the outbox", () => {
  test("is created once, and opened only where it is", () => {
    expect(() => createOutbox(path, LEDGER)).toThrow(expect.objectContaining({ code: "outbox_exists" }));
    expect(() => openOutbox(join(dir, "other.db"), LEDGER)).toThrow(expect.objectContaining({ code: "outbox_missing" }));
    expect(existsSync(join(dir, "other.db"))).toBe(false);
  });

  test("a creation that was cut short is begun again", () => {
    const other = join(dir, "other.db");
    writeFileSync(`${other}.new`, "half");
    writeFileSync(`${other}.new-wal`, "half");
    createOutbox(other, LEDGER);
    openOutbox(other, LEDGER).close();
    expect(existsSync(`${other}.new`)).toBe(false);
  });

  test.each([
    ["another origin", { ...LEDGER, origin: "b.example/log" }],
    ["another ledger of the same name", { ...LEDGER, ledgerId: "f".repeat(32) }],
  ])("is not opened for %s", (_, ledger) => {
    expect(() => openOutbox(path, ledger)).toThrow(expect.objectContaining({ code: "wrong_ledger" }));
  });

  test("another file is not taken for one", () => {
    const text = join(dir, "text");
    writeFileSync(text, "not a database, but long enough to look at its header and find that out ".repeat(20));
    expect(() => openOutbox(text, LEDGER)).toThrow(expect.objectContaining({ code: "not_an_outbox" }));
    const sqlite = join(dir, "other.db");
    new Database(sqlite).exec("CREATE TABLE t (a)").close();
    expect(() => openOutbox(sqlite, LEDGER)).toThrow(expect.objectContaining({ code: "not_an_outbox" }));
  });

  test("one of a newer program is left alone", () => {
    const db = new Database(path);
    db.pragma("user_version = 99");
    db.close();
    expect(() => openOutbox(path, LEDGER)).toThrow(expect.objectContaining({ code: "newer_outbox" }));
  });

  test("a second root for a size is refused, signed or not, now and after a restart", () => {
    outbox.reserve([{ treeSize: 5, root: A }]);
    outbox.reserve([{ treeSize: 5, root: A }]);
    expect(() => outbox.reserve([{ treeSize: 5, root: B }])).toThrow(expect.objectContaining({ code: "equivocation", fatal: true }));
    reopen();
    expect(() => outbox.reserve([{ treeSize: 5, root: B }])).toThrow(expect.objectContaining({ code: "equivocation" }));
    outbox.saveNotes([{ treeSize: 5, note: "note" }]);
    expect(() => outbox.reserve([{ treeSize: 5, root: B }])).toThrow(expect.objectContaining({ code: "equivocation" }));
    expect(outbox.newest()).toEqual({ treeSize: 5, root: Buffer.from(A) });
  });

  test("what was left in the log is written again before anything is added: a failed fsync may have left it in memory only", () => {
    outbox.reserve([{ treeSize: 5, root: A }]);
    const left = join(dir, "left.db");
    for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, left + suffix);
    const next = openOutbox(left, LEDGER);
    const alone = join(dir, "alone.db");
    copyFileSync(left, alone);
    next.close();
    const found = openOutbox(alone, LEDGER);
    expect(found.newest()).toEqual({ treeSize: 5, root: Buffer.from(A) });
    found.close();
  });

  test("roots of a group are stored together or not at all", () => {
    outbox.reserve([{ treeSize: 5, root: A }]);
    expect(() => outbox.reserve([{ treeSize: 9, root: A }, { treeSize: 5, root: B }])).toThrow(expect.objectContaining({ code: "equivocation" }));
    expect(outbox.newest()).toMatchObject({ treeSize: 5 });
  });

  test("a note is stored once, for a root that was stored before", () => {
    expect(() => outbox.saveNotes([{ treeSize: 5, note: "note" }])).toThrow(expect.objectContaining({ code: "equivocation" }));
    outbox.reserve([{ treeSize: 5, root: A }, { treeSize: 9, root: B }]);
    expect([outbox.signedSize(), outbox.note(5)]).toEqual([0, null]);
    outbox.saveNotes([{ treeSize: 5, note: "note" }]);
    outbox.saveNotes([{ treeSize: 5, note: "note" }]);
    expect([outbox.signedSize(), outbox.note(5), outbox.note(9)]).toEqual([5, "note", null]);
    expect(() => outbox.saveNotes([{ treeSize: 5, note: "another" }])).toThrow(expect.objectContaining({ code: "equivocation" }));
    expect(outbox.note(5)).toBe("note");
    expect(outbox.newest()).toMatchObject({ treeSize: 9 });
  });

  test("remembers what each target has confirmed", () => {
    expect(outbox.confirmed("a")).toBeNull();
    outbox.confirm("a", { treeSize: 5, versionId: "v1", lastModified: 1000 });
    outbox.confirm("a", { treeSize: 9, versionId: "v2", lastModified: 2000 });
    outbox.confirm("a", { treeSize: 9, versionId: "again", lastModified: 3000 });
    outbox.confirm("b", { treeSize: 5, versionId: "1", lastModified: 4000 });
    reopen();
    expect(outbox.confirmed("a")).toEqual({ treeSize: 9, versionId: "v2", lastModified: 2000 });
    expect(outbox.confirmed("b")).toEqual({ treeSize: 5, versionId: "1", lastModified: 4000 });
  });

  test.each([
    "DELETE FROM signed", "DELETE FROM confirmed", "DELETE FROM ledger",
    "UPDATE signed SET root = zeroblob(32) WHERE tree_size = 5", "UPDATE signed SET root = zeroblob(32), note = 'x' WHERE tree_size = 9",
    "UPDATE signed SET note = 'x' WHERE tree_size = 5", "UPDATE signed SET note = NULL WHERE tree_size = 5", "UPDATE signed SET tree_size = 6, note = 'x' WHERE tree_size = 9",
    "UPDATE confirmed SET tree_size = 1", "UPDATE ledger SET origin = 'x'",
  ])("refuses: %s", (sql) => {
    outbox.reserve([{ treeSize: 5, root: A }, { treeSize: 9, root: B }]);
    outbox.saveNotes([{ treeSize: 5, note: "note" }]);
    outbox.confirm("a", { treeSize: 5, versionId: "v1", lastModified: 1000 });
    const db = new Database(path);
    expect(() => db.exec(sql)).toThrow(/append-only/);
    db.close();
  });
});
