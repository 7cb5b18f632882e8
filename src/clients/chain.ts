/**
 * A chain: what several agents and people did, event by event, which ends as one receipt. Every id is chosen here, so that every call may
 * be sent again; and when the receipt is there, every hash that was acknowledged has to be in it.
 */
import { randomBytes } from "node:crypto";
import type { Result } from "../door/client.ts";
import { uuidBytes, uuidV7 } from "../format/uuid.ts";
import { ReceiptError } from "./errors.ts";
import { type Acknowledgement, acknowledgement, camelCase, newId, type StoredReceipt } from "./receipts.ts";
import { type Ack, ackLevel } from "./settings.ts";

export type Metric = "sum" | "set" | "max" | "min" | "last";

export interface ChainOptions {
  /** `chn_` and 26 characters; left out, a new one. */
  readonly chainId?: string;
  readonly organization?: string;
  readonly systemId?: string;
  readonly summary?: string;
  readonly policyVersion?: string;
  /** What becomes of the events' metrics of a name. */
  readonly metrics?: Readonly<Record<string, Metric>>;
  /** Seconds after which the daemon closes it as abandoned. */
  readonly timeoutS?: number;
  readonly metadata?: object;
}

export interface ChainEvent {
  readonly eventId?: string;
  readonly action: string;
  readonly agent: string;
  readonly at?: string;
  readonly metrics?: object;
  readonly details?: object;
}

export interface ChainApproval {
  readonly approvalId?: string;
  readonly approver: string;
  readonly authenticatedBy: string;
  /** What is approved, in words. */
  readonly approved: string;
  readonly at?: string;
  readonly details?: object;
}

/** The daemon's word on an event; an approval has `approvalId` in place of `eventId`. */
export interface ChainStep {
  readonly chainId: string;
  readonly eventId?: string;
  readonly approvalId?: string;
  readonly seq: number;
  readonly hash: string;
  readonly recordedAt: string;
  readonly duplicate: boolean;
}

export interface CompleteOptions {
  readonly outcome?: "completed" | "failed";
  readonly summary?: string;
  readonly ack?: Ack;
}

/** What a chain needs of a client. */
interface Caller {
  call(method: string, params: object, options: { readonly receiptId?: string | undefined; readonly isWrite: boolean }): Promise<Result>;
  get(which: string): Promise<StoredReceipt>;
}

interface Defaults {
  readonly organization: string | undefined;
  readonly systemId: string | undefined;
  readonly ack: Ack | undefined;
}

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHAIN_ID_LENGTH = 26;
const BITS = 5n;

/** `chn_` and a UUIDv7 in Crockford's base32. */
function newChainId(): string {
  let value = 0n;
  for (const byte of uuidBytes(uuidV7(Date.now(), randomBytes(10)))) value = (value << 8n) | BigInt(byte);
  let text = "";
  for (let i = 0; i < CHAIN_ID_LENGTH; i++, value >>= BITS) text = CROCKFORD[Number(value & 31n)]! + text;
  return `chn_${text}`;
}

export async function openChain(caller: Caller, defaults: Defaults, options: ChainOptions): Promise<Chain> {
  const chainId = options.chainId ?? newChainId();
  const { organization = defaults.organization, systemId = defaults.systemId, summary, policyVersion, metrics, timeoutS, metadata } = options;
  const chain = { chain_id: chainId, organization, system_id: systemId, summary, policy_version: policyVersion, metrics, timeout_s: timeoutS, metadata };
  const { started_at, expires_at } = await caller.call("chain.open", { chain }, { isWrite: true });
  return new Chain(caller, defaults.ack, { chainId, startedAt: String(started_at), expiresAt: String(expires_at) });
}

/** Opens a chain, hands it to `body` and completes it; where that throws, with outcome `failed`, and the error passes on. */
export async function withChain<T>(caller: Caller, defaults: Defaults, options: ChainOptions, body: (chain: Chain) => Promise<T>): Promise<T> {
  const chain = await openChain(caller, defaults, options);
  let value: T;
  try {
    value = await body(chain);
  } catch (error) {
    // the daemon closes a chain that cannot be completed now, in its time
    if (chain.receipt === null) await chain.complete({ outcome: "failed" }).catch(() => undefined);
    throw error;
  }
  if (chain.receipt === null) await chain.complete();
  return value;
}

export class Chain {
  readonly chainId: string;
  readonly startedAt: string;
  readonly expiresAt: string;
  readonly #caller: Caller;
  readonly #ack: Ack | undefined;
  readonly #hashes: string[] = [];
  #receipt: Acknowledgement | null = null;

  constructor(caller: Caller, ack: Ack | undefined, { chainId, startedAt, expiresAt }: { readonly chainId: string; readonly startedAt: string; readonly expiresAt: string }) {
    this.#caller = caller;
    this.#ack = ack;
    this.chainId = chainId;
    this.startedAt = startedAt;
    this.expiresAt = expiresAt;
  }

  /** The acknowledgement of the chain's receipt; null while it is open. */
  get receipt(): Acknowledgement | null {
    return this.#receipt;
  }

  async event({ eventId = newId(), action, agent, at, metrics, details }: ChainEvent): Promise<ChainStep> {
    return await this.#step("chain.event", { event: { event_id: eventId, action, agent, at, metrics, details } });
  }

  async approve({ approvalId = newId(), approver, authenticatedBy, approved, at, details }: ChainApproval): Promise<ChainStep> {
    return await this.#step("chain.approve", { approval: { approval_id: approvalId, approver, authenticated_by: authenticatedBy, approved, at, details } });
  }

  /** As the daemon has it now. */
  async get(): Promise<Result> {
    return await this.#caller.call("chain.get", { chain_id: this.chainId }, { isWrite: false });
  }

  /** Ends it: its receipt is stored. Throws ReceiptError `chain_mismatch` where an event that was acknowledged is not in that. */
  async complete({ outcome = "completed", summary, ack = this.#ack }: CompleteOptions = {}): Promise<Acknowledgement> {
    if (ack !== undefined) ackLevel(ack, "ack");
    const result = await this.#caller.call("chain.complete", { chain_id: this.chainId, outcome, summary, ack }, { isWrite: true });
    const receipt = acknowledgement(result, String(result["receipt_id"]), ack);
    const stored = await this.#caller.get(receipt.receiptId);
    const kept = new Set([...hashesIn(stored.receipt["events_summary"]), ...hashesIn(stored.receipt["approvals"])]);
    const missing = this.#hashes.filter((hash) => !kept.has(hash));
    if (missing.length > 0 || stored.receipt["chain_id"] !== this.chainId) {
      throw new ReceiptError("chain_mismatch", `the receipt ${receipt.receiptNumber} of chain ${this.chainId} lacks ${missing.length} events or approvals that were acknowledged`, { receiptId: receipt.receiptId });
    }
    this.#receipt = receipt;
    return receipt;
  }

  async #step(method: string, params: object): Promise<ChainStep> {
    const step = camelCase<ChainStep>(await this.#caller.call(method, { chain_id: this.chainId, ...params }, { isWrite: true }));
    if (typeof step.hash !== "string") throw new ReceiptError("bad_answer", "the answer has no hash of the event: is this socket receiptd's?");
    this.#hashes.push(step.hash);
    return step;
  }
}

function hashesIn(summary: unknown): readonly unknown[] {
  return Array.isArray(summary) ? summary.map((event) => (event as { readonly hash?: unknown } | null)?.hash) : [];
}
