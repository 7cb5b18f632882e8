import { execFile, spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LedgerError } from "../../src/ledger/errors.ts";
import { listen } from "../../src/intake/server.ts";
import { append, call, Client, harness, type Harness, RECEIPT } from "./harness.ts";

const run = promisify(execFile);

let h: Harness;
beforeEach(async () => { h = await harness(); });
afterEach(async () => {
  expect(h.internal).toEqual([]);
  await h.stop();
});

const codes = (answers: readonly { readonly id: unknown; readonly error?: { readonly data: Record<string, unknown> } }[]) => answers.map((answer) => [answer.id, answer.error?.data["code"] ?? "ok"]);

describe("append", () => {
  test("acknowledges with what is guaranteed", async () => {
    const [answer] = await new Client(h.path).send(append(1)).wait(1);
    expect(answer!.result).toMatchObject({
      receipt_number: "RCP-2026-00001", organization: "default", org_seq: 1, log_index: 1, recorded_at: "2026-06-01T10:00:00.000Z", key_epoch: 0, ack: "disk", duplicate: false,
    });
    expect(h.writer.syncedSize).toBe(2);
  });

  test("wal is acknowledged as wal, and a retry that wants disk gets it", async () => {
    const receipt_id = "0190a000-0000-7000-8000-000000000001";
    const client = new Client(h.path).send(append(1, { receipt_id }, { ack: "wal" }));
    expect((await client.wait(1))[0]!.result).toMatchObject({ ack: "wal", duplicate: false });
    expect(h.writer.syncedSize).toBe(1);
    expect((await client.send(append(2, { receipt_id })).wait(2))[1]!.result).toMatchObject({ ack: "disk", duplicate: true, log_index: 1 });
    expect(h.writer.syncedSize).toBe(2);
  });

  test("answers come in the order of the calls, reads see the writes before them", async () => {
    const client = new Client(h.path);
    const receipt_id = "0190a000-0000-7000-8000-00000000000a";
    client.send(append("a", { receipt_id }), call("b", "get", { receipt_id }), append("c"), call("d", "head"), { bad: 1 }, append("e"), call("f", "status"));
    const answers = await client.wait(7);
    expect(codes(answers)).toEqual([["a", "ok"], ["b", "ok"], ["c", "ok"], ["d", "ok"], [null, "id_required"], ["e", "ok"], ["f", "ok"]]);
    expect(answers[1]!.result).toMatchObject({ log_index: 1, status: "pending", ack: "disk", receipt: { ...RECEIPT, receipt_id, log_index: 1 } });
    expect(answers[3]!.result).toEqual({ size: 3 });
    expect(answers[6]!.result).toEqual({ size: 4 });
  });

  test("a thousand pipelined calls of eight clients: one order, no gap", async () => {
    const clients = Array.from({ length: 8 }, () => new Client(h.path));
    for (const [c, client] of clients.entries()) for (let i = 0; i < 125; i++) client.send(append(i, { organization: `o${c % 3}` }));
    const answers = await Promise.all(clients.map((client) => client.wait(125)));
    for (const list of answers) {
      expect(list.map((answer) => answer.id)).toEqual(Array.from({ length: 125 }, (_, i) => i));
      const indices = list.map((answer) => answer.result!["log_index"] as number);
      expect(indices).toEqual([...indices].sort((a, b) => a - b));
    }
    expect(new Set(answers.flat().map((answer) => answer.result!["log_index"])).size).toBe(1000);
    expect(h.writer.size).toBe(1001);
  });

  test("append_many stores all or none", async () => {
    const client = new Client(h.path);
    client.send(call(1, "append_many", { receipts: [RECEIPT, { ...RECEIPT, organization: "acme" }] }), call(2, "append_many", { receipts: [RECEIPT, { ...RECEIPT, inputs: 3 }] }), call(3, "append_many", { receipts: [] }));
    const answers = await client.wait(3);
    expect(answers[0]!.result).toMatchObject({ ack: "disk", receipts: [{ log_index: 1 }, { log_index: 2, organization: "acme" }] });
    expect(answers[1]!.error!.data).toEqual({ code: "bad_field", pointer: "/params/receipts/1/inputs", retry: false });
    expect(codes(answers.slice(2))).toEqual([[3, "bad_field"]]);
    expect(h.writer.size).toBe(3);
  });

  test("a conflict names the receipt", async () => {
    const receipt_id = "0190a000-0000-7000-8000-000000000001";
    const client = new Client(h.path).send(append(1, { receipt_id }), append(2, { receipt_id, region: "eu" }));
    expect((await client.wait(2))[1]!.error).toMatchObject({ code: -32001, data: { code: "conflict", receipt_id, retry: false } });
  });

  test("a full disk refuses, coded, and the next try is a fresh one", async () => {
    const client = new Client(h.path);
    h.knobs.commitError = new LedgerError("disk_full", "no space left");
    expect((await client.send(append(1)).wait(1))[0]!.error).toMatchObject({ code: -32003, data: { code: "disk_full", retry: true } });
    h.knobs.commitError = null;
    expect((await client.send(append(2)).wait(2))[1]!.result).toMatchObject({ log_index: 1 });
    expect(h.fatal).toEqual([]);
  });

  test("an I/O error refuses and ends the daemon", async () => {
    h.knobs.commitError = new LedgerError("ledger_io", "fsync failed");
    expect(codes(await new Client(h.path).send(append(1)).wait(1))).toEqual([[1, "ledger_io"]]);
    expect(h.fatal).toEqual([h.knobs.commitError]);
  });

  test("while receipts are refused the reason is the answer, reads go on", async () => {
    h.knobs.refusal = { code: "forked", message: "another daemon" };
    expect(codes(await new Client(h.path).send(append(1), call(2, "head"), call(3, "append_many", { receipts: [RECEIPT] })).wait(3))).toEqual([[1, "forked"], [2, "ok"], [3, "forked"]]);
  });
});

