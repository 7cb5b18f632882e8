/** The daemon's control socket: for its own user, three calls, and what they answer. */
import { statSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashText } from "../../src/format/chain.ts";
import { MAX_ACCESSES } from "../../src/format/fields.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { tamper } from "../audit/support.ts";
import { type Answer, Client } from "../faults/client.ts";
import { HttpHost } from "../http/support.ts";

let h: HttpHost;
let client: Client;
beforeAll(async () => {
  h = await new HttpHost().init();
  await h.startDaemon();
  client = new Client(h.places.control);
});
afterAll(async () => {
  await client.close();
  await h.remove();
});

const access = { token: "tok-1", scope: "read", organizations: ["loans"], what: "receipt LN-2026-00001", count: 1 };
const codeOf = (answer: Answer): unknown => ("error" in answer ? answer.error.code : answer);

test("it is the user's own", () => {
  expect(statSync(h.places.control).mode & 0o777).toBe(0o600);
});

test("an access is a receipt, on the disk, when it is answered", async () => {
  const { log_index: at } = await client.must("record_access", { accesses: [access, { ...access, organizations: null, count: null }] });
  const reader = new Reader(h.places.ledger, nodeHash.sha256);
  expect(JSON.parse(Buffer.from(reader.byIndex(Number(at))!.blob!).toString())).toMatchObject({ type: "access", organization: "_ledger", details: { accesses: [access, { ...access, organizations: null, count: null }] } });
  reader.close();
});

test.each<readonly [code: string, method: string, params: object]>([
  ["bad_field", "record_access", { accesses: [] }],
  ["bad_field", "record_access", { accesses: [{ ...access, address: "x" }] }],
  ["bad_field", "record_access", { accesses: Array.from({ length: MAX_ACCESSES + 1 }, () => access) }],
  ["bad_field", "record_access", { accesses: "x" }],
  ["missing_field", "record_access", {}],
  ["unknown_field", "record_access", { accesses: [access], ack: "wal" }],
  ["not_found", "check_mac", { log_index: 999 }],
  ["bad_field", "check_mac", { log_index: -1 }],
  ["unknown_method", "append", { receipt: {} }],
  ["unknown_method", "key_change", {}],
])("%s: %s %j", async (code, method, params) => {
  expect(codeOf(await client.call(method, params))).toBe(code);
});

test("a MAC is right, wrong, or of an epoch that is closed", async () => {
  const { log_index: at, receipt_hash: hash } = await h.append({ inputs: { n: 1 } });
  const ask = (): Promise<unknown> => client.must("check_mac", { log_index: at });
  expect(await ask()).toEqual({ mac: "right", receipt_hash: hash });
  tamper(h.places.ledger, (db) => void db.prepare("UPDATE blob SET bytes = CAST(replace(bytes, '\"n\":1', '\"n\":2') AS BLOB) WHERE log_index = ?").run(at));
  expect(await ask()).toMatchObject({ mac: "wrong" });
  tamper(h.places.ledger, (db) => {
    const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(at) as Buffer;
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(bytes), at);
  });
  expect(await ask()).toMatchObject({ mac: "wrong", receipt_hash: expect.not.stringContaining(String(hash)) as string });
  tamper(h.places.ledger, (db) => {
    db.prepare("UPDATE blob SET bytes = CAST(replace(bytes, '\"n\":2', '\"n\":1') AS BLOB) WHERE log_index = ?").run(at);
    const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(at) as Buffer;
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(bytes), at);
    expect(hashText(nodeHash.sha256(bytes))).toBe(hash);
  });
  await h.anchor();
  expect(await ask()).toEqual({ mac: "not_open", receipt_hash: null });
});

test("receipts go on while it is flooded", async () => {
  const flood = Array.from({ length: 200 }, () => client.call("state"));
  const acks = await Promise.all(Array.from({ length: 20 }, (_, n) => h.append({ inputs: { n } })));
  expect(acks.map(({ duplicate }) => duplicate)).toEqual(Array.from({ length: 20 }, () => false));
  expect((await Promise.all(flood)).every((answer) => "result" in answer && answer.result["state"] === "ok")).toBe(true);
});
