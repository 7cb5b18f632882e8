/** LangChain's own classes with its fake models: what is handed out has a receipt, also of what bindTools and withConfig make; a tool runs after its receipt. */
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { InMemoryCache } from "@langchain/core/caches";
import { tool } from "@langchain/core/tools";
import { type Runnable, RunnableBranch, RunnableLambda, RunnableMap, RunnablePassthrough, RunnableSequence } from "@langchain/core/runnables";
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { describe, expect, test } from "vitest";
import { DecisionBlocked } from "../../src/clients/index.ts";
import { type IntegrationOptions, receiptedModel, receiptedTool } from "../../src/integrations/langchain.ts";
import { daemonHere } from "./here.ts";
import { sha256 } from "./sha256.ts";

const here = daemonHere();
const fake = (options: IntegrationOptions = {}, responses = ["All right"]) => receiptedModel(new FakeListChatModel({ responses }), { client: here.client, ...options });
const schema = { type: "object", properties: { amount: { type: "number" } } } as const;

/** A model that calls a tool, in a stream too; like some providers', its withConfig makes a new one. */
class Paying extends BaseChatModel {
  asked = 0;
  _llmType(): string { return "paying"; }
  override withConfig(_: object): never { return new Paying({}) as never; }
  override invocationParams(): object { return { model: "pay-1", temperature: 0.3 }; }
  async _generate(): Promise<ChatResult> {
    this.asked++;
    const message = new AIMessage({ content: "", tool_calls: [{ id: "c1", name: "pay", args: { amount: 5 } }], response_metadata: { finish_reason: "tool_calls", model_name: "pay-1-2026" } });
    message.usage_metadata = { input_tokens: 1, output_tokens: 2, total_tokens: 3 } as never;
    return { generations: [{ text: "", message }] };
  }
  override async *_streamResponseChunks(_messages: BaseMessage[], _options: unknown, manager?: { handleLLMNewToken(token: string): Promise<void> }): AsyncGenerator<ChatGenerationChunk> {
    for (const [text, args] of [["All ", ""], ["right", ""], ["", '{"amo'], ["", 'unt":5}']] as const) {
      await manager?.handleLLMNewToken(text);
      const chunks = args === "" ? [] : [{ index: 0, args, type: "tool_call_chunk" as const, ...(args.startsWith("{") ? { id: "c1", name: "pay" } : {}) }];
      yield new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text, tool_call_chunks: chunks }) });
    }
  }
}

async function read(stream: Promise<AsyncIterable<AIMessageChunk>>): Promise<{ text: string; calls: number; error: unknown }> {
  const got = { text: "", calls: 0, error: undefined as unknown };
  try {
    for await (const { text, tool_call_chunks } of await stream) {
      got.text += text;
      got.calls += tool_call_chunks?.length ?? 0;
    }
  } catch (error) {
    got.error = error;
  }
  return got;
}