describe("refusals", () => {
  const line = (text: string): Uint8Array => Buffer.from(`${text}\n`);
  test.each<[string, string | Uint8Array, string, unknown]>([
    ["rubbish", "hello\n", "bad_json", null],
    ["binary", Uint8Array.of(0xff, 0xfe, 0x00, 0x0a), "not_utf8", null],
    ["a batch", line("[]"), "batch_not_supported", null],
    ["a number", line("1"), "bad_request", null],
    ["no id", line('{"jsonrpc":"2.0","method":"status"}'), "id_required", null],
    ["an id that is null", line('{"jsonrpc":"2.0","id":null,"method":"status"}'), "id_required", null],
    ["an id that is an object", line('{"jsonrpc":"2.0","id":{},"method":"status"}'), "bad_request", null],
    ["no version", line('{"id":1,"method":"status"}'), "bad_request", 1],
    ["params as a list", line('{"jsonrpc":"2.0","id":1,"method":"status","params":[]}'), "bad_request", 1],
    ["another member", line('{"jsonrpc":"2.0","id":1,"method":"status","x":1}'), "bad_request", 1],
    ["another method", line('{"jsonrpc":"2.0","id":1,"method":"delete"}'), "unknown_method", 1],
    ["a duplicate name", line('{"jsonrpc":"2.0","id":1,"id":2,"method":"status"}'), "duplicate_name", null],
    ["an unknown parameter", line('{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipts":{}}}'), "unknown_field", 1],
    ["no receipt", line('{"jsonrpc":"2.0","id":1,"method":"append","params":{}}'), "missing_field", 1],
    ["another level", line('{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":{},"ack":"memory"}}'), "bad_field", 1],
    ["a reserved type", line('{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":{"type":"anchor"}}}'), "reserved_type", 1],
    ["a reserved field", line('{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":{"signature":"x"}}}'), "reserved_field", 1],
    ["the daemon's organization", line('{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":{"organization":"_ledger"}}}'), "bad_field", 1],
    ["two names for a receipt", line('{"jsonrpc":"2.0","id":1,"method":"get","params":{"log_index":1,"receipt_id":"x"}}'), "bad_field", 1],
    ["no such receipt", line('{"jsonrpc":"2.0","id":1,"method":"get","params":{"log_index":99}}'), "not_found", 1],
  ])("%s", async (_name, bytes, code, id) => {
    const client = new Client(h.path).send(bytes, append("after"));
    const answers = await client.wait(2);
    expect(codes(answers)).toEqual([[id, code], ["after", "ok"]]);
  });

  test("a receipt's own depth is what counts, in append and in append_many", async () => {
    const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) });
    const many = (id: number, depth: number): object => call(id, "append_many", { receipts: [{ ...RECEIPT, inputs: nested(depth - 1) }] });
    const client = new Client(h.path).send(append(1, { inputs: nested(31) }), append(2, { inputs: nested(32) }), many(3, 32), many(4, 33));
    expect(codes(await client.wait(4))).toEqual([[1, "ok"], [null, "too_deep"], [3, "ok"], [null, "too_deep"]]);
  });

  test("numbers keep their value or are refused with the place", async () => {
    const client = new Client(h.path);
    client.send(`{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":{"system_id":"s","decision":{"score":0.1000000000000000055},"inputs":{}}}}\n`);
    expect((await client.wait(1))[0]!.error!.data).toMatchObject({ code: "number_not_exact", pointer: "/params/receipt/decision/score" });
  });
});

