/** What stands in the receipts, read back from a real ledger. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { canonicalize } from "../../src/format/canonical.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { must, serveHere } from "../cli/here.ts";
import { Host } from "../cli/host.ts";
import { init } from "../cli/talk.ts";
import { Between, toolCall } from "./between.ts";
import { type Receipt, receiptsOf } from "./ledger.ts";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7/;
const sha256 = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

const host = new Host(`origin: test.example/receipts
organizations:
  loans: {prefix: LN}
anchor:
  schedule: "0 0 1 1 *"
  heartbeat: 1h
chains:
  max_entries: 4
`);
const socket = host.path("receiptd-data/receiptd.sock");
let daemon: Awaited<ReturnType<typeof serveHere>>;
let between: Between;
let before = 0;

/** Those that this test wrote. */
const written = async (): Promise<readonly Receipt[]> => {
  const all = await receiptsOf(host);
  const fresh = all.slice(before);
  before = all.length;
  return fresh;
};

/** Makes a call and answers it; returns what the server was sent. */
async function make(call: object | string, answer: object | string = { result: { content: [] } }): Promise<string> {
  const { client, server } = between;
  const [asked, answered] = [server.lines.length, client.lines.length];
  client.say(call);
  const line = (await server.heard(asked + 1)).at(-1)!;
  server.say(typeof answer === "string" ? answer : { id: line.id, ...answer });
  await client.heard(answered + 1);
  return server.lines.at(-1)!;
}

beforeAll(async () => {
  await init(host);
  daemon = await serveHere(host);
  before = (await receiptsOf(host)).length;
});
afterEach(async () => {
  await between.abandon();
});
afterAll(async () => {
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  await host.remove();
});

test("a call and what came of it", async () => {
  between = new Between(socket);
  await between.initialize();
  const result = { content: [{ type: "text", text: "é" }], isError: true };
  await make(toolCall(5, { path: "/a", mode: [1, null] }, { _meta: { progressToken: "p" }, task: { ttl: 1000 } }), { result });
  const [asked, outcome] = await written();
  const metadata = { session_id: expect.stringMatching(UUID_V7) as string, client: { name: "agent", version: "7" }, server: { name: "files", version: "3" }, protocol_version: "2025-06-18", request_id: 5 };
  expect(asked).toMatchObject({
    type: "decision", system_id: "mcp:files", organization: "default", decision: { action: "tools/call", tool: "write" },
    inputs: { path: "/a", mode: [1, null] }, metadata: { ...metadata, inputs: "arguments", params: { _meta: { progressToken: "p" }, task: { ttl: 1000 } } },
  });
  expect(Date.parse(asked!.timestamp)).not.toBeNaN();
  expect(outcome).toMatchObject({ type: "x_tool_result", system_id: "mcp:files", x_receipt_id: asked!.receipt_id, x_tool: "write", x_outcome: "result", x_is_error: true, metadata });
  const text = canonicalize(result);
  expect(outcome!["x_result"]).toEqual({ bytes: Buffer.byteLength(text), sha256: sha256(text) });
});

test("before anybody has said a name, and an error of the server", async () => {
  between = new Between(socket);
  await make({ id: "x", method: "tools/call", params: { name: "write" } }, { error: { code: -32602, message: "no" } });
  const [asked, outcome] = await written();
  expect(asked).toMatchObject({ system_id: "mcp:program", inputs: {}, metadata: { client: {}, server: {}, request_id: "x" } });
  expect(outcome).toMatchObject({ x_outcome: "error", x_result: { bytes: 30 } });
  expect(outcome).not.toHaveProperty("x_is_error");
});

