/** A ledger whose write-ahead log is damaged, whose file was cut short, or of whose newest receipts nothing is left: no receipt is dropped without a word. */
import { existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import { toHex } from "../../src/format/bytes.ts";
import { markPath, readMark } from "../../src/ledger/acks.ts";
import type { StoredBlob } from "../../src/ledger/reader.ts";
import { OldLedger } from "../../src/recover/old-ledger.ts";
import { takeBack } from "../../src/recover/order.ts";
import { rowsAt, Victim } from "./support.ts";

const PAGE = 8192;
const FRAME = 24 + PAGE;
const victims: Victim[] = [];
afterEach(async () => {
  while (victims.length > 0) await victims.pop()!.remove();
});

async function victim(archives = false): Promise<Victim> {
  const made = await Victim.make({ batches: [5, 6], tail: 2 }, { archives });
  victims.push(made);
  return made;
}

interface Killed {
  readonly ledger: Victim;
  readonly rows: readonly StoredBlob[];
  readonly file: Buffer;
  readonly log: Buffer;
  readonly frames: number;
  /** The files as the daemon left them, but for one bit of the log. */
  damaged(position: number, keepsMark?: boolean): void;
}

/** With commits of single receipts in its log: the files as they are when the daemon is killed. */
async function killed(): Promise<Killed> {
  const ledger = await victim();
  const { on: { ledger: on }, path } = ledger;
  on.reopen();
  for (let n = 0; n < 24; n++) on.append(1);
  const [file, log, mark] = [readFileSync(path), readFileSync(`${path}-wal`), readFileSync(markPath(path))];
  on.close();
  const rows = rowsAt(path);
  return {
    ledger, rows, file, log, frames: (log.length - 32) / FRAME,
    damaged(position, keepsMark = false) {
      rmSync(`${path}-shm`, { force: true });
      if (keepsMark) writeFileSync(markPath(path), mark);
      else rmSync(markPath(path), { force: true });
      rmSync(path); // the old one has another name now
      writeFileSync(path, file);
      rmSync(`${path}-wal`, { force: true });
      const bytes = Buffer.from(log);
      bytes[position]! ^= 1;
      writeFileSync(`${path}-wal`, bytes);
    },
  };
}

test("wherever a bit of the log is damaged, the receipts behind it come back, and the log is kept", async () => {
  const left = await killed();
  const { ledger, rows, log, file, frames } = left;
  expect(frames).toBeGreaterThan(60);
  const positions = [3, 20, ...Array.from({ length: 8 }, (_, i) => 32 + Math.floor((frames - 20) * i / 8) * FRAME + [1, 6, 12, 20, 30, 4000, 8000, FRAME - 2][i]!)];
  for (const position of positions) {
    left.damaged(position);
    const { problems, isRebuildable } = await ledger.diagnosis();
    expect([position, problems[0]?.code, isRebuildable]).toEqual([position, "wal_damaged", true]);
    expect(readFileSync(ledger.path).equals(file)).toBe(true); // to look changes nothing
    const { rebuilt, unsound, kept } = await ledger.recover();
    expect([position, rebuilt.stop, unsound, rebuilt.dropped.count]).toEqual([position, null, [], 0]);
    const lost = new Set(rebuilt.lost.named.map(({ logIndex }) => logIndex));
    expect(lost.size).toBeLessThan(2);
    expect(rowsAt(ledger.path)).toEqual(rows.map((row) => (lost.has(row.logIndex) ? { ...row, blob: null } : row)));
    expect([readFileSync(kept!).equals(file), readFileSync(`${kept!}-wal`).length]).toEqual([true, log.length]);
    expect(existsSync(`${ledger.path}.view`)).toBe(false);
    rmSync(kept!);
    rmSync(`${kept!}-wal`);
  }
}, 60_000);

test("the very last commit is damaged: by the mark something is missing, and it comes back", async () => {
  const left = await killed();
  const { ledger, rows, frames } = left;
  for (const position of [5, 9, FRAME - 1]) {
    left.damaged(32 + (frames - 1) * FRAME + position, true);
    const { problems, isRebuildable } = await ledger.diagnosis();
    expect([position, problems.map(({ code }) => code), isRebuildable]).toEqual([position, ["wal_damaged"], true]);
    const { rebuilt, kept } = await ledger.recover();
    expect([position, rebuilt.stop, rebuilt.lost.count, rebuilt.dropped.count]).toEqual([position, null, 0, 0]);
    expect(rowsAt(ledger.path)).toEqual(rows);
    expect([existsSync(markPath(ledger.path)), readMark(kept!)?.acknowledged]).toEqual([false, rows.length]);
    for (const suffix of ["", "-wal", "-acks"]) rmSync(kept! + suffix);
  }
}, 60_000);

test("an older copy in the ledger's place: what was promised since is named, and dropped only if that is asked for", async () => {
  const ledger = await victim();
  const { on: { ledger: on }, path } = ledger;
  ledger.damage((db) => db.pragma("wal_checkpoint(TRUNCATE)"));
  const older = readFileSync(path);
  on.reopen();
  on.append(3);
  on.close();
  const size = rowsAt(path).length;
  for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
  writeFileSync(`${path}.older`, older);
  renameSync(`${path}.older`, path);
  expect(() => on.reopen()).toThrow(expect.objectContaining({ code: "wal_damaged" }));
  const { problems, isRebuildable } = await ledger.diagnosis();
  expect([problems.map(({ code, message, next }) => [code, message.includes(`${size - 3} to ${size - 1}`), next.includes("--drop-tail")]), isRebuildable])
    .toEqual([[["wal_damaged", false, false], ["receipt_lost", true, true]], false]);
  expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "tail_lost" } }, kept: null });
  expect(await ledger.recover({ dropsTail: true })).toMatchObject({ rebuilt: { size: size - 3, stop: null }, unsound: [] });
  expect(ledger.order()).toMatchObject({ orders: [{ details: { lost_count: 3, lost: [{ log_index: size - 3, found: null }, {}, {}] } }] });
  on.reopen();
  expect(readMark(path)).toMatchObject({ acknowledged: size - 3 });
});

