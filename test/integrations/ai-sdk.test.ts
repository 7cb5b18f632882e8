/** The AI SDK itself, with its mock model: what it is given has a receipt, and without one it is given nothing and runs no tool. */
import { generateText, jsonSchema, stepCountIs, streamText, tool, wrapLanguageModel } from "ai";
import { MockLanguageModelV3, simulateReadableStream } from "ai/test";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { DecisionBlocked } from "../../src/clients/index.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { type IntegrationOptions, receiptMiddleware } from "../../src/integrations/ai-sdk.ts";
import { daemonHere } from "./here.ts";
import { sha256 } from "./sha256.ts";

const here = daemonHere();

type Doing = NonNullable<ConstructorParameters<typeof MockLanguageModelV3>[0]>;
type Generated = Extract<Doing["doGenerate"], readonly unknown[]>[number];
type Part = Extract<Doing["doStream"], readonly unknown[]>[number]["stream"] extends ReadableStream<infer P> ? P : never;

const usage = { inputTokens: { total: 7, noCache: 7, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: 3, text: 3, reasoning: undefined }, raw: { odd: 2 ** 60 } };
const answer = (...content: Generated["content"]): Generated => ({ content, finishReason: { unified: content.some(({ type }) => type === "tool-call") ? "tool-calls" : "stop", raw: undefined }, usage, warnings: [] });
const text = (text: string) => ({ type: "text", text }) as const;
const call = (input: string) => ({ type: "tool-call", toolCallId: "c1", toolName: "pay", input }) as const;

function modelOf(doing: Doing, options: IntegrationOptions = {}) {
  const mock = new MockLanguageModelV3({ provider: "mock", modelId: "m-1", ...doing });
  return { mock, model: wrapLanguageModel({ model: mock, middleware: receiptMiddleware({ client: here.client, ...options }) }) };
}

/** A tool that counts how often it ran. */
function payments() {
  const paid: unknown[] = [];
  const pay = tool({ inputSchema: jsonSchema<{ amount: number }>({ type: "object" }), execute: async (input) => { paid.push(input); return "paid"; } });
  return { paid, tools: { pay } };
}

const streamed = (parts: readonly Part[]): Doing => ({ doStream: { stream: simulateReadableStream({ chunks: [...parts] }) } });
const TALK: readonly Part[] = [
  { type: "stream-start", warnings: [] }, { type: "response-metadata", id: "r-9", modelId: "m-1-2026" }, { type: "reasoning-start", id: "0" }, { type: "reasoning-delta", id: "0", delta: "hm" }, { type: "reasoning-end", id: "0" },
  { type: "text-start", id: "1" }, { type: "text-delta", id: "1", delta: "All " }, { type: "text-delta", id: "1", delta: "right" }, { type: "text-end", id: "1" },
];
const PAY: readonly Part[] = [{ type: "tool-input-start", id: "c1", toolName: "pay" }, { type: "tool-input-end", id: "c1" }, call('{"amount":5}')];
const END: readonly Part[] = [{ type: "finish", finishReason: { unified: "tool-calls", raw: undefined }, usage }];

