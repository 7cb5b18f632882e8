/** What this proxy itself says to a client: errors of JSON-RPC, by their numbers, and why. */
import { ReceiptError } from "../clients/errors.ts";
import { DUPLICATE_ID, type Id, type MessageError, oneLine } from "./message.ts";

/** Of JSON-RPC: a message that is not one, and parameters that are wrong. Ours: no receipt, and so not executed, or its result withheld. */
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const NOT_EXECUTED = -32050;
const WITHHELD = -32051;

interface Data {
  readonly code: string;
  /** null: nobody knows. */
  readonly executed: boolean | null;
  readonly receipt_id?: string | undefined;
}

/** Codes of receipts that are too large to be stored, and what helps. */
const TOO_LARGE: ReadonlySet<string> = new Set(["too_large", "message_too_large"]);

export function refused({ code, message, id }: MessageError): string {
  const executed = code === DUPLICATE_ID ? null : false; // the client may take it for the answer to its first request of that id
  return errorLine(id, code === "bad_call" ? INVALID_PARAMS : INVALID_REQUEST, `receiptd wrap: not passed on: ${message}`, { code, executed });
}

export function notExecuted(id: Id, error: unknown): string {
  const { code, message, receiptId } = reasonOf(error);
  const advice = TOO_LARGE.has(code) ? "; receiptd wrap --hash-inputs keeps only the hash of arguments" : "";
  return errorLine(id, NOT_EXECUTED, `The tool was not called, for no receipt of the call could be had: ${message} (${code})${advice}`, { code, executed: false, receipt_id: receiptId });
}

export function withheld(id: Id, error: unknown, receiptId: string | null): string {
  const { code, message } = reasonOf(error);
  return errorLine(id, WITHHELD, `The tool was called, but its result is withheld, for no receipt of the result could be had: ${message} (${code})`, { code, executed: true, receipt_id: receiptId ?? undefined });
}

/** Of a call that the server has, and whose answer nobody can be given. */
export function lost(id: Id, code: string, why: string): string {
  return errorLine(id, WITHHELD, `receiptd wrap: ${why}`, { code, executed: null });
}

export function busy(id: Id): string {
  return errorLine(id, NOT_EXECUTED, "receiptd wrap: too many requests are waiting: try again later", { code: "overloaded", executed: false });
}

export function reasonOf(error: unknown): { readonly code: string; readonly message: string; readonly receiptId: string | undefined } {
  if (error instanceof ReceiptError) return { code: error.code, message: error.message, receiptId: error.receiptId };
  return { code: "internal", message: error instanceof Error ? error.message : String(error), receiptId: undefined };
}

function errorLine(id: Id | null, code: number, message: string, data: Data): string {
  return oneLine(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } }));
}
