/** What waits for a receipt and what does not, against a daemon that answers when the test says so. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeCall, type FakeDaemon, errorLine, fakeDaemon, resultLine } from "../cli/fake-daemon.ts";
import { Between, toolCall } from "./between.ts";

type Receipt = { readonly receipt_id: string; readonly type: string; readonly x_outcome?: string; readonly metadata: { readonly request_id: unknown } };

const ACKNOWLEDGED = {
  receipt_number: "A-2026-00001", organization: "default", org_seq: 1, log_index: 1, recorded_at: "2026-06-01T10:00:05.234Z", receipt_hash: `sha256:${"0".repeat(64)}`, key_epoch: 1, ack: "disk", duplicate: false,
};

let daemon: FakeDaemon;
let between: Between;
/** Answers to receipts in the order in which they came. */
let acknowledge: (() => void)[];
let refuse: (() => void)[];
let later: (() => void)[];
let told: (() => void) | null;

const receipt = (call: FakeCall): Receipt => call.params.receipt as unknown as Receipt;
const asked = async (count: number): Promise<readonly Receipt[]> => {
  while (daemon.calls.length < count) await new Promise<void>((resolve) => { told = resolve; });
  return daemon.calls.map(receipt);
};

beforeEach(async () => {
  acknowledge = [];
  refuse = [];
  later = [];
  told = null;
  daemon = await fakeDaemon((call, socket) => {
    acknowledge.push(() => socket.write(resultLine(call.id, { ...ACKNOWLEDGED, receipt_id: call.params.receipt!.receipt_id })));
    later.push(() => socket.write(errorLine(call.id, "disk_full", true)));
    refuse.push(() => socket.write(errorLine(call.id, "policy_gate_failed")));
    told?.();
  });
  between = new Between(daemon.path);
});
afterEach(async () => {
  await between.abandon();
  await daemon.stop();
});

test("the server sees a tool call only when its receipt is acknowledged; other messages do not wait", async () => {
  const { client, server } = between;
  client.say(toolCall(1), toolCall(2), { id: 3, method: "tools/list" }, { method: "notifications/roots/list_changed" });
  await asked(2);
  expect((await server.heard(2)).map((line) => line.method)).toEqual(["tools/list", "notifications/roots/list_changed"]);
  acknowledge[0]!();
  expect((await server.heard(3))[2]).toMatchObject({ id: 1, method: "tools/call" });
  expect(server.lines).toHaveLength(3);
  acknowledge[1]!();
  expect((await server.heard(4))[3]).toMatchObject({ id: 2, method: "tools/call" });
});

test("calls whose receipts are refused never reach the server, and the others keep their order", async () => {
  const { client, server } = between;
  client.say(toolCall(1), toolCall(2), toolCall(3));
  const receipts = await asked(3);
  acknowledge[0]!();
  refuse[1]!();
  acknowledge[2]!();
  expect((await server.heard(2)).map((line) => line.id)).toEqual([1, 3]);
  const [answer] = await client.heard(1);
  expect(answer).toMatchObject({ id: 2, error: { code: -32050, data: { code: "policy_gate_failed", executed: false, receipt_id: receipts[1]!.receipt_id } } });
  expect(answer!.error!.message).toContain("was not called");
  expect(between.notes[0]).toContain("policy_gate_failed");
});

test("a call whose receipt takes longer is not overtaken by the next", async () => {
  const { client, server } = between;
  client.say(toolCall(1), toolCall(2));
  await asked(2);
  later[0]!();
  acknowledge[1]!();
  const receipts = await asked(3);
  expect(receipts[2]!.receipt_id).toBe(receipts[0]!.receipt_id);
  expect(server.lines).toEqual([]);
  acknowledge[2]!();
  expect((await server.heard(2)).map((line) => line.id)).toEqual([1, 2]);
});

test("an answer waits for its receipt; what the server says beside it does not", async () => {
  const { client, server } = between;
  client.say(toolCall(1), { id: 2, method: "ping" });
  await asked(1);
  acknowledge[0]!();
  await server.heard(2);
  server.say({ id: 1, result: { content: [] } }, { method: "notifications/progress", params: {} }, { id: 2, result: {} });
  await asked(2);
  expect((await client.heard(2)).map((line) => line.method ?? line.id)).toEqual(["notifications/progress", 2]);
  acknowledge[1]!();
  expect((await client.heard(3))[2]).toEqual({ jsonrpc: "2.0", id: 1, result: { content: [] } });
});

test("an answer without a receipt is withheld, and the client is told that the tool was called", async () => {
  const { client, server } = between;
  client.say(toolCall("a"));
  const [call] = await asked(1);
  acknowledge[0]!();
  await server.heard(1);
  server.say({ id: "a", result: { content: [{ type: "text", text: "secret" }] } });
  await asked(2);
  refuse[1]!();
  expect(await client.heard(1)).toMatchObject([{ id: "a", error: { code: -32051, data: { code: "policy_gate_failed", executed: true, receipt_id: call!.receipt_id } } }]);
  expect(client.lines[0]).not.toContain("secret");
});

test("a call that is cancelled while it waits is never made", async () => {
  const { client, server } = between;
  client.say(toolCall(1), { method: "notifications/cancelled", params: { requestId: 1 } }, { id: 2, method: "ping" });
  await asked(1);
  await server.heard(1);
  acknowledge[0]!();
  expect((await asked(2))[1]).toMatchObject({ type: "x_tool_result", x_outcome: "not_sent" });
  acknowledge[1]!();
  server.say({ id: 2, result: {} });
  await client.heard(1);
  await between.end();
  expect(server.lines).toHaveLength(1); // the ping: neither the call nor its end
  expect(client.lines).toHaveLength(1);
});