describe("generateText", () => {
  test("each step has a receipt: hashes of what was said, the tool call, the settings", async () => {
    const { paid, tools } = payments();
    const { mock, model } = modelOf({ doGenerate: [answer(call('{"amount":5}')), answer(text("Paid."))] });
    const result = await generateText({ model, tools, prompt: "Pay Ada 5", temperature: 0.2, stopWhen: stepCountIs(3) });
    expect(result.text).toBe("Paid.");
    expect(paid).toEqual([{ amount: 5 }]);
    const [first, second, ...more] = await here.receipts();
    expect(more).toEqual([]);
    expect(first).toMatchObject({
      system_id: "assistant", model_version: "m-1",
      inputs: { message_count: 1, tools: ["pay"], settings: { temperature: 0.2 }, messages_hash: sha256(canonicalize(JSON.parse(JSON.stringify(mock.doGenerateCalls[0]!.prompt)))) },
      decision: { action: "call_tools", finish_reason: "tool-calls", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] },
      metadata: { model_call: { sdk: "ai", provider: "mock", model: "m-1", usage: { inputTokens: { total: 7 } } } },
    });
    expect(second).toMatchObject({ inputs: { message_count: 3 }, decision: { action: "respond", finish_reason: "stop", text_hash: sha256("Paid."), text_length: 5 } });
    expect(JSON.stringify([first, second])).not.toContain("Ada");
  });

  test("without the daemon nobody gets the answer, and no tool runs", async () => {
    const { paid, tools } = payments();
    const { mock, model } = modelOf({ doGenerate: answer(call('{"amount":5}')) }, { client: here.gone });
    await expect(generateText({ model, tools, prompt: "Pay", stopWhen: stepCountIs(3) })).rejects.toMatchObject({ name: "ReceiptUnavailable", maybeStored: false });
    expect(mock.doGenerateCalls.length).toBe(1);
    expect(paid).toEqual([]);
  });

  test("what the number rule does not take is recorded as it was written; a prompt with bytes as their hash", async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const { model } = modelOf({ doGenerate: answer(call('{"amount":9007199254740993}')) }, { inputs: "full" });
    await generateText({ model, messages: [{ role: "user", content: [{ type: "file", data: bytes, mediaType: "image/png" }] }], topP: -0 });
    const [receipt] = await here.receipts();
    expect(receipt!.decision["tool_calls"]).toEqual([{ id: "c1", name: "pay", arguments_text: '{"amount":9007199254740993}' }]);
    expect(receipt!.inputs).toMatchObject({ topP: "-0", prompt: [{ content: [{ data: { bytes: 3, sha256: createHash("sha256").update(bytes).digest("hex") } }] }] });
  });

  test("full text, hashed arguments, a key: hashes are then of the key's holder", async () => {
    const { model } = modelOf({ doGenerate: answer(text("Hello"), call('{"amount":5}')) }, { text: "full", toolArguments: "hashed", hashKey: "0123456789abcdef", inputs: ({ model }) => ({ model }) });
    await generateText({ model, prompt: "x" });
    const [receipt] = await here.receipts();
    expect(receipt!.inputs).toEqual({ model: "m-1" });
    expect(receipt!.decision).toMatchObject({ text: "Hello", tool_calls: [{ name: "pay", arguments_hash: expect.stringMatching(/^hmac-sha256:[0-9a-f]{64}$/) }] });
    expect(JSON.stringify(receipt)).not.toContain("amount");
  });

  test("what cannot be recorded is refused before the model is asked", async () => {
    const { mock, model } = modelOf({ doGenerate: answer(text("x")) });
    await expect(generateText({ model, prompt: "half a character: \ud800" })).rejects.toMatchObject({ name: "ReceiptRefused", code: "bad_value" });
    expect(mock.doGenerateCalls).toEqual([]);
  });

  test("a failed gate: the answer is recorded as not executed, and not handed out", async () => {
    const { paid, tools } = payments();
    const { model } = modelOf({ doGenerate: answer(call('{"amount":5000}')) }, {
      blockOnFailedGate: true, gates: ({ toolCalls }) => [{ name: "limit", status: toolCalls.some(({ name }) => name === "pay") ? "FAIL" : "PASS" }], more: { policy_version: "p1", metadata: { ticket: 4 } },
    });
    await expect(generateText({ model, tools, prompt: "Pay" })).rejects.toThrow(DecisionBlocked);
    expect(paid).toEqual([]);
    expect(await here.receipts()).toMatchObject([{ policy_version: "p1", decision: { executed: false, action: "call_tools" }, metadata: { ticket: 4, model_call: { model: "m-1" } }, gates: [{ name: "limit", status: "FAIL" }] }]);
  });
});

/** What streamText let its caller see before it ended or failed. */
async function seen(result: { readonly fullStream: AsyncIterable<{ readonly type: string; readonly text?: string; readonly error?: unknown }> }): Promise<{ types: string[]; text: string; error: unknown }> {
  const saw = { types: [] as string[], text: "", error: undefined as unknown };
  for await (const part of result.fullStream) {
    saw.types.push(part.type);
    if (part.type === "text-delta") saw.text += part.text;
    if (part.type === "error") saw.error = part.error;
  }
  return saw;
}

