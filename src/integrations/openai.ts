/**
 * OpenAI SDK: a client whose chat completions and responses have receipts before they are handed out, also where parse(), stream() and
 * runTools() make them. docs/integrations/openai.md.
 */
import type OpenAI from "openai";
import { ReceiptRefused } from "../clients/index.ts";
import { heldBack, type Reading } from "./api-client.ts";
import { recorder } from "./core.ts";
import type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";

export type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";

type Chat = OpenAI.Chat.Completions.ChatCompletion;
type ChatEvent = OpenAI.Chat.Completions.ChatCompletionChunk;
type ChatBody = OpenAI.Chat.Completions.ChatCompletionCreateParams;
type Answer = OpenAI.Responses.Response;
type AnswerEvent = OpenAI.Responses.ResponseStreamEvent;
type AnswerBody = OpenAI.Responses.ResponseCreateParams;
/** Of a chat, what is read: a stream tells no more. */
interface ChatRead extends Pick<Chat, "id" | "model"> {
  readonly usage?: unknown;
  readonly choices: readonly ChoiceRead[];
}
interface ChoiceRead {
  finish_reason: string | null;
  readonly message: {
    content: string | null;
    refusal: string | null;
    readonly tool_calls?: readonly CallRead[];
    readonly function_call?: { readonly name: string; readonly arguments: string } | null;
    readonly audio?: unknown;
  };
}
interface CallRead {
  readonly id: string;
  readonly type?: string;
  readonly function?: { name: string; arguments: string };
  readonly custom?: { readonly name: string; readonly input: string };
}

const PROVIDER = "openai";
/** Kinds of events and items of a response that call no tool and end nothing. */
const FREE_EVENT = /^response\.(created|queued|in_progress|content_part\..*|output_text\..*|reasoning.*)$/;
const FREE_ITEM = /^(message|reasoning)$/;

/** A client like `client`, which stays as it is. Calls other than chat.completions.create and responses.create have no receipts. */
export function receiptedOpenAI<Client extends OpenAI>(client: Client, options: IntegrationOptions = {}): Client {
  const copy = client.withOptions({});
  const withOptions = copy.withOptions.bind(copy);
  copy.withOptions = (more) => receiptedOpenAI(withOptions(more), options) as ReturnType<typeof withOptions>;

  const { completions } = copy.chat;
  const complete = completions.create.bind(completions) as (body: ChatBody, request?: OpenAI.RequestOptions) => unknown;
  completions.create = ((body: ChatBody, request?: OpenAI.RequestOptions) => {
    const record = recorder(askedOf(body, body.messages), options);
    return heldBack(complete(body, request), body.stream === true, CHAT, record, options.stream);
  }) as typeof completions.create;

  const { responses } = copy;
  const respond = responses.create.bind(responses) as (body: AnswerBody, request?: OpenAI.RequestOptions) => unknown;
  responses.create = ((body: AnswerBody, request?: OpenAI.RequestOptions) => {
    if (body.background === true) throw new ReceiptRefused("not_receipted", "a response in the background is fetched later, without a receipt");
    const { input = [], instructions } = body;
    const said = typeof input === "string" ? [{ role: "user", content: input }] : input;
    const record = recorder(askedOf(body, typeof instructions === "string" ? [{ role: "system", content: instructions }, ...said] : said), options);
    return heldBack(respond(body, request), body.stream === true, RESPONSE, record, options.stream);
  }) as typeof responses.create;
  return copy;
}

function askedOf(body: ChatBody | AnswerBody, messages: readonly unknown[]): Asked {
  const tools = (body.tools ?? []) as readonly { readonly type: string; readonly name?: string; readonly function?: { readonly name: string }; readonly custom?: { readonly name: string } }[];
  return { sdk: "openai", provider: PROVIDER, model: body.model ?? "", messages, tools: tools.map((tool) => tool.function?.name ?? tool.custom?.name ?? tool.name ?? tool.type), request: body };
}