test("a call that is cancelled later is cancelled at the server, and its answer is not passed on", async () => {
  const { client, server } = between;
  client.say(toolCall(1));
  await asked(1);
  acknowledge[0]!();
  await server.heard(1);
  client.say({ method: "notifications/cancelled", params: { requestId: 1 } });
  expect((await asked(2))[1]).toMatchObject({ x_outcome: "cancelled" });
  acknowledge[1]!();
  expect((await server.heard(2))[1]).toMatchObject({ method: "notifications/cancelled" });
  server.say({ id: 1, result: { content: [] } }, { id: 1, result: { content: [] } });
  await between.end();
  expect(client.lines).toEqual([]);
});

test("the late answer to a cancelled request is not taken for that of another: its id is in use until then", async () => {
  const { client, server } = between;
  client.say({ id: 1, method: "tools/list" });
  await server.heard(1);
  client.say({ method: "notifications/cancelled", params: { requestId: 1 } }, toolCall(1));
  expect(await client.heard(1)).toMatchObject([{ id: 1, error: { data: { code: "duplicate_id", executed: null } } }]);
  server.say({ id: 1, result: { tools: [] } }, { method: "notifications/message", params: {} });
  await client.heard(2); // the answer was read before, and dropped
  client.say(toolCall(1));
  await asked(1);
  acknowledge[0]!();
  await server.heard(3);
  server.say({ id: 1, result: { content: [] } });
  expect((await asked(2))[1]).toMatchObject({ type: "x_tool_result", x_outcome: "result" });
  acknowledge[1]!();
  expect((await client.heard(3))[2]).toMatchObject({ id: 1, result: { content: [] } });
});

test("no answer that nobody waits for is passed on", async () => {
  const { client, server } = between;
  client.say(toolCall(1));
  await asked(1);
  server.say({ id: 1, result: "before it was asked" }, { id: "1", result: 0 }, { id: 9, result: 0 }, { method: "notifications/message", params: {} });
  expect(await client.heard(1)).toMatchObject([{ method: "notifications/message" }]);
  acknowledge[0]!();
  await server.heard(1);
  server.say({ id: "1", result: "of another id" }, { id: 1, result: "the one" });
  await asked(2);
  acknowledge[1]!();
  expect((await client.heard(2))[1]).toMatchObject({ id: 1, result: "the one" });
});

test("what the client says wrongly is answered, and nothing of it reaches the server", async () => {
  const { client, server } = between;
  client.say(toolCall(1), toolCall(1), { id: "1", method: "ping" }, `[${JSON.stringify(toolCall(4))}]`, { method: "tools/call", params: { name: "write" } }, '{"jsonrpc":"2.0","id":5,"method":"ping","method":"tools/call"}',
    `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"write","arguments":{"text":"${"x".repeat(4 * 1024 * 1024)}"}}}`, `{"params":{"text":"${"x".repeat(4 * 1024 * 1024)}"},"jsonrpc":"2.0","id":7,"method":"tools/call"}`, "  \r", { id: 8, method: "ping" });
  const answers = await client.heard(6);
  expect(answers.map(({ id, error }) => [id, error!.code, error!.data.code])).toEqual([
    [1, -32600, "duplicate_id"], ["1", -32600, "duplicate_id"], [null, -32600, "batch_not_supported"], [5, -32600, "duplicate_name"], [6, -32600, "message_too_large"], [null, -32600, "message_too_large"],
  ]);
  expect(await server.heard(1)).toMatchObject([{ id: 8 }]);
  expect(await asked(1)).toHaveLength(1);
  expect(between.notes.filter((note) => note.includes("without an id"))).toHaveLength(1);
});

test("what the server says wrongly is not passed on, and a call that it may have answered is", async () => {
  const { client, server } = between;
  client.say(toolCall(1), toolCall(2));
  await asked(2);
  for (const go of acknowledge) go();
  await server.heard(2);
  server.say("Server started!", '{"jsonrpc":"2.0","id":1,"result":{"a":1},"result":{"a":2}}', `{"result":"${"x".repeat(16 * 1024 * 1024)}","jsonrpc":"2.0","id":2}`, { method: "notifications/message" });
  const heard = await client.heard(3);
  expect(heard).toMatchObject([{ id: 1, error: { code: -32051, data: { code: "duplicate_name", executed: null } } }, { id: 2, error: { data: { code: "message_too_large" } } }, { method: "notifications/message" }]);
  expect((await asked(4)).slice(2).map((one) => [one.x_outcome, one.metadata.request_id])).toEqual([["unreadable", 1], ["unreadable", 2]]);
  expect(between.notes[0]).toContain("a line of the server is not passed on");
});

test("waiting calls are bounded", async () => {
  const { client } = between;
  client.say(...Array.from({ length: 1030 }, (_, n) => toolCall(n)));
  const answers = await client.heard(6);
  expect(answers.map(({ id, error }) => [id, error!.data.code])).toEqual([1024, 1025, 1026, 1027, 1028, 1029].map((id) => [id, "overloaded"]));
});

test("when the client ends, what waits is still sent, then the server is told; what it leaves unanswered is recorded", async () => {
  const { client, server } = between;
  let isEnded = false;
  server.hears.on("end", () => { isEnded = true; });
  client.say(toolCall(1));
  client.says.end();
  await asked(1);
  expect(isEnded).toBe(false);
  acknowledge[0]!();
  await server.heard(1);
  server.hears.on("end", () => server.says.end());
  const ended = between.end();
  expect((await asked(2))[1]).toMatchObject({ x_outcome: "no_answer" });
  acknowledge[1]!();
  await ended;
  expect(await client.heard(1)).toMatchObject([{ id: 1, error: { data: { code: "server_ended", executed: null } } }]);
});
