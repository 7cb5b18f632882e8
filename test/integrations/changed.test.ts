/** What is asked is what was recorded, and what is handed out, too, whoever has the same objects and changes them meanwhile. */
import Anthropic from "@anthropic-ai/sdk";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import { tool as langchainTool } from "@langchain/core/tools";
import { generateText, jsonSchema, stepCountIs, tool, wrapLanguageModel } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { setImmediate as turn } from "node:timers/promises";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { receiptMiddleware } from "../../src/integrations/ai-sdk.ts";
import { receiptedAnthropic } from "../../src/integrations/anthropic.ts";
import { receiptedModel, receiptedTool } from "../../src/integrations/langchain.ts";
import { receiptedOpenAI } from "../../src/integrations/openai.ts";
import { daemonHere } from "./here.ts";
import { type Answer, type Provider, provider } from "./provider.ts";
import { sha256 } from "./sha256.ts";

const here = daemonHere();
let server: Provider;

const HASH = sha256('[{"content":"Pay 5","role":"user"}]');
const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: 1, text: 1, reasoning: undefined } };
const asked = (): { role: "user"; content: string }[] => [{ role: "user", content: "Pay 5" }];
const FULL = { inputs: "full" };
const CHAT: Answer = { body: { id: "1", object: "chat.completion", model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "ok" } }] } };
const RESPONSE: Answer = { body: { id: "1", object: "response", model: "m", status: "completed", output: [] } };
const MESSAGE: Answer = { body: { id: "1", type: "message", role: "assistant", model: "m", content: [{ type: "tool_use", id: "t1", name: "pay", input: { amount: 5 } }], stop_reason: "tool_use" } };

async function openai(answer: Answer, options: object = {}): Promise<OpenAI> {
  server = await provider([answer]);
  return receiptedOpenAI(new OpenAI({ apiKey: "none", baseURL: server.url, maxRetries: 0 }), { client: here.client, ...options });
}
async function anthropic(options: object = {}): Promise<Anthropic> {
  server = await provider([MESSAGE]);
  return receiptedAnthropic(new Anthropic({ apiKey: "none", baseURL: server.url, maxRetries: 0 }), { client: here.client, ...options });
}

/** Answers a moment later, by what it was given. */
class Echo extends BaseChatModel {
  readonly args = { amount: 5 };
  saw = "";
  _llmType(): string { return "echo"; }
  async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    await turn();
    this.saw = messages[0]!.text;
    return { generations: [{ text: "", message: new AIMessage({ content: "", tool_calls: [{ id: "c1", name: "pay", args: this.args }] }) }] };
  }
}

