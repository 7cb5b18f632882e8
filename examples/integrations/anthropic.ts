/**
 * Anthropic's client with receipts, and a gate: an answer that calls a tool with too large an amount is recorded as not executed and not
 * handed out. The provider is a fake, so that no key is needed; the daemon is the one of RECEIPTD_SOCKET, or of this folder.
 *
 *     node examples/integrations/anthropic.ts        (with the built package: npm run -s build)
 */
import Anthropic from "@anthropic-ai/sdk";
import { Client, DecisionBlocked } from "receiptd/client";
import { receiptedAnthropic } from "receiptd/anthropic";

const LIMIT = 1000;
const amounts = [5, 5000];

/** What the provider would answer: a call of the tool, with a larger amount each time. */
async function fake(): Promise<Response> {
  const content = [{ type: "tool_use", id: "toolu_1", name: "pay", input: { amount: amounts.shift() } }];
  return Response.json({ id: "msg_1", type: "message", role: "assistant", model: "claude-fake", content, stop_reason: "tool_use", stop_sequence: null, usage: { input_tokens: 20, output_tokens: 5 } });
}

await using client = new Client({ systemId: "payments_assistant" });
const anthropic = receiptedAnthropic(new Anthropic({ apiKey: "none", fetch: fake }), {
  client,
  blockOnFailedGate: true,
  gates: ({ toolCalls }) => toolCalls.map((call) => ({ name: "amount_limit", status: (call.arguments as { readonly amount: number }).amount <= LIMIT ? "PASS" : "FAIL", limit: LIMIT })),
  onReceipt: ({ receiptNumber }) => console.log(receiptNumber),
});

for (let n = 0; n < 2; n++) {
  try {
    const { content } = await anthropic.messages.create({ model: "claude-fake", max_tokens: 100, messages: [{ role: "user", content: "Pay the next bill" }] });
    console.log("paid", JSON.stringify(content.map((block) => (block.type === "tool_use" ? block.input : null))));
  } catch (error) {
    if (!(error instanceof DecisionBlocked)) throw error;
    console.log(`blocked: ${error.message}`);
  }
}
