/**
 * An agent of the AI SDK that pays a bill: each of its steps has a receipt before it is taken. The model is a fake, so that no key is
 * needed; the daemon is the one of RECEIPTD_SOCKET, or of this folder.
 *
 *     node examples/integrations/ai-sdk.ts        (with the built package: npm run -s build)
 */
import { generateText, jsonSchema, stepCountIs, tool, wrapLanguageModel } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { Client, ReceiptError } from "receiptd/client";
import { receiptMiddleware } from "receiptd/ai-sdk";

const usage = { inputTokens: { total: 20, noCache: 20, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: 5, text: 5, reasoning: undefined } };
const fake = new MockLanguageModelV3({
  doGenerate: [
    { content: [{ type: "tool-call", toolCallId: "call-1", toolName: "pay", input: '{"to":"Ada","amount":5}' }], finishReason: { unified: "tool-calls", raw: undefined }, usage, warnings: [] },
    { content: [{ type: "text", text: "Done." }], finishReason: { unified: "stop", raw: undefined }, usage, warnings: [] },
  ],
});

await using client = new Client({ systemId: "bill_agent" });
const model = wrapLanguageModel({
  model: fake,
  middleware: receiptMiddleware({ client, toolArguments: "hashed", onReceipt: ({ receiptNumber }, { toolCalls }) => console.log(`${receiptNumber}: ${toolCalls.map(({ name }) => name).join(", ") || "answers"}`) }),
});
const pay = tool({
  inputSchema: jsonSchema<{ to: string; amount: number }>({ type: "object", properties: { to: { type: "string" }, amount: { type: "number" } } }),
  execute: async ({ amount }) => { console.log(`paid ${amount}`); return "paid"; },
});

try {
  const { text } = await generateText({ model, tools: { pay }, stopWhen: stepCountIs(5), prompt: "Pay Ada 5" });
  console.log(text);
} catch (error) {
  if (!(error instanceof ReceiptError)) throw error;
  console.log(`nothing was done: ${error.code}`); // no receipt, no action
  process.exitCode = 1;
}
