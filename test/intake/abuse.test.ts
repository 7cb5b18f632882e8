/** Clients that are broken, slow or hostile, on the real socket: each gets a coded answer or is let go, and the next one is served. */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, append, call, Client, harness, type Harness, RECEIPT } from "./harness.ts";

type Overrides = NonNullable<Parameters<typeof harness>[0]>;

const codes = (answers: readonly Answer[]) => answers.map((answer) => [answer.id, answer.error?.data["code"] ?? "ok"]);
const last = (answers: readonly Answer[]) => codes(answers).at(-1);

/** Runs with a daemon of its own, which afterwards serves the next client and has met nothing it was not ready for. */
async function against(overrides: Overrides, attack: (h: Harness) => Promise<void>): Promise<void> {
  const h = await harness(overrides);
  try {
    await attack(h);
    const next = new Client(h.path).send(append("next"));
    expect(codes(await next.wait(1))).toEqual([["next", "ok"]]);
    next.socket.destroy();
    expect([h.internal, h.fatal]).toEqual([[], []]);
  } finally {
    await h.stop();
  }
}

/** Counts the receipts that are looked up: answers that are made. */
function countFinds(h: Harness): { count: number } {
  const looked = { count: 0 };
  const find = h.port.find;
  h.port.find = (which) => {
    looked.count++;
    return find(which);
  };
  return looked;
}