test("killed before the new file is in its place: the ledger gets its log back", async () => {
  const left = await killed();
  const { ledger, rows } = left;
  left.damaged(32 + 20 * FRAME + 2000);
  const log = readFileSync(`${ledger.path}-wal`);
  const inode = statSync(ledger.path).ino;
  // what a process leaves that is killed between the two last steps of replaceLedger
  await ledger.recover({}, { onStep: (step) => { if (step === "linked") throw new Error("killed"); } }).catch(() => undefined);
  rmSync(`${ledger.path}-wal`);
  const order = join(ledger.on.ledger.dir, "recovery.json");
  takeBack(order, ledger.path);
  expect([statSync(ledger.path).ino, readFileSync(`${ledger.path}-wal`).equals(log)]).toEqual([inode, true]);
  rmSync(`${ledger.path}-shm`, { force: true });
  renameSync(`${ledger.path}-wal`, `${ledger.path}.damaged-x-wal`); // and where nobody did: the recovery does it itself
  const kept = ledger.files().find((name) => name.includes(".damaged-2"))!;
  renameSync(`${ledger.path}.damaged-x-wal`, join(ledger.on.ledger.dir, `${basename(kept)}-wal`));
  expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: null }, unsound: [] });
  expect(rowsAt(ledger.path).map(({ receiptHash }) => toHex(receiptHash))).toEqual(rows.map(({ receiptHash }) => toHex(receiptHash)));
  takeBack(order, ledger.path); // which is another one now
  expect(existsSync(`${ledger.path}-wal`) && statSync(`${ledger.path}-wal`).size > 0).toBe(false);
});

