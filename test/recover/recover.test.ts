/** A ledger damaged in every table, page and byte, and made anew from what is left: all of it, or nothing is changed. */
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import { createOutbox, openOutbox } from "../../src/anchor/outbox.ts";
import { toHex } from "../../src/format/bytes.ts";
import { receiptLeaf } from "../../src/format/entries.ts";
import { rootOf as merkleRoot } from "../../src/format/merkle.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { diagnose } from "../../src/recover/diagnose.ts";
import { RawPages } from "../../src/recover/raw-pages.ts";
import { LEDGER } from "../anchor/support.ts";
import { type LedgerOptions, TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { optionsIn, RECEIPT_ID, rowsAt, Victim } from "./support.ts";

const victims: Victim[] = [];
afterEach(async () => {
  while (victims.length > 0) await victims.pop()!.remove();
});

/** With subtrees in the table `tree`. */
const LARGE: LedgerOptions = { batches: [5, 260], tail: 4 };

/** 37 receipts. */
async function victim(options: LedgerOptions = { batches: [5, 0, 20, 3], tail: 4 }, more: Parameters<typeof Victim.make>[1] = {}): Promise<Victim> {
  const made = await Victim.make(options, more);
  victims.push(made);
  return made;
}

/** Recovers it as it was, audited; a second run would find nothing to do, since the audit has found nothing. Returns what is recorded. */
async function recovered(ledger: Victim): Promise<unknown> {
  const found = await ledger.diagnosis();
  expect([found.isRebuildable, found.problems.length > 0], JSON.stringify(found)).toEqual([true, true]);
  const inode = statSync(ledger.path).ino;
  const { rebuilt, unsound, kept } = await ledger.recover();
  expect([rebuilt.stop, unsound, kept]).toEqual([null, [], expect.stringMatching(/ledger\.db\.damaged-20260601T\d+Z$/)]);
  expect(statSync(kept!).ino).toBe(inode);
  expect(rowsAt(ledger.path)).toEqual(ledger.before);
  const { exitCode, findings, sentence } = await ledger.audited();
  expect([exitCode, findings.filter(({ severity }) => severity !== "note")], sentence).toEqual([0, []]);
  expect(ledger.order()).toMatchObject({ orders: [{ receipt_id: RECEIPT_ID, replaces: String(inode), details: { log_size: ledger.before.length, lost: [], lost_count: 0 } }] });
  expect(statSync(join(ledger.on.ledger.dir, "recovery.json")).mode & 0o777).toBe(0o600);
  return (ledger.order() as { readonly orders: readonly { readonly details: unknown }[] }).orders[0]!.details;
}

describe("the index is made anew from the receipts", () => {
  const zeros = Buffer.alloc(32);
  test.each<readonly [string, (db: Database.Database) => void]>([
    ["rows of receipt are missing", (db) => db.exec("DELETE FROM receipt WHERE log_index IN (1, 2, 17)")],
    ["all rows of receipt are missing", (db) => db.exec("DELETE FROM receipt")],
    ["the newest rows are missing", (db) => db.exec("DELETE FROM receipt WHERE log_index > 30")],
    ["hashes are others", (db) => db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index IN (3, 9, 30, 36)").run(zeros)],
    ["every column is another", (db) => db.exec("UPDATE receipt SET org = 99, org_seq = org_seq + 1000, receipt_id = randomblob(16), recorded_at = 7, key_epoch = 3, request_mac = zeroblob(32) WHERE log_index IN (4, 20)")],
    ["organization is empty", (db) => db.exec("DELETE FROM organization")],
    ["organizations are swapped", (db) => db.exec("UPDATE organization SET name = 'x' WHERE org = 2; UPDATE organization SET name = 'org-0', prefix = 'Q' WHERE org = 3")],
    ["an organization too many", (db) => db.exec("INSERT INTO organization VALUES (50, 'nobody', 'NO', 400)")],
    ["anchor is empty", (db) => db.exec("DELETE FROM anchor")],
    ["an anchor is another", (db) => db.prepare("UPDATE anchor SET root = ? WHERE tree_size = (SELECT min(tree_size) FROM anchor)").run(zeros)],
    ["an anchor too many", (db) => db.prepare("INSERT INTO anchor VALUES (20, 15, ?)").run(zeros)],
    ["the file says that it is another ledger", (db) => db.exec("UPDATE ledger SET origin = 'x'")],
    ["an index is dropped", (db) => db.exec("DROP INDEX receipt_by_id")],
    ["a table too many", (db) => db.exec("CREATE TABLE mine (x)")],
  ])("%s", async (_, change) => {
    const ledger = await victim();
    ledger.damage(change);
    expect(await recovered(ledger)).toMatchObject({ from: "ledger", replaced: [], replaced_count: 0 });
  });

  test.each(["DELETE FROM tree", "UPDATE tree SET hash = zeroblob(32)"])("%s", async (sql) => {
    const ledger = await victim(LARGE);
    ledger.damage((db) => db.exec(sql));
    expect(await recovered(ledger)).toMatchObject({ from: "ledger" });
  });

  test.each(["tree", "receipt", "organization", "anchor"])("the table %s is dropped", async (table) => {
    const ledger = await victim(table === "tree" ? LARGE : undefined);
    withFile(ledger.path, (db) => db.exec(`DROP TABLE ${table}`));
    expect(await recovered(ledger)).toMatchObject({ from: "ledger", replaced_count: 0 });
  });

  test("also where no target is asked, and none has ever been", async () => {
    const ledger = await victim();
    ledger.damage((db) => db.exec("DELETE FROM receipt WHERE log_index IN (1, 2, 17, 35); DELETE FROM anchor; DELETE FROM tree"));
    expect(await ledger.recover({ source: null, outboxPath: join(ledger.on.ledger.dir, "none.db") })).toMatchObject({ rebuilt: { stop: null } });
    expect(rowsAt(ledger.path)).toEqual(ledger.before);
  });

  test("a page of each table and index is overwritten", async () => {
    for (const name of ["receipt", "organization", "tree", "anchor", "receipt_by_id", "receipt_by_org", "receipt_by_time"]) {
      const ledger = await victim(name === "tree" ? LARGE : { batches: [5, 90], tail: 2 });
      overwritePage(ledger.path, rootOf(ledger.path, name));
      expect(await recovered(ledger)).toMatchObject({ from: "ledger" });
    }
  }, 60_000);
});

function withFile<T>(path: string, work: (db: Database.Database) => T): T {
  const db = new Database(path);
  try {
    db.pragma("wal_checkpoint(TRUNCATE)");
    return work(db);
  } finally {
    db.close();
  }
}

function rootOf(path: string, name: string): number {
  return withFile(path, (db) => db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck().get(name) as number);
}

function overwritePage(path: string, page: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, (page - 1) * 8192, page * 8192);
  writeFileSync(path, bytes);
}

describe("receipts that SQLite does not find are found", () => {
  const large = (n: number) => (n === 6 ? { inputs: { text: "x".repeat(30_000) } } : {});
  test.each<readonly [string, (path: string) => number]>([
    ["the first page is overwritten", (path) => withFile(path, () => 1)],
    ["the page that leads to all blobs is overwritten", (path) => rootOf(path, "blob")],
  ])("%s", async (_, pageOf) => {
    const ledger = await victim({ batches: [5] }, { archives: false, fill: (one) => { one.append(60, large); one.anchor(); one.append(5); } });
    overwritePage(ledger.path, pageOf(ledger.path));
    expect(await recovered(ledger)).toMatchObject({ from: "ledger", replaced_count: 0 });
  });

  test("also in the write-ahead log of a file that cannot be opened", async () => {
    const ledger = await victim({ batches: [5], tail: 3 }, { archives: false });
    withFile(ledger.path, () => ledger.on.ledger.checkpoint());
    ledger.on.ledger.reopen();
    ledger.on.ledger.append(40, large);
    const before = rowsAt(ledger.path);
    const copy = join(ledger.on.ledger.dir, "copy.db");
    copyFileSync(ledger.path, copy);
    copyFileSync(`${ledger.path}-wal`, `${copy}-wal`);
    overwritePage(copy, 1);
    const raw = new RawPages(copy);
    try {
      expect(raw.end).toBe(before.length);
      for (const { logIndex, blob } of before) expect([...raw.candidates(logIndex)]).toContainEqual(blob);
    } finally {
      raw.close();
    }
  });
});

describe("damaged bytes", () => {
  test("are put back from the archive, and kept aside", async () => {
    const ledger = await victim();
    const old = ledger.before[9]!.blob!;
    const anchor = ledger.on.anchored() - 1;
    const changed = Buffer.from(old.toString().replace("loan-scoring", "loan-Scoring"));
    ledger.damage((db) => {
      db.prepare("UPDATE blob SET bytes = ? WHERE log_index = 9").run(changed);
      db.exec("DELETE FROM blob WHERE log_index = 12");
      db.prepare("UPDATE blob SET bytes = x'00ff' WHERE log_index = ?").run(anchor); // which the published anchor holds itself
    });
    expect(await recovered(ledger)).toMatchObject({ from: "both", replaced_count: 3 });
    const hash = toHex(nodeHash.sha256(changed));
    expect(ledger.order()).toMatchObject({ orders: [{ details: { replaced: [{ log_index: 9, found: `sha256:${hash}` }, { log_index: 12, found: null }, { log_index: anchor }] } }] });
    expect(readFileSync(join(ledger.on.ledger.dir, "quarantine", `${"9".padStart(20, "0")}-${hash}.bytes`))).toEqual(changed);
  });

  test("that are in no archive are named and set aside, and the ledger goes on", async () => {
    const ledger = await victim({ batches: [5, 6], tail: 4 }, { archives: false });
    ledger.damage((db) => db.exec("UPDATE blob SET bytes = x'7b7d' WHERE log_index IN (3, 16)"));
    const { problems, isRebuildable } = await ledger.diagnosis();
    const names = [3, 16].map((index) => { const { prefix, orgSeq } = ledger.before[index]!; return `${prefix}-2026-${String(orgSeq).padStart(5, "0")} (log index ${index})`; });
    expect([isRebuildable, problems.map(({ code }) => code)]).toEqual([true, ["receipt_damaged", "receipt_damaged"]]);
    names.forEach((name, i) => expect(problems[i]!.message).toContain(name));
    expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: null, lost: { count: 2 } }, unsound: [] });
    expect(rowsAt(ledger.path)).toEqual(ledger.before.map((row, i) => (i === 3 || i === 16 ? { ...row, blob: null } : row)));
    expect((await ledger.audited()).findings.filter(({ severity }) => severity !== "note").map(({ code, logIndex }) => [code, logIndex])).toEqual([["blob_missing", 3], ["blob_missing", 16]]);
    expect(await ledger.diagnosis()).toMatchObject({ isRebuildable: false, problems: [{ code: "receipt_lost" }, { code: "receipt_lost" }] });
    ledger.on.ledger.reopen(); // it goes on, and what follows is anchored
    ledger.on.ledger.append(5);
    ledger.on.ledger.anchor();
  });

  test("of a receipt whose row is damaged, too, come back by what was published alone", async () => {
    const ledger = await victim();
    ledger.damage((db) => db.exec("UPDATE blob SET bytes = x'00' WHERE log_index = 3; UPDATE receipt SET receipt_hash = zeroblob(32), org = 77 WHERE log_index = 3; DELETE FROM receipt WHERE log_index = 4; DELETE FROM blob WHERE log_index = 4"));
    expect(await recovered(ledger)).toMatchObject({ replaced_count: 2 });
  });

  test("of which nothing is left anywhere stop it, and nothing is changed", async () => {
    const ledger = await victim({ batches: [5, 6] }, { archives: false });
    ledger.damage((db) => db.exec("DELETE FROM blob WHERE log_index = 3; DELETE FROM receipt WHERE log_index = 3"));
    const bytes = readFileSync(ledger.path);
    expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "not_archived", logIndex: 3 } }, kept: null });
    expect([readFileSync(ledger.path).equals(bytes), ledger.files()]).toEqual([true, []]);
    expect((await ledger.diagnosis()).isRebuildable).toBe(false);
  });

  test("after the newest anchor are judged by their MACs", async () => {
    const ledger = await victim({ batches: [5], tail: 4 });
    ledger.damage((db) => db.exec("UPDATE receipt SET receipt_hash = zeroblob(32) WHERE log_index = 8; DELETE FROM receipt WHERE log_index = 10"));
    expect(await recovered(ledger)).toMatchObject({ from: "ledger" });
  });

  test("without the keys only where an anchor covers them", async () => {
    const ledger = await victim({ batches: [5, 3] });
    const { requestSecret } = ledger.knowledge().keys;
    ledger.damage((db) => db.exec("DELETE FROM receipt WHERE log_index = 3"));
    expect(await ledger.recover({ keys: { starts: [], requestSecret } })).toMatchObject({ rebuilt: { stop: null }, unsound: [] });
    expect(rowsAt(ledger.path)).toEqual(ledger.before);
    // no target and no anchor.db says what was signed: only the file itself does, which anybody may have written
    ledger.damage((db) => db.exec("DELETE FROM receipt WHERE log_index = 3"));
    rmSync(join(ledger.on.ledger.dir, "anchor.db"));
    expect(await ledger.recover({ source: null, keys: { starts: [], requestSecret } })).toMatchObject({ rebuilt: { stop: { code: "key_unknown" } }, kept: null });
    expect(await ledger.recover({ source: null, keys: { starts: [], sealed: ["key_v1"], requestSecret } })).toMatchObject({ rebuilt: { stop: { code: "ratchet_lost" } }, kept: null });
    expect(await ledger.recover({ source: null })).toMatchObject({ rebuilt: { stop: null }, unsound: [] });
    expect(rowsAt(ledger.path)).toEqual(ledger.before);
  });

  test("after the newest anchor, where nobody has the key: left out only if that is asked for, and never a batch that was closed", async () => {
    const ledger = await victim({ batches: [5, 5], tail: 3 });
    const size = ledger.before.length;
    const keys = { starts: [], sealed: ["key_v1"], requestSecret: ledger.knowledge().keys.requestSecret };
    ledger.damage((db) => db.prepare("DELETE FROM receipt WHERE log_index = ?").run(size - 2));
    expect(await ledger.recover({ keys })).toMatchObject({ rebuilt: { stop: { code: "ratchet_lost" } }, kept: null });
    // as if the newest anchor had never been published, and its receipt were lost: its batch may have been signed all the same
    const bytes = readFileSync(ledger.path);
    const objects = new Map(ledger.target.objects);
    const outbox = readFileSync(join(ledger.on.ledger.dir, "anchor.db"));
    for (const name of objects.keys()) if (name.includes(String(size - 3).padStart(20, "0"))) ledger.target.objects.delete(name);
    rmSync(join(ledger.on.ledger.dir, "anchor.db"));
    ledger.damage((db) => db.exec(`DELETE FROM receipt WHERE log_index = ${size - 4}; DELETE FROM blob WHERE log_index = ${size - 4}; DELETE FROM anchor WHERE tree_size = ${size - 3}`));
    expect(await ledger.recover({ keys, dropsTail: true })).toMatchObject({ rebuilt: { stop: { code: "undecided", logIndex: size - 3 } }, kept: null });
    writeFileSync(ledger.path, bytes);
    writeFileSync(join(ledger.on.ledger.dir, "anchor.db"), outbox);
    for (const [name, object] of objects) ledger.target.objects.set(name, object);
    expect(await ledger.recover({ keys, dropsTail: true })).toMatchObject({ rebuilt: { size: size - 3, stop: null, dropped: { count: 3 } }, unsound: [] });
    expect(rowsAt(ledger.path)).toEqual(ledger.before.slice(0, -3));
  });

  test("in a batch of which only the file itself says that it was anchored, and whose anchor receipt is damaged, too, are judged by their MACs", async () => {
    const ledger = await victim({ batches: [5] });
    const made = Buffer.from(ledger.before[3]!.blob!.toString().replace("rule", "role"));
    rmSync(join(ledger.on.ledger.dir, "anchor.db"));
    ledger.damage((db) => {
      db.exec("UPDATE blob SET bytes = x'7b7d' WHERE log_index = 6");
      db.prepare("UPDATE blob SET bytes = ? WHERE log_index = 3").run(made);
      const hashes = ledger.before.map(({ receiptHash }, i) => (i === 3 ? nodeHash.sha256(made) : receiptHash));
      db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = 3").run(hashes[3]);
      db.prepare("UPDATE anchor SET root = ?").run(merkleRoot(hashes.map((hash) => receiptLeaf(hash, nodeHash.sha256)), nodeHash.sha256));
    });
    expect(await ledger.recover({ source: null })).toMatchObject({ rebuilt: { stop: { code: "mac_mismatch", logIndex: 3 } }, kept: null });
  });

  test.each([["a row is missing", false], ["somebody has made one up", true]])("behind a rotation that the keyring does not know: %s", async (_, isForged) => {
    const ledger = await victim({ batches: [5] }, { fill: (filled) => {
      filled.rotate("key_v2");
      filled.append(4);
    } });
    const tail = ledger.before.length - 2;
    const made = Buffer.from(ledger.before[tail]!.blob!.toString().replace("rule", "role"));
    ledger.damage((db) => {
      db.exec("DELETE FROM receipt WHERE log_index = 3"); // which an anchor covers
      if (!isForged) return;
      db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(made, tail);
      db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(made), tail);
    });
    const older = await ledger.recover({ keys: optionsIn(ledger.on.ledger.dir).keys }); // with key_v1 alone
    expect(older).toMatchObject({ rebuilt: { stop: { code: "key_unknown", logIndex: tail - 2 } }, kept: null });
    expect(diagnose(await ledger.audited(), older.rebuilt, "receiptd recover --rebuild")).toMatchObject({
      isRebuildable: false, problems: expect.arrayContaining([{ code: "keys_unusable", message: expect.stringContaining("no key key_v2") as unknown, next: "put the newest backup of the keyring in its place, then: receiptd recover" }]) as unknown,
    });
    expect(await ledger.recover()).toMatchObject(isForged ? { rebuilt: { stop: { code: "mac_mismatch", logIndex: tail } }, kept: null } : { rebuilt: { stop: null }, unsound: [] });
    if (!isForged) expect(rowsAt(ledger.path)).toEqual(ledger.before);
  });

  test("somebody without the key has made up a receipt after the newest anchor", async () => {
    const ledger = await victim({ batches: [5], tail: 4 });
    const made = Buffer.from(ledger.before[10]!.blob!.toString().replace("rule", "role"));
    ledger.damage((db) => {
      db.prepare("UPDATE blob SET bytes = ? WHERE log_index = 10").run(made);
      db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = 10").run(nodeHash.sha256(made));
    });
    expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "mac_mismatch", logIndex: 10 } }, kept: null });
  });
});

