/** What the AI SDK's tools are really called with has a receipt before they run: where a call is repaired or its input transformed, and where a tool answers bit by bit. */
import { generateText, InvalidToolInputError, jsonSchema, stepCountIs, streamText, tool, type ToolCallRepairFunction, type ToolSet, wrapLanguageModel } from "ai";
import { MockLanguageModelV3, simulateReadableStream } from "ai/test";
import { expect, test } from "vitest";
import { receiptedRepair, receiptedTools, receiptMiddleware } from "../../src/integrations/ai-sdk.ts";
import { daemonHere } from "./here.ts";

const here = daemonHere();
const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: 1, text: 1, reasoning: undefined } };
const finishReason = { unified: "tool-calls", raw: undefined } as const;

/** A model that calls `pay` with this. */
function paying(input = '{"amount":5}'): MockLanguageModelV3 {
  const call = { type: "tool-call", toolCallId: "c1", toolName: "pay", input } as const;
  return new MockLanguageModelV3({
    doGenerate: { content: [call], finishReason, usage, warnings: [] },
    doStream: async () => ({ stream: simulateReadableStream({ chunks: [call, { type: "finish", finishReason, usage }] }) }),
  });
}

const amount = jsonSchema<{ amount: number }>({ type: "object" }, { validate: (value) => {
  const { amount } = value as { amount: unknown };
  return typeof amount === "number" ? { success: true, value: { amount: Math.round(amount) } } : { success: false, error: new Error("a number") };
} });

/** Tools that say what they were called with: one at once, one bit by bit, one that is no generator itself. */
function tools() {
  const began: unknown[] = [];
  async function* bits({ amount }: { amount: number }): AsyncGenerator<string> {
    began.push({ amount });
    yield "half";
    yield "paid";
  }
  const kinds: { readonly [name: string]: ToolSet } = {
    plain: { pay: tool({ inputSchema: amount, execute: async (input) => { began.push(input); return "paid"; } }) },
    generator: { pay: tool({ inputSchema: amount, execute: bits }) },
    "function that returns a generator": { pay: tool({ inputSchema: amount, execute: (input) => bits(input) }) },
  };
  return { began, kinds };
}

const KINDS = ["plain", "generator", "function that returns a generator"];
const BOTH = ["generateText", "streamText"] as const;

async function results(how: (typeof BOTH)[number], options: Parameters<typeof generateText>[0]): Promise<readonly unknown[]> {
  if (how === "generateText") return (await generateText(options)).content.filter(({ type }) => type.startsWith("tool-"));
  const parts: unknown[] = [];
  for await (const part of streamText({ ...(options as Parameters<typeof streamText>[0]), onError: () => undefined }).fullStream) if (part.type === "tool-result" || part.type === "tool-error") parts.push(part);
  return parts;
}

test.each(BOTH.flatMap((how) => KINDS.map((kind) => [how, kind] as const)))("%s, a %s: it runs once the receipt of what it is called with is stored", async (how, kind) => {
  const { began, kinds } = tools();
  const found = await results(how, { model: paying('{"amount":4.9}'), tools: receiptedTools(kinds[kind]!, { client: here.client }), prompt: "x" });
  expect(found.at(-1)).toMatchObject({ type: "tool-result", output: "paid" });
  expect(began).toEqual([{ amount: 5 }]);
  expect(await here.receipts()).toMatchObject([{ inputs: { tool: "pay", tool_call_id: "c1" }, decision: { action: "call_tool", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 5 } }] }, metadata: { tool_call: { sdk: "ai" } } }]);
  expect(found.length).toBe(how === "streamText" && kind === "generator" ? 3 : how === "streamText" ? 1 : 2); // results on the way, and the last
});

test.each(BOTH.flatMap((how) => KINDS.map((kind) => [how, kind] as const)))("%s, a %s: without the daemon it does not begin", async (how, kind) => {
  const { began, kinds } = tools();
  const found = await results(how, { model: paying(), tools: receiptedTools(kinds[kind]!, { client: here.gone }), prompt: "x" });
  expect(found.at(-1)).toMatchObject({ type: "tool-error", error: { name: "ReceiptUnavailable" } });
  expect(began).toEqual([]);
});