describe("a request that is changed once it was made is sent as it was recorded", () => {
  type Messages = ReturnType<typeof asked>;
  test.each<readonly [string, () => Promise<(messages: Messages) => PromiseLike<unknown>>, string]>([
    ["chat.completions", async () => { const { chat } = await openai(CHAT); return (messages) => chat.completions.create({ model: "m", messages }); }, "messages"],
    ["responses", async () => { const { responses } = await openai(RESPONSE); return (input) => responses.create({ model: "m", input }); }, "input"],
    ["messages", async () => { const client = await anthropic(); return (messages) => client.messages.create({ model: "m", max_tokens: 9, messages }); }, "messages"],
  ])("%s", async (_, make, member) => {
    const ask = await make();
    const messages = asked();
    const answer = ask(messages);
    messages[0]!.content = "Pay 5000";
    await answer;
    expect(server.asked).toMatchObject([{ [member]: [{ content: "Pay 5" }] }]);
    expect(await here.receipts()).toMatchObject([{ inputs: { messages_hash: HASH } }]);
  });

  test("AI SDK", async () => {
    const mock = new MockLanguageModelV3({ doGenerate: { content: [], finishReason: { unified: "stop", raw: undefined }, usage, warnings: [] } });
    const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Pay 5" }] }];
    const answer = wrapLanguageModel({ model: mock, middleware: receiptMiddleware({ client: here.client }) }).doGenerate({ prompt });
    prompt[0]!.content[0]!.text = "Pay 5000";
    await answer;
    expect(mock.doGenerateCalls[0]!.prompt).toMatchObject([{ content: [{ text: "Pay 5" }] }]);
    expect(await here.receipts()).toMatchObject([{ inputs: { messages_hash: sha256('[{"content":[{"text":"Pay 5","type":"text"}],"role":"user"}]') } }]);
  });

  test.each<readonly [string, (said: object) => Promise<unknown>, string]>([
    ["chat.completions", async (it) => await (await openai(CHAT, FULL)).chat.completions.create({ model: "m", messages: [it as never] }), "messages"],
    ["responses", async (it) => await (await openai(RESPONSE, FULL)).responses.create({ model: "m", input: [it as never] }), "input"],
    ["messages", async (it) => await (await anthropic(FULL)).messages.create({ model: "m", max_tokens: 9, messages: [it as never] }), "messages"],
  ])("and is read once, whatever it says the next time: %s", async (_, ask, member) => {
    let times = 0;
    await ask({ toJSON: () => ({ role: "user", content: `Pay ${++times}` }) });
    expect(server.asked).toMatchObject([{ [member]: [{ content: "Pay 1" }] }]);
    expect(await here.receipts()).toMatchObject([{ inputs: { [member]: [{ content: "Pay 1" }] } }]);
  });

  test("and so are the options of the request, which could hold another body", async () => {
    const { chat } = await openai(CHAT);
    const fetchOptions: { body?: never } = {};
    const answer = chat.completions.create({ model: "m", messages: asked() }, { fetchOptions });
    fetchOptions.body = '{"model":"other"}' as never;
    await answer;
    expect(server.asked).toMatchObject([{ model: "m" }]);
  });

  test("LangChain", async () => {
    const echo = new Echo({});
    const message = new HumanMessage("Pay 5");
    const answer = receiptedModel<BaseChatModel>(echo, { client: here.client, inputs: ({ messages }) => ({ said: structuredClone(messages) }) })["_generate"]([message], {} as never);
    message.content = "Pay 5000";
    await answer;
    expect(echo.saw).toBe("Pay 5");
    expect(await here.receipts()).toMatchObject([{ inputs: { said: [{ content: "Pay 5" }] } }]);
  });

  test("by the function that chooses what is recorded of it", async () => {
    server = await provider([CHAT]);
    const client = receiptedOpenAI(new OpenAI({ apiKey: "none", baseURL: server.url }), { client: here.client, inputs: (it) => { (it.request as { model: string }).model = "other"; return {}; } });
    await client.chat.completions.create({ model: "m", messages: asked() });
    expect(server.asked).toMatchObject([{ model: "m" }]);
  });
});

