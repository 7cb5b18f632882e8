/** What a chat completion of OpenAI, or of a server that speaks its format, has answered: whole, or in the chunks of a stream. */
import type OpenAI from "openai";
import type { Reading } from "./api-client.ts";
import type { Answered, ToolCall } from "./options.ts";
import { continued, isThere } from "./pieces.ts";

type Event = OpenAI.Chat.Completions.ChatCompletionChunk;
interface Members {
  readonly [name: string]: unknown;
}
/** Of a chat, what is read: a stream tells no more. */
interface ChatRead extends Pick<OpenAI.Chat.Completions.ChatCompletion, "id" | "model"> {
  readonly usage?: unknown;
  readonly choices: readonly ChoiceRead[];
}
interface ChoiceRead {
  readonly finish_reason: string | null;
  readonly message: Members & { readonly tool_calls?: readonly CallRead[] | null; readonly function_call?: { readonly name: string; readonly arguments: string } | null };
}
interface CallRead {
  readonly id?: string;
  readonly type?: string;
  readonly function?: { readonly name: string; readonly arguments: string };
  readonly custom?: { readonly name: string; readonly input: string };
}

/** Members of a message that have a place of their own in the receipt. */
const PLACED: ReadonlySet<string> = new Set(["role", "tool_calls", "function_call"]);
/** Members of a delta that call no tool. */
const FREE: ReadonlySet<string> = new Set(["role", "content", "refusal", "audio", "annotations", "reasoning", "reasoning_content", "reasoning_details"]);

export const CHAT: Reading<ChatRead, Event> = {
  answered({ id, model, usage, choices }): Answered {
    const [first, ...others] = choices;
    const { content, ...more } = first?.message ?? {};
    return {
      finishReason: first?.finish_reason ?? null,
      text: typeof content === "string" ? content : "",
      toolCalls: choices.flatMap(({ message }) => [...Object.values(message.tool_calls ?? []).map(callOf), ...(isThere(message.function_call) ? [message.function_call] : [])]),
      other: [
        ...Object.entries({ ...(typeof content === "string" ? {} : { content }), ...more }).filter(([name, value]) => !PLACED.has(name) && isSaid(value)).map(([type, value]) => ({ type, value })),
        ...others.map(({ message }) => ({ type: "choice", value: message })),
      ],
      model, id, usage,
    };
  },
  wholeOf(events) {
    const choices: { finish_reason: string | null; message: Members & { tool_calls: CallRead[] } }[] = [];
    for (const { index, delta, finish_reason } of events.flatMap(({ choices }) => choices)) {
      const choice = (choices[index] ??= { finish_reason: null, message: { content: null, tool_calls: [] } });
      const { tool_calls: parts, ...more } = (delta as Members | null ?? {}) as Members & { readonly tool_calls?: readonly (Members & { readonly index?: number; readonly id?: string })[] | null };
      const { tool_calls: calls } = choice.message;
      for (const part of parts ?? []) {
        const place = placeOf(part, calls.length);
        calls[place] = continued(calls[place], part) as CallRead;
      }
      choice.finish_reason = finish_reason ?? choice.finish_reason;
      choice.message = { ...(continued(choice.message, more) as Members), tool_calls: calls };
    }
    const found = Object.values(choices).map(({ finish_reason, message: { tool_calls, ...message } }) => ({ finish_reason, message: tool_calls.length === 0 ? message : { ...message, tool_calls: Object.values(tool_calls) } }));
    return { id: firstOf(events.map(({ id }) => id)), model: firstOf(events.map(({ model }) => model)), usage: events.findLast(({ usage }) => isThere(usage))?.usage, choices: found };
  },
  isFree: ({ choices }) => choices.every(({ delta, finish_reason }) => !isThere(finish_reason) && Object.entries(delta ?? {}).every(([name, value]) => FREE.has(name) || !isThere(value))),
};

/** Some servers begin with a chunk that says nothing of itself. */
function firstOf(texts: readonly string[]): string {
  return texts.find((text) => isThere(text) && text !== "") ?? "";
}

/** Some servers leave the index out: an id begins a call then, and what has none goes on with the last. */
function placeOf({ index, id }: { readonly index?: number; readonly id?: string }, length: number): number {
  return index ?? (isThere(id) ? length : Math.max(length - 1, 0));
}

function callOf({ id, type, function: called, custom }: CallRead): ToolCall {
  return { id, name: called?.name ?? custom?.name ?? type ?? "", arguments: called?.arguments ?? custom?.input ?? null };
}

/** Servers send empty lists and texts for what there is not. */
function isSaid(value: unknown): boolean {
  return isThere(value) && value !== "" && !(Array.isArray(value) && value.length === 0);
}
