/**
 * What a client throws. Compare `code`, never the message. Everything but a decision that was blocked is one of: try again later
 * (ReceiptUnavailable), never again as it is (ReceiptRefused), not there (ReceiptNotFound), or something else (ReceiptError itself).
 */
import type { RpcFailure } from "../door/client.ts";
import type { Acknowledgement, Gate, Queued } from "./receipts.ts";

interface More {
  readonly receiptId?: string | undefined;
  readonly cause?: unknown;
}

export class ReceiptError extends Error {
  override readonly name: string = "ReceiptError";
  readonly code: string;
  /** Of the receipt that it is about: the same receipt may be sent again under it. */
  readonly receiptId: string | undefined;

  constructor(code: string, message: string, { receiptId, cause }: More = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.receiptId = receiptId;
  }
}

/** No receipt now: the daemon is not there, too slow, or takes none at present. */
export class ReceiptUnavailable extends ReceiptError {
  override readonly name = "ReceiptUnavailable";
  /** A call was sent and its answer never came: nobody knows. false: nothing was stored. */
  readonly maybeStored: boolean;
  /** Of `circuit_open`: the code that opened it. Of a call without an answer in its time: what an earlier try of it was told. */
  readonly because: string | undefined;

  constructor(code: string, message: string, { maybeStored = false, because, ...more }: More & { readonly maybeStored?: boolean; readonly because?: string | undefined } = {}) {
    super(code, message, more);
    this.maybeStored = maybeStored;
    this.because = because;
  }
}

/** The receipt or the call is wrong, and will be the next time. */
export class ReceiptRefused extends ReceiptError {
  override readonly name: string = "ReceiptRefused";
  /** The place in the receipt (RFC 6901), where there is one. */
  readonly pointer: string | undefined;

  constructor(code: string, message: string, { pointer, ...more }: More & { readonly pointer?: string | undefined } = {}) {
    super(code, message, more);
    this.pointer = pointer;
  }
}

export class ReceiptNotFound extends ReceiptError {
  override readonly name = "ReceiptNotFound";
}

/** A gate failed: the decision is recorded as not executed, and is not handed out. `decision_blocked`. */
export class DecisionBlocked extends ReceiptRefused {
  override readonly name = "DecisionBlocked";
  readonly gates: readonly Gate[];
  /** The acknowledgement of the receipt that records the refusal. */
  readonly receipt: Acknowledgement | Queued;

  constructor(gates: readonly Gate[], receipt: Acknowledgement | Queued) {
    const failed = gates.filter(isFailed).map(({ name }) => name);
    super("decision_blocked", `the decision is recorded as not executed: ${failed.join(", ") || "a gate"} failed`, { receiptId: receipt.receiptId });
    this.gates = gates;
    this.receipt = receipt;
  }
}

/** By the word of audits: status FAIL or ERROR. */
export function isFailed({ status }: Gate): boolean {
  return status === "FAIL" || status === "ERROR";
}

/** A setting that cannot be meant, by the name that it was given under. */
export function badSetting(name: string, why: string): ReceiptError {
  return new ReceiptError("bad_setting", `${name}: ${why}`);
}

/** Codes with which the daemon refuses every receipt at present, whatever it says of trying again. */
const DAEMON_TROUBLE: ReadonlySet<string> = new Set(["forked", "internal", "ledger_behind", "ledger_io", "ledger_corrupt", "ledger_failed", "ledger_busy"]);

export interface CallFacts {
  readonly receiptId: string | undefined;
  readonly maybeStored: boolean;
  /** What an earlier try was told. */
  readonly because?: string | undefined;
}

/** Does the daemon's answer mean that it is unavailable, rather than that the call is wrong? */
export function isTrouble({ code, retry, lost }: RpcFailure): boolean {
  return retry || lost || DAEMON_TROUBLE.has(code);
}

/** What the caller is told of a call that did not succeed. */
export function failed(failure: RpcFailure, { receiptId, maybeStored }: CallFacts): ReceiptError {
  const { code, message, pointer } = failure;
  if (isTrouble(failure)) return new ReceiptUnavailable(code, message, { receiptId, maybeStored, cause: failure });
  if (code === "not_found") return new ReceiptNotFound(code, message, { receiptId });
  if (code === "receipt_damaged") return new ReceiptError(code, message, { receiptId });
  return new ReceiptRefused(code, message, { receiptId, pointer });
}
