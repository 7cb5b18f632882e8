/** What a chat model of LangChain was asked and has answered: whole, or in the chunks of a stream. */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AIMessage, AIMessageChunk, BaseMessage } from "@langchain/core/messages";
import type { ChatGenerationChunk } from "@langchain/core/outputs";
import type { Answered, Asked, ToolCall } from "./options.ts";

type CallOptions = Parameters<BaseChatModel["_generate"]>[1] & { readonly tools?: readonly { readonly name?: string; readonly function?: { readonly name: string } }[] };
type Members = { readonly [name: string]: unknown };
interface Generation {
  readonly text: string;
  readonly message?: unknown;
  readonly generationInfo?: Members | undefined;
}
interface Block {
  readonly type?: string;
  readonly id?: string;
  readonly name?: string;
  readonly args?: unknown;
  readonly input?: unknown;
}

const TEXT_BLOCK = /^(text|reasoning|thinking)$/;
const CALL_BLOCK = /^(tool_use|tool_call|tool_call_chunk|input_json_delta)$/;
/** The same calls, as the provider wrote them. */
const RAW_CALLS = "tool_calls";
/** By which LangChain knows messages, whichever copy of it made them. */
const MESSAGE = Symbol.for("langchain.message");

/** Messages and chunks of them: plain values with methods. */
export function isMessage(instance: object): boolean {
  return MESSAGE in instance || ("message" in instance && "generationInfo" in instance);
}

export function askedOf(model: BaseChatModel, messages: readonly BaseMessage[], call: CallOptions): Asked {
  const { ls_provider: provider = model._llmType(), ls_model_name: name = model._llmType() } = model.getLsParams(call);
  const said = messages.map(({ type, content, name, ...more }) => {
    const { tool_calls, tool_call_id } = more as Partial<AIMessage & { readonly tool_call_id: string }>;
    return { type, content, name, tool_calls, tool_call_id };
  });
  const tools = (call.tools ?? []).map((tool) => tool.name ?? tool.function?.name ?? "");
  const params = model.invocationParams(call) as object | undefined;
  return { sdk: "langchain", provider, model: name, messages: said, tools, request: { ...params, ...(tools.length === 0 ? {} : { tool_names: tools }), messages: said } };
}

/** The first of the choices is the text; tool calls are those of all. */
export function answeredOf(generations: readonly Generation[]): Answered {
  const [first, ...others] = generations;
  const { id, text = "", content, usage_metadata: usage, response_metadata, additional_kwargs = {} } = (first?.message ?? {}) as Partial<AIMessage>;
  const about: Members = { ...first?.generationInfo, ...response_metadata };
  const textIn = (...names: readonly string[]): string | undefined => names.map((name) => about[name]).find((value) => typeof value === "string");
  const calls = generations.map(({ message }) => callsOf((message ?? {}) as AIMessage));
  return {
    finishReason: textIn("finish_reason", "stop_reason", "finishReason") ?? null,
    text,
    toolCalls: calls.flat(),
    other: [
      ...blocksOf(content).filter(({ type = "" }) => type !== "text" && !CALL_BLOCK.test(type)).map((block) => ({ type: block.type ?? "unknown", value: block })),
      ...Object.entries(additional_kwargs).filter(([name, value]) => name !== RAW_CALLS && name !== "function_call" && value !== undefined && value !== null).map(([type, value]) => ({ type, value })),
      ...others.map((generation) => ({ type: "choice", value: choiceOf(generation) })),
    ],
    model: textIn("model_name", "model"),
    id, usage,
  };
}

/** What the chunks make, put together for each choice by itself. */
export function generationsOf(chunks: readonly ChatGenerationChunk[]): readonly Generation[] {
  const choices = Object.values(Object.groupBy(chunks, ({ generationInfo }) => String(generationInfo?.["completion"] ?? 0)));
  return choices.map((all) => all!.reduce((whole, chunk) => whole.concat(chunk)));
}

/** Neither part of a tool call nor an end. */
export function isFree({ message, generationInfo }: ChatGenerationChunk): boolean {
  const { content, additional_kwargs, tool_call_chunks = [], tool_calls = [], invalid_tool_calls = [] } = message as AIMessageChunk;
  const isText = typeof content === "string" || content.every(({ type }) => TEXT_BLOCK.test(type));
  return isText && tool_call_chunks.length + tool_calls.length + invalid_tool_calls.length === 0 && Object.keys(additional_kwargs).length === 0 && (generationInfo?.["finish_reason"] ?? null) === null;
}

/** Also those that LangChain has not read, and an agent may. */
function callsOf({ content, tool_calls = [], invalid_tool_calls = [], additional_kwargs = {} }: AIMessage): readonly ToolCall[] {
  const read = [...tool_calls, ...invalid_tool_calls].map((call) => ({ id: call.id, name: call.name ?? "", arguments: call.args as unknown }));
  const { function_call: called, [RAW_CALLS]: raw } = additional_kwargs as { readonly function_call?: { readonly name: string; readonly arguments: string }; readonly [RAW_CALLS]?: readonly { readonly id?: string; readonly type?: string; readonly function?: { readonly name: string; readonly arguments: string } }[] };
  const unread = [
    ...blocksOf(content).filter(({ type = "" }) => type === "tool_use" || type === "tool_call").map(({ id, name = "", args, input }) => ({ id, name, arguments: args ?? input ?? null })),
    ...(raw ?? []).map(({ id, type = "", function: { name, arguments: args } = { name: type, arguments: "" } }) => ({ id, name, arguments: args })),
  ].filter(({ id }) => id === undefined ? read.length === 0 : read.every((call) => call.id !== id));
  return [...read, ...unread, ...(called === undefined || called === null ? [] : [{ name: called.name, arguments: called.arguments }])];
}

function choiceOf({ text, message }: Generation): unknown {
  if (message === undefined) return text;
  const { content, additional_kwargs } = message as AIMessage;
  return { content, additional_kwargs, tool_calls: callsOf(message as AIMessage) };
}

function blocksOf(content: unknown): readonly Block[] {
  return Array.isArray(content) ? (content as readonly Block[]) : [];
}
