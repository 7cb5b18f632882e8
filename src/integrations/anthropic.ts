/**
 * Anthropic SDK: a client whose messages have receipts before they are handed out, also where stream(), parse() and the tool runner make
 * them. docs/integrations/anthropic.md.
 */
import type Anthropic from "@anthropic-ai/sdk";
import { heldBack, type Reading } from "./api-client.ts";
import { recorder } from "./core.ts";
import type { Answered, Asked, IntegrationOptions } from "./options.ts";

export type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";

type Body = Anthropic.MessageCreateParams;
type Event = Anthropic.RawMessageStreamEvent;
/** Of a message, what is read; of its blocks, what more than one kind has. */
interface MessageRead extends Pick<Anthropic.Message, "id" | "stop_reason"> {
  readonly model: string;
  readonly content: readonly Block[];
  readonly usage: unknown;
}
interface Block {
  readonly type: string;
  readonly id?: string;
  readonly name?: string;
  readonly input?: unknown;
  readonly text?: string;
  readonly [name: string]: unknown;
}
interface Messages {
  create: unknown;
}

const PROVIDER = "anthropic";
/** Kinds of blocks that call a tool: tool_use, and those that the provider carries out. */
const CALL = /(^|_)tool_use$/;
const FREE_BLOCK = /^(text|thinking|redacted_thinking)$/;

/** A client like `client`, which stays as it is. Calls other than messages.create, also of `beta`, have no receipts. */
export function receiptedAnthropic<Client extends Anthropic>(client: Client, options: IntegrationOptions = {}): Client {
  const copy = client.withOptions({});
  const withOptions = copy.withOptions.bind(copy);
  copy.withOptions = (more) => receiptedAnthropic(withOptions(more), options) as ReturnType<typeof withOptions>;
  withReceipts(copy.messages, options);
  withReceipts(copy.beta.messages, options);
  return copy;
}

function withReceipts(messages: Messages, options: IntegrationOptions): void {
  const create = (messages.create as (body: Body, request?: Anthropic.RequestOptions) => unknown).bind(messages);
  messages.create = (body: Body, request?: Anthropic.RequestOptions) => {
    const record = recorder(askedOf(body), options);
    return heldBack(create(body, request), body.stream === true, MESSAGE, record, options.stream);
  };
}

function askedOf(body: Body): Asked {
  const { model, system, messages, tools = [] } = body;
  const names = (tools as readonly { readonly name?: string; readonly type?: string }[]).map(({ name, type }) => name ?? type ?? "");
  return { sdk: "anthropic", provider: PROVIDER, model, messages: system === undefined ? messages : [{ role: "system", content: system }, ...messages], tools: names, request: body };
}

const MESSAGE: Reading<MessageRead, Event> = {
  answered({ id, model, stop_reason, content, usage }): Answered {
    return {
      finishReason: stop_reason,
      text: content.map(({ type, text }) => (type === "text" ? text : "")).join(""),
      toolCalls: content.filter(({ type }) => CALL.test(type)).map(({ id, name, input }) => ({ id, name: name ?? "", arguments: input })),
      other: content.filter(({ type }) => type !== "text" && !CALL.test(type)).map((block) => ({ type: block.type, value: block })),
      model, id, usage,
    };
  },
  wholeOf(events) {
    const blocks: { readonly start: Block; readonly text: string[]; readonly json: string[]; readonly members: { [name: string]: string } }[] = [];
    let message: MessageRead = { id: "", model: "", content: [], stop_reason: null, usage: null };
    for (const event of events) {
      if (event.type === "message_start") message = event.message as unknown as MessageRead;
      else if (event.type === "message_delta") message = { ...message, stop_reason: event.delta.stop_reason, usage: { ...(message.usage as object), ...event.usage } };
      else if (event.type === "content_block_start") blocks[event.index] = { start: event.content_block as unknown as Block, text: [], json: [], members: {} };
      else if (event.type === "content_block_delta") {
        const { text, json, members } = blocks[event.index]!;
        const { delta } = event;
        if (delta.type === "text_delta") text.push(delta.text);
        else if (delta.type === "input_json_delta") json.push(delta.partial_json);
        else if (delta.type === "thinking_delta") members["thinking"] = (members["thinking"] ?? "") + delta.thinking;
        else if (delta.type === "signature_delta") members["signature"] = delta.signature;
      }
    }
    const content = blocks.map(({ start, text, json, members }) => ({
      ...start, ...members,
      ...(start.type === "text" ? { text: [start.text, ...text].join("") } : {}),
      ...(json.join("") === "" ? {} : { input: json.join("") }),
    }));
    return { ...message, content };
  },
  isFree: (event) => event.type === "message_start" || event.type === "content_block_delta" || event.type === "content_block_stop" ||
    (event.type === "content_block_start" && FREE_BLOCK.test(event.content_block.type)),
};
