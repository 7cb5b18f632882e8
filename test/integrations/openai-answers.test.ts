/** OpenAI's client and answers that are not as usual: what is handed out is in the receipt, streamed or whole; what would have none is refused. */
import OpenAI, { AzureOpenAI } from "openai";
import { describe, expect, test } from "vitest";
import { type IntegrationOptions, receiptedOpenAI } from "../../src/integrations/openai.ts";
import { daemonHere } from "./here.ts";
import { type Answer, named, type Provider, provider, unnamed } from "./provider.ts";
import { sha256 } from "./sha256.ts";

const here = daemonHere();
let server: Provider;

const ASK = { model: "m", messages: [{ role: "user" as const, content: "Pay Ada 5" }] };
const chunk = (delta: object | null, finish_reason: string | null = null) => ({ id: "cc-1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] });
const chat = (message: object): Answer => ({ body: { id: "cc-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: null, refusal: null, annotations: [], ...message } }] } });

async function meet(answers: readonly Answer[], options: IntegrationOptions = {}): Promise<OpenAI> {
  server = await provider(answers);
  return receiptedOpenAI(new OpenAI({ apiKey: "none", baseURL: server.url, maxRetries: 0 }), { client: here.client, ...options });
}
async function drained<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}
const decisions = async (): Promise<readonly { readonly [name: string]: unknown }[]> => (await here.receipts()).map(({ decision }) => decision);

describe("chat.completions: whole and streamed are recorded as the same", () => {
  const custom = { id: "c1", type: "custom", custom: { name: "shell", input: "rm -rf /" } };
  test.each<readonly [string, object, readonly object[], object]>([
    ["a custom tool", { tool_calls: [custom] }, [
      { tool_calls: [{ index: 0, id: "c1", type: "custom", custom: { name: "shell", input: "rm " } }] }, { tool_calls: [{ index: 0, custom: { input: "-rf /" } }] },
    ], { action: "call_tools", tool_calls: [{ id: "c1", name: "shell", arguments_text: "rm -rf /" }] }],
    ["speech", { audio: { id: "a1", data: "AAAABBBB", transcript: "Hi there", expires_at: 9 } }, [
      { audio: { id: "a1", transcript: "Hi" } }, { audio: { transcript: " there", data: "AAAA" } }, { audio: { id: "a1", data: "BBBB" } }, { audio: { expires_at: 9 } },
    ], { action: "respond", other: [{ type: "audio", hash: sha256('{"data":"AAAABBBB","expires_at":9,"id":"a1","transcript":"Hi there"}') }] }],
    ["reasoning", { content: "Yes", reasoning_content: "hm, well", reasoning_details: [{ a: 1 }, { b: 2 }] }, [
      { reasoning_content: "hm, ", reasoning_details: [{ a: 1 }] }, { reasoning_content: "well", reasoning_details: [{ b: 2 }] }, { content: "Yes" },
    ], { text_hash: sha256("Yes"), other: [{ type: "reasoning_content", hash: sha256("hm, well") }, { type: "reasoning_details", hash: sha256('[{"a":1},{"b":2}]') }] }],
    ["a function_call of old", { function_call: { name: "pay", arguments: '{"amount":5}' } }, [
      { function_call: { name: "pay", arguments: '{"am' } }, { function_call: { arguments: 'ount":5}' } },
    ], { tool_calls: [{ name: "pay", arguments: { amount: 5 } }] }],
    ["calls that are counted from one", { tool_calls: [custom] }, [{ tool_calls: [{ index: 1, ...custom }] }], { tool_calls: [{ id: "c1", name: "shell" }] }],
  ])("%s", async (_, message, deltas, wanted) => {
    const client = await meet([chat(message), { events: unnamed([...deltas.map((delta) => chunk(delta)), chunk(null, "stop")]) }]);
    await client.chat.completions.create(ASK);
    await drained(await client.chat.completions.create({ ...ASK, stream: true }));
    const [whole, streamed] = await decisions();
    expect(whole).toMatchObject(wanted);
    expect(streamed).toEqual(whole);
  });

  test("`after`: a member that nobody knows is held back", async () => {
    const client = await meet([{ events: unnamed([chunk({ content: "Hi" }), chunk({ act_now: { pay: 5 } }), chunk({}, "stop")]) }], { client: here.gone, stream: "after" });
    const got: object[] = [];
    await expect((async () => { for await (const part of await client.chat.completions.create({ ...ASK, stream: true })) got.push(part); })()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect(got.length).toBe(1);
  });
});

describe("a stream that the caller breaks off", () => {
  /** Answers with these events, and calls `onRead` when they were read. */
  const fetching = (events: string, onRead: () => void) => async (_: unknown, init?: RequestInit): Promise<Response> => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => init?.signal?.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError"))),
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(Buffer.from(events));
        else onRead();
      },
    }, { highWaterMark: 0 });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };

  test.each(["before", "after"] as const)("%s: the receipt says that it was interrupted", async (stream) => {
    let abort = (): void => undefined;
    const events = unnamed([chunk({ content: "All " }), chunk({ content: "right" })]).replace("data: [DONE]\n\n", "");
    const client = receiptedOpenAI(new OpenAI({ apiKey: "none", baseURL: "http://none.example", fetch: fetching(events, () => abort()) }), { client: here.client, stream });
    const answer = await client.chat.completions.create({ ...ASK, stream: true });
    abort = () => answer.controller.abort();
    expect((await drained(answer)).length).toBe(2);
    expect(await decisions()).toMatchObject([{ finish_reason: null, interrupted: true, text_hash: sha256("All right") }]);
  });
});

describe("responses", () => {
  const ask = { model: "m", input: "Pay" };
  const body = { id: "resp-1", object: "response", created_at: 1, model: "m", status: "completed", error: null, incomplete_details: null, output: [] as object[] };
  const created = { type: "response.created", sequence_number: 0, response: { ...body, status: "in_progress" } };
  const completed = (...output: object[]) => ({ type: "response.completed", sequence_number: 9, response: { ...body, output } });
  const call = (args: string) => ({ type: "function_call", id: "f1", call_id: "c1", name: "pay", arguments: args, status: "completed" });
  const added = { type: "response.output_item.added", sequence_number: 1, output_index: 0, item: call("") };
  const piece = (kind: string, delta: string) => ({ type: `response.${kind}.delta`, sequence_number: 2, item_id: "f1", output_index: 0, content_index: 0, delta });
  const recorded = async (...events: { readonly type: string }[]): Promise<object> => {
    const client = await meet([{ events: named(events) }]);
    expect(await drained(await client.responses.create({ ...ask, stream: true }))).toEqual(events);
    return (await decisions()).at(-1)!;
  };
  const PAID = { action: "call_tools", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] };

  test("a call whose item never ended is recorded as far as it came", async () => {
    expect(await recorded(created, added, piece("function_call_arguments", '{"amount"'), piece("function_call_arguments", ":5}"))).toMatchObject(PAID);
  });

  test("a call that the last event leaves out, or tells otherwise, is recorded as it was streamed", async () => {
    const done = { type: "response.output_item.done", sequence_number: 3, output_index: 0, item: call('{"amount":5}') };
    expect(await recorded(created, added, done, completed())).toMatchObject(PAID);
    expect(await recorded(created, added, done, completed(call('{"amount":1}')))).toMatchObject({ tool_calls: [{ arguments: { amount: 1 } }, { arguments: { amount: 5 } }] });
  });

  test("two calls that are alike are two, and a call under another id is not another", async () => {
    const done = (output_index: number, id: string) => ({ type: "response.output_item.done", sequence_number: 3, output_index, item: { ...call('{"amount":5}'), id, call_id: `c-${id}` } });
    expect(await recorded(created, done(0, "a"), done(1, "b"), completed(done(1, "b").item))).toMatchObject({ tool_calls: [{ id: "c-b" }, { id: "c-a" }] });
    expect(await recorded(created, done(0, "a"), done(1, "b"), completed(done(0, "c").item, done(1, "d").item))).toMatchObject({ tool_calls: [{ id: "c-c" }, { id: "c-d" }] });
  });

  test("a text that the last event tells otherwise", async () => {
    const item = { type: "message", id: "m1", role: "assistant", status: "completed", content: [{ type: "output_text", text: "No", annotations: [] }] };
    expect(await recorded(created, { ...added, item: { ...item, content: [] } } as never, piece("output_text", "Yes"), completed(item))).toMatchObject({ text_hash: sha256("No"), other: [{ type: "streamed_message" }] });
  });

  test("reasoning of a stream that ended too soon", async () => {
    expect(await recorded(created, { ...added, item: { type: "reasoning", id: "r1", summary: [] } } as never, piece("reasoning_text", "hm"))).toMatchObject({ action: "respond", other: [{ type: "reasoning", hash: sha256('{"id":"r1","reasoning_text":"hm","summary":[],"type":"reasoning"}') }] });
  });

  test("`after`: an event that has a call in it before its end is held back, and recorded", async () => {
    const early = { ...created, response: { ...created.response, output: [call('{"amount":5}')] } };
    const events = [created, early, { type: "response.in_progress", sequence_number: 2, response: created.response }];
    expect(await recorded(...events)).toMatchObject(PAID);
    const alone = await meet([{ events: named(events) }], { client: here.gone, stream: "after" });
    const got: string[] = [];
    await expect((async () => { for await (const { type } of await alone.responses.create({ ...ask, stream: true })) got.push(type); })()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect(got).toEqual(["response.created"]);
  });

  test("of beta as well", async () => {
    const client = await meet([{ body: { ...body, output: [call('{"amount":5}')] } }]);
    await client.beta.responses.create(ask);
    expect(await decisions()).toMatchObject([PAID]);
    const alone = await meet([{ body }], { client: here.gone });
    await expect(alone.beta.responses.create(ask)).rejects.toMatchObject({ name: "ReceiptUnavailable" });
  });

  test("calls of every kind, with what they are called with; results of the provider's own as hashes", async () => {
    const client = await meet([{ body: { ...body, output: [
      { type: "code_interpreter_call", id: "i1", code: "pay(5)", container_id: "k", outputs: [{ type: "logs", logs: "paid" }], status: "completed" },
      { type: "mcp_approval_request", id: "q1", name: "pay", arguments: '{"amount":5}', server_label: "bank" },
      { type: "apply_patch_call", id: "p1", call_id: "c2", operation: { type: "delete_file", path: "x" }, status: "completed" },
    ] } }]);
    await client.responses.create(ask);
    expect(await decisions()).toMatchObject([{
      tool_calls: [{ name: "code_interpreter_call", arguments_text: "pay(5)" }, { name: "pay", arguments: { amount: 5 } }, { id: "c2", arguments: { type: "delete_file" } }],
      other: [{ type: "code_interpreter_call" }, { type: "mcp_approval_request" }],
    }]);
  });
});

test.each<readonly [string, (client: OpenAI) => unknown]>([
  ["a response that is fetched", (client) => client.responses.stream({ response_id: "resp-1" })],
  ["another body", (client) => client.chat.completions.create(ASK, { body: { model: "other" } })],
  ["another body for fetch", (client) => client.responses.create({ model: "m" }, { fetchOptions: { body: "{}" as never } as never })],
  ["another path", (client) => client.chat.completions.create(ASK, { path: "/other" })],
  ["the raw response", (client) => client.chat.completions.create(ASK, { __binaryResponse: true })],
])("no way around: %s", async (_, ask) => {
  const client = await meet([chat({ content: "secret" })]);
  await expect((async () => await ask(client))()).rejects.toMatchObject({ name: "ReceiptRefused", code: "not_receipted" });
  expect(server.asked).toEqual([]);
});

test.each([["text", "text/plain", "secret"], ["another object", "application/json", '{"error":{"message":"secret"}}'], ["nothing", "application/json", "null"]])("an answer that is %s is not handed out", async (_, type, body) => {
  const fetching = async (): Promise<Response> => new Response(body, { headers: { "content-type": type } });
  const client = receiptedOpenAI(new OpenAI({ apiKey: "none", baseURL: "http://none.example", fetch: fetching }), { client: here.client });
  for (const ask of [() => client.chat.completions.create(ASK), () => client.responses.create({ model: "m", input: "x" })]) await expect(ask()).rejects.toThrow(/cannot be recorded|can be recorded|'in' operator/);
  expect(await here.receipts()).toEqual([]);
});

describe("a stream with `after` whose words were shown", () => {
  const called = chunk({ tool_calls: [{ index: 0, id: "c1", function: { name: "pay", arguments: "\0" } }] });
  test.each<readonly [string, readonly object[]]>([
    ["goes on in a form that nobody knows", [{ id: "cc-1", model: "m" }, chunk(null, "stop")]],
    ["goes on so once a part is held", [chunk({}, "stop"), { id: "cc-1", model: "m" }]],
    ["ends with what no receipt can hold", [called, chunk(null, "tool_calls")]],
  ])("and that %s has a receipt of the words, and ends with the error", async (_, rest) => {
    const client = await meet([{ events: unnamed([chunk({ content: "Hi" }), ...rest]) }], { stream: "after" });
    const got: unknown[] = [];
    const read = async (): Promise<void> => { for await (const { choices } of await client.chat.completions.create({ ...ASK, stream: true })) got.push(choices[0]?.delta.content); };
    await expect(read()).rejects.toMatchObject({ name: "ReceiptRefused", code: "bad_value" });
    expect(got).toEqual(["Hi"]);
    expect(await decisions()).toEqual([{ action: "respond", finish_reason: null, text_hash: sha256("Hi"), text_length: 2, interrupted: true }]);
  });

  test("and that a gate blocks has one receipt, which says so", async () => {
    const client = await meet([{ events: unnamed([chunk({ content: "Hi" }), chunk(null, "stop")]) }], { stream: "after", blockOnFailedGate: true, gates: () => [{ name: "tone", status: "FAIL" }] });
    await expect(client.chat.completions.create({ ...ASK, stream: true }).then(drained)).rejects.toMatchObject({ name: "DecisionBlocked" });
    expect(await decisions()).toMatchObject([{ text_hash: sha256("Hi"), executed: false }]);
  });
});

test("a stream that begins with a chunk of nobody: the model and the id are those that come later", async () => {
  const client = await meet([{ events: unnamed([{ id: "", model: "", choices: [], prompt_filter_results: [] }, chunk({ content: "Hi" }), chunk(null, "stop")]) }]);
  await drained(await client.chat.completions.create({ ...ASK, model: "asked", stream: true }));
  expect(await here.receipts()).toMatchObject([{ model_version: "m", metadata: { model_call: { model: "asked", response_id: "cc-1", response_model: "m" } } }]);
});

test("a client that would send another body than it is given is refused", () => {
  const client = new OpenAI({ apiKey: "none", fetchOptions: { body: "{}" as never } });
  expect(() => receiptedOpenAI(client)).toThrow(expect.objectContaining({ code: "not_receipted" }));
  expect(() => receiptedOpenAI(new OpenAI({ apiKey: "none" })).withOptions({ fetchOptions: { body: "{}" as never } })).toThrow(expect.objectContaining({ code: "not_receipted" }));
});

test("a client for Azure keeps its deployment and version, and so does what its withOptions makes", async () => {
  const asked: string[] = [];
  const fetch = async (url: unknown): Promise<Response> => {
    asked.push(String(url));
    return Response.json((chat({ content: "Hi" }) as { readonly body: object }).body);
  };
  const client = receiptedOpenAI(new AzureOpenAI({ apiKey: "none", endpoint: "http://azure.example", apiVersion: "2024-10-21", deployment: "mine", fetch }), { client: here.client });
  await client.chat.completions.create(ASK);
  await client.withOptions({ timeout: 9000 }).chat.completions.create(ASK);
  expect(asked).toEqual(Array.from({ length: 2 }, () => "http://azure.example/openai/deployments/mine/chat/completions?api-version=2024-10-21"));
  expect((await decisions()).length).toBe(2);
});
