/**
 * JSON-RPC 2.0, one message a line (docs/PROTOCOL.md). Everything here is written by strangers: it goes through the strict parser, and
 * every refusal has a code, a pointer into the message as it was sent, and a sentence that says what to do.
 */
import { ChainError } from "../chains/errors.ts";
import { FormatError } from "../format/errors.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { type Json, parseStrict } from "../format/strict-json.ts";
import { LedgerError } from "../ledger/errors.ts";

export type RpcId = string | number | null;

export interface Call {
  readonly id: RpcId;
  readonly method: string;
  readonly params: { readonly [name: string]: Json };
}

/** An answer that is an error. `code` is the stable text in `data.code`; the number is JSON-RPC's class. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: string;
  readonly data: { readonly [name: string]: Json };
  /** The id of the call, where it could be read. */
  id: RpcId = null;

  constructor(code: string, message: string, data: { readonly [name: string]: Json } = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = data;
  }
}

/** JSON-RPC's number for each of our codes; those of a refused receipt are -32602, Invalid params. */
const NUMBERS: Readonly<Record<string, number>> = {
  bad_json: -32700, not_utf8: -32700, message_too_large: -32700, incomplete_line: -32700, line_timeout: -32700,
  bad_request: -32600, id_required: -32600, batch_not_supported: -32600, too_many_connections: -32600, too_many_errors: -32600,
  unknown_method: -32601,
  conflict: -32001, not_found: -32002, disk_full: -32003, ledger_behind: -32004, forked: -32004, shutting_down: -32005, timeout: -32006,
  too_many_organizations: -32007, ledger_io: -32008, ledger_corrupt: -32008, ledger_failed: -32008, ledger_busy: -32008, receipt_damaged: -32008, chains_unreadable: -32008, overloaded: -32009, anchoring_overdue: -32010,
  key_file_damaged: -32011, key_file_mode: -32011, wrong_root_key: -32011, epoch_passed: -32011, key_unknown: -32011, key_in_use: -32011,
  attestation_refused: -32012,
  chain_closed: -32013, chain_full: -32013, too_many_chains: -32013,
  wrong_checkpoint_key: -32011, kms_unavailable: -32011, kms_denied: -32011,
  internal: -32603,
};

/** Codes after which the very same call may succeed later. */
const RETRY: ReadonlySet<string> = new Set(["disk_full", "shutting_down", "timeout", "overloaded", "ledger_busy", "too_many_connections", "anchoring_overdue", "too_many_chains"]);

/** message + params + receipt: a receipt's own depth of 32 begins two levels down, in append_many three. */
const DEPTH = 34;

/** Parses one line; an RpcError carries the id where the line was good enough to have one. */
export function parseCall(line: Uint8Array): Call {
  const message = parseMessage(fromUtf8(line));
  if (Array.isArray(message)) {
    throw new RpcError("batch_not_supported", "JSON-RPC batches are not taken: send one message a line, or use append_many");
  }
  if (typeof message !== "object" || message === null) throw new RpcError("bad_request", "a message is a JSON object");
  const fields = message as { readonly [name: string]: Json };
  const id = fields["id"];
  if (id === undefined || id === null) {
    throw new RpcError("id_required", "every call needs an id: without one there is no acknowledgement, and without that no action");
  }
  if ((typeof id !== "string" && typeof id !== "number") || String(id).length > 256) {
    throw new RpcError("bad_request", "id is a number or a string of at most 256 characters", { pointer: "/id" });
  }
  try {
    return { id, ...readCall(fields) };
  } catch (error) {
    if (error instanceof RpcError) error.id = id;
    throw error;
  }
}

function readCall(fields: { readonly [name: string]: Json }): Omit<Call, "id"> {
  for (const name of Object.keys(fields)) {
    if (name !== "jsonrpc" && name !== "id" && name !== "method" && name !== "params") {
      throw new RpcError("bad_request", `unknown member ${name.slice(0, 64)}: a message has jsonrpc, id, method and params`);
    }
  }
  if (fields["jsonrpc"] !== "2.0") throw new RpcError("bad_request", 'jsonrpc must be "2.0"', { pointer: "/jsonrpc" });
  const { method, params = {} } = fields;
  if (typeof method !== "string") throw new RpcError("bad_request", "method must be a string", { pointer: "/method" });
  if (typeof params !== "object" || params === null || Array.isArray(params)) {
    throw new RpcError("bad_request", "params must be an object", { pointer: "/params" });
  }
  return { method, params: params as { readonly [name: string]: Json } };
}

/** A receipt in a list is one level further in. */
function parseMessage(text: string): Json {
  if (text.includes('"append_many"')) {
    const message = parseStrict(text, { maxDepth: DEPTH + 1 });
    if ((message as { method?: Json } | null)?.method === "append_many") return message;
  }
  return parseStrict(text, { maxDepth: DEPTH });
}

/** The line of an answer; `result` is JSON text. */
export function resultLine(id: RpcId, result: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}\n`;
}

/** The line of an error, whatever was thrown. What is not of our making says no more than `internal`. A stranger's name may be cut in two. */
export function errorLine(id: RpcId, error: unknown): string {
  const { code, message, data } = describe(error);
  const number = NUMBERS[code] ?? -32602;
  const body = { code: number, message: message.toWellFormed(), data: { code, ...data, retry: RETRY.has(code) } };
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${JSON.stringify(body)}}\n`;
}

/** Is it for the caller, or is it ours? */
export function isRefusal(error: unknown): boolean {
  return error instanceof RpcError || error instanceof FormatError || error instanceof LedgerError || error instanceof ChainError;
}

function describe(error: unknown): { readonly code: string; readonly message: string; readonly data: { readonly [name: string]: Json } } {
  if (error instanceof RpcError) return error;
  if (error instanceof FormatError) {
    const at = error.pointer === undefined || error.pointer === "" ? "" : `${error.pointer}: `;
    return { code: error.code, message: (at + error.message).slice(0, 2000), data: error.pointer === undefined ? {} : { pointer: error.pointer.slice(0, 2000).toWellFormed() } };
  }
  if (error instanceof ChainError) {
    const { code, message, pointer, receiptId } = error;
    return { code, message, data: { ...(pointer === undefined ? {} : { pointer }), ...(receiptId === undefined ? {} : { receipt_id: receiptId }) } };
  }
  if (error instanceof LedgerError) return { code: error.code, message: error.message, data: {} };
  return { code: "internal", message: "an error inside receiptd; nothing was stored; the log has the details", data: {} };
}
