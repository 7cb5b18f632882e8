/** verifyReceipt: what is not checked is not called valid, and an answer that is none is no answer. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../src/clients/index.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { hashText } from "../../src/format/chain.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { pureHash } from "../../src/format/hash.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { type FakeCall, type FakeDaemon, fakeDaemon, resultLine } from "../cli/fake-daemon.ts";
import { errorOf, stored } from "./support.ts";

const VALID = {
  valid: true, receipt_number: "RCP-2026-00001", chain_id: null, generated_at: "2026-01-01T00:00:00.000Z", status: "anchored", checks: [{ code: "hash", sentence: "s" }],
  not_checked: [{ code: "vkey", sentence: "s" }], problem: null, evidence: "/v1/x",
};
let server: Server;
let http: string;
let answer: { status: number; body: string | null };
let asked: string[];
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    if (answer.body !== null) response.writeHead(answer.status, { location: "/elsewhere" }).end(answer.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  http = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function verify(status: number, body: object | string | null): Promise<unknown> {
  answer = { status, body: typeof body === "object" && body !== null ? JSON.stringify(body) : body };
  asked = [];
  const client = new Client({ socket: "/nonexistent/socket", http, timeoutMs: body === null ? 300 : 10_000 });
  return await client.verifyReceipt("RCP-2026-00001").finally(() => client.close());
}

test("over HTTP: what it says", async () => {
  expect(await verify(200, VALID)).toEqual({
    valid: true, receiptNumber: "RCP-2026-00001", chainId: null, generatedAt: "2026-01-01T00:00:00.000Z", status: "anchored", checks: VALID.checks, notChecked: VALID.not_checked, problem: null,
  });
  expect(asked).toEqual(["/v1/receipts/RCP-2026-00001/verify"]);
  expect(await verify(200, { ...VALID, valid: null, status: "not_checked" })).toMatchObject({ valid: null });
});

test.each<readonly [string, number, object | string | null, object]>([
  ["not there", 404, { error: { code: "not_found", message: "m" } }, { name: "ReceiptNotFound" }],
  ["not for anybody", 400, { error: { code: "bad_request", message: "m" } }, { name: "ReceiptRefused", code: "bad_request" }],
  ["too many", 429, { error: { code: "too_many_requests", message: "m" } }, { name: "ReceiptUnavailable", code: "too_many_requests" }],
  ["unavailable", 503, { error: { code: "ledger_unavailable", message: "m" } }, { name: "ReceiptUnavailable", code: "ledger_unavailable" }],
  ["a page of a proxy", 200, "<html>", { name: "ReceiptUnavailable", code: "bad_answer" }],
  ["some other JSON", 200, { ok: true }, { name: "ReceiptUnavailable", code: "bad_answer" }],
  ["valid: yes", 200, { ...VALID, valid: "yes" }, { name: "ReceiptUnavailable", code: "bad_answer" }],
  ["sent elsewhere", 302, "", { name: "ReceiptUnavailable", code: "unreachable" }],
  ["silent", 200, null, { name: "ReceiptUnavailable", code: "timeout" }],
])("over HTTP: %s", async (_, status, body, error) => {
  expect(await errorOf(verify(status, body))).toMatchObject(error);
});

/** Two receipts that hang together, as a daemon hands them out; `harm` changes what is handed out. */
async function verifySecond(harm: (found: { receipt: Record<string, unknown>; receipt_hash: string }, orgSeq: number) => void): Promise<unknown> {
  const hashOf = (receipt: object): string => hashText(pureHash.sha256(utf8(canonicalize(receipt as Json))));
  const receipt = (orgSeq: number, previous: string | null) => ({
    schema_version: 1, ledger: "test.example", type: "decision", organization: "default", receipt_id: `0192aaaa-0000-7000-8000-00000000000${orgSeq}`, receipt_number: `RCP-2026-0000${orgSeq}`,
    org_seq: orgSeq, log_index: orgSeq, recorded_at: "2026-01-01T00:00:00.000Z", key_id: "k", key_epoch: 0, previous_receipt_hash: previous, signature: `hmac-sha256:${"0".repeat(64)}`,
    system_id: "s", decision: 1, inputs: {},
  });
  const first = receipt(1, null);
  const second = receipt(2, hashOf(first));
  const fake: FakeDaemon = await fakeDaemon((call: FakeCall, socket) => {
    const orgSeq = (call.params as { org_seq?: number }).org_seq ?? 2;
    const it = orgSeq === 1 ? first : second;
    const found = { ...stored(it.receipt_id), organization: "default", org_seq: orgSeq, log_index: orgSeq, receipt_number: it.receipt_number, receipt: structuredClone(it) as Record<string, unknown>, receipt_hash: hashOf(it), status: "anchored" };
    harm(found, orgSeq);
    socket.write(resultLine(call.id, found));
  });
  const client = new Client({ socket: fake.path });
  try {
    return await client.verifyReceipt("RCP-2026-00002");
  } finally {
    await client.close();
    await fake.stop();
  }
}

test("over the socket: nothing wrong is not yet valid", async () => {
  expect(await verifySecond(() => undefined)).toMatchObject({ valid: null, status: "not_checked", checks: [{ code: "canonical" }, { code: "hash" }, { code: "place" }, { code: "link" }], problem: null });
});

test.each<readonly [string, Parameters<typeof verifySecond>[0], string]>([
  ["another content", ({ receipt }) => { receipt["decision"] = 2; }, "hash_mismatch"],
  ["another number", ({ receipt }) => { receipt["receipt_number"] = "RCP-2026-00003"; }, "number_mismatch"],
  ["no receipt", ({ receipt }) => { delete receipt["recorded_at"]; }, "bad_receipt"],
  ["another one than was asked for", (found) => Object.assign(found, { receipt_number: "RCP-2026-00001" }), "index_mismatch"],
  ["another place", (found) => Object.assign(found, { log_index: 7 }), "index_mismatch"],
  ["another one before", (found, orgSeq) => { if (orgSeq === 1) found.receipt["decision"] = 2; }, "link_mismatch"],
])("over the socket: %s is invalid", async (_, harm, code) => {
  expect(await verifySecond(harm)).toMatchObject({ valid: false, status: "invalid", problem: { code } });
});
