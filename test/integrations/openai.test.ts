/** OpenAI's own client against a server that speaks its format: what it returns has a receipt, however it was asked for. */
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { type IntegrationOptions, receiptedOpenAI } from "../../src/integrations/openai.ts";
import { daemonHere } from "./here.ts";
import { type Answer, named, type Provider, provider, unnamed } from "./provider.ts";
import { sha256 } from "./sha256.ts";

const here = daemonHere();
let server: Provider;

async function meet(answers: readonly Answer[], options: IntegrationOptions = {}): Promise<OpenAI> {
  server = await provider(answers);
  return receiptedOpenAI(new OpenAI({ apiKey: "none", baseURL: server.url, maxRetries: 0 }), { client: here.client, ...options });
}

const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };
const chat = (message: object, finish_reason = "stop"): Answer => ({ body: { id: "cc-1", object: "chat.completion", created: 1, model: "gpt-x-1", usage, choices: [{ index: 0, finish_reason, logprobs: null, message: { role: "assistant", refusal: null, ...message } }] } });
const paying = { content: null, tool_calls: [{ id: "c1", type: "function", function: { name: "pay", arguments: '{"amount":5}' } }] };
const chunk = (delta: object, finish_reason: string | null = null) => ({ id: "cc-1", object: "chat.completion.chunk", created: 1, model: "gpt-x-1", choices: [{ index: 0, delta, finish_reason }] });
const CHUNKS = [
  chunk({ role: "assistant", content: "All " }), chunk({ content: "right" }), chunk({ tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "pay", arguments: '{"am' } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: 'ount":5}' } }] }), chunk({}, "tool_calls"), { ...chunk({}), choices: [], usage },
];
const ASK = { model: "gpt-x", messages: [{ role: "user" as const, content: "Pay Ada 5" }], temperature: 0.1 };

