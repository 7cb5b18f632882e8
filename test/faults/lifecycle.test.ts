/** Starting and stopping the real daemon: what it promises when it goes, and who may take its place. */
import { existsSync, rmSync, statSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { audited } from "./audited.ts";
import { Book, Load, sendAgain, until } from "./book.ts";
import { check, lost } from "./check.ts";
import { Client } from "./client.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { Ground } from "./ground.ts";

let ground: Ground;
const daemons: DaemonProcess[] = [];

async function start(): Promise<DaemonProcess> {
  const daemon = new DaemonProcess(ground.configFile);
  daemons.push(daemon);
  await daemon.ready;
  return daemon;
}

describe("stopping", () => {
  beforeEach(async () => {
    ground = await new Ground().init();
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) if (!daemon.over) await daemon.signal("SIGKILL");
    rmSync(ground.dir, { recursive: true });
  });

  test("SIGTERM under load: what was acknowledged is there, anchored, and the end announced", async () => {
    const daemon = await start();
    const book = new Book();
    const load = new Load(ground.socket, book, { clients: 4, depth: 16 });
    await until(() => book.acknowledged.size >= 500, "500 acknowledgements");
    expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
    await load.over;

    const first = check(ground);
    expect(first.findings).toEqual([]);
    expect(lost(book, first)).toEqual([]);
    const end = first.anchors.at(-1);
    expect(end).toMatchObject({ treeSize: first.size, details: { reason: "shutdown", next_anchor_by: null } });
    expect(first.published).toEqual(first.anchors.map((anchor) => anchor.treeSize));
    expect(existsSync(ground.socket)).toBe(false);

    const again = await start();
    await sendAgain(ground.socket, book);
    expect(await again.signal("SIGTERM")).toEqual({ code: 0, signal: null });
    const second = check(ground);
    expect(second.findings).toEqual([]);
    expect(await audited(ground)).toEqual([]);
    expect(lost(book, second)).toEqual([]);
    expect([book.open(), book.contradictions]).toEqual([[], []]);
    const back = second.anchors[first.anchors.length];
    expect(back?.details).toMatchObject({ reason: "start", batch: { count: 0 } });
    expect(back?.details.next_anchor_by).not.toBeNull();
    expect(second.published).toEqual(second.anchors.map((anchor) => anchor.treeSize));
  });

  test("who waits for an anchor is sent away, and finds the receipt anchored when the daemon is back", async () => {
    const daemon = await start();
    const [client, idle] = [new Client(ground.socket), new Client(ground.socket)];
    await idle.must("status");
    const { log_index } = await client.must("append", { receipt: new Book().receipt() });
    const wait = { log_index: log_index as number, for: "anchored" };
    const waited = client.call("wait", wait);
    expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(await waited).toEqual({ error: { code: "shutting_down", retry: true } });
    await Promise.all([client.closed, idle.closed]);
    await start();
    const again = new Client(ground.socket);
    expect(await again.must("wait", wait)).toMatchObject(wait);
    await again.close();
  });
});

describe("one daemon at a time", () => {
  /** One for all that is tried beside it: each finds it as it was. */
  let first: Ground;
  let serving: DaemonProcess;

  beforeAll(async () => {
    first = await new Ground().init();
    serving = await DaemonProcess.start(first.configFile);
  });
  afterAll(async () => {
    if (!serving.over) await serving.signal("SIGKILL");
    rmSync(first.dir, { recursive: true });
  });

  async function expectTaken(): Promise<void> {
    const client = new Client(first.socket);
    expect(await client.must("append", { receipt: new Book().receipt() })).toMatchObject({ duplicate: false });
    await client.close();
  }

  test("a second one on the same ledger is refused, and the first goes on", async () => {
    const second = new DaemonProcess(first.configFile);
    expect(await second.ended).toEqual({ code: 2, signal: null });
    expect(second.said).toMatch(/^receiptd: ledger_locked: another receiptd is writing to .*ledger\.db/m);
    await expectTaken();
  });

  test("a second one on the same socket is refused before it writes anything, and the first goes on", async () => {
    const other = await new Ground({ socket: first.socket }).init();
    try {
      const second = new DaemonProcess(other.configFile);
      expect(await second.ended).toEqual({ code: 2, signal: null });
      expect(second.said).toMatch(/^receiptd: socket_in_use: /m);
      expect(check(other)).toMatchObject({ findings: [], size: 1, published: [] });
    } finally {
      rmSync(other.dir, { recursive: true });
    }
    await expectTaken();
  });

  test("the socket of a killed daemon is taken over", async () => {
    await serving.signal("SIGKILL");
    expect(statSync(first.socket).isSocket()).toBe(true);
    serving = await DaemonProcess.start(first.configFile);
    await expectTaken();
  });
});