describe("a model", () => {
  test("invoke, in a chain as well: a receipt with hashes", async () => {
    expect(await fake().pipe(new StringOutputParser()).invoke([new HumanMessage("Ada asks")])).toBe("All right");
    const receipts = await here.receipts();
    expect(receipts).toMatchObject([{
      system_id: "assistant",
      inputs: { message_count: 1, messages_hash: sha256('[{"content":"Ada asks","type":"human"}]') },
      decision: { action: "respond", text_hash: sha256("All right"), text_length: 9 },
      metadata: { model_call: { sdk: "langchain" } },
    }]);
    expect(JSON.stringify(receipts)).not.toContain("Ada");
  });

  test("a tool call, its settings, usage and model", async () => {
    const answer = await receiptedModel(new Paying({}), { client: here.client }).invoke("Pay");
    expect(answer.tool_calls).toMatchObject([{ name: "pay", args: { amount: 5 } }]);
    expect(await here.receipts()).toMatchObject([{
      model_version: "pay-1-2026", inputs: { settings: { temperature: 0.3 } }, metadata: { model_call: { usage: { total_tokens: 3 } } },
      decision: { action: "call_tools", finish_reason: "tool_calls", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] },
    }]);
  });

  const made: readonly (readonly [string, (options: IntegrationOptions) => { invoke(input: string): Promise<unknown> }])[] = [
    ["itself", fake],
    ["a batch", (options) => ({ invoke: (input) => fake(options).batch([input]) })],
    ["withConfig", (options) => fake(options).withConfig({ tags: ["x"] })],
    ["withConfig that makes another model", (options) => receiptedModel(new Paying({}), options).withConfig({})],
    ["bindTools that makes another model", (options) => fake(options).bindTools([tool(() => "x", { name: "pay", schema })])],
    ["withStructuredOutput", (options) => fake(options, ['{"a":1}']).withStructuredOutput({})],
    ["generate", (options) => ({ invoke: (input) => fake(options).generate([[new HumanMessage(input)]]) })],
    ["events", (options) => ({ invoke: async (input) => { for await (const _ of fake(options).streamEvents(input, { version: "v2" })); } })],
    ["events of content", (options) => ({ invoke: async (input) => { for await (const _ of fake(options).streamEvents(input)); } })],
    ["a stream, read from inside", (options) => ({ invoke: (input) => fake(options).invoke(input, { callbacks: [{ lc_prefer_streaming: true, name: "s", awaitHandlers: true } as never] }) })],
  ];
  test.each(made)("has a receipt, and without the daemon nothing comes of it: %s", async (_, make) => {
    await make({ client: here.client }).invoke("x");
    expect((await here.receipts()).length).toBe(1);
    await expect(make({ client: here.gone }).invoke("x")).rejects.toMatchObject({ name: "ReceiptUnavailable" });
  });

  test("a cache is not asked: what it holds may have no receipt", async () => {
    const model = new FakeListChatModel({ responses: ["one", "two"], cache: new InMemoryCache() });
    await model.invoke("x");
    expect((await receiptedModel(model, { client: here.client }).invoke("x")).text).toBe("two");
    expect((await here.receipts()).length).toBe(1);
  });

  test.each(["before", "after"] as const)("a stream, %s: all of it, with one receipt", async (stream) => {
    expect(await read(receiptedModel(new Paying({}), { client: here.client, stream }).stream("x"))).toEqual({ text: "All right", calls: 2, error: undefined });
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ text_hash: sha256("All right"), tool_calls: [{ name: "pay", arguments: { amount: 5 } }] }]);
  });

  test.each([["before", ""], ["after", "All right"]] as const)("without the daemon, %s: what comes of a stream, and of its callbacks, is %j", async (stream, text) => {
    let tokens = "";
    const callbacks = [{ handleLLMNewToken: (token: string) => { tokens += token; } }];
    const got = await read(receiptedModel(new Paying({}), { client: here.gone, stream }).stream("x", { callbacks }));
    expect(got).toMatchObject({ text, calls: 0, error: { name: "ReceiptUnavailable" } });
    expect(tokens).toBe(text);
  });

  test("without the daemon, after: a chunk with a whole tool call does not come through", async () => {
    class Whole extends Paying {
      override async *_streamResponseChunks(): AsyncGenerator<ChatGenerationChunk> {
        yield new ChatGenerationChunk({ text: "", message: new AIMessageChunk({ content: "", tool_calls: [{ id: "c1", name: "pay", args: { amount: 5 } }] }) });
      }
    }
    const got: unknown[] = [];
    await expect((async () => { for await (const chunk of await receiptedModel(new Whole({}), { client: here.gone, stream: "after" }).stream("x")) got.push(chunk); })()).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect(got).toEqual([]);
  });

  test("a model that asks another by an invoke of its own is refused: its answers would have no receipt", () => {
    class Asking extends Paying {
      override invoke(): never { return new Paying({}).invoke("x") as never; }
    }
    expect(() => receiptedModel(new Asking({}), { client: here.client })).toThrow(/invoke of its own/);
  });

  test("a failed gate", async () => {
    const model = fake({ blockOnFailedGate: true, gates: ({ text }) => [{ name: "polite", status: text.includes("right") ? "FAIL" : "PASS" }] });
    await expect(model.invoke("x")).rejects.toThrow(DecisionBlocked);
    expect(await here.receipts()).toMatchObject([{ decision: { executed: false } }]);
  });
});