describe("streamText", () => {
  const run = (parts: readonly Part[], options: IntegrationOptions = {}) => {
    const { paid, tools } = payments();
    const result = streamText({ model: modelOf(streamed(parts), options).model, tools, prompt: "Pay", maxRetries: 0, onError: () => undefined });
    return { paid, saw: seen(result) };
  };

  test.each(["before", "after"] as const)("one receipt of the whole, %s the text; the tool runs after it", async (stream) => {
    const { paid, saw } = run([...TALK, ...PAY, ...END], { stream });
    expect(await saw).toMatchObject({ text: "All right", error: undefined });
    expect(paid).toEqual([{ amount: 5 }]);
    const receipts = await here.receipts();
    expect(receipts).toMatchObject([{
      model_version: "m-1-2026",
      decision: { action: "call_tools", finish_reason: "tool-calls", text_hash: sha256("All right"), tool_calls: [{ name: "pay", arguments: { amount: 5 } }], other: [{ type: "reasoning", hash: sha256("hm") }] },
      metadata: { model_call: { response_id: "r-9", usage: { outputTokens: { total: 3 } } } },
    }]);
  });

  test("without the daemon: nothing of it is handed out", async () => {
    const { paid, saw } = run([...TALK, ...PAY, ...END], { client: here.gone });
    const { text, error } = await saw;
    expect({ text, error }).toMatchObject({ text: "", error: { name: "ReceiptUnavailable" } });
    expect(paid).toEqual([]);
  });

  test("without the daemon and `after`: the text, but no tool and no end", async () => {
    const { paid, saw } = run([...TALK, ...PAY, ...END], { client: here.gone, stream: "after" });
    const failure: unknown = await saw.then((it) => it, (error: unknown) => ({ error }));
    expect(failure).toMatchObject({ error: { name: "ReceiptUnavailable" } });
    expect(failure).not.toMatchObject({ types: expect.arrayContaining(["tool-call"]) });
    expect(paid).toEqual([]);
  });

  test("`after`: text that went out before the provider broke off has a receipt, which says so; with `before` there is neither", async () => {
    async function* cut(): AsyncGenerator<Part> {
      yield* TALK;
      throw new Error("cut");
    }
    for (const stream of ["before", "after"] as const) {
      const { model } = modelOf({ doStream: async () => ({ stream: ReadableStream.from(cut()) }) }, { stream });
      await expect((async () => { for await (const _ of (await model.doStream({ prompt: [] })).stream); })()).rejects.toThrow("cut");
    }
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ action: "respond", finish_reason: null, interrupted: true, text_hash: sha256("All right") }]);
  });

  test("`after`: what was held back when the provider broke off is nobody's, and in no receipt", async () => {
    async function* cut(): AsyncGenerator<Part> {
      yield* TALK;
      yield* PAY;
      throw new Error("cut");
    }
    const { model } = modelOf({ doStream: async () => ({ stream: ReadableStream.from(cut()) }) }, { stream: "after" });
    const types: string[] = [];
    await expect((async () => { for await (const { type } of (await model.doStream({ prompt: [] })).stream) types.push(type); })()).rejects.toThrow("cut");
    expect(types).toEqual(TALK.map(({ type }) => type));
    const { decision } = (await here.receipts())[0]!;
    expect(decision).toMatchObject({ action: "respond", interrupted: true, text_hash: sha256("All right") });
    expect(decision).not.toHaveProperty("tool_calls");
  });

  test.each(["before", "after"] as const)("%s: a stream that ends because the caller broke it off has a receipt that says so", async (stream) => {
    const abort = new AbortController();
    async function* quiet(): AsyncGenerator<Part> {
      yield* TALK;
      abort.abort();
    }
    const { model } = modelOf({ doStream: async () => ({ stream: ReadableStream.from(quiet()) }) }, { stream });
    let parts = 0;
    for await (const _ of (await model.doStream({ prompt: [], abortSignal: abort.signal })).stream) parts++;
    expect(parts).toBe(TALK.length);
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ finish_reason: null, interrupted: true, text_hash: sha256("All right") }]);
  });

  test("parts that are not as usual: no end, a text that never began, a tool whose call never came", async () => {
    const { model } = modelOf(streamed([{ type: "text-delta", id: "9", delta: "Hi" }, { type: "tool-input-start", id: "c1", toolName: "pay" }, { type: "tool-input-delta", id: "c1", delta: '{"amount":5}' }]));
    for await (const _ of (await model.doStream({ prompt: [] })).stream);
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ finish_reason: null, text_hash: sha256("Hi"), other: [{ type: "tool-input", hash: sha256('{"id":"c1","input":"{\\"amount\\":5}","name":"pay"}') }] }]);
  });

  test("`after`: a reader that goes away leaves a receipt of what it got", async () => {
    const { model } = modelOf(streamed([...TALK, ...END]), { stream: "after" });
    const { stream } = await model.doStream({ prompt: [] });
    const reader = stream.getReader();
    let part: Part | undefined;
    while (part?.type !== "text-delta") part = (await reader.read()).value;
    await reader.cancel();
    expect((await here.receipts()).map(({ decision }) => decision)).toMatchObject([{ finish_reason: null, interrupted: true, text_length: expect.any(Number) }]);
  });
});