test("a file that was cut short: every receipt keeps its place and number, and those without bytes are named", async () => {
  const ledger = await victim();
  ledger.on.ledger.reopen();
  ledger.on.ledger.append(60);
  ledger.on.ledger.close();
  const rows = rowsAt(ledger.path);
  const pages = statSync(ledger.path).size / PAGE;
  truncateSync(ledger.path, (pages - 2.5) * PAGE);
  const { problems, isRebuildable } = await ledger.diagnosis();
  expect([problems[0]?.code, isRebuildable]).toEqual(["file_cut", true]);
  expect(problems.map(({ code }) => code)).toContain("receipt_lost");
  expect(problems.map(({ code }) => code)).not.toContain("ledger_behind");
  const { rebuilt } = await ledger.recover();
  const lost = new Set(rebuilt.lost.named.map(({ logIndex }) => logIndex));
  expect([rebuilt.stop, rebuilt.size, lost.size > 0]).toEqual([null, rows.length, true]);
  expect(rowsAt(ledger.path)).toEqual(rows.map((row) => (lost.has(row.logIndex) ? { ...row, blob: null } : row)));
});

test.each<readonly [string, (db: Database.Database) => void, number]>([
  ["only an index names them", (db) => db.exec("DELETE FROM blob WHERE log_index > (SELECT max(log_index) - 2 FROM receipt)"), 0],
  ["a row too many", (db) => db.prepare("INSERT INTO receipt SELECT 5000, org, org_seq + 5000, randomblob(16), receipt_hash, recorded_at, key_epoch, request_mac FROM receipt WHERE log_index = 1").run(), 1],
  ["a row right behind the newest", (db) => db.prepare("INSERT INTO receipt SELECT max(log_index) + 1, 1, 90, randomblob(16), zeroblob(32), recorded_at, key_epoch, NULL FROM receipt").run(), 1],
])("receipts at the end of which nothing is left are dropped only where that is asked for: %s", async (_, change, dropped) => {
  const ledger = await victim();
  ledger.damage(change);
  if (dropped === 0) dropRows(ledger.path, 2);
  const count = dropped === 0 ? 2 : dropped;
  const before = readFileSync(ledger.path);
  expect(await ledger.diagnosis()).toMatchObject({ isRebuildable: false, problems: expect.arrayContaining([expect.objectContaining({ code: "receipt_lost", next: expect.stringContaining("--drop-tail") })]) });
  expect(await ledger.recover()).toMatchObject({ rebuilt: { stop: { code: "tail_lost" } }, kept: null });
  expect(readFileSync(ledger.path).equals(before)).toBe(true);
  const { rebuilt } = await ledger.recover({ dropsTail: true });
  expect([rebuilt.stop, rebuilt.dropped.count, rebuilt.lost.count]).toEqual([null, count, 0]);
  const left = dropped === 0 ? ledger.before.slice(0, -count) : ledger.before;
  expect(rowsAt(ledger.path)).toEqual(left);
  const lost = rebuilt.dropped.named.map(({ logIndex }) => ({ log_index: logIndex, found: null }));
  expect(lost[0]!.log_index).toBeGreaterThanOrEqual(left.length);
  expect(ledger.order()).toMatchObject({ orders: [{ details: { log_size: left.length, lost, lost_count: count } }] });
});

test("what a daemon writes while its ledger is looked at is not taken for lost", async () => {
  const ledger = await victim();
  const old = OldLedger.open(ledger.path);
  ledger.on.ledger.reopen();
  ledger.on.ledger.append(3);
  expect([old.end, old.namesFrom(old.end), old.namesFrom(old.end - 1)]).toEqual([ledger.before.length, [], [old.end - 1]]);
  old.close();
});

/** Of the newest rows the indexes alone are left: their leaf of the table ends before them. */
function dropRows(path: string, count: number): void {
  const db = new Database(path);
  db.pragma("wal_checkpoint(TRUNCATE)");
  const root = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'receipt'").pluck().get() as number;
  db.close();
  const bytes = readFileSync(path);
  const at = (root - 1) * PAGE;
  expect(bytes[at]).toBe(0x0d);
  bytes.writeUInt16BE(bytes.readUInt16BE(at + 3) - count, at + 3);
  writeFileSync(path, bytes);
}
