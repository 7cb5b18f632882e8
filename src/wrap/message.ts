/**
 * One line of JSON-RPC as this proxy and every server behind it read it alike. Servers differ in what they make of odd messages: some match
 * names whatever their case, some end a line at CR or U+2028, the last of two equal names wins here and the first there. A tool call that
 * only the server sees would have no receipt, so a message has exactly the members that JSON-RPC gives it, and all else is refused.
 */
import { fromUtf8 } from "../format/bytes.ts";
import { FormatError } from "../format/errors.ts";
import type { Json } from "../format/strict-json.ts";
import { isLiteral, readJson } from "./lax-json.ts";

export type Id = string | number;
export type Members = { readonly [name: string]: Json };

export interface Message {
  /** The line, without its end; nobody's line ends within it. */
  readonly text: string;
  readonly isExact: boolean;
  /** null: an error about nothing in particular; undefined: a notification. */
  readonly id: Id | null | undefined;
  /** undefined: an answer. */
  readonly method: string | undefined;
  readonly params: Json | undefined;
  readonly answer: { readonly result: Json } | { readonly error: Json } | undefined;
}

/** A line that is not passed on. */
export class MessageError extends Error {
  override readonly name = "MessageError";
  readonly code: string;
  /** Of the message, so far as it can be told; for an answer to it. */
  readonly id: Id | null;

  constructor(code: string, message: string, id: Id | null) {
    super(message);
    this.code = code;
    this.id = id;
  }
}

export const TOOL_CALL = "tools/call";
/** Of a task (MCP), which a tool call has begun. */
export const TASK_RESULT = "tasks/result";
/** The code of a request whose id has no answer yet. */
export const DUPLICATE_ID = "duplicate_id";
/** UTF-16 code units. */
const MAX_ID = 1024;
/** Printable ASCII: a name that looks like another is none. */
const METHOD = /^[\x21-\x7e]{1,256}$/;
const RECORDED: ReadonlySet<string> = new Set([TOOL_CALL, TASK_RESULT]);
const MEMBERS: ReadonlySet<string> = new Set(["jsonrpc", "id", "method", "params", "result", "error"]);

/** Throws MessageError. */
export function readMessage(bytes: Uint8Array): Message {
  let text = "";
  try {
    text = fromUtf8(bytes);
    const { value, isExact } = readJson(text);
    return messageOf(value, oneLine(text), isExact);
  } catch (error) {
    if (error instanceof FormatError) throw new MessageError(error.code, `not a message that has one meaning: ${error.message}`, looseId(text));
    throw error;
  }
}

function messageOf(value: Json, text: string, isExact: boolean): Message {
  if (Array.isArray(value)) throw new MessageError("batch_not_supported", "batches are not passed on: send one message a line", null);
  if (!isMembers(value)) throw new MessageError("bad_message", "a message is an object", null);
  const { id, method, params } = value;
  const flaw = flawOf(value);
  if (flaw !== undefined) throw new MessageError("bad_message", flaw, isId(id) ? id : null);
  const answer = method !== undefined ? undefined : Object.hasOwn(value, "result") ? { result: value["result"]! } : { error: value["error"]! };
  return { text, isExact, id: id as Id | null | undefined, method: method as string | undefined, params, answer };
}

function flawOf(message: Members): string | undefined {
  const { jsonrpc, id, method } = message;
  const has = (name: string): boolean => Object.hasOwn(message, name);
  if (Object.keys(message).some((name) => !MEMBERS.has(name))) return "a message has jsonrpc, id, method and params, or result, or error, and nothing else";
  if (jsonrpc !== "2.0") return "jsonrpc has to be 2.0";
  if (has("method")) {
    if (typeof method !== "string" || !METHOD.test(method)) return "a method is 1 to 256 printable ASCII characters";
    if (!RECORDED.has(method) && RECORDED.has(method.toLowerCase())) return `a method that differs from ${method.toLowerCase()} in case alone`;
    if (has("result") || has("error")) return "a message is a request or an answer, not both";
    return !has("id") || isId(id) ? undefined : "an id is a text or a whole number";
  }
  if (has("params") || has("result") === has("error")) return "an answer has either result or error";
  return isId(id) || (id === null && has("error")) ? undefined : "an id is a text or a whole number";
}

export function isMembers(value: Json | undefined): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isLiteral(value);
}

function isId(value: unknown): value is Id {
  return typeof value === "string" ? value.length <= MAX_ID : Number.isSafeInteger(value);
}

/** By whatever reading: an error that nobody waits for does no harm. */
function looseId(text: string): Id | null {
  try {
    const { id } = JSON.parse(text) as { readonly id?: unknown };
    return isId(id) ? id : null;
  } catch {
    return null;
  }
}

/** The same JSON without what some readers take for the end of a line: CR is white space between values, the others are in strings. */
export function oneLine(text: string): string {
  return text.replaceAll("\r", " ").replaceAll(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
