/**
 * Anthropic SDK: a client whose messages have receipts before they are handed out, also where stream(), parse() and the tool runner make
 * them. docs/integrations/anthropic.md.
 */
import type Anthropic from "@anthropic-ai/sdk";
import { ReceiptRefused } from "../clients/index.ts";
import { heldBack, ownOptions, type Reading } from "./api-client.ts";
import { twiceAsJson } from "./copy.ts";
import { recorder } from "./core.ts";
import type { Answered, Asked, IntegrationOptions } from "./options.ts";
import { continued } from "./pieces.ts";

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
const FREE_DELTA = /^(text|thinking|signature|citations)_delta$/;

/** A client like `client`, which stays as it is. Calls other than messages.create, also of `beta`, have no receipts. */
export function receiptedAnthropic<Client extends Anthropic>(client: Client, options: IntegrationOptions = {}): Client {
  const copy = client.withOptions({});
  ownOptions({ fetchOptions: copy["fetchOptions"] });
  const withOptions = copy.withOptions.bind(copy);
  copy.withOptions = (more) => receiptedAnthropic(withOptions(more), options) as ReturnType<typeof withOptions>;
  withReceipts(copy.messages, options);
  withReceipts(copy.beta.messages, options);
  const { sessions, environments } = copy.beta as Partial<typeof copy.beta>; // not in every version
  if (sessions !== undefined) sessions.events.toolRunner = refused;
  if (environments !== undefined) environments.work.worker = refused;
  return copy;
}

/** What runs tools here that a model elsewhere has called. */
function refused(): never {
  throw new ReceiptRefused("not_receipted", "the calls of a session's model have no receipts, so its tools are not run by this client");
}

function withReceipts(messages: Messages, options: IntegrationOptions): void {
  const create = (messages.create as (body: Body, request?: Anthropic.RequestOptions) => unknown).bind(messages);
  messages.create = (given: Body, request?: Anthropic.RequestOptions) => {
    const own = ownOptions(request);
    const [body, said] = twiceAsJson(given); // as it is now: it is sent later
    const record = recorder(askedOf(said), options);
    return heldBack(create(body, own), Boolean(body.stream), MESSAGE, record, options.stream);
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
    const blocks: { said: Block; json: string }[] = [];
    let message: MessageRead = { id: "", model: "", content: [], stop_reason: null, usage: null };
    for (const event of events) {
      if (event.type === "message_start") {
        message = event.message as unknown as MessageRead;
        blocks.push(...message.content.map((said) => ({ said, json: "" }))); // none, as a rule
      }
      else if (event.type === "message_delta") message = { ...message, stop_reason: event.delta.stop_reason, usage: { ...(message.usage as object), ...event.usage } };
      else if (event.type === "content_block_start") blocks[event.index] = { said: event.content_block as unknown as Block, json: "" };
      else if (event.type === "content_block_delta") {
        const block = (blocks[event.index] ??= { said: { type: "unknown" }, json: "" });
        const { type, ...delta } = event.delta;
        if (type === "input_json_delta") block.json += (delta as { readonly partial_json: string }).partial_json;
        else block.said = continued(block.said, delta) as Block;
      }
    }
    const content = Object.values(blocks).map(({ said, json }) => (json === "" ? said : { ...said, input: json }));
    return { ...message, content };
  },
  isFree: (event) => (event.type === "message_start" && event.message.content.length === 0) || event.type === "content_block_stop" ||
    (event.type === "content_block_start" && FREE_BLOCK.test(event.content_block.type)) || (event.type === "content_block_delta" && FREE_DELTA.test(event.delta.type)),
};
