/** What OpenAI's responses have answered: whole, or in the events of a stream. */
import type OpenAI from "openai";
import type { Reading } from "./api-client.ts";
import type { Answered } from "./options.ts";
import { isThere } from "./pieces.ts";

type Answer = OpenAI.Responses.Response;
type Event = OpenAI.Responses.ResponseStreamEvent;
/** What is read of an item of the output; of its kinds, what more than one has. */
interface Item {
  readonly type: string;
  readonly id?: string;
  readonly call_id?: string;
  readonly name?: string;
  readonly content?: readonly Part[];
  readonly [name: string]: unknown;
}
interface Part {
  readonly type: string;
  readonly text?: string;
  readonly refusal?: string;
}
interface Read extends Pick<Answer, "id" | "model" | "incomplete_details"> {
  readonly status?: string | null | undefined;
  readonly usage?: unknown;
  readonly output: readonly Item[];
}
/** What is read of an event. */
interface EventRead {
  readonly type: string;
  readonly output_index?: number;
  readonly item?: Item;
  readonly response?: { readonly output?: readonly Item[] };
  readonly delta?: unknown;
  readonly [name: string]: unknown;
}

/** Kinds of events and items that call no tool and end nothing. */
const FREE_EVENT = /^response\.(created|queued|in_progress|content_part\..*|output_text\..*|reasoning.*)$/;
const FREE_ITEM = /^(message|reasoning)$/;
/** Items that call a tool, whoever carries it out, or ask whether it may be called. */
const CALL = /(_call|_approval_request)$/;
/** Where a call has what it is called with, and what else is known of it; more than that is recorded as a hash. */
const CALLED_WITH = ["arguments", "input", "action", "operation", "code", "queries"] as const;
const KNOWN: ReadonlySet<string> = new Set(["type", "id", "call_id", "name", "status", ...CALLED_WITH]);
/** Events that tell pieces of an item, and the member that they are of. */
const PIECES = /^response\.(.+)\.(delta|done)$/;
const MEMBERS = new Map([
  ["function_call_arguments", "arguments"], ["mcp_call_arguments", "arguments"], ["custom_tool_call_input", "input"], ["code_interpreter_call_code", "code"],
]);

export const RESPONSE: Reading<Read, Event> = {
  answered({ id, model, status, output, usage, incomplete_details }): Answered {
    const parts = output.flatMap((item) => partsOf(item));
    const calls = output.filter(({ type }) => CALL.test(type));
    return {
      finishReason: incomplete_details?.reason ?? status ?? null,
      text: parts.map(textOf).join(""),
      toolCalls: calls.map((item) => ({ id: item.call_id ?? item.id, name: item.name ?? item.type, arguments: calledWith(item) })),
      other: [
        ...parts.filter(({ type }) => type !== "output_text").map((part) => ({ type: part.type, value: part.refusal ?? part })),
        ...output.filter((item) => item.type !== "message" && (!CALL.test(item.type) || Object.entries(item).some(([name, value]) => !KNOWN.has(name) && isThere(value)))).map((item) => ({ type: item.type, value: item })),
      ],
      model, id, usage,
    };
  },
  wholeOf(events) {
    const last = events.findLast((event) => "response" in event);
    const { id, model, status, output, usage, incomplete_details } = (last?.response ?? { id: "", model: "", output: [], incomplete_details: null }) as Read;
    return { id, model, status, usage, incomplete_details, output: [...output, ...streamed(events.filter((event) => event !== last) as unknown as readonly EventRead[], output)] };
  },
  isFree: (event) => (FREE_EVENT.test(event.type) && !("response" in event && (event.response.output as Answer["output"] | undefined)?.length)) || (event.type.startsWith("response.output_item.") && "item" in event && FREE_ITEM.test((event.item as { readonly type: string }).type)),
};

/** The items that came in the stream, and that its last event does not tell, or tells otherwise. */
function streamed(events: readonly EventRead[], output: readonly Item[]): readonly Item[] {
  const items = new Map<number, Item>();
  for (const { type, output_index: index = 0, item, delta, response, ...more } of events) {
    for (const [place, told] of (response?.output ?? []).entries()) items.set(place, told);
    if (type === "response.output_item.added" || type === "response.output_item.done") items.set(index, item!);
    const [, kind = "", stage] = PIECES.exec(type) ?? [];
    if (kind === "" || kind === "output_item" || kind === "content_part" || kind === "reasoning_summary_part") continue;
    const before = items.get(index) ?? { type: "message" };
    const name = MEMBERS.get(kind);
    if (name !== undefined) items.set(index, { ...before, [name]: stage === "delta" ? String(before[name] ?? "") + String(delta) : more[name] });
    else if (stage === "delta" && typeof delta === "string") items.set(index, withPiece(before, kind, delta));
    else if (stage === "done" && !hasPiece(before, kind)) items.set(index, withPiece(before, kind, String(more["text"] ?? more["refusal"] ?? more["transcript"] ?? "")));
  }
  const left = [...output]; // two calls may be alike, and each is told once; some servers tell them under other ids
  const isTold = (item: Item, isIt: (one: Item) => boolean): boolean => {
    const told = left.findIndex((one) => one.type === item.type && said(one) === said(item) && isIt(one));
    return told >= 0 && left.splice(told, 1).length > 0;
  };
  return [...items.values()].filter((item) => !isTold(item, ({ id }) => id === item.id)).filter((item) => !isTold(item, () => true))
    .map((item) => (CALL.test(item.type) || output.every(({ type }) => type !== item.type) ? item : { ...item, type: `streamed_${item.type}` }));
}

function hasPiece(item: Item, kind: string): boolean {
  return item.type === "message" ? partsOf(item).some(({ type }) => type === kind) : item[kind] !== undefined;
}

function withPiece(item: Item, kind: string, delta: string): Item {
  if (item.type !== "message") return { ...item, [kind]: String(item[kind] ?? "") + delta };
  const place = kind === "refusal" ? "refusal" : "text";
  const before = partsOf(item).find(({ type }) => type === kind) ?? { type: kind };
  return { ...item, content: [...partsOf(item).filter((part) => part !== before), { ...before, [place]: (before[place] ?? "") + delta }] };
}

/** By which two tellings of an item are compared. */
function said(item: Item): string {
  if (item.type === "message") return partsOf(item).map(textOf).join("");
  return CALL.test(item.type) ? JSON.stringify([item.name, calledWith(item)]) : "";
}

function calledWith(item: Item): unknown {
  return CALLED_WITH.map((name) => item[name]).find(isThere) ?? null;
}

function partsOf(item: Item): readonly Part[] {
  return item.type === "message" ? item.content ?? [] : [];
}

function textOf({ type, text }: Part): string {
  return type === "output_text" ? text ?? "" : "";
}