describe("what was answered", () => {
  const pay = (paid: unknown[]) => tool({ inputSchema: jsonSchema<{ amount: number }>({ type: "object" }), execute: async (input) => { paid.push(input); return "paid"; } });

  const now = (change: () => void): void => change();
  test.each([["while the receipt is stored", now], ["once it is stored", queueMicrotask]] as const)("is handed out as it was recorded, though whoever made it changes it %s", async (_, soon) => {
    const paid: unknown[] = [];
    const call = { type: "tool-call" as const, toolCallId: "c1", toolName: "pay", input: '{"amount":5}' };
    const mock = new MockLanguageModelV3({ doGenerate: { content: [call], finishReason: { unified: "tool-calls", raw: undefined }, usage, warnings: [] } });
    const model = wrapLanguageModel({ model: mock, middleware: receiptMiddleware({ client: here.client, onReceipt: () => soon(() => { call.input = '{"amount":5000}'; }) }) });
    await generateText({ model, tools: { pay: pay(paid) }, prompt: "Pay", stopWhen: stepCountIs(1) });
    expect(paid).toEqual([{ amount: 5 }]);
    const echo = new Echo({});
    const { tool_calls } = await receiptedModel(echo, { client: here.client, onReceipt: () => soon(() => { echo.args.amount = 5000; }) }).invoke("x");
    expect(tool_calls).toMatchObject([{ args: { amount: 5 } }]);
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ tool_calls: [{ arguments: { amount: 5 } }] }, { tool_calls: [{ arguments: { amount: 5 } }] }]);
  });

  const change = (_: unknown, { toolCalls }: { readonly toolCalls: readonly { arguments: unknown }[] }): void => { (toolCalls[0]!.arguments as { amount: number }).amount = 5000; };
  test("is handed out as it was recorded, whatever those do who are told of it", async () => {
    const gates = (answered: Parameters<typeof change>[1]): [] => { change(null, answered); return []; };
    const { content } = await (await anthropic({ onReceipt: change, gates })).messages.create({ model: "m", max_tokens: 9, messages: asked() });
    expect(content).toMatchObject([{ input: { amount: 5 } }]);
    const { tool_calls } = await receiptedModel(new Echo({}), { client: here.client, onReceipt: change }).invoke("x");
    expect(tool_calls).toMatchObject([{ args: { amount: 5 } }]);
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ tool_calls: [{ arguments: { amount: 5 } }] }, { tool_calls: [{ arguments: { amount: 5 } }] }]);
  });

  test("in a stream is handed out as it was recorded, though its maker changes it before it is read", async () => {
    const call = { type: "tool-call" as const, toolCallId: "c1", toolName: "pay", input: '{"amount":5}' };
    const mock = new MockLanguageModelV3({ doStream: async () => ({ stream: ReadableStream.from([{ type: "stream-start" as const, warnings: [] }, call]) }) });
    const { stream } = await wrapLanguageModel({ model: mock, middleware: receiptMiddleware({ client: here.client }) }).doStream({ prompt: [] });
    call.input = '{"amount":5000}';
    const parts: object[] = [];
    for await (const part of stream) parts.push(part);
    expect(parts[1]).toMatchObject({ input: '{"amount":5}' });
    expect(await here.receipts()).toMatchObject([{ decision: { tool_calls: [{ arguments: { amount: 5 } }] } }]);
  });

  test("in a stream and read before its receipt is recorded as it was handed out, whatever its reader does to it", async () => {
    const mock = new MockLanguageModelV3({ doStream: async () => ({ stream: ReadableStream.from([{ type: "text-start" as const, id: "1" }, { type: "text-delta" as const, id: "1", delta: "No" }]) }) });
    const { stream } = await wrapLanguageModel({ model: mock, middleware: receiptMiddleware({ client: here.client, stream: "after" }) }).doStream({ prompt: [] });
    for await (const part of stream) if (part.type === "text-delta") part.delta = "Yes";
    expect(await here.receipts()).toMatchObject([{ decision: { text_hash: sha256("No") } }]);
  });

  test("a tool does not run with what says something else than it has", async () => {
    const refund = langchainTool(() => "x", { name: "refund", schema: { type: "object", properties: {} } as const });
    await expect(receiptedTool(refund, { client: here.client }).invoke({ amount: 5000, toJSON: () => ({ amount: 5 }) })).rejects.toMatchObject({ code: "bad_value" });
    expect(await here.receipts()).toEqual([]);
  });

  test("a tool gets what was recorded, though whoever calls it changes the arguments", async () => {
    const got: unknown[] = [];
    const args = { amount: 5 };
    const refund = langchainTool((input) => { got.push(input); return "x"; }, { name: "refund", schema: { type: "object", properties: { amount: { type: "number" } } } as const });
    const gated = receiptedTool(refund, { client: here.client, gates: () => { args.amount = 5000; return []; } });
    await gated.invoke(args);
    expect(got).toEqual([{ amount: 5 }]);
    expect(await here.receipts()).toMatchObject([{ decision: { tool_calls: [{ arguments: { amount: 5 } }] } }]);
  });
});
