/**
 * Vercel AI SDK: a middleware for wrapLanguageModel. Every generation has a receipt before generateText, streamText or an agent sees it,
 * and so before any of their tools runs. docs/integrations/ai-sdk.md.
 */
import type { LanguageModelMiddleware } from "ai";
import { copyOf } from "./copy.ts";
import { recorder, withheld } from "./core.ts";
import type { Answered, Asked, IntegrationOptions } from "./options.ts";

export { receiptedRepair, receiptedTools } from "./ai-sdk-tools.ts";
export type { Answered, Asked, IntegrationOptions, ToolCall, ToolOptions } from "./options.ts";

type WrapGenerate = NonNullable<LanguageModelMiddleware["wrapGenerate"]>;
type WrapStream = NonNullable<LanguageModelMiddleware["wrapStream"]>;
type Call = Parameters<WrapGenerate>[0];
type Generated = Awaited<ReturnType<WrapGenerate>>;
type Streamed = Awaited<ReturnType<WrapStream>>;
type Part = Streamed["stream"] extends ReadableStream<infer P> ? P : never;

/** Parts that neither call a tool nor end anything. */
const FREE: ReadonlySet<Part["type"]> = new Set<Part["type"]>([
  "stream-start", "response-metadata", "text-start", "text-delta", "text-end", "reasoning-start", "reasoning-delta", "reasoning-end",
]);

/** Put it first in a list of middlewares: what stands before it could change what is handed out. */
export function receiptMiddleware(options: IntegrationOptions = {}): LanguageModelMiddleware {
  return {
    specificationVersion: "v3",
    async transformParams({ params }) {
      return copyOf(params); // nobody else's: what is recorded is what is sent
    },
    async wrapGenerate({ doGenerate, params, model }) {
      const record = recorder(askedOf(params, model), options);
      const result = copyOf(await doGenerate()); // nobody else's: what is recorded is what is handed out
      await record(() => answeredOf(answerRead(result)));
      return result;
    },
    async wrapStream({ doStream, params, model }) {
      const record = recorder(askedOf(params, model), options);
      const result = await doStream();
      const parts = withheld<Part>(result.stream, {
        mode: options.stream,
        isFree: ({ type }) => FREE.has(type),
        isAborted: () => params.abortSignal?.aborted === true,
        record: (all, interrupted) => record(() => ({ ...answeredOf(generatedOf(all)), ...(interrupted ? { finishReason: null, interrupted } : {}) })),
      });
      return { ...result, stream: ReadableStream.from(await begun(parts)) };
    },
  };
}

/** With its first part at hand: without a receipt the call itself fails, as it does when the provider is away. */
async function begun<T>(parts: AsyncGenerator<T, void, undefined>): Promise<AsyncGenerator<T, void, undefined>> {
  const first = await parts.next();
  return (async function* () {
    try {
      if (first.done === true) return;
      yield first.value;
      yield* parts;
    } finally {
      await parts.return();
    }
  })();
}

function askedOf(params: Call["params"], { provider, modelId }: Call["model"]): Asked {
  const { abortSignal: _, headers: __, ...request } = params;
  return { sdk: "ai", provider, model: modelId, messages: request.prompt, tools: (request.tools ?? []).map(({ name }) => name), request };
}

interface AnswerRead extends Pick<Generated, "content"> {
  readonly finishReason: string | null;
  readonly usage?: Generated["usage"] | undefined;
  readonly response?: Generated["response"] | undefined;
  /** Of tools whose call never came. */
  readonly unfinished: readonly unknown[];
}

function answerRead({ finishReason, ...read }: Generated): AnswerRead {
  return { ...read, finishReason: finishReason.unified, unfinished: [] };
}

function answeredOf({ content, finishReason, usage, response, unfinished }: AnswerRead): Answered {
  return {
    finishReason,
    text: content.map((part) => (part.type === "text" ? part.text : "")).join(""),
    toolCalls: content.flatMap((part) => (part.type === "tool-call" ? [{ id: part.toolCallId, name: part.toolName, arguments: part.input }] : [])),
    other: [
      ...content.flatMap((part) => (part.type === "text" || part.type === "tool-call" ? [] : [{ type: part.type, value: part.type === "reasoning" ? part.text : part }])),
      ...unfinished.map((value) => ({ type: "tool-input", value })),
    ],
    model: response?.modelId,
    id: response?.id,
    usage: { inputTokens: usage?.inputTokens, outputTokens: usage?.outputTokens },
  };
}

/** What doGenerate would have returned. */
function generatedOf(parts: readonly Part[]): AnswerRead {
  const content: Generated["content"] = [];
  const texts = new Map<string, { text: string }>();
  const inputs = new Map<string, { readonly name: string; input: string }>();
  const textOf = (type: "text" | "reasoning", id: string): { text: string } => {
    const text = { type, text: "" };
    texts.set(`${type} ${id}`, text);
    content.push(text);
    return text;
  };
  const append = (type: "text" | "reasoning", id: string, delta: string): void => {
    (texts.get(`${type} ${id}`) ?? textOf(type, id)).text += delta;
  };
  let finishReason: string | null = null;
  let usage: AnswerRead["usage"];
  let response: AnswerRead["response"];
  for (const part of parts) {
    switch (part.type) {
      case "text-start":
        textOf("text", part.id);
        break;
      case "reasoning-start":
        textOf("reasoning", part.id);
        break;
      case "text-delta":
        append("text", part.id, part.delta);
        break;
      case "reasoning-delta":
        append("reasoning", part.id, part.delta);
        break;
      case "tool-input-start":
        inputs.set(part.id, { name: part.toolName, input: "" });
        break;
      case "tool-input-delta":
        if (inputs.has(part.id)) inputs.get(part.id)!.input += part.delta;
        break;
      case "tool-call":
        inputs.delete(part.toolCallId);
        content.push(part);
        break;
      case "tool-result":
      case "tool-approval-request":
      case "file":
      case "source":
        content.push(part);
        break;
      case "response-metadata":
        response = part;
        break;
      case "error":
        finishReason = "error";
        break;
      case "finish":
        finishReason = part.finishReason.unified;
        ({ usage } = part);
        break;
      default: // where something begins and ends, and what the provider sent for parts that are here
    }
  }
  return { content, finishReason, usage, response, unfinished: [...inputs].map(([id, input]) => ({ id, ...input })) };
}
