/**
 * The client of receiptd: decisions that are handed out once their receipt is stored, and not before. Node's own modules are all that it
 * needs. docs/CLIENTS.md is its manual.
 *
 *     import { receipted } from "receiptd/client";
 *     const decide = receipted(score, { systemId: "loan_scorer_v1" }); // await decide(application): stored, or an error
 */

/** A function whose every decision has a receipt. */
export { receipted, type ReceiptedOptions } from "./receipted.ts";

/** Receipts in, acknowledgements out. */
export { type AppendOptions, type CallOptions, Client, type WaitOptions } from "./client.ts";
export type { Ack, ClientOptions } from "./settings.ts";
export type { Acknowledgement, Gate, Head, Queued, ReceiptInput, StoredReceipt, Which } from "./receipts.ts";

/** What is thrown: compare `code`. */
export { DecisionBlocked, ReceiptError, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable } from "./errors.ts";

/** `client.circuit`. */
export type { BreakerOptions, CircuitBreaker, CircuitState } from "./breaker.ts";

/** `client.spool`. */
export type { Spool, SpoolReport } from "./spool.ts";

/** Several steps that end as one receipt. */
export type { Chain, ChainApproval, ChainEvent, ChainOptions, ChainStep, CompleteOptions, Metric } from "./chain.ts";

export type { Verification } from "./verify-receipt.ts";

/** Personal data as a name that only the holder of a key can make again. */
export { pseudonym, pseudonym as hashed } from "./pseudonym.ts";
