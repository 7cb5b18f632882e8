/**
 * A disk that fails: what could not be synced is never acknowledged, the daemon ends (EX_SOFTWARE, 70) where memory and disk may
 * differ, and starts again from what is there.
 */
import { cpSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openKeyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { Writer } from "../../src/ledger/writer.ts";
import { straceProblem } from "../powercut/traced-process.ts";
import { fixture } from "../support/fixture.ts";
import { Book, Load, until } from "./book.ts";
import { Client } from "./client.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { Ground } from "./ground.ts";
import { interfering } from "./interfering.ts";
import { revive } from "./revive.ts";

const problem = straceProblem();
if (problem !== undefined) console.error(`\n*** TESTS OF FAILING DISKS DID NOT RUN: ${problem} ***\n`);

let ground: Ground;
let daemon: DaemonProcess;

/** Sends receipts until the daemon is gone or has stored enough, and returns what was told by then. */
async function load(receipts: number): Promise<Book> {
  const book = new Book();
  await new Load(ground.socket, book, { clients: 2, depth: 4, receipts }).over;
  return book;
}

describe.skipIf(problem !== undefined)("a failing disk", () => {
  beforeEach(async () => {
    ground = await new Ground().init();
  });
  afterEach(async () => {
    if (!daemon.over) await daemon.signal("SIGKILL");
    rmSync(ground.dir, { recursive: true });
  });

  test.each([
    // when: behind what happens at the start, within the load
    { file: "ledger.db-wal", calls: "fsync,fdatasync", how: "error=EIO:when=20+", code: "ledger_io" },
    { file: "ledger.db-wal", calls: "pwrite64", how: "error=EIO:when=200+", code: "ledger_io" },
    { file: "ledger.db-wal", calls: "pwrite64", how: "error=EDQUOT:when=200+", code: "ledger_io" }, // docs/OPERATIONS.md
    { file: "ledger.db", calls: "fsync,fdatasync", how: "error=EIO:when=1+", code: "ledger_io" }, // by the thread that empties the log
    { file: "ratchet", calls: "fsync,fdatasync", how: "error=EIO:when=8+", code: "EIO" },
    { file: "anchor.db-wal", calls: "fsync,fdatasync", how: "error=EIO:when=6+", code: "outbox_failed" },
  ])("$calls of $file: the daemon ends, and nothing it acknowledged is lost", async ({ file, calls, how, code }) => {
    daemon = await DaemonProcess.start(ground.configFile, interfering({ path: join(ground.data, file), calls, how }));
    const book = await load(5000);
    expect(await daemon.ended).toEqual({ code: 70, signal: null });
    expect(daemon.said).toContain(code);
    expect(book.acknowledged.size).toBeGreaterThan(0);
    expect(book.open().length).toBeGreaterThan(0);
    expect(book.refused.size).toBe(0); // where nobody knows whether it is stored, no answer is the right one
    expect(await revive(ground.dir, book)).toEqual([]);
  });

  test("fsync of the ledger's own file: its log keeps the receipts until the file can be written", async () => {
    daemon = await DaemonProcess.start(ground.configFile, interfering({ path: join(ground.data, "ledger.db"), calls: "fsync,fdatasync", how: "error=EIO:when=1+" }));
    const book = await load(40);
    expect(book.acknowledged.size).toBe(40);
    expect((await daemon.signal("SIGTERM")).code).toBe(0);
    expect(existsSync(join(ground.data, "ledger.db-wal"))).toBe(true);
    expect(await revive(ground.dir, book)).toEqual([]);
  });

  test("the target's folder: receipts are taken, nothing counts as anchored, and all of it is published when the disk is well again", async () => {
    const { origin, ledgerId } = openKeyring(join(ground.data, "keyring.json"), openRootKeyFile(join(ground.data, "root.key")));
    const anchors = join(ground.target, "v1", origin, ledgerId, "anchors");
    // the first time that a name is to be kept, the reads that look for it, and the next ones
    daemon = await DaemonProcess.start(ground.configFile, interfering({ path: anchors, calls: "fsync", how: "error=EIO:when=1..5" }));
    const client = new Client(ground.socket);
    const target = async (): Promise<Target> => ((await client.must("status"))["targets"] as readonly Target[])[0]!;
    await until(async () => (await target()).last_error !== null, "the target's error");
    expect(await target()).toMatchObject({ state: "unavailable", pending: 1, last_error: { code: "target_unavailable", message: expect.stringContaining("EIO") } });
    const book = await load(250);
    expect([book.acknowledged.size, book.refused.size]).toEqual([250, 0]);
    await until(async () => (await target()).pending === 0 && (await target()).state === "current", "all of them published");
    await client.close();
    expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(await revive(ground.dir, book)).toEqual([]);
  });
});

interface Target {
  readonly state: string;
  readonly pending: number;
  readonly last_error: object | null;
}

test("what a writer left in the log is written again before anything is added: a failed fsync may have left it in memory only", () => {
  const f = fixture();
  try {
    const writer = f.open();
    writer.commit([[f.request()], [f.request()]], f.keys, "disk");
    const left = join(f.dir, "left.db");
    for (const suffix of ["", "-wal"]) cpSync(f.path + suffix, left + suffix);
    writer.close();
    const next = Writer.open(left, f.options);
    const alone = join(f.dir, "alone.db");
    cpSync(left, alone);
    next.close();
    const reader = new Reader(alone, nodeHash.sha256);
    expect(reader.size()).toBe(3);
    reader.close();
  } finally {
    f.remove();
  }
});