test("an organization that was begun a second time, since its name in the index was changed: it stops, with what can be done", async () => {
  const ledger = await victim({ batches: [6], organizations: 2 });
  const first = ledger.before.find(({ organization, orgSeq }) => organization !== "_ledger" && orgSeq === 1)!;
  const size = ledger.before.length;
  ledger.damage((db) => {
    db.prepare("DELETE FROM blob WHERE log_index = ?").run(first.logIndex); // the writer would see it
    db.prepare("UPDATE organization SET name = name || 'z', prefix = prefix || 'Z' WHERE name = ?").run(first.organization);
  });
  ledger.on.ledger.reopen();
  ledger.on.ledger.append(3);
  ledger.on.ledger.close();
  ledger.damage((db) => db.prepare("INSERT INTO blob VALUES (?, ?)").run(first.logIndex, first.blob));
  expect(() => ledger.on.ledger.reopen()).toThrow(expect.objectContaining({ code: "organization_mismatch" }));
  const { problems, isRebuildable } = await ledger.diagnosis();
  expect([isRebuildable, problems.map(({ code }) => code)]).toEqual([false, ["number_twice"]]);
  expect(problems[0]).toMatchObject({ message: expect.stringMatching(new RegExp(`^receipt (${size}|${size + 1}) is .* of ${first.organization}, and number 1`)), next: expect.stringContaining("receiptd init") });
  expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "number_twice" } }, kept: null });
});