test.each([
  ["numbers", '{"b":0.1000000000000000055,"a":-0,"c":12345678901234567890}', '{"b":0.1000000000000000055,"a":-0,"c":12345678901234567890}'],
  ["U+0000 and half a pair", '{"a":"\\u0000\\ud800"}', '{"a":"\\u0000\\ud800"}'],
  ["depth", `{"b":${"[".repeat(31)}${"]".repeat(31)},"a":1.0}`, `{"a":1,"b":${"[".repeat(31)}${"]".repeat(31)}}`],
  ["names that the format keeps for itself", '{"...":{},"_sd":1}', '{"...":{},"_sd":1}'],
])("arguments that a receipt cannot hold stand in it as text: %s", async (_, args, kept) => {
  between = new Between(socket, { results: "full" });
  const sent = await make(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":${args},"name":"write"}}`, `{"jsonrpc":"2.0","id":1,"result":${args}}`);
  const [asked, outcome] = await written();
  expect(asked).toMatchObject({ inputs: { arguments_json: kept }, metadata: { inputs: "arguments_json" } });
  expect(sent).toContain(`"arguments":${args.replace("1.0}", "1}")}`);
  expect(outcome!["x_result"]).toEqual({ bytes: Buffer.byteLength(kept), sha256: sha256(kept), json: kept });
});

test("hashes in place of arguments", async () => {
  between = new Between(socket, { hashInputs: true });
  const args = { z: "secret", a: 1 };
  const sent = await make(toolCall(1, args, { _meta: { who: "secret" } }));
  await make('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"write","arguments":{"z":-0,"a":1}}}');
  const [asked, , inexact] = await written();
  expect(asked).toMatchObject({ inputs: { arguments_sha256: sha256('{"a":1,"z":"secret"}') }, metadata: { inputs: "arguments_sha256", params_sha256: sha256('{"_meta":{"who":"secret"}}') } });
  expect(JSON.stringify(asked)).not.toContain("secret");
  expect(inexact!.inputs).toEqual({ arguments_sha256: sha256('{"z":-0,"a":1}') });
  expect(JSON.parse(sent)).toMatchObject({ params: { arguments: args } });
});

test("names that are redacted, at whatever depth, and results as they are", async () => {
  between = new Between(socket, { redact: new Set(["password"]), results: "full", organization: "loans" });
  const args = { user: "u", login: [{ password: "hunter2" }], password: { a: 1 } };
  const sent = await make(toolCall(1, args), { result: { structuredContent: { password: "hunter2", n: 1 } } });
  await make('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"write","arguments":{"password":"hunter2","n":-0}}}');
  const [asked, outcome, inexact] = await written();
  expect(asked).toMatchObject({ organization: "loans", inputs: { user: "u", login: [{ password: "[redacted]" }], password: "[redacted]" }, metadata: { redacted: ["password"] } });
  expect(outcome!["x_result"]).toMatchObject({ sha256: sha256(canonicalize({ structuredContent: { password: "hunter2", n: 1 } })), value: { structuredContent: { password: "[redacted]", n: 1 } } });
  expect(inexact!.inputs).toEqual({ arguments_json: '{"password":"[redacted]","n":-0}' });
  expect(sent).toContain("hunter2");
});

test("a result that is too large to be kept is hashed, and arguments that are too large keep the call from being made", async () => {
  between = new Between(socket, { results: "full" });
  const result = { text: "x".repeat(1024 * 1024) };
  await make(toolCall(1), { result });
  between.client.say(toolCall(2, { text: "x".repeat(1024 * 1024) }));
  const answer = (await between.client.heard(2)).at(-1)!;
  expect(answer).toMatchObject({ id: 2, error: { code: -32050, data: { code: "too_large", executed: false } } });
  expect(answer.error!.message).toContain("--hash-inputs");
  expect(between.server.lines).toHaveLength(1);
  const [, outcome] = await written();
  expect(outcome!["x_result"]).toEqual({ bytes: JSON.stringify(result).length, sha256: sha256(canonicalize(result as Json)) });
});

test("without second receipts answers wait for none", async () => {
  between = new Between(socket, { results: "off" });
  await make(toolCall(1));
  expect((await written()).map(({ type }) => type)).toEqual(["decision"]);
});

test("the result of a task names the call that began it", async () => {
  between = new Between(socket);
  await make(toolCall(1, {}, { task: {} }), { result: { task: { taskId: "t1", status: "working" } } });
  await make({ id: 2, method: "tasks/get", params: { taskId: "t1" } }, { result: { status: "completed" } });
  await make({ id: 3, method: "tasks/result", params: { taskId: "t1" } }, { result: { content: [], isError: false } });
  await make({ id: 4, method: "tasks/result", params: { taskId: "of another session" } }, { result: { content: [] } });
  const [asked, began, result, stranger, ...rest] = await written();
  expect(began).toMatchObject({ x_receipt_id: asked!.receipt_id });
  expect(result).toMatchObject({ x_receipt_id: asked!.receipt_id, x_task_id: "t1", x_tool: "write", x_outcome: "result" });
  expect(stranger).toMatchObject({ x_task_id: "of another session" });
  expect(stranger).not.toHaveProperty("x_receipt_id");
  expect(rest).toEqual([]);
});

test("a session as a chain; one that is full is followed by another", async () => {
  between = new Between(socket, { chain: true });
  await between.initialize();
  await make(toolCall(1, { secret: 1 }));
  await make(toolCall(2), { error: { code: 1, message: "no" } });
  await make(toolCall(3));
  await between.end();
  const receipts = await written();
  const chains = receipts.filter(({ type }) => type === "chain");
  expect(chains).toMatchObject([4, 2].map((total_actions) => ({ system_id: "mcp:files", outcome: "completed", agents_involved: ["agent"], total_actions, metadata: { server: { name: "files" } } })));
  expect(chains.map((one) => one["chain_id"])).toEqual(["", "_2"].map((suffix) => `mcp_${(receipts[0]!["metadata"] as { readonly session_id: string }).session_id}${suffix}`));
  const singles = receipts.filter(({ type }) => type !== "chain");
  expect(singles.map(({ type, chain_id }) => [type, chain_id])).toEqual([chains[0], chains[0], chains[1]].flatMap((chain) => [["decision", chain!["chain_id"]], ["x_tool_result", chain!["chain_id"]]]));
  const { stdout } = await must(host, ["chain", "disclose", String(chains[0]!["chain_id"])]);
  const details = stdout.trimEnd().split("\n").map((line) => (JSON.parse(line) as { readonly details: { readonly receipt_id: string } }).details);
  expect(details.map((one) => one.receipt_id)).toEqual(singles.slice(0, 4).map((one) => one.receipt_id));
  expect(JSON.stringify(details)).not.toContain("secret");
});
