/** What the thread of the self-check and the writer's thread tell each other. All of it crosses threads. */
import type { OpenFinding } from "../audit/report.ts";
import type { RoundOptions, RoundResult } from "../audit/round.ts";

export interface SelfCheckOptions extends Pick<RoundOptions, "ledgerPath" | "ledger" | "requestKey"> {
  /** Of one processor: above 0, at most 1. */
  readonly share: number;
  /** ms between the beginnings of two rounds, at least. */
  readonly interval: number;
  /** Two numbers: not 0 once the thread is to end; how many slices the writer's thread has answered. */
  readonly shared: Int32Array;
}

/** A receipt that only the open epoch's keys can vouch for, which the writer's thread has and does not give away. */
export interface UnsignedReceipt {
  readonly logIndex: number;
  readonly organization: string;
  readonly receiptId: string | undefined;
  readonly receiptNumber: string | undefined;
  readonly keyId: string;
  readonly epoch: number;
  readonly unsigned: Uint8Array;
  readonly signature: string;
  /** `sha256:<hex>` of its bytes. */
  readonly hash: string;
}

/** A receipt whose MAC was wrong while there was a key to check it with: as long as its bytes are the same ones, so is that. */
export interface Held {
  readonly logIndex: number;
  readonly hash: string;
}

export interface RoundTask extends Pick<RoundOptions, "size" | "root" | "starts"> {
  readonly kind: "round";
  readonly held: readonly Held[];
}

export type ToSelfCheck = RoundTask | { readonly kind: "stop" };

export type FromSelfCheck =
  /** It is time for a round: what is to be there? */
  | { readonly kind: "ask" }
  | { readonly kind: "found"; readonly finding: OpenFinding }
  | { readonly kind: "progress"; readonly receipts: number }
  | { readonly kind: "macs"; readonly slice: readonly UnsignedReceipt[] }
  /** `held`: log_index of those that are as they were. */
  | { readonly kind: "done"; readonly held: readonly number[] } & RoundResult
  | { readonly kind: "failed"; readonly message: string };