describe("a tool", () => {
  const paid: unknown[] = [];
  const pay = tool((input) => { paid.push(input); return "paid"; }, { name: "pay", description: "Pays", schema });

  test("runs once the receipt of its call is stored", async () => {
    const result: unknown = await receiptedTool(pay, { client: here.client }).invoke({ type: "tool_call", id: "c1", name: "pay", args: { amount: 5 } });
    expect(result).toMatchObject({ content: "paid", tool_call_id: "c1" });
    expect(paid.splice(0)).toEqual([{ amount: 5 }]);
    expect(await here.receipts()).toMatchObject([{
      inputs: { tool: "pay", tool_call_id: "c1", arguments_hash: sha256('{"amount":5}') },
      decision: { action: "call_tool", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] },
    }]);
  });

  test("does not run without the daemon, nor where a gate fails", async () => {
    await expect(receiptedTool(pay, { client: here.gone }).invoke({ amount: 5 })).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    const gated = receiptedTool(pay, { client: here.client, blockOnFailedGate: true, gates: () => [{ name: "limit", status: "FAIL" }] });
    await expect(gated.invoke({ amount: 5 })).rejects.toThrow(DecisionBlocked);
    expect(paid).toEqual([]);
  });
});

describe("answers that are not as usual", () => {
  const message = (content: AIMessage["content"], amount: number, more: object = {}) => new AIMessage({ content: content as string, tool_calls: [{ id: `c${amount}`, name: "pay", args: { amount } }], ...more });
  /** A model that answers with these, or streams these chunks. */
  const answering = (messages: readonly AIMessage[], chunks: readonly ChatGenerationChunk[] = []) => {
    class Answering extends Paying {
      override async _generate(): Promise<ChatResult> { return { generations: messages.map((message) => ({ text: message.text, message })) }; }
      override async *_streamResponseChunks(): AsyncGenerator<ChatGenerationChunk> { yield* chunks; }
    }
    return receiptedModel(new Answering({}), { client: here.client });
  };
  const decision = async () => (await here.receipts()).map(({ decision }) => decision);

  test("further choices: their tool calls are recorded like the first's, their texts as hashes", async () => {
    await answering([message("One", 1), message("Two", 2)]).generate([[new HumanMessage("x")]]);
    expect(await decision()).toMatchObject([{ text_hash: sha256("One"), tool_calls: [{ id: "c1", arguments: { amount: 1 } }, { id: "c2", arguments: { amount: 2 } }], other: [{ type: "choice" }] }]);
  });

  test("further choices in one stream are not mixed up", async () => {
    const part = (completion: number, args: string) => new ChatGenerationChunk({ text: "", generationInfo: { prompt: 0, completion }, message: new AIMessageChunk({ content: "", tool_call_chunks: [{ index: 0, args, type: "tool_call_chunk", ...(args.startsWith("{") ? { id: `c${completion}`, name: "pay" } : {}) }] }) });
    await read(answering([], [part(0, '{"amount":'), part(1, '{"amount":'), part(0, "1}"), part(1, "2}")]).stream("x"));
    expect(await decision()).toMatchObject([{ tool_calls: [{ id: "c0", arguments: { amount: 1 } }, { id: "c1", arguments: { amount: 2 } }] }]);
  });

  test("calls that LangChain has not read, and what stands beside the content", async () => {
    await answering([new AIMessage({ content: [{ type: "tool_use", id: "t1", name: "pay", input: { amount: 3 } }] as never, additional_kwargs: { function_call: { name: "old", arguments: '{"amount":4}' }, reasoning_content: "hm" } })]).invoke("x");
    expect(await decision()).toMatchObject([{ action: "call_tools", tool_calls: [{ id: "t1", name: "pay", arguments: { amount: 3 } }, { name: "old", arguments: { amount: 4 } }], other: [{ type: "reasoning_content", hash: sha256("hm") }] }]);
  });

  test("a stream that ends because the caller broke it off has a receipt that says so", async () => {
    const abort = new AbortController();
    class Quiet extends Paying {
      override async *_streamResponseChunks(): AsyncGenerator<ChatGenerationChunk> {
        yield new ChatGenerationChunk({ text: "All", message: new AIMessageChunk("All") });
        abort.abort();
      }
    }
    await expect(read(receiptedModel(new Quiet({}), { client: here.client }).stream("x", { signal: abort.signal }))).resolves.toMatchObject({ error: expect.any(Error) as Error });
    expect(await decision()).toMatchObject([{ finish_reason: null, interrupted: true, text_hash: sha256("All") }]);
  });

  test("no answer at all has a receipt as well", async () => {
    await answering([]).generate([[new HumanMessage("x")]]);
    expect(await decision()).toMatchObject([{ action: "respond", finish_reason: null }]);
  });
});

