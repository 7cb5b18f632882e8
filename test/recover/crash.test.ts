/** A recovery that is killed, or has no room: the ledger is the old one or the new one, whole, and the next run finishes it. */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recoveryOrders } from "../../src/recover/order.ts";
import { recover, type RecoverStep } from "../../src/recover/recover.ts";
import type { StoredBlob } from "../../src/ledger/reader.ts";
import { auditOf, tamper } from "../audit/support.ts";
import { SmallDisk, smallDiskProblem } from "../faults/small-disk.ts";
import { TestLedger } from "../support/ledger.ts";
import { optionsIn, rowsAt } from "./support.ts";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
let ledger: TestLedger;
let before: readonly StoredBlob[];
let folder: string;

beforeAll(() => {
  ledger = new TestLedger({ batches: [5, 300], tail: 4 });
  ledger.close();
  before = rowsAt(ledger.path);
  tamper(ledger.path, (db) => db.exec("DELETE FROM receipt WHERE log_index IN (2, 77); DELETE FROM anchor; DELETE FROM tree"));
});
afterAll(() => ledger.remove());

/** The recovery in a process of its own. */
function run(dir: string, step?: RecoverStep, through: readonly string[] = []): { readonly signal: string | null; readonly said: unknown } {
  const [command = "", ...args] = [...through, process.execPath, "--disable-warning=ExperimentalWarning", CHILD, dir, ...(step === undefined ? [] : [step])];
  const { signal, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (stderr !== "") throw new Error(stderr);
  return { signal, said: stdout === "" ? null : JSON.parse(stdout) };
}

async function expectRecovered(dir: string): Promise<void> {
  const path = join(dir, "ledger.db");
  expect(rowsAt(path)).toEqual(before);
  expect((await auditOf({ path, now: ledger.now })).findings).toEqual([]);
  expect(recoveryOrders(join(dir, "recovery.json"), path)).toHaveLength(1);
}

describe("killed", () => {
  test.each<RecoverStep>(["locked", "rebuilt", "checked", "ordered", "linked", "replaced"])("when it was %s", async (step) => {
    folder = mkdtempSync(join(tmpdir(), "receiptd-killed-"));
    try {
      const path = join(folder, "ledger.db");
      copyFileSync(ledger.path, path);
      const [inode, bytes] = [statSync(path).ino, readFileSync(path)];
      expect(run(folder, step)).toEqual({ signal: "SIGKILL", said: null });
      if (step !== "replaced") {
        expect([statSync(path).ino, readFileSync(path).equals(bytes)]).toEqual([inode, true]);
        expect(recoveryOrders(join(folder, "recovery.json"), path)).toEqual([]); // nothing was done yet
        expect(await recover(optionsIn(folder))).toMatchObject({ rebuilt: { stop: null }, unsound: [] });
      }
      await expectRecovered(folder);
      const kept = readdirSync(folder).filter((name) => name.includes(".damaged-"));
      for (const name of kept) expect(readFileSync(join(folder, name)).equals(bytes)).toBe(true);
      expect(kept).toHaveLength(1);
      expect(readdirSync(folder).filter((name) => name.includes(".new"))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const problem = smallDiskProblem();
describe.skipIf(problem !== undefined)("with a full disk", () => {
  test("nothing is changed, and with room it works", async () => {
    const disk = await SmallDisk.make(8 << 20);
    const scratch = mkdtempSync(join(tmpdir(), "receiptd-full-"));
    try {
      const dir = disk.folder("data");
      const there = join(disk.path, "data");
      cpSync(ledger.path, join(there, "ledger.db"));
      const bytes = readFileSync(join(there, "ledger.db"));
      for (const left of [0, bytes.length / 2]) {
        disk.fill(left);
        expect([left, run(dir, undefined, disk.inside)]).toEqual([left, { signal: null, said: { code: "disk_full" } }]);
        expect(readFileSync(join(there, "ledger.db")).equals(bytes)).toBe(true);
        expect(readdirSync(there).filter((name) => /\.(new|view)/.test(name))).toEqual([]);
        disk.makeRoom();
      }
      expect(run(dir, undefined, disk.inside).said).toEqual({ stop: null, unsound: [], isKept: true });
      mkdirSync(join(scratch, "copy"));
      cpSync(join(there, "ledger.db"), join(scratch, "copy/ledger.db"));
      expect(rowsAt(join(scratch, "copy/ledger.db"))).toEqual(before);
    } finally {
      await disk.close();
      rmSync(scratch, { recursive: true });
    }
  });
});