describe("a ledger that is behind its anchors", () => {
  test("gets the receipts back that are archived, and goes on", async () => {
    const ledger = await victim({ batches: [5, 6, 260, 2] });
    ledger.damage((db) => { for (const [table, column] of [["receipt", "log_index"], ["blob", "log_index"], ["anchor", "tree_size - 1"]]) db.exec(`DELETE FROM ${table} WHERE ${column} > 9`); db.exec("DELETE FROM tree"); });
    const { problems } = await ledger.diagnosis();
    expect(problems.map(({ code }) => code)).toContain("ledger_behind");
    expect(await recovered(ledger)).toMatchObject({ from: "both" });
    ledger.on.ledger.reopen();
    ledger.on.ledger.append(3);
    ledger.on.ledger.anchor();
  });

  test("without an archive has no honest continuation", async () => {
    const ledger = await victim({ batches: [5, 6, 7] }, { archives: false });
    const total = ledger.before.length;
    ledger.damage((db) => { for (const [table, column] of [["receipt", "log_index"], ["blob", "log_index"], ["anchor", "tree_size - 1"]]) db.exec(`DELETE FROM ${table} WHERE ${column} > 9`); });
    const { problems, isRebuildable } = await ledger.diagnosis();
    expect([isRebuildable, problems]).toEqual([false, [expect.objectContaining({ code: "wal_damaged", message: expect.stringContaining(`ends at 10 receipts, and ${total} were acknowledged`) }), expect.objectContaining({ code: "ledger_behind", message: expect.stringMatching(new RegExp(`${total - 10} receipts \\(log indexes 10 to ${total - 1}\\) are lost .* no honest continuation`)) })]]);
    expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "not_archived" } }, kept: null });
  });

  test("and the target too, so that only the outbox knows", async () => {
    const ledger = await victim({ batches: [5, 6] });
    const outbox = openOutbox(ledger.on.outboxPath, LEDGER);
    outbox.reserve([{ treeSize: 40, root: Buffer.alloc(32, 1) }]);
    outbox.close();
    expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "ledger_behind" } }, kept: null });
  });
});