test.each(BOTH)("%s: a generator does not begin either where the model's answer has no receipt", async (how) => {
  const { began, kinds } = tools();
  const model = wrapLanguageModel({ model: paying(), middleware: receiptMiddleware({ client: here.gone }) });
  const found = await results(how, { model, tools: kinds["generator"]!, prompt: "x", maxRetries: 0 }).catch((error: unknown) => error);
  if (how === "generateText") expect(found).toMatchObject({ name: "ReceiptUnavailable" });
  expect(began).toEqual([]);
});

test("a tool that nothing runs here stays as it is, and so does the tool that was given", async () => {
  const asked = { inputSchema: amount };
  const { kinds } = tools();
  const given: ToolSet = { ...kinds["plain"], asked };
  const { execute } = given["pay"]!;
  const made = receiptedTools(given, { client: here.client });
  expect(made["asked"]).toBe(asked);
  expect(given["pay"]!.execute).toBe(execute);
  expect(made["pay"]!.execute).not.toBe(execute);
});

test("a call that was approved, and comes back with other arguments: the receipt says what is carried out", async () => {
  const { began, kinds } = tools();
  const pay = { ...kinds["plain"]!["pay"]!, needsApproval: true };
  await generateText({ model: paying(), tools: receiptedTools({ pay }, { client: here.client }), stopWhen: stepCountIs(1), messages: [
    { role: "user", content: "Pay 5" },
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "c0", toolName: "pay", input: { amount: 5000 } }, { type: "tool-approval-request", approvalId: "a1", toolCallId: "c0" }] },
    { role: "tool", content: [{ type: "tool-approval-response", approvalId: "a1", approved: true }] },
  ] });
  expect(began[0]).toEqual({ amount: 5000 });
  expect((await here.receipts())[0]).toMatchObject({ decision: { tool_calls: [{ id: "c0", arguments: { amount: 5000 } }] } });
});

const repair: ToolCallRepairFunction<ToolSet> = async ({ toolCall, error }) => (InvalidToolInputError.isInstance(error) ? { ...toolCall, input: '{"amount":7}' } : null);

test("a repaired call: the model's receipt says what it wrote, the repair's what is carried out, and the tool's what it was called with", async () => {
  const { began, kinds } = tools();
  const model = wrapLanguageModel({ model: paying('{"amount":"seven"}'), middleware: receiptMiddleware({ client: here.client }) });
  await generateText({ model, tools: receiptedTools(kinds["plain"]!, { client: here.client }), prompt: "x", stopWhen: stepCountIs(1), experimental_repairToolCall: receiptedRepair(repair, { client: here.client }) });
  expect(began).toEqual([{ amount: 7 }]);
  const [asked, repaired, called] = (await here.receipts()).map(({ decision }) => decision);
  expect(asked).toMatchObject({ action: "call_tools", tool_calls: [{ arguments: { amount: "seven" } }] });
  expect(repaired).toMatchObject({ action: "call_tool", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 7 } }], repaired_from: { id: "c1", name: "pay", arguments: { amount: "seven" } } });
  expect(called).toMatchObject({ action: "call_tool", tool_calls: [{ id: "c1", name: "pay", arguments: { amount: 7 } }] });
});

test("a repair without a receipt is none: the tool does not run; a call that is not repaired has no receipt of a repair", async () => {
  const { began, kinds } = tools();
  const options = { model: paying('{"amount":"seven"}'), tools: kinds["plain"]!, prompt: "x" };
  const { toolCalls } = await generateText({ ...options, experimental_repairToolCall: receiptedRepair(repair, { client: here.gone }) });
  expect(toolCalls).toMatchObject([{ invalid: true, input: { amount: "seven" }, error: { cause: { name: "ReceiptUnavailable" } } }]);
  await generateText({ ...options, experimental_repairToolCall: receiptedRepair(async () => null, { client: here.client }) });
  expect(began).toEqual([]);
  expect(await here.receipts()).toEqual([]);
});
