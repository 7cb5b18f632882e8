/**
 * LangChain: a chat model whose every answer has a receipt before it is handed out, and a tool that runs once the receipt of its call is
 * stored. Wrappers and no callback handler: LangChain does not always wait for those. docs/integrations/langchain.md.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ReceiptRefused } from "../clients/index.ts";
import { copyOf } from "./copy.ts";
import { recorder, withheld } from "./core.ts";
import { answeredOf, askedOf, generationsOf, isFree, isMessage } from "./langchain-answer.ts";
import type { IntegrationOptions, ToolOptions } from "./options.ts";
import { recordCall } from "./tool-call.ts";

export type { Answered, Asked, IntegrationOptions, ToolCall, ToolOptions } from "./options.ts";

type Generate = BaseChatModel["_generate"];
type Stream = BaseChatModel["_streamResponseChunks"];

const wrapped = new WeakSet<object>();
/** Where runnables keep others. */
const PLACES = ["bound", "first", "middle", "last", "steps", "runnable", "runnables", "fallbacks", "mapper", "branches", "default"] as const;
/** By which a model is asked; one that has its own need not come by _generate. */
const ENTRANCES = ["invoke", "stream", "batch", "generate", "generatePrompt", "_streamIterator"] as const;

/** A model like `model`, which stays as it is. What bindTools, withConfig and withStructuredOutput make of it has receipts as well; a cache is not asked. */
export function receiptedModel<Model extends BaseChatModel>(model: Model, options: IntegrationOptions = {}): Model {
  if (typeof model._generate !== "function" || typeof model._streamResponseChunks !== "function") throw new ReceiptRefused("not_receipted", "only a chat model can be given receipts");
  const root = rootOf(model, "_streamResponseChunks");
  const around = ENTRANCES.find((name) => model[name] !== root[name]);
  if (around !== undefined) throw new ReceiptRefused("not_receipted", `a model with ${around} of its own may ask another: give receipts to that one`);
  const copy = Object.create(model) as Model;
  wrapped.add(copy);
  const own: { [name: string]: unknown } = {
    cache: undefined,
    _generate: (async (given, callOptions) => {
      const [messages, call] = ours(given, callOptions);
      const record = recorder(askedOf(model, messages, call), options);
      const result = copyOf(await model._generate(messages, call), isMessage); // without callbacks: tokens of a model that streams inside are no less its answer
      await record(() => answeredOf(result.generations));
      return result;
    }) satisfies Generate,
    _streamChatModelEvents: root["_streamChatModelEvents"], // by way of _streamResponseChunks
  };
  if (model._streamResponseChunks !== root._streamResponseChunks) {
    own["_streamResponseChunks"] = async function* (given, callOptions, manager) {
      const [messages, call] = ours(given, callOptions);
      const record = recorder(askedOf(model, messages, call), options);
      const chunks = withheld(model._streamResponseChunks(messages, call), {
        mode: options.stream, isFree,
        isAborted: () => call.signal?.aborted === true,
        copy: (chunk) => copyOf(chunk, isMessage),
        record: async (all, interrupted) => {
          if (all.length === 0) return;
          await record(() => ({ ...answeredOf(generationsOf(all)), ...(interrupted ? { finishReason: null, interrupted } : {}) }));
        },
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
  const run = tool as unknown as { readonly invoke: unknown; _call(input: unknown, manager?: unknown, config?: { readonly toolCall?: { readonly id?: string } }): unknown };
  if (typeof run._call !== "function") throw new ReceiptRefused("not_receipted", "only a tool can be given receipts, not another runnable");
  if (run.invoke !== rootOf(run, "invoke").invoke) throw new ReceiptRefused("not_receipted", "a tool with an invoke of its own may run without being called");
  const _call: typeof run._call = async (given, manager, config) => {
    const input = copyOf(given); // nobody else's: what is recorded is what the tool gets
    await recordCall({ id: config?.toolCall?.id, name: tool.name, arguments: input }, "langchain", options);
    return await run._call(input, manager, config);
  };
  return Object.assign(Object.create(tool) as Tool, { _call, ...("func" in tool ? { func: _call } : {}) });
}

/** Nobody else's: what is recorded is what is sent. */
function ours<Messages extends readonly object[], Options extends object>(messages: Messages, call: Options): [Messages, Options] {
  return [copyOf(messages, isMessage), copyOf(call)];
}

/** The class that all models, or all tools, descend from: the first that has this method. */
function rootOf<T extends object>(instance: T, method: string): T {
  let root = instance;
  for (let at: object | null = instance; at !== null; at = Object.getPrototypeOf(at) as object | null) if (Object.hasOwn(at, method)) root = at as T;
  return root;
}

/** Some models answer bindTools with a new model of their class: in what was made, every model gets receipts. */
function secured(made: unknown, options: IntegrationOptions): unknown {
  if (typeof made !== "object" || made === null || wrapped.has(made)) return made;
  if (typeof (made as BaseChatModel)._generate === "function") return receiptedModel(made as BaseChatModel, options);
  const holder = made as { [place: string]: unknown };
  for (const place of PLACES) if (Object.hasOwn(holder, place)) holder[place] = securedIn(holder[place], options);
  return made;
}

/** Lists and plain objects hold steps by their place or name. */
function securedIn(held: unknown, options: IntegrationOptions): unknown {
  if (Array.isArray(held)) return held.map((item) => securedIn(item, options));
  if (typeof held !== "object" || held === null || Object.getPrototypeOf(held) !== Object.prototype) return secured(held, options);
  return Object.fromEntries(Object.entries(held).map(([name, item]) => [name, securedIn(item, options)]));
}