describe("a clone", () => {
  test("has anchored on: nothing is changed, and it is said who is ahead", async () => {
    const ledger = await victim({ batches: [5] });
    ledger.on.ledger.checkpoint();
    const clone = new TestLedger({ from: ledger.on.ledger });
    try {
      clone.append(4, (n) => ({ metadata: { clone: n } }));
      clone.anchor();
      clone.close();
      await publish(clone, ledger.target, { after: 7 });
      ledger.on.ledger.reopen();
      ledger.on.ledger.append(2);
      ledger.on.ledger.close();
      const { problems, isRebuildable } = await ledger.diagnosis();
      expect([isRebuildable, problems]).toEqual([false, [expect.objectContaining({ code: "forked", message: expect.stringContaining("the other host is ahead") })]]);
      for (const starts of [ledger.knowledge().keys.starts, []]) { // a forward-secure host cannot check the MACs of the past
        expect(await ledger.recover({ keys: { starts, requestSecret: null } })).toMatchObject({ rebuilt: { stop: { code: "forked" } }, kept: null });
      }
    } finally {
      clone.remove();
    }
  });
});

test("a ledger that goes on behind a ratchet_break is recovered like any other: what the audit says of that is no damage", async () => {
  const ledger = await victim({ batches: [5], tail: 2 }, {
    fill: (broken) => {
      broken.breakRatchet("key_v2");
      broken.append(3);
      broken.anchor();
      broken.append(2);
    },
  });
  expect((await ledger.diagnosis()).problems).toEqual([]);
  ledger.damage((db) => db.exec("DELETE FROM receipt WHERE log_index IN (2, 9)"));
  expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: null }, unsound: [] });
  expect(rowsAt(ledger.path)).toEqual(ledger.before);
  expect((await ledger.audited()).findings.filter(({ severity }) => severity === "violation").map(({ code }) => code)).toEqual(["ratchet_break"]);
});