describe("what a model makes of itself", () => {
  const making = (make: (other: Runnable) => Runnable, client: typeof here.client): Runnable => {
    class Making extends Paying {
      override withStructuredOutput(_: object): never { return make(new Paying({}) as never) as never; }
    }
    return receiptedModel(new Making({}), { client }).withStructuredOutput({}) as Runnable;
  };
  test.each<readonly [string, (other: Runnable) => Runnable, unknown]>([
    ["steps by name", (other) => RunnableSequence.from([{ raw: other }, ({ raw }: { raw: AIMessage }) => raw.tool_calls]), "x"],
    ["a map", (other) => RunnableMap.from({ raw: other }), "x"],
    ["a map in what is assigned", (other) => RunnablePassthrough.assign({ raw: RunnableLambda.from(() => "x").pipe(other) }), { a: "x" }],
    ["fallbacks", (other) => RunnableLambda.from((input: unknown): unknown => { throw new Error(`not for ${String(input)}`); }).withFallbacks({ fallbacks: [other] }), "x"],
    ["a branch", (other) => RunnableBranch.from([[() => true, other], other]), "x"],
  ])("every model in it has receipts: %s", async (_, make, input) => {
    await making(make, here.client).invoke(input);
    expect((await here.receipts()).length).toBe(1);
    await expect(making(make, here.gone).invoke(input)).rejects.toThrow(/daemon|socket|not for x/); // LangChain throws what the first of its fallbacks did
    expect((await here.receipts()).length).toBe(1);
  });
});

describe("a tool that answers bit by bit", () => {
  const schema = { type: "object", properties: { amount: { type: "number" } } } as const;
  test("begins once the receipt of its call is stored, and not without", async () => {
    const began: unknown[] = [];
    const told: unknown[] = [];
    const pay = tool(async function* (input) { began.push(input); yield "half"; return "paid"; }, { name: "pay", schema });
    const callbacks = [{ handleToolEvent: (chunk: unknown) => { told.push(chunk); } }];
    await expect(receiptedTool(pay, { client: here.gone }).invoke({ amount: 5 }, { callbacks })).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect([began, told]).toEqual([[], []]);
    expect(await receiptedTool(pay, { client: here.client }).invoke({ amount: 5 }, { callbacks })).toBe("paid");
    expect([began, told]).toEqual([[{ amount: 5 }], ["half"]]);
    expect(await here.receipts()).toMatchObject([{ decision: { tool_calls: [{ name: "pay", arguments: { amount: 5 } }] } }]);
  });

  test("its function, called by itself, is no way around; a tool with an invoke of its own is refused", async () => {
    const began: unknown[] = [];
    const pay = tool((input) => { began.push(input); return "paid"; }, { name: "pay", schema });
    await expect(receiptedTool(pay, { client: here.gone }).func({ amount: 5 })).rejects.toMatchObject({ name: "ReceiptUnavailable" });
    expect(began).toEqual([]);
    pay.invoke = (async () => "paid") as never;
    expect(() => receiptedTool(pay, { client: here.client })).toThrow(/invoke of its own/);
  });
});
