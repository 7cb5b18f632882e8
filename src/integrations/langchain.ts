/**
 * LangChain: a chat model whose every answer has a receipt before it is handed out, and a tool that runs once the receipt of its call is
 * stored. Wrappers and no callback handler: LangChain does not always wait for those. docs/integrations/langchain.md.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AIMessage, AIMessageChunk, BaseMessage } from "@langchain/core/messages";
import type { ChatGenerationChunk } from "@langchain/core/outputs";
import { ReceiptRefused } from "../clients/index.ts";
import { recorder, recorderOf, toolCallOf, withheld } from "./core.ts";
import type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";
import { hashOf } from "./values.ts";

export type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";

/** Of a tool there is no text and no stream. */
export interface ToolOptions extends Pick<IntegrationOptions, "client" | "systemId" | "organization" | "toolArguments" | "hashKey" | "ack" | "timeoutMs" | "blockOnFailedGate"> {
  /** What is recorded as inputs; left out, the tool's name, the call's id and the hash of the arguments. */
  readonly inputs?: (call: ToolCall) => object;
  readonly gates?: (call: ToolCall) => ReturnType<NonNullable<IntegrationOptions["gates"]>>;
  readonly more?: Exclude<IntegrationOptions["more"], (...args: never) => unknown>;
}

type Generate = BaseChatModel["_generate"];
type Stream = BaseChatModel["_streamResponseChunks"];
type CallOptions = Parameters<Generate>[1] & { readonly tools?: readonly { readonly name?: string; readonly function?: { readonly name: string } }[] };

const wrapped = new WeakSet<object>();
/** Where runnables keep others. */
const PLACES = ["bound", "first", "middle", "last", "steps"] as const;
/** By which a model is asked; one that has its own need not come by _generate. */
const ENTRANCES = ["invoke", "stream", "batch", "generate", "generatePrompt"] as const;
const TEXT_BLOCK = /^(text|reasoning|thinking)$/;
const CALL_BLOCK = /^(tool_use|tool_call|tool_call_chunk|input_json_delta)$/;

/** A model like `model`, which stays as it is. What bindTools, withConfig and withStructuredOutput make of it has receipts as well; a cache is not asked. */
export function receiptedModel<Model extends BaseChatModel>(model: Model, options: IntegrationOptions = {}): Model {
  if (typeof model._generate !== "function" || typeof model._streamResponseChunks !== "function") throw new ReceiptRefused("not_receipted", "only a chat model can be given receipts");
  const around = ENTRANCES.find((name) => model[name] !== baseOf(model, name));
  if (around !== undefined) throw new ReceiptRefused("not_receipted", `a model with ${around} of its own may ask another: give receipts to that one`);
  const copy = Object.create(model) as Model;
  wrapped.add(copy);
  const own: { [name: string]: unknown } = {
    cache: undefined,
    _generate: (async (messages, call) => {
      const record = recorder(askedOf(model, messages, call), options);
      const result = await model._generate(messages, call); // without callbacks: tokens of a model that streams inside are no less its answer
      const [first, ...others] = result.generations;
      if (first !== undefined) await record(answeredOf(first.message as AIMessage, first.generationInfo, others));
      return result;
    }) satisfies Generate,
    _streamChatModelEvents: baseOf(model, "_streamChatModelEvents"), // by way of _streamResponseChunks
  };
  if (model._streamResponseChunks !== baseOf(model, "_streamResponseChunks")) {
    own["_streamResponseChunks"] = async function* (messages, call, manager) {
      const record = recorder(askedOf(model, messages, call), options);
      const chunks = withheld(model._streamResponseChunks(messages, call), options.stream, isFree, async (all, interrupted) => {
        if (all.length === 0) return;
        const { message, generationInfo } = all.reduce((whole, chunk) => whole.concat(chunk));
        await record({ ...answeredOf(message as AIMessageChunk, generationInfo, []), ...(interrupted ? { finishReason: null, interrupted } : {}) });
      });
      for await (const chunk of chunks) {
        yield chunk;
        await manager?.handleLLMNewToken(chunk.text, undefined, undefined, undefined, undefined, { chunk });
      }
    } satisfies Stream;
  }
  for (const name of ["bindTools", "withConfig", "withStructuredOutput"] as const) {
    const make = model[name] as ((...args: unknown[]) => unknown) | undefined;
    if (make !== undefined) own[name] = (...args: unknown[]) => secured(make.apply(copy, args), options);
  }
  return Object.assign(copy, own);
}

