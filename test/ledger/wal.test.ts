/** A write-ahead log that a killed daemon left, damaged or torn: what was acknowledged is never dropped for that, and a power cut keeps no daemon from starting. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { checkLedger } from "../../src/doctor/ledger.ts";
import { bootId, markPath, readMark } from "../../src/ledger/acks.ts";
import { LedgerError } from "../../src/ledger/errors.ts";
import { checkLeftOver, damagedLog, type Torn, tornText } from "../../src/ledger/left-over.ts";
import { walDamage, WalFile } from "../../src/ledger/wal.ts";
import { type Durability, Writer } from "../../src/ledger/writer.ts";
import { fixture, type Fixture } from "../support/fixture.ts";
import { changeMark, forgetSince, reboot } from "../support/reboot.ts";

const FRAME = 24 + 8192;
const COMMITS = 6;
const opened: { readonly f: Fixture; readonly writer: Writer }[] = [];
afterEach(() => {
  for (const { f, writer } of opened.splice(0)) {
    writer.close();
    f.remove();
  }
});

interface Left {
  readonly f: Fixture;
  readonly dir: string;
  readonly path: string;
  /** By frame: the number of its commit, from 1, and whether it ends that. */
  readonly frames: readonly { readonly commit: number; readonly isLast: boolean }[];
  change(frame: number, at: number, work?: (bytes: Buffer) => void): void;
}

/** What is there of a ledger after so many commits of one receipt each, when its daemon is killed. */
function killed(acks: readonly Durability[] = Array.from({ length: COMMITS }, () => "disk")): Left {
  const f = fixture();
  const writer = f.open();
  opened.push({ f, writer });
  for (const ack of acks) writer.commit([[f.request()]], f.keys, ack);
  const dir = join(f.dir, "left");
  mkdirSync(dir);
  const path = join(dir, "ledger.db");
  for (const suffix of ["", "-wal", "-acks"]) if (existsSync(f.path + suffix)) copyFileSync(f.path + suffix, path + suffix);
  const wal = new WalFile(`${path}-wal`);
  let commit = 1;
  const frames = Array.from(wal.frames(), (frame) => ({ commit: frame.commit > 0 ? commit++ : commit, isLast: frame.commit > 0 }));
  wal.close();
  expect([commit - 1, walDamage(`${path}-wal`), readMark(path)]).toMatchObject([acks.length, null, {
    acknowledged: acks.length + 1, synced: acks.lastIndexOf("disk") + 2, isMixed: acks.includes("wal"), boot: bootId(),
  }]);
  return {
    f, dir, path, frames,
    change: (frame, at, work = (bytes) => { bytes[0]! ^= 1; }) => {
      const bytes = readFileSync(`${path}-wal`);
      work(bytes.subarray(frame < 0 ? at : 32 + frame * FRAME + at));
      writeFileSync(`${path}-wal`, bytes);
    },
  };
}

/** `synced`: what the mark on the disk knows of; with the genesis. */
function powerCut({ path }: Left, synced?: number): void {
  reboot(path);
  if (synced !== undefined) forgetSince(path, synced);
}

/** The code of the refusal, after which all files are as they were. */
function refusalOf(left: Left): unknown {
  const files = (): unknown => readdirSync(left.dir).filter((name) => !/(\.lock|-journal|-shm)$/.test(name) && statSync(join(left.dir, name)).size > 0).sort().map((name) => [name, readFileSync(join(left.dir, name)).toString("base64")]);
  const before = files();
  let code: unknown = null;
  try {
    Writer.open(left.path, left.f.options).close();
  } catch (error) {
    code = error instanceof LedgerError ? error.code : error;
  }
  expect(files()).toEqual(before);
  return code;
}

function opens(left: Left): { readonly size: number; readonly torn: readonly Torn[] } {
  const torn: Torn[] = [];
  const writer = Writer.open(left.path, { ...left.f.options, onTorn: (one) => void torn.push(one) });
  const { size } = writer;
  writer.close();
  return { size, torn };
}

test.each([["page number", 0], ["size after the commit", 5], ["salts", 8], ["checksum", 17], ["checksum's end", 23], ["page's begin", 24], ["page", 24 + 4000], ["page's end", FRAME - 1]] as const)(
  "one bit in a frame's %s, and the log is not opened", (_, at) => {
    const left = killed();
    left.change(left.frames.findIndex(({ commit }) => commit === 3), at);
    expect(refusalOf(left)).toBe("wal_damaged");
    powerCut(left);
    expect(refusalOf(left)).toBe("wal_damaged");
  });

test.each([0, 9, 17, 25])("byte %i of the log's header", (at) => {
  const left = killed();
  left.change(-1, at);
  powerCut(left);
  expect(refusalOf(left)).toBe("wal_damaged");
});

