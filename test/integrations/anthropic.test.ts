/** Anthropic's own client against a server that speaks its format: what it returns has a receipt, however it was asked for. */
import Anthropic from "@anthropic-ai/sdk";
import { expect, test } from "vitest";
import { type IntegrationOptions, receiptedAnthropic } from "../../src/integrations/anthropic.ts";
import { daemonHere } from "./here.ts";
import { type Answer, named, type Provider, provider } from "./provider.ts";
import { sha256 } from "./sha256.ts";

const here = daemonHere();
let server: Provider;

async function meet(answers: readonly Answer[], options: IntegrationOptions = {}): Promise<Anthropic> {
  server = await provider(answers);
  return receiptedAnthropic(new Anthropic({ apiKey: "none", baseURL: server.url, maxRetries: 0 }), { client: here.client, ...options });
}

const usage = { input_tokens: 9, output_tokens: 4 };
const thinking = { type: "thinking", thinking: "hm", signature: "s" };
const paying = { type: "tool_use", id: "t1", name: "pay", input: { amount: 5 } };
const message = (content: readonly object[], stop_reason: string | null = "tool_use") => ({ id: "msg-1", type: "message", role: "assistant", model: "claude-x-1", content, stop_reason, stop_sequence: null, usage });
const WHOLE = message([thinking, { type: "text", text: "All right" }, paying]);
const delta = (index: number, it: object) => ({ type: "content_block_delta", index, delta: it });
const stop = (index: number) => ({ type: "content_block_stop", index });
const EVENTS = [
  { type: "message_start", message: message([], null) },
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } }, delta(0, { type: "thinking_delta", thinking: "hm" }), delta(0, { type: "signature_delta", signature: "s" }), stop(0),
  { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } }, delta(1, { type: "text_delta", text: "All " }), delta(1, { type: "text_delta", text: "right" }), stop(1),
  { type: "content_block_start", index: 2, content_block: { ...paying, input: {} } }, delta(2, { type: "input_json_delta", partial_json: '{"amo' }), delta(2, { type: "input_json_delta", partial_json: 'unt":5}' }), stop(2),
  { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage }, { type: "message_stop" },
];
const ASK = { model: "claude-x", max_tokens: 100, system: "Be brief", messages: [{ role: "user" as const, content: "Pay Ada 5" }] };
const WANTED = {
  system_id: "assistant", model_version: "claude-x-1",
  inputs: { message_count: 2, settings: { max_tokens: 100 }, messages_hash: sha256('[{"content":"Be brief","role":"system"},{"content":"Pay Ada 5","role":"user"}]') },
  decision: {
    action: "call_tools", finish_reason: "tool_use", text_hash: sha256("All right"), text_length: 9,
    tool_calls: [{ id: "t1", name: "pay", arguments: { amount: 5 } }], other: [{ type: "thinking", hash: sha256('{"signature":"s","thinking":"hm","type":"thinking"}') }],
  },
  metadata: { model_call: { sdk: "anthropic", provider: "anthropic", model: "claude-x", response_id: "msg-1", usage } },
};

test("create, a stream, the helper stream() and beta tell the same", async () => {
  const client = await meet([{ body: WHOLE }, { events: named(EVENTS) }, { events: named(EVENTS) }, { body: WHOLE }]);
  const { data, request_id, response } = await client.messages.create(ASK).withResponse();
  expect([data.content.length, request_id, response.body]).toEqual([3, "req_1", null]);
  const got: object[] = [];
  for await (const event of await client.messages.create({ ...ASK, stream: true })) got.push(event);
  expect(got).toEqual(EVENTS);
  expect((await client.messages.stream(ASK).finalMessage()).content[2]).toMatchObject(paying);
  await client.withOptions({ timeout: 9000 }).beta.messages.create(ASK);
  const receipts = await here.receipts();
  expect(receipts).toMatchObject([WANTED, WANTED, WANTED, WANTED]);
  expect(receipts[1]!.decision).toEqual(receipts[0]!.decision);
});

test.each<readonly [string, (client: Anthropic) => PromiseLike<unknown>]>([
  ["create", (client) => client.messages.create(ASK)],
  ["parse", (client) => client.messages.parse(ASK)],
  ["beta", (client) => client.beta.messages.create(ASK)],
  ["a client made of it", (client) => client.withOptions({ timeout: 9000 }).messages.create(ASK)],
])("without the daemon there is no answer: %s", async (_, ask) => {
  await expect(ask(await meet([{ body: WHOLE }], { client: here.gone }))).rejects.toMatchObject({ name: "ReceiptUnavailable" });
});

test("no way around by the raw response", async () => {
  await expect((await meet([{ body: WHOLE }])).messages.create(ASK).asResponse()).rejects.toMatchObject({ code: "not_receipted" });
});