/** A tool like `tool`, which stays as it is. The receipt says that it is called; without one it does not run. */
export function receiptedTool<Tool extends { readonly name: string; invoke(...args: never[]): unknown }>(tool: Tool, options: ToolOptions = {}): Tool {
  const run = tool as unknown as { _call(input: unknown, manager?: unknown, config?: { readonly toolCall?: { readonly id?: string } }): unknown };
  const { hashKey, inputs, gates, more } = options;
  if (typeof run._call !== "function") throw new ReceiptRefused("not_receipted", "only a tool can be given receipts, not another runnable");
  const _call: typeof run._call = async (input, manager, config) => {
    const call: ToolCall = { id: config?.toolCall?.id, name: tool.name, arguments: input };
    await recorderOf<ToolCall>({
      inputs: inputs === undefined ? { tool: tool.name, ...(call.id === undefined ? {} : { tool_call_id: call.id }), arguments_hash: hashOf(input, hashKey) } : inputs(call),
      decision: () => ({ action: "call_tool", tool_calls: [toolCallOf(call, options)] }),
      more: () => ({ metadata: { tool_call: { sdk: "langchain" } } }),
      gates,
      moreOf: () => more,
    }, options)(call);
    return await run._call(input, manager, config);
  };
  return Object.assign(Object.create(tool) as Tool, { _call });
}

/** As the class has it that all models descend from. */
function baseOf(model: BaseChatModel, name: "_streamResponseChunks" | "_streamChatModelEvents" | (typeof ENTRANCES)[number]): unknown {
  let base: unknown;
  for (let at: object | null = model; at !== null; at = Object.getPrototypeOf(at) as object | null) if (Object.hasOwn(at, name)) base = (at as BaseChatModel)[name];
  return base;
}

/** Some models answer bindTools with a new model of their class: in what was made, every model gets receipts. */
function secured(made: unknown, options: IntegrationOptions): unknown {
  if (typeof made !== "object" || made === null || wrapped.has(made)) return made;
  if (typeof (made as BaseChatModel)._generate === "function") return receiptedModel(made as BaseChatModel, options);
  const holder = made as { [place: string]: unknown };
  for (const place of PLACES) {
    const held = holder[place];
    if (Array.isArray(held)) holder[place] = held.map((item) => secured(item, options));
    else if (typeof held === "object" && held !== null) holder[place] = secured(held, options);
  }
  return made;
}

function askedOf(model: BaseChatModel, messages: readonly BaseMessage[], call: CallOptions): Asked {
  const { ls_provider: provider = model._llmType(), ls_model_name: name = model._llmType() } = model.getLsParams(call);
  const said = messages.map(({ type, content, name, ...more }) => {
    const { tool_calls, tool_call_id } = more as Partial<AIMessage & { readonly tool_call_id: string }>;
    return { type, content, name, tool_calls, tool_call_id };
  });
  const tools = (call.tools ?? []).map((tool) => tool.name ?? tool.function?.name ?? "");
  const params = model.invocationParams(call) as object | undefined;
  return { sdk: "langchain", provider, model: name, messages: said, tools, request: { ...params, ...(tools.length === 0 ? {} : { tool_names: tools }), messages: said } };
}

function answeredOf(message: AIMessage | AIMessageChunk, info: { readonly [name: string]: unknown } = {}, others: readonly { readonly message?: unknown; readonly text: string }[]): Answered {
  const { id, text, content, tool_calls = [], invalid_tool_calls = [], usage_metadata: usage, response_metadata } = message;
  const about = { ...info, ...response_metadata } as { readonly [name: string]: unknown };
  const textIn = (...names: readonly string[]): string | undefined => names.map((name) => about[name]).find((value) => typeof value === "string");
  const blocks = (Array.isArray(content) ? content : []) as readonly { readonly type?: string }[];
  return {
    finishReason: textIn("finish_reason", "stop_reason", "finishReason") ?? null,
    text,
    toolCalls: [...tool_calls, ...invalid_tool_calls].map((call) => ({ id: call.id, name: call.name ?? "", arguments: call.args })),
    other: [
      ...blocks.filter(({ type = "" }) => type !== "text" && !CALL_BLOCK.test(type)).map((block) => ({ type: block.type ?? "unknown", value: block })),
      ...others.map((generation) => ({ type: "choice", value: generation.message ?? generation.text })),
    ],
    model: textIn("model_name", "model"),
    id, usage,
  };
}

function isFree({ message, generationInfo }: ChatGenerationChunk): boolean {
  const { content, additional_kwargs, tool_call_chunks = [], tool_calls = [] } = message as AIMessageChunk;
  const isText = typeof content === "string" || content.every(({ type }) => TEXT_BLOCK.test(type));
  return isText && tool_call_chunks.length === 0 && tool_calls.length === 0 && Object.keys(additional_kwargs).length === 0 && (generationInfo?.["finish_reason"] ?? null) === null;
}
