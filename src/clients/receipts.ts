/** What goes to the daemon and what comes back, with the names of this language. */
import { randomBytes } from "node:crypto";
import type { Result } from "../door/client.ts";
import { UUID } from "../format/names.ts";
import { uuidV7 } from "../format/uuid.ts";
import { ReceiptRefused, ReceiptUnavailable } from "./errors.ts";
import type { Ack } from "./settings.ts";
import { jsonText } from "./values.ts";

/** A receipt as docs/FORMAT.md section 4.1 has it, under those names. */
export interface ReceiptInput {
  readonly type?: string;
  readonly organization?: string;
  readonly receipt_id?: string;
  readonly system_id?: string;
  readonly decision?: unknown;
  readonly inputs?: object;
  readonly gates?: readonly Gate[];
  readonly reasons?: readonly unknown[];
  readonly metadata?: object;
  readonly timestamp?: string;
  readonly [name: string]: unknown;
}

export interface Gate {
  readonly name: string;
  readonly status: "PASS" | "FAIL" | "WARN" | "SKIP" | "ERROR";
  readonly [name: string]: unknown;
}

/** The daemon's word that it stores the receipt. */
export interface Acknowledgement {
  readonly queued: false;
  readonly receiptId: string;
  readonly receiptNumber: string;
  readonly organization: string;
  readonly orgSeq: number;
  readonly logIndex: number;
  readonly recordedAt: string;
  readonly receiptHash: string;
  readonly keyEpoch: number;
  /** `wal`: it survives the end of the process. `disk`: it survives a power cut. */
  readonly ack: "disk" | "wal";
  /** It was stored before, by an earlier call with this id. */
  readonly duplicate: boolean;
}

/** The spool's word that it has the receipt on its disk; the daemon has not, or nobody knows. There is no number yet. */
export interface Queued {
  readonly queued: true;
  readonly receiptId: string;
  readonly receiptNumber?: undefined;
  readonly queuedAt: string;
  /** The code of why the daemon did not take it; `always`, `pending`: it was not asked, since the spool comes first, or had it. */
  readonly reason: string;
  readonly duplicate: boolean;
}

export interface StoredReceipt extends Omit<Acknowledgement, "duplicate" | "queued"> {
  readonly receipt: { readonly [name: string]: unknown };
  readonly status: "pending" | "anchored";
}

export interface Head {
  readonly ledger: string;
  readonly ledgerId: string;
  readonly size: number;
  readonly root: string;
  readonly recordedAt: string;
  /** Of the organization that was asked for. */
  readonly orgSeq?: number;
  readonly receiptHash?: string;
  readonly receiptNumber?: string;
}

/** A receipt by one of its names; text is a receipt_id or a receipt number. */
export type Which =
  | string
  | { readonly receiptId: string }
  | { readonly receiptNumber: string }
  | { readonly logIndex: number }
  | { readonly organization: string; readonly orgSeq: number };

/** A receipt that is ready to be sent, now or later, in these very bytes. */
export interface Prepared {
  readonly receiptId: string;
  readonly text: string;
}

interface Defaults {
  readonly organization: string | undefined;
  readonly systemId: string | undefined;
}

export function newId(): string {
  return uuidV7(Date.now(), randomBytes(10));
}

/**
 * With an id, and what the receipt leaves to the client. `forSpool`: also a timestamp, where the id is new, and with room for the mark.
 * Throws ReceiptRefused `bad_value`.
 */
export function prepare(receipt: ReceiptInput, { organization, systemId }: Defaults, forSpool: boolean): Prepared {
  if (typeof receipt !== "object" || receipt === null || Array.isArray(receipt)) throw new ReceiptRefused("bad_value", "a receipt is an object", { pointer: "" });
  const receiptId = receipt.receipt_id ?? newId();
  const whole: ReceiptInput = {
    ...receipt,
    receipt_id: receiptId,
    ...(receipt.organization === undefined && organization !== undefined ? { organization } : {}),
    ...(receipt.system_id === undefined && systemId !== undefined ? { system_id: systemId } : {}),
    ...(forSpool && receipt.receipt_id === undefined && receipt.timestamp === undefined ? { timestamp: new Date().toISOString() } : {}),
  };
  if (typeof receiptId !== "string" || !UUID.test(receiptId)) throw new ReceiptRefused("bad_value", "/receipt_id: a UUID in lower case", { pointer: "/receipt_id" });
  const text = jsonText(whole, receiptId);
  if (forSpool && whole.metadata !== undefined && (whole.metadata === null || Array.isArray(whole.metadata) || typeof whole.metadata !== "object")) {
    throw new ReceiptRefused("bad_value", "/metadata: an object", { pointer: "/metadata", receiptId });
  }
  return { receiptId, text };
}

/** `receipt_number` as `receiptNumber`: the members of an answer, not what is in them. */
export function camelCase<T>(result: Result): T {
  return Object.fromEntries(Object.entries(result).map(([name, value]) => [name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), value])) as T;
}

const MEMBERS = [
  ["receipt_number", "string"], ["organization", "string"], ["org_seq", "number"], ["log_index", "number"], ["recorded_at", "string"], ["receipt_hash", "string"],
  ["key_epoch", "number"], ["ack", "string"], ["duplicate", "boolean"],
] as const;

/** An answer that is no acknowledgement of this receipt, or of less than was asked for, is none. */
export function acknowledgement(result: Result, receiptId: string, asked: Ack | undefined): Acknowledgement {
  const isWhole = MEMBERS.every(([name, type]) => typeof result[name] === type) && (asked !== "disk" || result["ack"] === "disk");
  if (result["receipt_id"] !== receiptId || !isWhole) {
    throw new ReceiptUnavailable("bad_answer", "the answer does not acknowledge the receipt that was sent: is this socket receiptd's?", { receiptId, maybeStored: true });
  }
  return { queued: false, ...camelCase<Omit<Acknowledgement, "queued">>(result) };
}

/** The params that name a receipt. */
export function whichParams(which: Which): Result {
  if (typeof which === "string") return UUID.test(which) ? { receipt_id: which } : { receipt_number: which };
  if ("receiptId" in which) return { receipt_id: which.receiptId };
  if ("receiptNumber" in which) return { receipt_number: which.receiptNumber };
  return "logIndex" in which ? { log_index: which.logIndex } : { organization: which.organization, org_seq: which.orgSeq };
}
