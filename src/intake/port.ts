/** What the intake needs of the rest of the daemon; the composition root supplies it. */
import type { ChainAnswer } from "../chains/chains.ts";
import type { ChainLook, ChainWrite } from "../format/chain-calls.ts";
import type { Request } from "../format/request.ts";
import type { Json } from "../format/strict-json.ts";
import type { StoredReceipt } from "../ledger/stage.ts";
import type { Outcome } from "../ledger/admit.ts";
import type { Durability } from "../ledger/writer.ts";
import type { Which } from "../ledger/look-up.ts";

export interface IntakePort {
  /** Why no receipt is taken now, or null. */
  refusal(): { readonly code: string; readonly message: string } | null;
  /**
   * Stores each request's receipts, all or none of them. Where `error` is set, the requests behind the last outcome were not stored;
   * those before it were.
   */
  commit(requests: readonly (readonly Request[])[], durability: Durability): { readonly outcomes: readonly Outcome[]; readonly error: Error | null };
  /** Receipts that survive a power cut. */
  syncedSize(): number;
  /** Makes all that is committed survive a power cut. */
  sync(): Promise<number>;
  size(): number;
  /** Is there a receipt with this id? */
  has(receiptId: string): boolean;
  /** A receipt and its bytes, or null. */
  find(which: Which): (StoredReceipt & { readonly blob: Uint8Array | null }) | null;
  /** Receipts under an anchor that every required target has confirmed. */
  anchoredSize(): number;
  /** Calls back once the size is confirmed by every required target, before it returns where it is already; returns how to stop waiting. */
  onAnchored(size: number, done: () => void): () => void;
  /** Closes a batch now; the tree size that it anchors. */
  anchorNow(): Promise<{ readonly treeSize: number; readonly root: string }>;
  /** Takes up what `receiptd key` has left in the data folder. */
  changeKeys(): Promise<Json>;
  /** Stores an auditor's word on an audit. */
  attest(attestation: Json): Json;
  chain(method: ChainWrite, params: Json): Promise<ChainAnswer>;
  /** How a chain stands, or one of its records. */
  chainAt(method: ChainLook, params: Json): Json;
  head(organization: string | null): Json;
  status(): Json;
  /** An error after which the process must end. */
  fatal(error: Error): void;
}
