/**
 * Vercel AI SDK: a middleware for wrapLanguageModel. Every generation has a receipt before generateText, streamText or an agent sees it,
 * and so before any of their tools runs. docs/integrations/ai-sdk.md.
 */
import type { LanguageModelMiddleware } from "ai";
import { recorder, withheld } from "./core.ts";
import type { Answered, Asked, IntegrationOptions } from "./options.ts";

export type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";

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
    async wrapGenerate({ doGenerate, params, model }) {
      const record = recorder(askedOf(params, model), options);
      const result = await doGenerate();
      await record(answeredOf(result));
      return result;
    },
    async wrapStream({ doStream, params, model }) {
      const record = recorder(askedOf(params, model), options);
      const result = await doStream();
      const parts = withheld<Part>(result.stream, options.stream, ({ type }) => FREE.has(type), (all, interrupted) => record({ ...answeredOf(generatedOf(all)), ...(interrupted ? { finishReason: null, interrupted } : {}) }));
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

function answeredOf({ content, finishReason, usage: { inputTokens, outputTokens }, response }: Pick<Generated, "content" | "finishReason" | "usage" | "response">): Answered {
  return {
    finishReason: finishReason.unified,
    text: content.map((part) => (part.type === "text" ? part.text : "")).join(""),
    toolCalls: content.flatMap((part) => (part.type === "tool-call" ? [{ id: part.toolCallId, name: part.toolName, arguments: part.input }] : [])),
    other: content.flatMap((part) => (part.type === "text" || part.type === "tool-call" ? [] : [{ type: part.type, value: part.type === "reasoning" ? part.text : part }])),
    model: response?.modelId,
    id: response?.id,
    usage: { inputTokens, outputTokens },
  };
}

/** What doGenerate would have returned. */
function generatedOf(parts: readonly Part[]): Pick<Generated, "content" | "finishReason" | "usage" | "response"> {
  const content: Generated["content"] = [];
  const texts = new Map<string, { text: string }>();
  let finishReason: Generated["finishReason"] = { unified: "other", raw: undefined };
  let usage: Generated["usage"] = { inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined }, outputTokens: { total: undefined, text: undefined, reasoning: undefined } };
  let response: Generated["response"];
  for (const part of parts) {
    switch (part.type) {
      case "text-start":
      case "reasoning-start": {
        const kind = part.type === "text-start" ? "text" : "reasoning";
        const text = { type: kind, text: "" } as const;
        texts.set(`${kind} ${part.id}`, text);
        content.push(text);
        break;
      }
      case "text-delta":
        texts.get(`text ${part.id}`)!.text += part.delta;
        break;
      case "reasoning-delta":
        texts.get(`reasoning ${part.id}`)!.text += part.delta;
        break;
      case "tool-call":
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
        finishReason = { unified: "error", raw: undefined };
        break;
      case "finish":
        ({ finishReason, usage } = part);
        break;
      default: // where a text ends, what is in its deltas, what is in the tool call that follows
    }
  }
  return { content, finishReason, usage, ...(response === undefined ? {} : { response }) };
}