test.each([[true], [false]])("with a keyring from before a rotation of the checkpoint key nothing is called lost that is published: outbox kept: %s", async (hasOutbox) => {
  const ledger = await victim({ batches: [3] }, { fill: (filled) => {
    filled.rotateCheckpoint("second");
    filled.append(4);
    filled.anchor();
  } });
  const [first, second] = ledger.on.ledger.keyring.checkpointKeys.map(({ vkey }) => vkey);
  ledger.damage((db) => db.exec("DELETE FROM blob WHERE log_index >= 8; DELETE FROM receipt WHERE log_index >= 9; DELETE FROM anchor WHERE tree_size > 8"));
  if (!hasOutbox) rmSync(join(ledger.on.ledger.dir, "anchor.db"));
  const inode = statSync(ledger.path).ino;
  const older = await ledger.recover({ vkeys: [first!], dropsTail: true });
  expect(older).toMatchObject({ kept: null, rebuilt: { stop: { code: "vkey_unknown", message: expect.stringContaining(second!) as unknown } } });
  expect(diagnose(await ledger.audited(), older.rebuilt, "receiptd recover --rebuild")).toMatchObject({
    isRebuildable: false, problems: expect.arrayContaining([{ code: "keys_unusable", message: expect.stringContaining(second!) as unknown, next: "put the newest backup of the keyring in its place, then: receiptd recover" }]) as unknown,
  });
  expect(statSync(ledger.path).ino).toBe(inode);
  const newest = await ledger.recover({ vkeys: [first!, second!] });
  expect(newest).toMatchObject({ kept: expect.any(String) as unknown, unsound: [], rebuilt: { stop: null } });
  expect(rowsAt(ledger.path)).toEqual(ledger.before);
});

