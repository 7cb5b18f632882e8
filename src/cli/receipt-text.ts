/**
 * A receipt as a caller wrote it, made ready for the wire. Its text is sent on as it is, so that no number loses its spelling; it
 * is read by the strict parser first, so that it can be nothing but one JSON object where it is put.
 */
import { FormatError } from "../format/errors.ts";
import { UUID } from "../format/names.ts";
import { isArray, type Json, parseStrict } from "../format/strict-json.ts";
import { CliError } from "./errors.ts";

export interface ReceiptText {
  /** One line. */
  readonly text: string;
  readonly fields: { readonly [name: string]: Json };
  /** The id that the caller chose; undefined: none, or none that is a UUID (which the daemon then refuses). */
  readonly receiptId: string | undefined;
}

/** Throws FormatError: the codes of strict JSON, and `bad_field` for what is no object. */
export function readReceiptText(text: string): ReceiptText {
  const value = parseStrict(text);
  if (typeof value !== "object" || value === null || isArray(value)) throw new FormatError("bad_field", "a receipt is a JSON object", "");
  const id = value["receipt_id"];
  // within a string JSON has no raw line feeds: these are all white space
  const line = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, " ") : text;
  return { text: line, fields: value, receiptId: typeof id === "string" && UUID.test(id) ? id : undefined };
}

/** The same receipt with `receipt_id`, if it has no such member. */
export function withId(receipt: ReceiptText, newId: () => string): ReceiptText & { readonly receiptId: string | undefined } {
  if (Object.hasOwn(receipt.fields, "receipt_id")) return receipt;
  const id = newId();
  const brace = receipt.text.indexOf("{") + 1;
  const comma = Object.keys(receipt.fields).length === 0 ? "" : ",";
  return { ...receipt, text: `${receipt.text.slice(0, brace)}"receipt_id":"${id}"${comma}${receipt.text.slice(brace)}`, receiptId: id };
}

export interface ReceiptArguments {
  readonly system?: string;
  readonly decision?: string;
  readonly inputs?: string;
  readonly organization?: string;
  readonly type?: string;
  readonly id?: string;
  /** `name=json` */
  readonly field?: readonly string[];
}

/** A receipt from arguments; values of --decision, --inputs and --field are JSON, sent as they are spelled. */
export function receiptFromArguments(given: ReceiptArguments): ReceiptText {
  const members: string[] = [];
  const text = (name: string, value: string | undefined): void => {
    if (value !== undefined) members.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  };
  const json = (option: string, name: string, value: string | undefined): void => {
    if (value === undefined) return;
    checkJson(option, name, value);
    members.push(`${JSON.stringify(name)}:${value}`);
  };
  text("type", given.type);
  text("organization", given.organization);
  text("receipt_id", given.id);
  text("system_id", given.system);
  json("--decision", "decision", given.decision);
  json("--inputs", "inputs", given.inputs);
  for (const field of given.field ?? []) {
    const at = field.indexOf("=");
    if (at < 1) throw new CliError("bad_usage", `--field is name=json, not ${field.slice(0, 80)}`, `for example: --field 'model_version="2.1"'`);
    json("--field", field.slice(0, at), field.slice(at + 1));
  }
  return readReceiptText(`{${members.join(",")}}`);
}

/** Each value by itself: two that are broken must not be whole together. */
function checkJson(option: string, name: string, value: string): void {
  try {
    parseStrict(value, { basePointer: `/${name}` });
  } catch (error) {
    if (!(error instanceof FormatError) || error.code !== "bad_json") throw error;
    throw new CliError("bad_usage", `the value of ${name} (${option}) is not JSON: ${error.message}`, `strings need quotes of their own: '"text"'`, { cause: error });
  }
}