test("doctor says so, and what to do", () => {
  const left = killed();
  const config = join(left.dir, "receiptd.yaml");
  writeFileSync(config, JSON.stringify({ data_dir: "." }));
  const said = (): unknown => checkLedger(loadConfig({ path: config, env: {} }), null).checks.map(({ status, message, next }) => [status, message.replace(/.*(is damaged).*/, "$1"), next]);
  expect(said()).toEqual([["ok", expect.stringMatching(/opens/), undefined]]);
  left.change(left.frames.findIndex(({ commit }) => commit === 3), 100);
  expect(said()).toEqual([["problem", "is damaged", expect.stringContaining("receiptd recover")]]);
});

test("the frame that ends a commit: of another commit behind it follows that it was synced", () => {
  const left = killed();
  left.change(left.frames.findIndex(({ commit, isLast }) => commit === COMMITS - 1 && isLast), 24 + 100);
  powerCut(left);
  expect(refusalOf(left)).toBe("wal_damaged");
});

test("the header of a frame that ends a commit, behind a power cut: the pages of the frames around it are of two commits", () => {
  const left = killed();
  left.change(left.frames.findIndex(({ commit, isLast }) => commit === COMMITS - 1 && isLast), 0, (bytes) => bytes.fill(0, 0, 24));
  powerCut(left, 1);
  expect(refusalOf(left)).toBe("wal_damaged");
});

test("a power cut in the midst of the last commit: it goes on without that, and keeps a copy", () => {
  const left = killed();
  left.change(left.frames.findIndex(({ commit }) => commit === COMMITS), 512, (bytes) => bytes.fill(0xa5, 0, 512));
  expect(refusalOf(left)).toBe("wal_damaged"); // no power cut came between
  powerCut(left);
  expect(refusalOf(left)).toBe("wal_damaged"); // the mark knows that it was synced
  forgetSince(left.path, COMMITS);
  const bytes = readFileSync(`${left.path}-wal`);
  expect(damagedLog(left.path)).toBeNull();
  const { size, torn } = opens(left);
  expect([size, torn]).toEqual([COMMITS, [{ copy: expect.stringMatching(/ledger\.db-wal\.damaged-20260601T100000000Z$/), receipts: 0, isMarked: true }]]); // with the genesis
  expect(readFileSync(torn[0]!.copy!).equals(bytes)).toBe(true);
});

test("what is cut off a torn log is not there to be found again after more was written, where the log cannot be emptied", () => {
  const left = killed();
  left.change(left.frames.findIndex(({ commit }) => commit === COMMITS), 512, (bytes) => bytes.fill(0xa5, 0, 512));
  powerCut(left, COMMITS);
  const torn: Torn[] = [];
  checkLeftOver(left.path, left.f.clock.now, (one) => void torn.push(one));
  const { length } = readFileSync(`${left.path}-wal`);
  expect([torn.length, length]).toEqual([1, 32 + FRAME * left.frames.findIndex(({ commit }) => commit === COMMITS)]);
});

test.each([["page", 24 + 100], ["header", 0]])("one bit in the %s of the very last frame of what was acknowledged", (_, at) => {
  const left = killed();
  left.change(left.frames.length - 1, at);
  expect(refusalOf(left)).toBe("wal_damaged");
  powerCut(left);
  expect(refusalOf(left)).toBe("wal_damaged");
});

test("a log that was cut, or is gone, and an older file in the ledger's place", () => {
  const cut = killed();
  truncateSync(`${cut.path}-wal`, 32 + FRAME * cut.frames.findIndex(({ commit }) => commit === COMMITS));
  expect(refusalOf(cut)).toBe("wal_damaged");
  const gone = killed();
  rmSync(`${gone.path}-wal`);
  expect(refusalOf(gone)).toBe("wal_damaged");
  const f = fixture();
  const writer = f.open();
  opened.push({ f, writer });
  const older = join(f.dir, "older");
  copyFileSync(f.path, older);
  writer.commit([[f.request()]], f.keys, "disk");
  writer.close();
  const again = f.open();
  opened.push({ f, writer: again });
  again.close();
  renameSync(older, f.path);
  expect(() => f.open()).toThrow(expect.objectContaining({ code: "wal_damaged" }));
  rmSync(markPath(f.path));
  f.open().close();
});

test("a mark that is missing, damaged, or of another ledger keeps nobody from starting; one slot is enough", () => {
  for (const spoil of [
    (path: string) => rmSync(markPath(path)),
    (path: string) => writeFileSync(markPath(path), "wal"),
    (path: string) => changeMark(path, (slot) => { slot.fill(0xee, 20, 24); slot[52]! ^= 1; }),
  ]) {
    const left = killed();
    left.change(left.frames.length - 1, 24 + 8000);
    spoil(left.path);
    expect(opens(left)).toMatchObject({ size: COMMITS, torn: [{ receipts: 0 }] });
    expect(readMark(left.path)).toMatchObject({ acknowledged: COMMITS, synced: COMMITS });
  }
  for (const slot of [0, 4096]) {
    const left = killed();
    const bytes = readFileSync(markPath(left.path));
    bytes[slot + 30]! ^= 1;
    writeFileSync(markPath(left.path), bytes);
    expect(readMark(left.path)!.acknowledged).toBeGreaterThanOrEqual(COMMITS);
    expect(opens(left).size).toBe(COMMITS + 1);
  }
});