test("the tool runner of beta: without the daemon no tool runs", async () => {
  const paid: unknown[] = [];
  const pay = { type: "custom" as const, name: "pay", input_schema: { type: "object" as const }, parse: (input: unknown) => input, run: (input: unknown) => { paid.push(input); return "paid"; } };
  const client = await meet([{ body: WHOLE }, { body: message([{ type: "text", text: "Paid." }], "end_turn") }]);
  await client.beta.messages.toolRunner({ ...ASK, tools: [pay] }).runUntilDone();
  expect(paid).toEqual([{ amount: 5 }]);
  expect((await here.receipts()).map(({ decision }) => decision["action"])).toEqual(["call_tools", "respond"]);
  await server.close();
  const alone = await meet([{ body: WHOLE }], { client: here.gone });
  await expect(alone.beta.messages.toolRunner({ ...ASK, tools: [pay] }).runUntilDone()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
  expect(paid.length).toBe(1);
});

test.each([["before", 0], ["after", 9]] as const)("without the daemon, %s: %i events of a stream come through, and no tool call", async (stream, events) => {
  const client = await meet([{ events: named(EVENTS) }], { client: here.gone, stream });
  const got: object[] = [];
  const read = async (): Promise<void> => { for await (const event of await client.messages.create({ ...ASK, stream: true })) got.push(event); };
  await expect(read()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
  expect(got).toEqual(EVENTS.slice(0, events));
});

test("what broke off after text had gone out has a receipt that says so", async () => {
  const client = await meet([{ events: named(EVENTS.slice(0, 8)), cut: true }], { stream: "after" });
  const read = async (): Promise<void> => { for await (const _ of await client.messages.create({ ...ASK, stream: true })); };
  await expect(read()).rejects.toThrow(/terminated|aborted|closed|Connection|error/i);
  expect(await here.receipts()).toMatchObject([{ decision: { finish_reason: null, interrupted: true, text_hash: sha256("All right") } }]);
});

test("a stream that is not as usual: content in its first event, deltas of unknown kinds, a block that never began", async () => {
  const events = [
    { type: "message_start", message: message([paying], null) },
    { type: "content_block_start", index: 1, content_block: { type: "compaction", content: "so " } }, delta(1, { type: "compaction_delta", content: "far" }), stop(1),
    delta(2, { type: "input_json_delta", partial_json: '{"amount":6}' }), { type: "message_stop" },
  ];
  const client = await meet([{ events: named(events) }]);
  for await (const _ of await client.messages.create({ ...ASK, stream: true }));
  expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{
    tool_calls: [{ id: "t1", arguments: { amount: 5 } }], other: [{ type: "compaction", hash: sha256('{"content":"so far","type":"compaction"}') }, { type: "unknown" }],
  }]);
  await server.close();
  const alone = await meet([{ events: named(events) }], { client: here.gone, stream: "after" });
  const got: object[] = [];
  await expect((async () => { for await (const event of await alone.messages.create({ ...ASK, stream: true })) got.push(event); })()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
  expect(got).toEqual([]);
});

const PAY_TOOL = (paid: unknown[]) => ({ type: "custom" as const, name: "pay", input_schema: { type: "object" as const }, parse: (input: unknown) => input, run: (input: unknown) => { paid.push(input); return "paid"; } });
const SAY = { role: "user" as const, content: "Pay" };
const THREAD = { model: "claude-x", max_tokens: 100 };

test.each<readonly [string, (client: Anthropic, paid: unknown[]) => PromiseLike<unknown>, Answer]>([
  ["send", (client) => client.beta.messages.thread(THREAD).send(SAY), { body: WHOLE }],
  ["stream", (client) => client.beta.messages.thread(THREAD).stream(SAY).finalMessage(), { events: named(EVENTS) }],
  ["events of a stream", async (client) => { for await (const _ of client.beta.messages.thread(THREAD).stream(SAY)); }, { events: named(EVENTS) }],
  ["a tool runner that streams", async (client, paid) => { for await (const stream of client.beta.messages.toolRunner({ ...ASK, tools: [PAY_TOOL(paid)], stream: true, max_iterations: 1 })) await stream.finalMessage(); }, { events: named(EVENTS) }],
])("threads of beta, %s: a receipt, and without the daemon nothing comes of it", async (_, ask, answer) => {
  const paid: unknown[] = [];
  await ask(await meet([answer]), paid);
  expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ action: "call_tools", tool_calls: [{ id: "t1", arguments: { amount: 5 } }] }]);
  paid.splice(0);
  await server.close();
  const said: string[] = [];
  const failure = await Promise.resolve(ask(await meet([answer], { client: here.gone }), said)).then(() => null, (error: Error) => (error.cause ?? error) as Error);
  expect(failure).toMatchObject({ name: "ReceiptUnavailable" });
  expect(said).toEqual([]);
});

test.each<readonly [string, object]>([["body", { body: {} }], ["method", { method: "get" }], ["body", { fetchOptions: { body: "{}" } }]])("no way around by a request option: %s", async (_, request) => {
  const client = await meet([{ body: WHOLE }]);
  await expect((async () => await client.messages.create(ASK, request))()).rejects.toMatchObject({ code: "not_receipted" });
  expect(server.asked).toEqual([]);
});

test.each<readonly [string, (client: Anthropic) => unknown]>([
  ["a session", (client) => client.beta.sessions.events.toolRunner("s1", { tools: [] } as never)],
  ["a worker", (client) => client.beta.environments.work.worker({} as never)],
])("tools are not run here for %s whose calls have no receipts", async (_, run) => {
  const client = await meet([]);
  expect(() => run(client)).toThrow(expect.objectContaining({ code: "not_receipted" }));
});
