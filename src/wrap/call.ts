/** A `tools/call` taken apart, and what a `tasks/result` asks for: what a receipt says and what the server is sent are made of the same values. */
import type { Json } from "../format/strict-json.ts";
import { type Id, isMembers, type Members, type Message, MessageError, oneLine, TOOL_CALL } from "./message.ts";

export interface Call {
  readonly id: Id;
  readonly tool: string;
  readonly args: Members;
  /** The other parameters: `_meta`, `task`, and what later versions of MCP may add. */
  readonly more: Members;
  readonly isExact: boolean;
  /** What the server is sent. */
  readonly text: string;
}

const NAME = /^[\x21-\x7e]+$/;
const KNOWN: ReadonlySet<string> = new Set(["name", "arguments", "_meta", "task", "taskId"]);
const FOLDED: ReadonlySet<string> = new Set([...KNOWN].map((name) => name.toLowerCase()));
/** UTF-16 code units of a tool's name and a task's id. */
const MAX_NAME = 256;

/** Throws MessageError `bad_call`. */
export function callOf({ params, isExact }: Message, id: Id): Call {
  const bad = (why: string): MessageError => new MessageError("bad_call", why, id);
  if (!isMembers(params)) throw bad("params is an object");
  if (!areUnlike(params)) throw bad("a parameter whose name some servers would take for another's");
  const { name: tool, arguments: args, ...more } = params;
  if (!isName(tool)) throw bad(`name is 1 to ${MAX_NAME} characters, none of them a control character`);
  if (args !== undefined && args !== null && !isMembers(args)) throw bad("arguments is an object");
  const sent: { readonly [name: string]: Json } = isMembers(args) ? { name: tool, arguments: args, ...more } : { name: tool, ...more };
  const text = oneLine(JSON.stringify({ jsonrpc: "2.0", id, method: TOOL_CALL, params: sent }));
  return { id, tool, args: isMembers(args) ? args : {}, more, isExact, text };
}

/** The task that a `tasks/result` asks for. Throws MessageError `bad_call`. */
export function taskOf({ params }: Message, id: Id): string {
  if (!isMembers(params) || !areUnlike(params) || !isName(params["taskId"])) throw new MessageError("bad_call", `taskId is 1 to ${MAX_NAME} characters`, id);
  return params["taskId"];
}

export function isName(value: Json | undefined): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_NAME && value.isWellFormed() && !/\p{Cc}/u.test(value);
}

/** No name is one that matters in another spelling. */
function areUnlike(params: Members): boolean {
  return Object.keys(params).every((name) => NAME.test(name) && (KNOWN.has(name) || !FOLDED.has(name.toLowerCase())));
}
