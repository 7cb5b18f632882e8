/**
 * OpenAI's client with receipts: an answer of chat.completions that is handed out once it is recorded, and a streamed one. The provider
 * is a fake, so that no key is needed; the daemon is the one of RECEIPTD_SOCKET, or of this folder.
 *
 *     node examples/integrations/openai.ts        (with the built package: npm run -s build)
 */
import OpenAI from "openai";
import { Client } from "receiptd/client";
import { receiptedOpenAI } from "receiptd/openai";

const about = { id: "chatcmpl-1", created: 0, model: "gpt-fake" };
const chunks = ["Approve ", "it."].map((content) => ({ ...about, object: "chat.completion.chunk", choices: [{ index: 0, delta: { content }, finish_reason: null }] }));

/** What the provider would answer. */
async function fake(_: unknown, { body }: { readonly body?: unknown } = {}): Promise<Response> {
  const { stream } = JSON.parse(String(body)) as { readonly stream?: boolean };
  if (stream === true) return new Response(`${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")}data: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
  return Response.json({ ...about, object: "chat.completion", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Approve it.", refusal: null } }] });
}

await using client = new Client({ systemId: "claims_assistant" });
const openai = receiptedOpenAI(new OpenAI({ apiKey: "none", fetch: fake }), { client, text: "full", onReceipt: ({ receiptNumber }) => console.log(receiptNumber) });
const ask = { model: "gpt-fake", messages: [{ role: "user" as const, content: "Claim 17: water damage, 400 EUR. Approve?" }] };

const { choices } = await openai.chat.completions.create(ask);
console.log(choices[0]?.message.content);

let text = "";
for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true })) text += chunk.choices[0]?.delta.content ?? "";
console.log(text);