describe("wait", () => {
  test("for anchored answers when it is, in order; times out, coded", async () => {
    const client = new Client(h.path).send(append(1), call(2, "wait", { log_index: 1, for: "anchored" }), append(3));
    expect(await client.wait(1)).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(client.answers).toHaveLength(1); // the third is stored, its answer waits for its turn
    expect(h.writer.size).toBe(3);
    h.knobs.anchored = 2;
    expect(codes(await client.wait(3))).toEqual([[1, "ok"], [2, "ok"], [3, "ok"]]);
    expect(codes((await client.send(call(4, "wait", { log_index: 2, for: "anchored", timeout_ms: 20 })).wait(4)).slice(3))).toEqual([[4, "timeout"]]);
  });

  test("for disk makes it so", async () => {
    const client = new Client(h.path).send(append(1, {}, { ack: "wal" }), call(2, "wait", { log_index: 1, for: "disk" }));
    await client.wait(2);
    expect(h.writer.syncedSize).toBe(2);
  });
});

describe("the socket", () => {
  test("has the mode it was given", () => expect(statSync(h.path).mode & 0o777).toBe(0o660));

  test("nc and a here-document suffice", async () => {
    const { stdout } = await run("bash", ["-c", `nc -U -N ${h.path} <<'END'
${JSON.stringify(append(1))}

${JSON.stringify(append(2))}
END`]);
    expect(stdout.trim().split("\n").map((text) => (JSON.parse(text) as { result: { log_index: number } }).result.log_index)).toEqual([1, 2]);
  });

  test("a live one is not taken over, a dead one is, and what is no socket is left alone", async () => {
    const take = (path: string) => listen({ path, mode: 0o600, group: null, maxConnections: 1, maxBuffered: 1, limits: { maxMessage: 1, maxInFlight: 1, lineTimeout: 1, writeTimeout: 1 } }, undefined as never);
    await expect(take(h.path)).rejects.toMatchObject({ code: "socket_in_use" });
    const file = `${h.path}.file`;
    writeFileSync(file, "mine");
    await expect(take(file)).rejects.toMatchObject({ code: "socket_not_possible" });
    expect(existsSync(file)).toBe(true);
    const stale = `${h.path}.stale`;
    spawnSync(process.execPath, ["-e", `require("node:net").createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, "SIGKILL"))`]);
    expect(existsSync(stale)).toBe(true);
    await (await take(stale)).drain(0);
  });
});
