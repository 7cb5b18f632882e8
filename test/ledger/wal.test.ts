/** A write-ahead log that a killed daemon left, damaged or torn: what was acknowledged is never dropped for that, and a power cut keeps no daemon from starting. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { checkLedger } from "../../src/doctor/ledger.ts";
import { acksSaid } from "../../src/ledger/acks.ts";
import { LedgerError } from "../../src/ledger/errors.ts";
import { damagedLog } from "../../src/ledger/left-over.ts";
import { walDamage, WalFile } from "../../src/ledger/wal.ts";
import { type Durability, Writer } from "../../src/ledger/writer.ts";
import { fixture, type Fixture } from "../support/fixture.ts";

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
  expect([commit - 1, walDamage(`${path}-wal`), acksSaid(path)]).toEqual([acks.length, null, acks.includes("wal") ? acks.at(-1) === "disk" ? "both" : "wal" : "disk"]);
  return {
    f, dir, path, frames,
    change: (frame, at, work = (bytes) => { bytes[0]! ^= 1; }) => {
      const bytes = readFileSync(`${path}-wal`);
      work(bytes.subarray(frame < 0 ? at : 32 + frame * FRAME + at));
      writeFileSync(`${path}-wal`, bytes);
    },
  };
}

const beforeTheStart = ({ path }: Left): void => utimesSync(`${path}-wal`, 0, 0);

/** The code of the refusal, after which all files are as they were. */
function refusalOf(left: Left): unknown {
  const files = (): unknown => readdirSync(left.dir).filter((name) => !name.endsWith(".lock") && !name.endsWith("-journal")).sort().map((name) => [name, readFileSync(join(left.dir, name)).toString("base64")]);
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

function opens(left: Left): { readonly size: number; readonly copies: readonly string[] } {
  const copies: string[] = [];
  const writer = Writer.open(left.path, { ...left.f.options, onTorn: (copy) => void copies.push(copy) });
  const { size } = writer;
  writer.close();
  return { size, copies };
}

test.each([["page number", 0], ["size after the commit", 5], ["salts", 8], ["checksum", 17], ["checksum's end", 23], ["page's begin", 24], ["page", 24 + 4000], ["page's end", FRAME - 1]] as const)(
  "one bit in a frame's %s, and the log is not opened", (_, at) => {
    const left = killed();
    left.change(left.frames.findIndex(({ commit }) => commit === 3), at);
    expect(refusalOf(left)).toBe("wal_damaged");
    beforeTheStart(left);
    expect(refusalOf(left)).toBe("wal_damaged");
  });

test.each([0, 9, 17, 25])("byte %i of the log's header", (at) => {
  const left = killed();
  left.change(-1, at);
  beforeTheStart(left);
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
  beforeTheStart(left);
  expect(refusalOf(left)).toBe("wal_damaged");
});

test("a power cut in the midst of the last commit: it goes on without that, and keeps a copy", () => {
  const left = killed();
  left.change(left.frames.findIndex(({ commit }) => commit === COMMITS), 512, (bytes) => bytes.fill(0xa5, 0, 512));
  expect(refusalOf(left)).toBe("wal_damaged"); // written since this machine was started: no power cut can have come between
  beforeTheStart(left);
  const bytes = readFileSync(`${left.path}-wal`);
  expect(damagedLog(left.path)).toBeNull();
  const { size, copies } = opens(left);
  expect([size, copies]).toEqual([COMMITS, [expect.stringMatching(/ledger\.db-wal\.damaged-20260601T100000000Z$/)]]); // with the genesis
  expect(readFileSync(copies[0]!).equals(bytes)).toBe(true);
});

test("a last commit that did not come to its end, and frames of an earlier life behind it, are the log's end", () => {
  const left = killed();
  const last = left.frames.length - 1;
  left.change(last, 24 + 8000);
  expect(opens(left)).toEqual({ size: COMMITS, copies: [] });
  const cut = killed();
  truncateSync(`${cut.path}-wal`, statSync(`${cut.path}-wal`).size - 100);
  expect(opens(cut)).toEqual({ size: COMMITS, copies: [] });
  const stale = killed();
  const first = stale.frames.findIndex(({ commit }) => commit === 4);
  for (let frame = first; frame < stale.frames.length; frame++) stale.change(frame, 8, (bytes) => bytes.fill(7, 0, 8));
  beforeTheStart(stale);
  expect(opens(stale)).toEqual({ size: 4, copies: [] });
});

test("of what was acknowledged as `wal` only, a power cut may take several commits, and tear any", () => {
  const left = killed(["disk", "disk", "wal", "wal", "wal", "wal"]);
  const first = left.frames.findIndex(({ commit }) => commit === 3);
  left.change(first, 1024, (bytes) => bytes.fill(0xa5, 0, 512));
  expect(refusalOf(left)).toBe("wal_damaged");
  beforeTheStart(left);
  expect(opens(left)).toEqual({ size: 3, copies: [expect.any(String)] });
  expect(acksSaid(left.path)).toBe("disk"); // the log is empty
  const both = killed(["disk", "disk", "wal", "wal", "wal", "disk"]); // a power cut cannot have torn these
  both.change(first, 1024, (bytes) => bytes.fill(0xa5, 0, 512));
  beforeTheStart(both);
  expect(refusalOf(both)).toBe("wal_damaged");
});

test("what was promised is forgotten when the log is gone in order", () => {
  const f = fixture();
  try {
    const writer = f.open();
    writer.commit([[f.request()]], f.keys, "wal");
    expect(acksSaid(f.path)).toBe("wal");
    writer.close();
    expect(existsSync(`${f.path}-acks`)).toBe(false);
  } finally {
    f.remove();
  }
});

test("a sync is a promise, too", async () => {
  const f = fixture();
  try {
    const writer = f.open();
    writer.commit([[f.request()]], f.keys, "wal");
    await writer.sync();
    expect(acksSaid(f.path)).toBe("both");
    writer.close();
  } finally {
    f.remove();
  }
});