describe("chat.completions", () => {
  test("create: a receipt with hashes, the settings and the model that answered", async () => {
    const client = await meet([chat({ content: "Paid." })]);
    const { data, request_id, response } = await client.chat.completions.create({ ...ASK, tools: [{ type: "function", function: { name: "pay" } }] }).withResponse();
    expect(data.choices[0]!.message.content).toBe("Paid.");
    expect([request_id, response.status, response.body]).toEqual(["req_1", 200, null]);
    const receipts = await here.receipts();
    expect(receipts).toMatchObject([{
      system_id: "assistant", model_version: "gpt-x-1",
      inputs: { messages_hash: sha256('[{"content":"Pay Ada 5","role":"user"}]'), message_count: 1, tools: ["pay"], settings: { temperature: 0.1 } },
      decision: { action: "respond", finish_reason: "stop", text_hash: sha256("Paid."), text_length: 5 },
      metadata: { model_call: { sdk: "openai", provider: "openai", model: "gpt-x", response_id: "cc-1", usage } },
    }]);
    expect(JSON.stringify(receipts)).not.toContain("Ada");
  });

  test("runTools: each answer has a receipt before the tool runs; without the daemon it does not run", async () => {
    const paid: string[] = [];
    const tools = [{ type: "function" as const, function: { name: "pay", description: "Pays", parameters: { type: "object" }, function: (input: string) => { paid.push(input); return "paid"; } } }];
    const client = await meet([chat(paying, "tool_calls"), chat({ content: "Paid." })]);
    expect(await client.chat.completions.runTools({ ...ASK, tools }).finalContent()).toBe("Paid.");
    expect(paid).toEqual(['{"amount":5}']);
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ action: "call_tools", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] }, { action: "respond" }]);
    await server.close();
    const alone = await meet([chat(paying, "tool_calls")], { client: here.gone });
    await expect(alone.chat.completions.runTools({ ...ASK, tools }).finalContent()).rejects.toMatchObject({ cause: { name: "ReceiptUnavailable" } });
    expect(server.asked.length).toBe(1);
    expect(paid.length).toBe(1);
  });

  test.each<readonly [string, (client: OpenAI) => PromiseLike<unknown>]>([
    ["create", (client) => client.chat.completions.create(ASK)],
    ["withResponse", (client) => client.chat.completions.create(ASK).withResponse()],
    ["parse", (client) => client.chat.completions.parse(ASK)],
    ["a client made of it", (client) => client.withOptions({ timeout: 9000 }).chat.completions.create(ASK)],
  ])("without the daemon there is no answer: %s", async (_, ask) => {
    await expect(ask(await meet([chat({ content: "secret" })], { client: here.gone }))).rejects.toMatchObject({ name: "ReceiptUnavailable" });
  });

  test.each<readonly [string, (client: OpenAI) => PromiseLike<unknown>]>([
    ["asResponse", (client) => client.chat.completions.create(ASK).asResponse()],
    ["asResponse of parse", (client) => client.chat.completions.parse(ASK).asResponse()],
    ["in the background", async (client) => await client.responses.create({ model: "gpt-x", input: "x", background: true })],
  ])("no way around: %s", async (_, ask) => {
    await expect(ask(await meet([chat({ content: "secret" })]))).rejects.toMatchObject({ name: "ReceiptRefused", code: "not_receipted" });
  });

  test.each(["before", "after"] as const)("a stream, %s: all of it, with one receipt", async (stream) => {
    const client = await meet([{ events: unnamed(CHUNKS) }], { stream });
    const got: object[] = [];
    for await (const part of await client.chat.completions.create({ ...ASK, stream: true })) got.push(part);
    expect(got).toEqual(CHUNKS);
    expect(await here.receipts()).toMatchObject([{
      model_version: "gpt-x-1", metadata: { model_call: { usage } },
      decision: { action: "call_tools", finish_reason: "tool_calls", text_hash: sha256("All right"), tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] },
    }]);
  });

  test.each([["null for what is not there", 0], ["no index", undefined]] as const)("a stream of servers that send %s", async (_, index) => {
    const nothing = { function_call: null, tool_calls: null };
    const client = await meet([{ events: unnamed([
      chunk({ content: "Hi", ...nothing }), chunk({ function_call: null, tool_calls: [{ index, id: "c1", function: { name: "pay", arguments: '{"amount":5}' } }] }), chunk(nothing, "tool_calls"),
    ]) }, { events: unnamed([chunk({ content: "Hi", ...nothing }), chunk(nothing, "stop")]) }]);
    for (let n = 0; n < 2; n++) for await (const _ of await client.chat.completions.create({ ...ASK, stream: true }));
    const [called, said] = (await here.receipts()).map(({ decision }) => decision);
    expect(called).toMatchObject({ action: "call_tools", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] });
    expect(said).toMatchObject({ action: "respond" });
  });

  test("the helper stream() as well, and a stream that is read from both ends", async () => {
    const client = await meet([{ events: unnamed(CHUNKS) }, { events: unnamed(CHUNKS) }]);
    expect((await client.chat.completions.stream(ASK).finalMessage()).tool_calls).toMatchObject([{ function: { name: "pay" } }]);
    const [left, right] = (await client.chat.completions.create({ ...ASK, stream: true })).tee();
    for (const half of [left, right]) {
      let n = 0;
      for await (const _ of half) n++;
      expect(n).toBe(CHUNKS.length);
    }
    expect((await here.receipts()).length).toBe(2);
  });

  test.each([["before", ""], ["after", "All right"]] as const)("without the daemon, %s: what comes of a stream is %j", async (stream, text) => {
    const client = await meet([{ events: unnamed(CHUNKS) }], { client: here.gone, stream });
    let got = "";
    let calls = 0;
    const read = async (): Promise<void> => {
      for await (const { choices } of await client.chat.completions.create({ ...ASK, stream: true })) {
        got += choices[0]?.delta.content ?? "";
        calls += choices[0]?.delta.tool_calls?.length ?? 0;
      }
    };
    await expect(read()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect([got, calls]).toEqual([text, 0]);
  });
});