test.each([["lost", false], ["an older one", true]])("what the source's anchors were signed with is taken from there: an overwritten key signs nothing again, and anchor.db is %s", async (_, isOlder) => {
  const ledger = await victim({ batches: [3] }, { fill: (filled) => {
    filled.rotateCheckpoint("second");
    filled.append(4);
    filled.anchor();
  } });
  const { keyring, dir } = ledger.on.ledger;
  const vkeys = keyring.checkpointKeys.map(({ vkey }) => vkey);
  const path = join(dir, "anchor.db");
  const before = openOutbox(path, LEDGER);
  const notes = [5, 7, 12].map((size) => ({ treeSize: size, root: before.root(size)!, note: before.note(size)! }));
  before.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  if (isOlder) {
    createOutbox(path, LEDGER);
    const older = openOutbox(path, LEDGER);
    older.reserve(notes.slice(0, 2));
    older.saveNotes(notes.slice(0, 1)); // the second was about to be signed
    older.close();
  }
  ledger.damage((db) => db.exec("DELETE FROM receipt WHERE log_index = 3"));
  const stepped = ledger.recover({ vkeys }, { onStep: (step) => { if (step === "signed") throw new Error("the power went"); } });
  await expect(stepped).rejects.toThrow("the power went");
  expect(await ledger.recover({ vkeys })).toMatchObject({ rebuilt: { stop: null }, unsound: [], notes: 0 }); // the first run has taken them
  const outbox = openOutbox(path, LEDGER);
  expect(notes.map(({ treeSize }) => outbox.note(treeSize))).toEqual(notes.map(({ note }) => note));
  outbox.close();
  // the source is no target of this ledger: another one gets all of them, without the first key
  ledger.on.ledger.keyring = { ...keyring, checkpointKeys: keyring.checkpointKeys.map((key, i) => (i > 0 ? key : { vkey: key.vkey })) };
  const other = ledger.on.memory("other");
  const running = ledger.on.publisher([other]);
  await running.publisher.start();
  await running.until(({ targets }) => targets[0]!.confirmed?.treeSize === 12);
  await running.stop();
});
