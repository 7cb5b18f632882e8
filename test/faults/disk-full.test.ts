/** A full disk: nothing is acknowledged that is not stored, everything else goes on, and room is all that it takes to recover. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { audited } from "./audited.ts";
import { Book, Load, sendAgain, until } from "./book.ts";
import { check, lost } from "./check.ts";
import { Client } from "./client.ts";
import { DaemonProcess, environment, receiptd } from "./daemon-process.ts";
import { Ground, SEED } from "./ground.ts";
import { SmallDisk, smallDiskProblem } from "./small-disk.ts";

const MIB = 1024 * 1024;

const FULL = { error: { code: "disk_full", retry: true } };

const problem = smallDiskProblem();
if (problem !== undefined) console.error(`\n*** DISK-FULL TESTS DID NOT RUN: ${problem} ***\n`);

interface Target {
  readonly state: string;
  readonly pending: number;
}

test("a small disk can be had wherever it must be", () => {
  expect(process.env["CI"] ? problem : undefined).toBeUndefined();
});

describe.skipIf(problem !== undefined)("a full disk", () => {
  let disk: SmallDisk;
  let daemon: DaemonProcess | null = null;
  let book: Book;
  let scratch: string;

  beforeEach(async () => {
    disk = await SmallDisk.make(16 * MIB);
    scratch = mkdtempSync(join(tmpdir(), "receiptd-full-"));
    book = new Book();
  });
  afterEach(async () => {
    if (daemon !== null && !daemon.over) await daemon.signal("SIGKILL");
    daemon = null;
    await disk.close();
    rmSync(scratch, { recursive: true });
  });

  test("under the ledger: appends are refused, the rest is answered, and service resumes by itself", async () => {
    const ground = onDisk();
    daemon = await DaemonProcess.start(ground.configFile, disk.inside);
    await new Load(ground.socket, book, { clients: 2, depth: 8, receipts: 150 }).over;
    const client = new Client(ground.socket);

    disk.fill(256 * 1024);
    const load = new Load(ground.socket, book, { clients: 2, depth: 8 });
    await until(() => book.refused.size >= 100, "refusals");
    await load.stop();
    expect(new Set(book.refused.values())).toEqual(new Set(["disk_full"]));
    expect(await refusal(client)).toEqual(FULL);
    const [id, { logIndex, hash }] = [...book.acknowledged].at(-1)!;
    expect(await client.must("get", { receipt_id: id })).toMatchObject({ receipt_hash: hash });
    expect(Number((await client.must("head"))["size"])).toBeGreaterThan(logIndex);
    expect(await client.must("status")).toMatchObject({ state: "ok" });
    const anchor = await client.call("anchor"); // which may need less room than a receipt
    if (!("result" in anchor)) expect(anchor).toEqual(FULL);

    disk.makeRoom();
    await until(async () => "result" in await client.call("append", { receipt: book.receipt() }), "an append that is taken");
    const { tree_size } = await client.must("anchor");
    await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
    await client.close();
    await sendAgain(ground.socket, book);
    expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(book.open()).toEqual([]);
    await expectAllWell(ground);
  });

  test("at the start: the daemon waits for nothing and takes receipts when there is room", async () => {
    const ground = onDisk();
    daemon = await DaemonProcess.start(ground.configFile, disk.inside);
    await new Load(ground.socket, book, { clients: 2, depth: 8, receipts: 150 }).over;
    await daemon.signal("SIGKILL");
    disk.fill(0);
    daemon = await DaemonProcess.start(ground.configFile, disk.inside);
    const client = new Client(ground.socket);
    const [id, { hash }] = [...book.acknowledged].at(-1)!;
    expect(await client.must("get", { receipt_id: id })).toMatchObject({ receipt_hash: hash });
    expect(await refusal(client)).toEqual(FULL);
    disk.makeRoom();
    await until(async () => "result" in await client.call("append", { receipt: book.receipt() }), "an append that is taken");
    await client.close();
    expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
    await expectAllWell(ground);
  });

  test("under the target: receipts are taken, anchors wait until there is room", async () => {
    const ground = await new Ground({ target: disk.folder("target") }).init();
    try {
      daemon = await DaemonProcess.start(ground.configFile, disk.inside);
      const client = new Client(ground.socket);
      const anchored = async (): Promise<boolean> => (await client.must("status"))["pending"] === 0;
      const target = async (): Promise<Target> => ((await client.must("status"))["targets"] as readonly Target[])[0]!;
      const isTarget = async (state: string, pending: number): Promise<boolean> => {
        const now = await target();
        return now.state === state && now.pending === pending;
      };
      await until(anchored, "the start anchored");
      disk.fill(0);
      await new Load(ground.socket, book, { clients: 2, depth: 8, receipts: 450 }).over;
      expect(book.acknowledged.size).toBe(450);
      await until(() => isTarget("unavailable", 4), "four anchors waiting");
      disk.makeRoom();
      await until(() => isTarget("current", 0), "all of them published");
      await client.close();
      expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
      await expectAllWell(ground);
    } finally {
      rmSync(ground.dir, { recursive: true });
    }
  });

  /** The first append that is refused: what refused groups have left of the log may have room for a few more. */
  async function refusal(client: Client): Promise<unknown> {
    for (;;) {
      const answer = await client.call("append", { receipt: book.receipt() });
      if (!("result" in answer)) return answer;
    }
  }

  /** Ledger, outbox and target, all on the one disk. */
  function onDisk(): Ground {
    const ground = new Ground({ seenAs: disk.seenAs }, disk.path);
    const [command = "", ...args] = [...disk.inside, ...receiptd("init", "--config", ground.configFile)];
    execFileSync(command, args, { env: environment(), stdio: ["ignore", "ignore", "inherit"] });
    return ground;
  }

  async function expectAllWell(ground: Ground): Promise<void> {
    const copy = join(scratch, "copy");
    cpSync(ground.data, join(copy, "data"), { recursive: true, filter: (path) => !path.endsWith(".sock") });
    const target = ground.target.startsWith(disk.seenAs) ? join(disk.path, ground.target.slice(disk.seenAs.length)) : ground.target;
    cpSync(target, join(copy, "target"), { recursive: true });
    if (existsSync(join(ground.dir, SEED))) cpSync(join(ground.dir, SEED), join(copy, SEED));
    const places = { data: join(copy, "data"), target: join(copy, "target") };
    const found = check(places);
    expect(found.findings).toEqual([]);
    expect(await audited(places)).toEqual([]);
    expect([lost(book, found), book.contradictions]).toEqual([[], []]);
    expect([...book.refused.keys()].filter((id) => found.hashes.has(id))).toEqual([]);
    expect(found.published).toEqual(found.anchors.map((anchor) => anchor.treeSize));
  }
});