const CHAT: Reading<ChatRead, ChatEvent> = {
  answered({ id, model, usage, choices }): Answered {
    const [first, ...others] = choices;
    const { refusal, audio, content } = first?.message ?? { content: null, refusal: null };
    return {
      finishReason: first?.finish_reason ?? null,
      text: content ?? "",
      toolCalls: choices.flatMap(({ message }) => [...(message.tool_calls ?? []).map(callOf), ...(isThere(message.function_call) ? [message.function_call] : [])]),
      other: [
        ...(isThere(refusal) ? [{ type: "refusal", value: refusal }] : []),
        ...(isThere(audio) ? [{ type: "audio", value: audio }] : []),
        ...others.map(({ message }) => ({ type: "choice", value: message })),
      ],
      model, id, usage,
    };
  },
  wholeOf(events) {
    const choices: (ChoiceRead & { readonly message: { tool_calls: (CallRead & { readonly function: { name: string; arguments: string } })[] } })[] = [];
    for (const { index, delta, finish_reason } of events.flatMap(({ choices }) => choices)) {
      const choice = (choices[index] ??= { finish_reason: null, message: { content: null, refusal: null, tool_calls: [] } });
      const { message } = choice;
      choice.finish_reason = finish_reason ?? choice.finish_reason;
      if (isThere(delta.content)) message.content = (message.content ?? "") + delta.content;
      if (isThere(delta.refusal)) message.refusal = (message.refusal ?? "") + delta.refusal;
      const parts = !isThere(delta.function_call) ? (delta.tool_calls ?? []) : [{ index: 0, id: "", function: delta.function_call }];
      for (const part of parts) {
        const call = (message.tool_calls[placeOf(part, message.tool_calls.length)] ??= { id: part.id ?? "", function: { name: "", arguments: "" } });
        call.function.name += part.function?.name ?? "";
        call.function.arguments += part.function?.arguments ?? "";
      }
    }
    return { id: events[0]?.id ?? "", model: events[0]?.model ?? "", usage: events.findLast(({ usage }) => isThere(usage))?.usage, choices: Object.values(choices) };
  },
  isFree: ({ choices }) => choices.every(({ delta, finish_reason }) => !isThere(finish_reason) && !isThere(delta.tool_calls) && !isThere(delta.function_call)),
};

/** Some servers leave the index out: an id begins a call then, and what has none goes on with the last. */
function placeOf({ index, id }: { readonly index?: number; readonly id?: string }, length: number): number {
  return index ?? (isThere(id) ? length : Math.max(length - 1, 0));
}

function isThere<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

function callOf({ id, type, function: called, custom }: CallRead): ToolCall {
  return { id, name: called?.name ?? custom?.name ?? type ?? "", arguments: called?.arguments ?? custom?.input ?? null };
}

/** An item of a response's output that calls a tool, whoever carries it out. */
type CallItem = { readonly type: string; readonly id?: string; readonly call_id?: string; readonly name?: string; readonly arguments?: unknown; readonly input?: unknown; readonly action?: unknown };

const RESPONSE: Reading<Pick<Answer, "id" | "model" | "status" | "output" | "usage" | "incomplete_details">, AnswerEvent> = {
  answered({ id, model, status, output, usage, incomplete_details }): Answered {
    const parts = output.flatMap((item) => (item.type === "message" ? item.content : []));
    return {
      finishReason: incomplete_details?.reason ?? status ?? null,
      text: parts.map((part) => (part.type === "output_text" ? part.text : "")).join(""),
      toolCalls: output.filter(({ type }) => type.endsWith("_call")).map((item) => {
        const { type, id, call_id = id, name = type, ...call } = item as CallItem;
        return { id: call_id, name, arguments: call.arguments ?? call.input ?? call.action ?? null };
      }),
      other: [
        ...parts.flatMap((part) => (part.type === "refusal" ? [{ type: "refusal", value: part.refusal }] : [])),
        ...output.filter(({ type }) => type !== "message" && !type.endsWith("_call")).map((item) => ({ type: item.type, value: item })),
      ],
      model, id, usage,
    };
  },
  wholeOf(events) {
    const last = events.findLast((event) => "response" in event);
    const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
    const partial: Answer["output"] = [{ type: "message", id: "", role: "assistant", status: "incomplete", content: [{ type: "output_text", text, annotations: [] }] }];
    const calls = events.flatMap((event) => (event.type === "response.output_item.done" && event.item.type !== "message" ? [event.item] : [])); // where no last event tells all
    const { id, model, status, output, usage, incomplete_details } = last?.response ?? { id: "", model: "", output: [], incomplete_details: null };
    return { id, model, output: output.length > 0 ? output : [...partial, ...calls], incomplete_details, ...(status === undefined ? {} : { status }), ...(usage === undefined ? {} : { usage }) };
  },
  isFree: (event) => FREE_EVENT.test(event.type) || (event.type.startsWith("response.output_item.") && "item" in event && FREE_ITEM.test((event.item as { readonly type: string }).type)),
};