test("a last commit that did not come to its end, and frames of an earlier life behind it, are the log's end", () => {
  const left = killed();
  const last = left.frames.length - 1;
  left.change(last, 24 + 8000);
  powerCut(left, COMMITS);
  expect(opens(left)).toEqual({ size: COMMITS, torn: [{ copy: expect.any(String), receipts: 0, isMarked: true }] });
  const cut = killed();
  truncateSync(`${cut.path}-wal`, statSync(`${cut.path}-wal`).size - 100);
  forgetSince(cut.path, COMMITS); // killed before anybody was told
  expect(opens(cut)).toEqual({ size: COMMITS, torn: [] });
  const stale = killed();
  const first = stale.frames.findIndex(({ commit }) => commit === 4);
  for (let frame = first; frame < stale.frames.length; frame++) stale.change(frame, 8, (bytes) => bytes.fill(7, 0, 8));
  powerCut(stale, 4);
  expect(opens(stale)).toEqual({ size: 4, torn: [] });
});

test("of what was acknowledged as `wal` only, a power cut may take several commits, and tear any", () => {
  const left = killed(["disk", "disk", "wal", "wal", "wal", "wal"]);
  const first = left.frames.findIndex(({ commit }) => commit === 3);
  left.change(first, 1024, (bytes) => bytes.fill(0xa5, 0, 512));
  expect(refusalOf(left)).toBe("wal_damaged");
  powerCut(left);
  expect(opens(left)).toEqual({ size: 3, torn: [{ copy: expect.any(String), receipts: 4, isMarked: true }] });
  const both = killed(["disk", "disk", "wal", "wal", "wal", "disk"]); // a power cut cannot have torn these
  both.change(first, 1024, (bytes) => bytes.fill(0xa5, 0, 512));
  powerCut(both);
  expect(refusalOf(both)).toBe("wal_damaged");
});

test("a mark that cannot be written is told of, once, and one that is removed is made anew", async () => {
  const f = fixture();
  mkdirSync(markPath(f.path));
  const lost: unknown[] = [];
  const writer = Writer.open(f.path, { ...f.options, onMarkLost: (error) => void lost.push(error) });
  opened.push({ f, writer });
  for (let i = 0; i < 3; i++) writer.commit([[f.request()]], f.keys, "disk");
  expect(lost).toEqual([expect.objectContaining({ code: "EISDIR" })]);
  rmSync(markPath(f.path), { recursive: true });
  writer.commit([[f.request()]], f.keys, "disk");
  expect(readMark(f.path)).toMatchObject({ acknowledged: 5 });
  rmSync(markPath(f.path));
  writer.commit([[f.request()]], f.keys, "disk");
  await expect.poll(() => readMark(f.path), { timeout: 10_000 }).toMatchObject({ acknowledged: 6, synced: 6 });
  expect(tornText({ copy: "x", receipts: 0, isMarked: false })).toMatch(/by a power cut or otherwise, and there is no mark/);
});

test("before the first `wal` the mark is on the disk: what was acknowledged as `disk` before it must be there", () => {
  const left = killed(["disk", "disk", "disk", "disk", "wal"]);
  left.change(left.frames.findIndex(({ commit }) => commit === 2), 1024, (bytes) => bytes.fill(0xa5, 0, 512));
  powerCut(left, 5); // as `allowUnsynced` has left it
  expect(refusalOf(left)).toBe("wal_damaged");
});

test("a `disk` among `wal`: a power cut behind it tears what came later, and no more is asked for", () => {
  const left = killed(["wal", "wal", "wal", "disk", "wal", "wal", "wal", "wal"]);
  left.change(left.frames.findIndex(({ commit }) => commit === 6), 1024, (bytes) => bytes.fill(0xa5, 0, 512));
  powerCut(left);
  expect(opens(left)).toMatchObject({ size: 6, torn: [{ receipts: 3 }] });
});

test("receipts that a power cut took without a trace are told of, if they were acknowledged as `wal`", () => {
  const left = killed(["disk", "wal", "wal"]);
  truncateSync(`${left.path}-wal`, 32 + FRAME * left.frames.findIndex(({ commit }) => commit === 2));
  powerCut(left);
  expect(opens(left)).toEqual({ size: 2, torn: [{ copy: null, receipts: 2, isMarked: true }] });
});

test("a sync is a promise, too; the mark stays, and the next start writes it anew", async () => {
  const f = fixture();
  try {
    const writer = f.open();
    writer.commit([[f.request()]], f.keys, "wal");
    expect(readMark(f.path)).toMatchObject({ acknowledged: 2, synced: 1, isMixed: true });
    await writer.sync();
    expect(readMark(f.path)).toMatchObject({ acknowledged: 2, synced: 2, isMixed: true });
    writer.close();
    expect(readMark(f.path)).toMatchObject({ acknowledged: 2, synced: 2 });
    f.open().close();
    expect(readMark(f.path)).toMatchObject({ acknowledged: 2, synced: 2, isMixed: false });
  } finally {
    f.remove();
  }
});