describe("responses", () => {
  const item = { type: "message", id: "m1", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Paid.", annotations: [] }] };
  const pay = { type: "function_call", id: "f1", call_id: "c1", name: "pay", arguments: '{"amount":5}', status: "completed" };
  const searched = { type: "web_search_call", id: "w1", status: "completed", action: { type: "search", query: "Ada" } };
  const body = { id: "resp-1", object: "response", created_at: 1, model: "gpt-x-1", status: "completed", error: null, incomplete_details: null, output: [{ type: "reasoning", id: "rs", summary: [] }, item, pay, searched], usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } };
  const EVENTS = [
    { type: "response.created", sequence_number: 0, response: { ...body, status: "in_progress", output: [] } },
    { type: "response.output_item.added", sequence_number: 1, output_index: 0, item: { ...item, content: [] } }, { type: "response.content_part.added", sequence_number: 2, item_id: "m1", output_index: 0, content_index: 0, part: { type: "output_text", text: "", annotations: [] } },
    { type: "response.output_text.delta", sequence_number: 3, item_id: "m1", output_index: 0, content_index: 0, delta: "Paid." },
    { type: "response.output_item.added", sequence_number: 4, output_index: 1, item: pay }, { type: "response.completed", sequence_number: 5, response: body },
  ];
  const WANTED = {
    model_version: "gpt-x-1",
    inputs: { message_count: 2, messages_hash: sha256('[{"content":"Be brief","role":"system"},{"content":"Pay","role":"user"}]') },
    decision: {
      action: "call_tools", finish_reason: "completed", text_hash: sha256("Paid."), other: [{ type: "reasoning" }],
      tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }, { id: "w1", name: "web_search_call", arguments: { type: "search", query: "Ada" } }],
    },
  };
  const ask = { model: "gpt-x", instructions: "Be brief", input: "Pay" };

  test("create and stream tell the same", async () => {
    const client = await meet([{ body }, { events: named(EVENTS) }, { events: named(EVENTS) }]);
    expect((await client.responses.create(ask)).output_text).toBe("Paid.");
    const got: object[] = [];
    for await (const event of await client.responses.create({ ...ask, stream: true })) got.push(event);
    expect(got).toEqual(EVENTS);
    expect((await client.responses.stream(ask).finalResponse()).id).toBe("resp-1");
    const receipts = await here.receipts();
    expect(receipts).toMatchObject([WANTED, WANTED, WANTED]);
    expect(receipts[1]!.decision).toEqual(receipts[0]!.decision);
  });

  test("without the daemon: no answer; with `after` the text, no call and no end", async () => {
    const client = await meet([{ body }, { events: named(EVENTS) }], { client: here.gone, stream: "after" });
    await expect(client.responses.create(ask)).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    const types: string[] = [];
    const read = async (): Promise<void> => { for await (const { type } of await client.responses.create({ ...ask, stream: true })) types.push(type); };
    await expect(read()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect(types).toEqual(EVENTS.slice(0, 4).map(({ type }) => type));
  });

  test("a stream that ends without its last event: the calls in it are recorded", async () => {
    const client = await meet([{ events: named([...EVENTS.slice(0, 4), { type: "response.output_item.done", sequence_number: 4, output_index: 1, item: pay } as never]) }]);
    for await (const _ of await client.responses.create({ ...ask, stream: true }));
    expect(await here.receipts()).toMatchObject([{ decision: { action: "call_tools", text_hash: sha256("Paid."), tool_calls: [{ id: "c1", name: "pay" }] } }]);
  });

  test("what broke off after text had gone out has a receipt that says so", async () => {
    const client = await meet([{ events: named(EVENTS.slice(0, 4)), cut: true }], { stream: "after" });
    const read = async (): Promise<void> => { for await (const _ of await client.responses.create({ ...ask, stream: true })); };
    await expect(read()).rejects.toThrow(/terminated|aborted|closed|Connection|error/i);
    expect(await here.receipts()).toMatchObject([{ decision: { finish_reason: null, interrupted: true, text_hash: sha256("Paid.") } }]);
  });
});
