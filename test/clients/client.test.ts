/** The client against the real daemon, and against one that does what a daemon does when something is wrong. */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Client, ReceiptNotFound, ReceiptRefused } from "../../src/clients/index.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { type FakeDaemon, fakeDaemon, resultLine } from "../cli/fake-daemon.ts";
import { must, serveHere } from "../cli/here.ts";
import { Host } from "../cli/host.ts";
import { acknowledge, errorOf, RECEIPT, refuse, stored } from "./support.ts";

describe("a daemon", () => {
  let host: Host;
  let daemon: Awaited<ReturnType<typeof serveHere>>;
  let client: Client;
  beforeAll(async () => {
    host = new Host();
    await must(host, ["init"]);
    daemon = await serveHere(host);
    client = new Client({ socket: host.path("receiptd-data/receiptd.sock"), organization: "loans", systemId: "scorer" });
  });
  afterAll(async () => {
    await client.close();
    daemon.child.kill();
    await daemon.ended;
    await host.remove();
  });

  test("append: the acknowledgement, and the defaults of the client", async () => {
    const ack = await client.append({ decision: "APPROVE", inputs: { n: 1 } });
    expect(ack).toMatchObject({ queued: false, organization: "loans", orgSeq: 1, ack: "disk", duplicate: false, receiptNumber: expect.stringMatching(/^LN-\d{4}-00001$/) });
    const found = await client.get(ack.receiptId);
    expect(found.receipt).toMatchObject({ system_id: "scorer", decision: "APPROVE" });
    expect(`sha256:${createHash("sha256").update(canonicalize(found.receipt as Json)).digest("hex")}`).toBe(found.receiptHash);
  });

  test("many at a time, each its own acknowledgement", async () => {
    const acks = await Promise.all(Array.from({ length: 2000 }, (_, n) => client.append({ ...RECEIPT, inputs: { n } })));
    expect(new Set(acks.map((ack) => ack.receiptNumber)).size).toBe(2000);
    const { receipt } = await client.get({ receiptNumber: acks[1234]!.receiptNumber! });
    expect(receipt["inputs"]).toEqual({ n: 1234 });
  });

  test("append_many: all or none, and the place of what is wrong", async () => {
    const { orgSeq } = await client.head("loans");
    expect(await client.appendMany([RECEIPT, RECEIPT], { ack: "wal" })).toMatchObject([{ orgSeq: orgSeq! + 1, ack: "wal" }, { orgSeq: orgSeq! + 2 }]);
    expect(await errorOf(client.appendMany([RECEIPT, { ...RECEIPT, gates: [{ name: "g" } as never] }]))).toMatchObject({ code: "bad_field", pointer: "/1/gates/0/status" });
    expect(await errorOf(client.appendMany([RECEIPT, { ...RECEIPT, inputs: { at: new Date() } }]))).toMatchObject({ code: "bad_value", pointer: "/1/inputs/at" });
    expect((await client.head("loans")).orgSeq).toBe(orgSeq! + 2);
  });

  test("sent again by the caller: stored once; another under the same id: a conflict", async () => {
    const receipt_id = "0192aaaa-0000-7000-8000-000000000001";
    const first = await client.append({ ...RECEIPT, receipt_id });
    expect(await client.append({ ...RECEIPT, receipt_id })).toEqual({ ...first, duplicate: true });
    expect(await errorOf(client.append({ ...RECEIPT, receipt_id, decision: "DENY" }))).toMatchObject({ code: "conflict", name: "ReceiptRefused", receiptId: receipt_id });
  });

  test("get by every name; nothing there; nothing that is a name", async () => {
    const { receiptId, organization, orgSeq, logIndex, receiptNumber } = await client.get({ organization: "loans", orgSeq: 1 });
    for (const which of [receiptId, receiptNumber, { receiptId }, { receiptNumber }, { logIndex }, { organization, orgSeq }]) {
      expect(await client.get(which)).toMatchObject({ receiptId, status: "pending" });
    }
    expect(await errorOf(client.get({ logIndex: 99_999 }))).toBeInstanceOf(ReceiptNotFound);
    expect(await errorOf(client.get("no name"))).toMatchObject({ name: "ReceiptRefused", code: "bad_field", pointer: "/receipt_number" });
  });

  test("wait: not yet is an answer, and holds up nobody", async () => {
    const ack = await client.append(RECEIPT);
    const waiting = errorOf(client.wait(ack.receiptId, { timeoutMs: 300 }));
    expect(await client.append(RECEIPT)).toMatchObject({ duplicate: false });
    expect(await waiting).toMatchObject({ name: "ReceiptUnavailable", code: "timeout", maybeStored: false });
    expect(client.circuit.state).toBe("closed");
    await client.wait(ack.receiptId, { for: "disk" });
    const anchored = client.wait(ack.receiptId, { timeoutMs: 20_000 });
    await client.call("anchor", {});
    await anchored;
    expect((await client.get(ack.receiptId)).status).toBe("anchored");
  });

  test("verifyReceipt by the socket never says valid, and says what it did not check", async () => {
    const { receiptId, receiptNumber } = await client.append(RECEIPT);
    const { valid, status, checks, notChecked, ...rest } = await client.verifyReceipt(receiptId);
    expect({ valid, status, checks: checks.map(({ code }) => code), notChecked: notChecked.map(({ code }) => code) })
      .toEqual({ valid: null, status: "not_checked", checks: ["canonical", "hash", "place", "link"], notChecked: ["mac", "anchor"] });
    expect(rest).toMatchObject({ receiptNumber, chainId: null, problem: null });
  });

  test("status and head", async () => {
    expect(await client.status()).toMatchObject({ state: "ok" });
    expect(await client.head()).toMatchObject({ ledger: "test.example/receipts", size: expect.any(Number) });
    expect(await errorOf(client.head("nobody"))).toBeInstanceOf(ReceiptNotFound);
  });

  test("a closed client", async () => {
    const other = new Client({ socket: host.path("receiptd-data/receiptd.sock") });
    const going = errorOf(other.append(RECEIPT));
    await other[Symbol.asyncDispose]();
    expect(await going).toMatchObject({ code: "closed", name: "ReceiptUnavailable" });
    expect(await errorOf(other.append(RECEIPT))).toMatchObject({ code: "closed", maybeStored: false });
  });
});

