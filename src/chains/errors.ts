/** The one error class of chains/. */
export type ChainErrorCode =
  /** No chain has this id. */
  | "not_found"
  /** The id was used with other content. */
  | "conflict"
  /** It has ended; `receiptId` is that of its receipt. */
  | "chain_closed"
  /** It, or its receipt, would become larger than it may. */
  | "chain_full"
  /** As many are open as may be. */
  | "too_many_chains"
  | "too_many_organizations"
  /** chains.db is damaged, no such file, of another ledger, or of a newer receiptd. */
  | "chains_unreadable";

export class ChainError extends Error {
  override readonly name = "ChainError";
  readonly code: ChainErrorCode;
  readonly pointer: string | undefined;
  readonly receiptId: string | undefined;

  constructor(code: ChainErrorCode, message: string, more: { readonly pointer?: string; readonly receiptId?: string } = {}) {
    super(message);
    this.code = code;
    this.pointer = more.pointer;
    this.receiptId = more.receiptId;
  }
}
