/** Lines that a thread reads: the same answers, in the same order, and nobody else waits for them. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readPolicy } from "../../src/config/policy.ts";
import { LONG, LongLines } from "../../src/intake/long-lines.ts";
import { DoorPolicy } from "../../src/intake/policy.ts";
import { type Answer, append, call, Client, harness, type Harness, RECEIPT } from "./harness.ts";

let h: Harness;
beforeEach(async () => { h = await harness(); });
afterEach(async () => {
  vi.restoreAllMocks();
  await h.stop();
});

const ID = "0190a000-0000-7000-8000-000000000001";

/** The same call, in white space. */
function long(message: object | string): string {
  return `${typeof message === "string" ? message : JSON.stringify(message)}${" ".repeat(LONG)}\n`;
}

/** What is said, but for what every receipt has anew. */
function said({ id, result, error }: Answer): unknown {
  if (result === undefined) return { id, error };
  const { receipts = [result] } = result as { readonly receipts?: readonly Record<string, unknown>[] };
  return { id, duplicates: receipts.map(({ duplicate }) => duplicate), members: receipts.map((receipt) => Object.keys(receipt)) };
}

describe("a long line", () => {
  test.each<[string, object | string]>([
    ["a receipt", append(1)],
    ["a receipt for which the short way is not made", append("x", { inputs: { text: "\u00e9\n" } }, { ack: "wal" })],
    ["several", call(2, "append_many", { receipts: [RECEIPT, { ...RECEIPT, receipt_id: ID }], ack: "disk" })],
    ["one that is there", append(3, { receipt_id: ID })],
    ["one that is there with other content", append(4, { receipt_id: ID, decision: "DENY" })],
    ["a field that is not known", append(5, { inputs_: {} })],
    ["the second of two", call(6, "append_many", { receipts: [RECEIPT, { ...RECEIPT, system_id: 7 }] })],
    ["none", call(7, "append_many", { receipts: [] })],
    ["an acknowledgement that is not known", append(8, {}, { ack: "tape" })],
    ["no JSON", '{"jsonrpc":"2.0","id":9,,"method":"append"}'],
    ["a name twice", '{"jsonrpc":"2.0","id":10,"method":"append","params":{"receipt":{"a":1,"a":2}}}'],
    ["no id", '{"jsonrpc":"2.0","method":"append","params":{}}'],
    ["another version", '{"jsonrpc":"1.0","id":11,"method":"append","params":{}}'],
    ["too deep", append(12, { inputs: JSON.parse("[".repeat(60) + "]".repeat(60)) as object })],
    ["a batch", "[]"],
  ])("gets the answer that a short one gets: %s", async (_, message) => {
    await new Client(h.path).send(append(0, { receipt_id: ID })).wait(1);
    const [short] = await new Client(h.path).send(typeof message === "string" ? `${message}\n` : message).wait(1);
    const [answer] = await new Client(h.path).send(long(message)).wait(1);
    expect(said(answer!)).toEqual(said(short!));
    expect(h.internal).toEqual([]);
  });

  test("is stored behind what its connection sent before and before what it sent behind, and the answers are in order", async () => {
    const client = new Client(h.path).send(append(1), long(append(2)), append(3), long(append(4)), call(5, "head"), long(append(6)));
    const answers = await client.wait(6);
    expect(answers.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(answers.map(({ result }) => result!["log_index"] ?? result!["size"])).toEqual([1, 2, 3, 4, 5, 5]);
  });

  test("is not what another connection's receipt waits for", async () => {
    const slow = new Client(h.path).send(`${JSON.stringify(append(1, { inputs: { list: Array.from({ length: 60_000 }, () => [0.5, "\u00e9"]) } }))}\n`);
    const other = new Client(h.path).send(append(1));
    const [[first], [second]] = await Promise.all([other.wait(1), slow.wait(1)]);
    expect([first!.result!["log_index"], second!.result!["log_index"]]).toEqual([1, 2]);
  });

  test("of several connections are read in turn", async () => {
    const clients = Array.from({ length: 5 }, () => new Client(h.path).send(...Array.from({ length: 4 }, (_, i) => long(append(i)))));
    await Promise.all(clients.map((client) => client.wait(4)));
    expect(h.writer.size).toBe(21);
    for (const { answers } of clients) expect(answers.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  test("of a method that has nothing so long to say is refused", async () => {
    const [get, chain, other] = await new Client(h.path).send(long(call(1, "get", { log_index: 0 })), long(call(2, "chain.get", { chain_id: "c" })), long(call(3, "no such"))).wait(3);
    expect(get!.error).toMatchObject({ message: `no call of get is that long: at most ${LONG} bytes`, data: { code: "bad_request" } });
    expect(chain!.result).toEqual({});
    expect(other!.error!.data["code"]).toBe("bad_request");
  });

  test("of a chain or an attestation is not handed on where it is refused whatever else is there", async () => {
    const asked = [vi.spyOn(h.port, "chain"), vi.spyOn(h.port, "chainAt"), vi.spyOn(h.port, "attest")];
    const much = Array.from({ length: 120_000 }, () => ({}));
    const answers = await new Client(h.path).send(call(1, "chain.open", { chain: { metadata: { much } } }), call(2, "chain.event", { chain_id: "c", event: { action: "a", agent: "b", details: { much } } }),
      call(3, "chain.get", { chain_id: "c", much }), call(4, "attest", { attestation: much }), long(call(5, "chain.open", { chain: { metadata: { _sd: [] } } }))).wait(5);
    expect(answers.map(({ error }) => [error!.data["code"], error!.data["pointer"]])).toEqual([
      ["too_large", "/params"], ["too_large", "/params"], ["bad_field", "/params"], ["attestation_refused", undefined], ["reserved_field", "/params/chain/metadata/_sd"]]);
    for (const one of asked) expect(one).not.toHaveBeenCalled();
  });

  test("that is being read is nobody's to let go, whatever the others hold", async () => {
    await h.stop();
    h = await harness({ socket: { maxBuffered: 600_000 } });
    let client: Client;
    const { read } = LongLines.prototype;
    const begin = await new Promise<() => void>((resolve) => {
      vi.spyOn(LongLines.prototype, "read").mockImplementation(function (this: LongLines, ...args) { resolve(() => read.apply(this, args)); });
      client = new Client(h.path).send(long(append(1, { inputs: { text: "x".repeat(100_000) } })));
    });
    const others = Array.from({ length: 20 }, () => new Client(h.path).send("x".repeat(20_000)));
    expect((await Promise.race(others.map((other) => other.closed()))).map(({ error }) => error?.data["code"])).toEqual(["overloaded"]);
    begin();
    expect((await client!.wait(1)).map(({ result }) => result?.["log_index"])).toEqual([1]);
  });

  test("counts as rubbish where it is", async () => {
    const answers = await new Client(h.path).send(...Array.from({ length: 100 }, () => long("?"))).closed();
    expect(answers.map(({ error }) => error!.data["code"])).toEqual([...Array.from({ length: 100 }, () => "bad_json"), "too_many_errors"]);
  });

  test("is answered to who has closed for writing", async () => {
    const client = new Client(h.path);
    client.socket.end(long(append(1)));
    expect((await client.closed()).map(({ result }) => result!["log_index"])).toEqual([1]);
  });

  test("is answered when the daemon stops meanwhile", async () => {
    const begun = new Promise<void>((resolve) => {
      const { read } = LongLines.prototype;
      vi.spyOn(LongLines.prototype, "read").mockImplementation(function (this: LongLines, ...args) {
        resolve();
        read.apply(this, args);
      });
    });
    const client = new Client(h.path).send(long(append(1)));
    await begun;
    await h.server.drain(2_000_000);
    expect((await client.closed()).map(({ result }) => result!["log_index"])).toEqual([1]);
  });

  test("of a client that is gone is not stored, and the next one is read", async () => {
    const gone = new Client(h.path).send(long(append(1)));
    await new Client(h.path).send(append(1)).wait(1);
    gone.socket.destroy();
    const [answer] = await new Client(h.path).send(long(append(2))).wait(1);
    expect(answer!.result!["log_index"]).toBeLessThanOrEqual(3);
  });

  test("is refused while no receipt is taken", async () => {
    h.knobs.refusal = { code: "disk_full", message: "no room" };
    const [answer] = await new Client(h.path).send(long(append(1))).wait(1);
    expect(answer).toMatchObject({ id: 1, error: { data: { code: "disk_full", retry: true } } });
  });
});

test("a policy holds for long lines, but not for what is stored already", async () => {
  await h.stop();
  h = await harness({ intake: { policy: new DoorPolicy(readPolicy("config/policy.example.yaml")) } });
  const old = { ...RECEIPT, system_id: "loan_scorer_v1", receipt_id: ID };
  h.writer.commit([[h.f.request(old)]], h.f.keys, "disk");
  const answers = await new Client(h.path).send(...[old, { ...old, decision: "DENY" }, { ...old, receipt_id: ID.replace("1", "2") }, { ...old, receipt_id: undefined }, RECEIPT]
    .map((receipt, id) => long(call(id, "append", { receipt })))).wait(5);
  expect(answers.map(({ result, error }) => result?.["duplicate"] ?? error!.data["code"])).toEqual([true, "conflict", "policy_field_missing", "policy_field_missing", false]);
  const wrong = { ...RECEIPT, system_id: 7 };
  const two = [[{ ...old, receipt_id: ID.replace("1", "2") }, wrong], [old, wrong]].map((receipts, id) => call(id, "append_many", { receipts }));
  const [long0, long1, short0, short1] = (await new Client(h.path).send(...two.map((one) => long(one)), ...two).wait(4)).map(said);
  expect([long0, long1]).toEqual([short0, short1]);
});

test("a thread that ends has its line refused, and there is another one for the next", async () => {
  const lines = new LongLines({ maxAppendMany: 10, policy: null });
  const read = (text: string) => new Promise<{ readonly kind: string }>((resolve) => lines.read(Buffer.from(new TextEncoder().encode(text).buffer), resolve));
  expect(await read(JSON.stringify(append(1)))).toMatchObject({ kind: "append", append: { id: 1 } });
  const first = read(JSON.stringify(append(2, { inputs: { list: Array.from({ length: 60_000 }, () => [0.5, "\u00e9"]) } })));
  await lines.stop();
  expect(await first).toMatchObject({ kind: "failed" });
  expect(await read(JSON.stringify(append(3)))).toMatchObject({ kind: "append", append: { id: 3 } });
  await lines.stop();
});