/** Instead of what was wrong with the tries before, where the last one has no answer yet when the time is over. */
const LATE = "timeout";

describe("trouble", () => {
  let fake: FakeDaemon | null = null;
  let client: Client;
  afterEach(async () => {
    await client.close();
    await fake?.stop();
    fake = null;
  });
  /** A daemon for one test, and a client of it. */
  async function meet(answer: Parameters<typeof fakeDaemon>[0], options: ConstructorParameters<typeof Client>[0] = {}): Promise<Client> {
    fake = await fakeDaemon(answer);
    return (client = new Client({ socket: fake.path, timeoutMs: 10_000, ...options }));
  }

  test("no daemon: unreachable, in time, and certainly not stored", async () => {
    client = new Client({ socket: "/nonexistent/socket", timeoutMs: 150 });
    const error = await errorOf(client.append(RECEIPT));
    expect(error).toMatchObject({ name: "ReceiptUnavailable", code: "unreachable", maybeStored: false, receiptId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  test("no answer: a timeout, and nobody knows; the same for a call that writes nothing is not stored", async () => {
    const { append, status } = await meet(() => undefined, { timeoutMs: 100 }).then((it) => ({ append: it.append(RECEIPT), status: it.status() }));
    expect(await errorOf(append)).toMatchObject({ code: "timeout", maybeStored: true });
    expect(await errorOf(status)).toMatchObject({ code: "timeout", maybeStored: false });
  });

  test.each<readonly [string, (socket: Socket, line: string) => void]>([
    ["reset", (socket) => socket.destroy()],
    ["half an answer, and the end", (socket, line) => void socket.end(line.slice(0, 40))],
    ["rubbish", (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["no JSON-RPC", (socket) => void socket.write('{"ok":true}\n')],
    ["an answer to another call", (socket, line) => void socket.write(line.replace(/"id":\d+/, '"id":77'))],
    ["too many connections", (socket) => void socket.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"m","data":{"code":"too_many_connections","retry":true}}}\n')],
  ])("%s: the very same bytes are sent again, over a new connection", async (_, harm) => {
    const it = await meet((call, socket, connection) => {
      if (connection < 3) harm(socket, resultLine(call.id, stored(call.params.receipt?.receipt_id)));
      else acknowledge(call, socket);
    });
    const acks = await Promise.all([it.append(RECEIPT), it.append(RECEIPT)]);
    expect(new Set(acks.map(({ receiptId }) => receiptId)).size).toBe(2);
    const texts = new Map(fake!.calls.map(({ params }) => [params.receipt!.receipt_id, JSON.stringify(params)]));
    for (const { params } of fake!.calls) expect(JSON.stringify(params)).toBe(texts.get(params.receipt!.receipt_id));
    expect(texts.size).toBe(2);
    expect(fake!.calls.length).toBeGreaterThanOrEqual(4);
  });

  test.each(["reset", "rubbish"])("%s for good: nobody knows, once it was sent", async (what) => {
    const it = await meet((_, socket) => void (what === "reset" ? socket.destroy() : socket.write("rubbish\n")), { timeoutMs: 800 });
    const error = await errorOf(it.append(RECEIPT));
    expect(error).toMatchObject({ maybeStored: true });
    expect([what === "reset" ? "unreachable" : "bad_answer", LATE]).toContain(error.code);
  });

  test("an answer that acknowledges something else is none", async () => {
    const it = await meet(({ id }, socket) => void socket.write(resultLine(id, stored("0192aaaa-0000-7000-8000-000000000001"))));
    expect(await errorOf(it.append(RECEIPT))).toMatchObject({ name: "ReceiptUnavailable", code: "bad_answer", maybeStored: true });
  });

  test("an acknowledgement of less than was asked for is none", async () => {
    const it = await meet(({ id, params }, socket) => void socket.write(resultLine(id, { ...stored(params.receipt?.receipt_id), ack: "wal" })));
    expect(await errorOf(it.append(RECEIPT, { ack: "disk" }))).toMatchObject({ name: "ReceiptUnavailable", code: "bad_answer", maybeStored: true });
    expect(await it.append(RECEIPT, { ack: "wal" })).toMatchObject({ ack: "wal" });
  });

  test("an error without a code is not receiptd's: nothing is called refused for it", async () => {
    const it = await meet(({ id }, socket) => void socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found", data: {} } })}\n`), { timeoutMs: 300 });
    const error = await errorOf(it.append(RECEIPT));
    expect(error.name).toBe("ReceiptUnavailable");
    expect(["bad_answer", LATE]).toContain(error.code);
  });

  test("an error that passes is waited out; at the end of the time it is the daemon's own code", async () => {
    let left = 3;
    const it = await meet((call, socket) => (left-- > 0 ? refuse(call, socket, "overloaded", true) : acknowledge(call, socket)));
    expect(await it.append(RECEIPT)).toMatchObject({ queued: false });
    left = Infinity;
    const error = await errorOf(it.append(RECEIPT, { timeoutMs: 500 }));
    expect(error.name).toBe("ReceiptUnavailable");
    expect(["overloaded", LATE]).toContain(error.code);
  });

  test.each(["ledger_behind", "forked", "ledger_failed", "internal"])("%s is unavailable, at once", async (code) => {
    const it = await meet((call, socket) => refuse(call, socket, code));
    expect(await errorOf(it.append(RECEIPT))).toMatchObject({ name: "ReceiptUnavailable", code, maybeStored: false });
    expect(fake!.calls.length).toBe(1);
  });

  test.each(["bad_field", "conflict", "too_many_organizations", "unknown_method", "policy_gate_failed"])("%s is a refusal, at once", async (code) => {
    const it = await meet((call, socket) => refuse(call, socket, code));
    expect(await errorOf(it.append(RECEIPT))).toBeInstanceOf(ReceiptRefused);
    expect(fake!.calls.length).toBe(1);
  });

  test("a message that is too large for the daemon is refused; the calls behind it are carried out", async () => {
    const it = await meet((call, socket) => {
      if (JSON.stringify(call).includes("large")) socket.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"code":"message_too_large","retry":false}}}\n');
      else acknowledge(call, socket);
    });
    const [large, small] = await Promise.all([errorOf(it.append({ ...RECEIPT, summary: "large" })), it.append(RECEIPT)]);
    expect(large).toMatchObject({ name: "ReceiptRefused", code: "message_too_large" });
    expect(small).toMatchObject({ queued: false });
  });

  test("a late answer is nobody's: the next calls get theirs", async () => {
    const held: (() => void)[] = [];
    const it = await meet((call, socket) => {
      if (held.length === 0) held.push(() => acknowledge(call, socket));
      else {
        held[0]!();
        acknowledge(call, socket);
      }
    });
    expect(await errorOf(it.append(RECEIPT, { timeoutMs: 50 }))).toMatchObject({ code: "timeout", maybeStored: true });
    const next = await it.append(RECEIPT);
    expect(next.receiptId).toBe(fake!.calls[1]!.params.receipt!.receipt_id);
  });

  test("no more than 1,024 calls are on the way; the others wait for their turn", async () => {
    let [open, most] = [0, 0];
    const it = await meet((call, socket) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        acknowledge(call, socket);
      });
    });
    await Promise.all(Array.from({ length: 3000 }, () => it.append(RECEIPT)));
    expect(most).toBeLessThanOrEqual(1024);
    expect(fake!.calls.length).toBe(3000);
  });

  test("a call whose time is over while it waits for its turn leaves nothing behind", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const it = await meet(() => undefined, { timeoutMs: 60_000, breaker: { failures: 1_000_000 } });
    for (let i = 0; i < 1024; i++) it.append(RECEIPT).catch(() => undefined);
    const used = async (): Promise<number> => {
      const long = { ...RECEIPT, metadata: { text: "x".repeat(100_000) } };
      await Promise.all(Array.from({ length: 100 }, () => errorOf(it.append(long, { timeoutMs: 20 }))));
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = await used();
    for (let i = 0; i < 9; i++) await used();
    expect(await used() - before).toBeLessThan(30_000_000); // of 100 MB that were asked for
  });

  test("what waits in memory is bounded", async () => {
    const it = await meet(() => undefined, { timeoutMs: 2000 });
    const large = { ...RECEIPT, inputs: { text: "x".repeat(1_000_000) } };
    const errors = Array.from({ length: 70 }, () => errorOf(it.append(large)));
    expect(await Promise.race(errors)).toMatchObject({ code: "overloaded", maybeStored: false });
    await it.close();
    expect((await Promise.all(errors)).filter(({ code }) => code === "overloaded").length).toBeGreaterThanOrEqual(2);
  });

  test("an answer without an end does not fill the memory: the connection is given up", async () => {
    let megabytes = 0;
    const it = await meet((call, socket, connection) => {
      const more = (): void => {
        if (socket.destroyed) return;
        megabytes++;
        socket.write("x".repeat(1 << 20), more);
      };
      if (connection === 1) more();
      else acknowledge(call, socket);
    }, { timeoutMs: 20_000 });
    expect(await it.append(RECEIPT)).toMatchObject({ queued: false });
    expect(megabytes).toBeGreaterThanOrEqual(8);
    expect(megabytes).toBeLessThan(16);
  });
});
