/** Whose turn it is: who floods does not delay who does not. What is asserted is order and counts, never time. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LedgerError } from "../../src/ledger/errors.ts";
import { append, call, Client, harness, type Harness, RECEIPT } from "./harness.ts";

let h: Harness;
beforeEach(async () => { h = await harness(); });
afterEach(async () => {
  expect(h.internal).toEqual([]);
  await h.stop();
});

describe("a flood", () => {
  test("of 100,000 tiny calls lets every single append of another through within a few rounds", async () => {
    let tiny = 0;
    h.port.head = () => ({ size: ++tiny });
    const flood = new Client(h.path);
    const line = `${JSON.stringify(call(1, "head"))}\n`;
    for (let i = 0; i < 100; i++) flood.send(line.repeat(1000));
    await flood.wait(1);
    const other = new Client(h.path);
    const between: number[] = [];
    for (let i = 1; i <= 20; i++) {
      const before = tiny;
      await other.send(append(i)).wait(i);
      between.push(tiny - before);
    }
    expect(tiny).toBeLessThan(100_000); // the flood went on all the time
    expect(Math.max(...between)).toBeLessThanOrEqual(8 * 256);
    await flood.wait(100_000);
  });

  test("of groups that fill a round each does not put the others off until it ends", async () => {
    const receipts = Array.from({ length: 256 }, () => ({ ...RECEIPT, receipt_id: "0190a000-0000-7000-8000-000000000001" }));
    const floods = [new Client(h.path), new Client(h.path)];
    const many = Array.from({ length: 15 }, (_, i) => call(i, "append_many", { receipts }));
    for (const flood of floods) flood.send(...many);
    await floods[0]!.wait(1);
    const other = new Client(h.path);
    for (let i = 1; i <= 5; i++) await other.send(append(i)).wait(i);
    expect(floods[0]!.answers.length).toBeLessThan(15);
    await Promise.all(floods.map((flood) => flood.wait(15)));
  });

  test("of appends has little more committed with what another sends, and as much as there is room for when it is alone", async () => {
    const groups: (readonly string[])[] = [];
    const commit = h.port.commit;
    h.port.commit = (requests, durability) => {
      groups.push(requests.map(([request]) => request!.organization));
      return commit(requests, durability);
    };
    const flood = new Client(h.path).send(...Array.from({ length: 20 }, () => `${JSON.stringify(append(0, { organization: "flood" }))}\n`.repeat(1000)));
    await flood.wait(1000);
    const alone = groups.splice(0).map(({ length }) => length);
    const other = new Client(h.path);
    for (let i = 1; i <= 10; i++) await other.send(append(i, { organization: "other" })).wait(i);
    expect(flood.answers.length).toBeLessThan(20_000);
    const shared = groups.filter((group) => group.includes("other")).map(({ length }) => length);
    expect(shared).toHaveLength(10);
    expect(Math.max(...shared)).toBeLessThanOrEqual(16);
    expect(Math.max(...alone)).toBe(256);
    await flood.wait(20_000);
  });

  test("of large answers to one does not delay another by more than a round's worth", async () => {
    const greedy = new Client(h.path).send(append(0, { inputs: { text: "x".repeat(500_000) } }));
    await greedy.wait(1);
    let found = 0;
    const find = h.port.find;
    h.port.find = (which) => {
      found++;
      return find(which);
    };
    const seen: number[] = [];
    const commit = h.port.commit;
    h.port.commit = (...group) => {
      seen.push(found);
      return commit(...group);
    };
    greedy.send(...Array.from({ length: 500 }, (_, i) => call(i, "get", { log_index: 1 })));
    const other = new Client(h.path).send(append(1));
    await other.wait(1);
    await other.send(append(2)).wait(2);
    expect(seen[0]).toBeLessThan(10);
    expect(seen[1]! - seen[0]!).toBeLessThan(20);
  });

  test("of calls that wait for the disk shares its syncs", async () => {
    let syncs = 0;
    const sync = h.port.sync;
    h.port.sync = async () => {
      syncs++;
      await sleep(20);
      return sync();
    };
    const client = new Client(h.path).send(append(0, {}, { ack: "wal" }), ...Array.from({ length: 1000 }, (_, i) => call(i + 1, "wait", { log_index: 1, for: "disk" })));
    const answers = await client.wait(1001);
    expect(answers.every((answer) => answer.result !== undefined)).toBe(true);
    expect(syncs).toBeLessThan(20);
    expect(h.writer.syncedSize).toBe(2);
  });
});

describe("a sync", () => {
  test("that began before a call does not answer it", async () => {
    const begun: (() => void)[] = [];
    h.port.sync = () => {
      const size = h.writer.size;
      return new Promise((resolve) => void begun.push(() => resolve(size)));
    };
    const client = new Client(h.path).send(append(1, {}, { ack: "wal" }), call(2, "wait", { log_index: 1, for: "disk" }));
    await client.wait(1);
    while (begun.length === 0) await sleep(1);
    const other = new Client(h.path).send(append(3, {}, { ack: "wal" }), call(4, "wait", { log_index: 2, for: "disk" }));
    await other.wait(1);
    begun.shift()!();
    await client.wait(2);
    while (begun.length === 0) await sleep(1);
    expect(other.answers).toHaveLength(1);
    begun.shift()!();
    expect((await other.wait(2))[1]!.result).toMatchObject({ log_index: 2 });
  });

  test("that fails is an error to all who waited and to all who come, ends the daemon, and is not tried again", async () => {
    const failure = new LedgerError("ledger_io", "the write-ahead log could not be synced");
    let syncs = 0;
    h.port.sync = async () => {
      syncs++;
      await sleep(5);
      throw failure;
    };
    const receipt_id = "0190a000-0000-7000-8000-000000000001";
    const wait = (id: number) => call(id, "wait", { log_index: 1, for: "disk" });
    const client = new Client(h.path).send(append(1, { receipt_id }, { ack: "wal" }), wait(2), wait(3));
    await client.wait(3);
    const answers = await client.send(wait(4), append(5, { receipt_id })).wait(5);
    expect(answers.map((answer) => answer.error?.data["code"])).toEqual([undefined, "ledger_io", "ledger_io", "ledger_io", "ledger_io"]);
    expect([syncs, h.fatal]).toEqual([1, [failure]]);
  });
});

describe("wait", () => {
  test("for what is anchored already is answered at once, and only what needs waiting is waited for", async () => {
    h.knobs.anchored = 2;
    const client = new Client(h.path).send(append(1), call(2, "wait", { log_index: 1, for: "anchored", timeout_ms: 0 }), append(3), call(4, "wait", { log_index: 2, for: "anchored", timeout_ms: 0 }));
    const answers = await client.wait(4);
    expect(answers[1]!.result).toMatchObject({ log_index: 1, for: "anchored" });
    expect(answers[3]!.error!.data).toEqual({ code: "timeout", retry: true });
  });

  test("is over when it is due even if the client asked for longer", async () => {
    await h.stop();
    h = await harness({ intake: { maxWait: 20 } });
    const client = new Client(h.path).send(append(1), call(2, "wait", { log_index: 1, for: "anchored", timeout_ms: 9_000_000 }));
    expect((await client.wait(2))[1]!.error!.data["code"]).toBe("timeout");
  });
});

describe("drain", () => {
  const FOREVER = 2_000_000;

  test("answers what was received, closes what is idle, and says why of what cannot be", async () => {
    const idle = new Client(h.path);
    const waiting = new Client(h.path).send(append(1), call(2, "wait", { log_index: 1, for: "anchored" }), append(3));
    const within = new Client(h.path).send(append(1), '{"jsonrpc":');
    const failed = new Client(h.path).send(append(1), call(2, "wait", { log_index: 1, for: "anchored" }), "?\n".repeat(100));
    await Promise.all([waiting.wait(1), within.wait(1), failed.wait(1)]);
    await h.server.drain(FOREVER);
    const [answers, half, rubbish] = await Promise.all([waiting.closed(), within.closed(), failed.closed()]);
    expect(rubbish.map((answer) => answer.error?.data["code"] ?? "ok")).toEqual(["ok", "shutting_down", ...Array.from({ length: 100 }, () => "bad_json"), "too_many_errors"]);
    expect(answers.map((answer) => answer.error?.data["code"] ?? "ok")).toEqual(["ok", "shutting_down", "ok"]);
    expect(half[1]!.error!.data).toEqual({ code: "shutting_down", retry: true });
    expect(await idle.closed()).toEqual([]);
    const late = new Client(h.path).send(append(1));
    expect(await late.closed()).toEqual([]);
  });

  test("ends though a client goes on sending, and acknowledged is what was stored", async () => {
    const flood = new Client(h.path);
    let on = true;
    const lines = `${JSON.stringify(append(1))}\n`.repeat(100);
    const send = (): void => void (on && flood.socket.write(lines, () => setImmediate(send)));
    send();
    await flood.wait(500);
    await h.server.drain(FOREVER);
    on = false;
    const answers = await flood.closed();
    expect(answers.every((answer) => answer.result !== undefined)).toBe(true);
    expect(h.writer.size).toBe(answers.length + 1);
  });

  test("takes no longer than it may for a client that does not read", async () => {
    const client = new Client(h.path).send(append(0, { inputs: { text: "x".repeat(500_000) } }));
    await client.wait(1);
    client.socket.pause();
    client.send(...Array.from({ length: 50 }, (_, i) => call(i, "get", { log_index: 1 })));
    await sleep(50);
    await h.server.drain(50);
    expect(h.server.connections()).toBe(0);
  });
});