/** What the test needs comes about, or the test runs out of time. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

describe("lines", () => {
  test("one over the limit ends the connection, behind the answers that are due", () => against({ limits: { maxMessage: 1000 } }, async (h) => {
    const client = new Client(h.path).send(append(1), append(2), `${"x".repeat(1001)}\n`, append(3));
    expect(codes(await client.closed())).toEqual([[1, "ok"], [2, "ok"], [null, "message_too_large"]]);
    expect(h.writer.size).toBe(3);
  }));

  test("one of exactly the limit is taken", () => against({ limits: { maxMessage: 1000 } }, async (h) => {
    const text = JSON.stringify(append(1, { metadata: { pad: "" } }));
    const padded = text.replace('"pad":""', `"pad":"${"x".repeat(1000 - text.length)}"`);
    expect(codes(await new Client(h.path).send(`${padded}\n`).wait(1))).toEqual([[1, "ok"]]);
    expect(last(await new Client(h.path).send(`${padded} \n`).closed())).toEqual([null, "message_too_large"]);
  }));

  test("one that never ends is cut at the limit", () => against({ limits: { maxMessage: 100_000 } }, async (h) => {
    const client = new Client(h.path);
    const piece = Buffer.alloc(65_536, "x");
    let sent = 0;
    while (!client.ended && sent < 1024) {
      sent++;
      await new Promise((resolve) => void client.socket.write(piece, resolve));
    }
    expect(last(await client.closed())).toEqual([null, "message_too_large"]);
  }));

  test("binary garbage is refused line by line, then altogether", () => against({}, async (h) => {
    let state = 1;
    const garbage = Buffer.from(Uint8Array.from({ length: 200_000 }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff));
    const answers = await new Client(h.path).send(append(1), garbage).closed();
    expect(codes(answers.slice(0, 1))).toEqual([[1, "ok"]]);
    expect(answers.slice(1, 101).every((answer) => answer.id === null && ["not_utf8", "bad_json"].includes(answer.error!.data["code"] as string))).toBe(true);
    expect(codes(answers.slice(101))).toEqual([[null, "too_many_errors"]]);
  }));

  test("99 errors in a row are forgiven by one good call, as often as one likes", () => against({}, async (h) => {
    const bad = Array.from({ length: 99 }, () => "?\n");
    const client = new Client(h.path).send(...bad, append(1), ...bad, append(2), ...bad, "?\n");
    const answers = await client.closed();
    expect(answers).toHaveLength(99 + 1 + 99 + 1 + 100 + 1);
    expect(codes(answers.filter((answer) => answer.error?.data["code"] !== "bad_json"))).toEqual([[1, "ok"], [2, "ok"], [null, "too_many_errors"]]);
  }));

  test("refused receipts of calls that can be understood never end the connection", () => against({}, async (h) => {
    const client = new Client(h.path).send(...Array.from({ length: 300 }, (_, i) => append(i, { inputs: i })), append("good"));
    expect(last(await client.wait(301))).toEqual(["good", "ok"]);
  }));

  test("byte by byte, with CRLF and empty lines between, is as good as any", () => against({}, async (h) => {
    const client = new Client(h.path);
    client.socket.setNoDelay();
    for (const byte of Buffer.from(`\r\n\n${JSON.stringify(append(1))}\r\n\r\n\n${JSON.stringify(append(2))}\n\n`)) {
      await new Promise((resolve) => void client.socket.write(Uint8Array.of(byte), resolve));
    }
    expect(codes(await client.wait(2))).toEqual([[1, "ok"], [2, "ok"]]);
  }));

  test("a byte order mark is no JSON, U+2028 in a text is kept", () => against({}, async (h) => {
    const client = new Client(h.path).send(`\ufeff${JSON.stringify(append(1))}\n`, append("\u2028\u2029", { summary: "a\u2028b\ufeff" }), call("read", "get", { log_index: 1 }));
    const answers = await client.wait(3);
    expect(codes(answers)).toEqual([[null, "bad_json"], ["\u2028\u2029", "ok"], ["read", "ok"]]);
    expect(answers[2]!.result!["receipt"]).toMatchObject({ summary: "a\u2028b\ufeff" });
  }));
});

describe.concurrent("half a connection", () => {
  test("half a line and no more is let go after line_timeout, however slowly it grows", () => against({ limits: { lineTimeout: 100 } }, async (h) => {
    const [silent, slow, fine] = [new Client(h.path).send(append(1), '{"jsonrpc":'), new Client(h.path), new Client(h.path).send(append(1))] as const;
    const grow = setInterval(() => slow.send(" "), 20);
    expect(codes(await silent.closed())).toEqual([[1, "ok"], [null, "line_timeout"]]);
    expect(codes(await slow.closed())).toEqual([[null, "line_timeout"]]);
    clearInterval(grow);
    expect(codes(await fine.send(append(2)).wait(2))).toEqual([[1, "ok"], [2, "ok"]]); // idle is no crime
  }));

  test("closed within a line: what was whole is stored and answered, the rest is not taken", () => against({}, async (h) => {
    const client = new Client(h.path);
    client.socket.end([1, 2, 3].map((id) => JSON.stringify(append(id))).join("\n"));
    expect(codes(await client.closed())).toEqual([[1, "ok"], [2, "ok"], [null, "incomplete_line"]]);
    expect(h.writer.size).toBe(3);
  }));

  test("closed for writing: every call is answered, more than may be in flight too", () => against({ limits: { maxInFlight: 4 } }, async (h) => {
    const client = new Client(h.path).send(...Array.from({ length: 50 }, (_, i) => append(i)));
    client.socket.end();
    expect(codes(await client.closed())).toEqual(Array.from({ length: 50 }, (_, i) => [i, "ok"]));
  }));

  test("closed for writing and slow to read: it still gets every answer", () => against({}, async (h) => {
    const client = new Client(h.path).send(append(1, { inputs: { text: "x".repeat(800_000) } }));
    await client.wait(1);
    client.socket.pause();
    client.send(call(2, "get", { log_index: 1 })).socket.end();
    await sleep(2500);
    client.socket.resume();
    expect(codes(await client.closed())).toEqual([[1, "ok"], [2, "ok"]]);
  }));

  test("gone before its acknowledgement: the receipt stays, and is a duplicate to whoever tries again", () => against({}, async (h) => {
    const receipt_id = "0190a000-0000-7000-8000-000000000001";
    const client = new Client(h.path).send(append(1, { receipt_id }));
    client.socket.on("connect", () => setImmediate(() => client.socket.destroy()));
    await until(() => h.writer.size === 2);
    expect((await new Client(h.path).send(append(1, { receipt_id })).wait(1))[0]!.result).toMatchObject({ log_index: 1, duplicate: true });
  }));

  test("gone while a great deal is written to it", () => against({}, async (h) => {
    for (let round = 0; round < 5; round++) {
      const client = new Client(h.path).send(append(1, { inputs: { text: "x".repeat(100_000) } }), ...Array.from({ length: 200 }, (_, i) => call(i, "get", { log_index: 1 })));
      await client.wait(2);
      client.socket.destroy();
      await until(() => h.server.connections() === 0);
      expect(h.writer.size).toBe(2 + round);
    }
  }));

  test("gone while it waits: nothing waits for it any more", () => against({}, async (h) => {
    let waiting = 0;
    const onAnchored = h.port.onAnchored;
    h.port.onAnchored = (size, done) => {
      waiting++;
      const stop = onAnchored(size, done);
      return () => {
        waiting--;
        stop();
      };
    };
    const clients = Array.from({ length: 20 }, () => new Client(h.path).send(append(0), ...Array.from({ length: 100 }, (_, i) => call(i, "wait", { log_index: 1, for: "anchored" }))));
    await until(() => waiting === 2000);
    for (const client of clients) client.socket.destroy();
    await until(() => h.server.connections() === 0);
    expect(waiting).toBe(0);
  }));

  test("closed for writing while it waits is still waited for", () => against({}, async (h) => {
    const client = new Client(h.path).send(append(1), call(2, "wait", { log_index: 1, for: "anchored" }));
    client.socket.end();
    await sleep(2200); // beyond two looks at who is there
    expect(codes(client.answers)).toEqual([[1, "ok"]]);
    h.knobs.anchored = 2;
    expect(codes(await client.closed())).toEqual([[1, "ok"], [2, "ok"]]);
  }));
});

describe("limits", () => {
  test("connections: the next one is told, and may come when another has gone", () => against({ socket: { maxConnections: 3 } }, async (h) => {
    const clients = Array.from({ length: 3 }, () => new Client(h.path).send(append(1)));
    await Promise.all(clients.map((client) => client.wait(1)));
    const refused = await new Client(h.path).send(append(1)).closed();
    expect(codes(refused)).toEqual([[null, "too_many_connections"]]);
    expect(refused[0]!.error!.data["retry"]).toBe(true);
    for (const client of clients) client.socket.destroy();
    await until(() => h.server.connections() === 0);
  }));

  test("connections: of a flood only so many are told, the others are closed without a word, those that are served go on", () => against({ socket: { maxConnections: 2 } }, async (h) => {
    const served = new Client(h.path).send(append(1));
    await served.wait(1);
    const seen = { told: 0, ended: 0 };
    const flood = Array.from({ length: 300 }, () => // which do not close when they are told to
      connect({ path: h.path, allowHalfOpen: true }).on("error", () => {}).on("data", () => seen.told++).on("end", () => seen.ended++));
    expect(codes(await served.send(append(2), append(3)).wait(3))).toEqual([[1, "ok"], [2, "ok"], [3, "ok"]]);
    await until(() => seen.ended === 299); // one is served
    expect(seen.told).toBeGreaterThan(0);
    expect(seen.told).toBeLessThan(200);
    for (const socket of flood) socket.destroy();
    served.socket.destroy();
    await until(() => h.server.connections() === 0);
  }));

  test("unread input: who holds the most is let go, the others finish their lines", () => against({ socket: { maxBuffered: 1_000_000 } }, async (h) => {
    const line = (size: number): string => JSON.stringify(append(1, { inputs: { text: "x".repeat(size) } }));
    const others = Array.from({ length: 20 }, () => new Client(h.path).send(line(15_000)));
    const large = new Client(h.path).send(line(900_000));
    expect(codes(await large.closed())).toEqual([[null, "overloaded"]]);
    expect(large.answers[0]!.error!.data["retry"]).toBe(true);
    for (const client of others) expect(codes(await client.send("\n").wait(1))).toEqual([[1, "ok"]]);
  }));

  test("unread input: let go means that its memory is given back, though an answer before is due", () => against({ socket: { maxBuffered: 300_000 } }, async (h) => {
    const waits = [append(1), call(2, "wait", { log_index: 1, for: "anchored" })];
    const hogs = Array.from({ length: 5 }, () => new Client(h.path).send(...waits, "x".repeat(290_000)));
    await Promise.all(hogs.map((hog) => hog.wait(1)));
    const client = new Client(h.path).send(append(1, { inputs: { text: "x".repeat(100_000) } }));
    expect(codes(await client.wait(1))).toEqual([[1, "ok"]]);
    h.knobs.anchored = 100;
    const ends = await Promise.all(hogs.map(async (hog) => codes(await hog.wait(3))));
    expect(ends.filter((end) => end.length === 3 && end[2]![1] === "overloaded").length).toBeGreaterThanOrEqual(4);
  }));

  test("unread answers: no more are made than are read, others are served, in the end it is let go", () => against({ limits: { writeTimeout: 100 } }, async (h) => {
    const looked = countFinds(h);
    const rude = new Client(h.path).send(append(0, { inputs: { text: "x".repeat(100_000) } }));
    await rude.wait(1);
    rude.socket.pause();
    rude.send(...Array.from({ length: 5000 }, (_, i) => call(i, "get", { log_index: 1 })));
    for (let i = 0; i < 20; i++) expect(codes(await new Client(h.path).send(append(i)).wait(1))).toEqual([[i, "ok"]]);
    await until(() => h.server.connections() === 20);
    expect(looked.count).toBeGreaterThan(10);
    expect(looked.count).toBeLessThan(40); // 1 MiB here and what the kernel holds
  }));

  test("unread answers: those that stand behind a wait count too", () => against({}, async (h) => {
    const looked = countFinds(h);
    const client = new Client(h.path).send(append(0, { inputs: { text: "x".repeat(100_000) } }), call(1, "wait", { log_index: 1, for: "anchored" }));
    client.send(...Array.from({ length: 500 }, (_, i) => call(i + 2, "get", { log_index: 1 })));
    await client.wait(1);
    await until(() => looked.count > 10);
    await sleep(100);
    expect(looked.count).toBeLessThan(20);
    h.knobs.anchored = 2;
    expect(codes(await client.wait(502))).toEqual(Array.from({ length: 502 }, (_, i) => [i, "ok"]));
  }));
});

describe("names that JavaScript knows", () => {
  let h: Harness;
  beforeAll(async () => { h = await harness(); });
  afterAll(async () => {
    expect(h.internal).toEqual([]);
    await h.stop();
  });

  test.each<[string, object | string, string, string | undefined]>([
    ...["constructor", "toString", "hasOwnProperty", "valueOf", "__defineGetter__", "__proto__"].map((name): [string, object, string, undefined] => [`method ${name}`, call(1, name), "unknown_method", undefined]),
    ["params __proto__", '{"jsonrpc":"2.0","id":1,"method":"status","params":{"__proto__":{}}}', "forbidden_name", "/params/__proto__"],
    ["params constructor", call(1, "status", { constructor: 1 }), "unknown_field", "/params/constructor"],
    ["params with ~ and /", call(1, "append", { "a/b~c": 1 }), "unknown_field", "/params/a~1b~0c"],
    ["params with an empty name", call(1, "append", { "": 1 }), "unknown_field", "/params/"],
    ["a field toString", append(1, { toString: 1 }), "unknown_field", "/params/receipt/toString"],
    ["a field with ~ and /", append(1, { "a/b~c": 1 }), "unknown_field", "/params/receipt/a~1b~0c"],
    ["a field with a surrogate pair", append(1, { ["x".repeat(63) + "😀"]: 1 }), "unknown_field", `/params/receipt/${"x".repeat(63)}😀`],
    ["_sd deep down", append(1, { inputs: { "a/b": [{ _sd: 1 }] } }), "reserved_field", "/params/receipt/inputs/a~1b/0/_sd"],
    ["__proto__ deep down", `{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":{"inputs":{"__proto__":{}}}}}`, "forbidden_name", "/params/receipt/inputs/__proto__"],
    ["a type constructor", append(1, { type: "constructor" }), "unknown_type", "/params/receipt/type"],
    ["an organization __proto__", append(1, { organization: "__proto__" }), "bad_field", "/params/receipt/organization"],
    ["for constructor", call(1, "wait", { log_index: 0, for: "constructor" }), "bad_field", "/params/for"],
    ["ack toString", append(1, {}, { ack: "toString" }), "bad_field", "/params/ack"],
    ["an index beyond integers", call(1, "get", { log_index: 1.5 }), "bad_field", "/params/log_index"],
    ["the largest index", call(1, "get", { log_index: Number.MAX_SAFE_INTEGER }), "not_found", undefined],
    ["the largest number", call(1, "get", { receipt_number: "RCP-2026-9007199254740991" }), "not_found", undefined],
    ["a number too large", call(1, "get", { receipt_number: "RCP-2026-9007199254740993" }), "bad_field", "/params/receipt_number"],
    ["an id and another organization", call(1, "get", { log_index: 0, organization: "acme" }), "bad_field", "/params"],
    ["an organization alone", call(1, "get", { organization: "acme" }), "bad_field", "/params"],
    ["org_seq alone", call(1, "get", { org_seq: 1 }), "bad_field", "/params"],
    ["a timeout below none", call(1, "wait", { log_index: 0, for: "anchored", timeout_ms: -1 }), "bad_field", "/params/timeout_ms"],
  ])("%s", async (_name, message, code, pointer) => {
    const [answer] = await new Client(h.path).send(typeof message === "string" ? `${message}\n` : message).wait(1);
    expect([answer!.error!.data["code"], answer!.error!.data["pointer"]]).toEqual([code, pointer]);
  });

  test("are organizations and names like any other where the format allows them", async () => {
    const client = new Client(h.path).send(
      append("constructor", { organization: "constructor", inputs: { constructor: 1, toString: { hasOwnProperty: null } }, x_constructor: 1 }),
      call("toString", "get", { organization: "constructor", org_seq: 1 }),
      call("m", "append_many", { receipts: [{ ...RECEIPT, organization: "constructor" }] }),
    );
    const answers = await client.wait(3);
    expect(codes(answers)).toEqual([["constructor", "ok"], ["toString", "ok"], ["m", "ok"]]);
    expect(answers[1]!.result!["receipt"]).toMatchObject({ organization: "constructor", inputs: { constructor: 1, toString: { hasOwnProperty: null } } });
    expect(answers[2]!.result).toMatchObject({ receipts: [{ organization: "constructor", org_seq: 2 }] });
  });
});

test("a socket that says nothing costs a connection, and goes with the daemon", async () => {
  const h = await harness();
  const silent = connect(h.path).resume();
  await until(() => h.server.connections() === 1);
  await Promise.all([once(silent, "close"), h.stop()]);
  expect(h.server.connections()).toBe(0);
});
