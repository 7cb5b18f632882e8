/**
 * A program's side of receiptd: receipts go in, acknowledgements come out, and whatever stands in the way is an error within a bounded
 * time. Many calls at a time share one connection. docs/CLIENTS.md is its manual.
 */
import { type Result, RpcFailure } from "../door/client.ts";
import { CircuitBreaker } from "./breaker.ts";
import { type Chain, type ChainOptions, openChain, withChain } from "./chain.ts";
import { Connection } from "./connection.ts";
import { ReceiptRefused, ReceiptUnavailable } from "./errors.ts";
import {
  type Acknowledgement, acknowledgement, camelCase, type Head, type Prepared, prepare, type Queued, type ReceiptInput, type StoredReceipt, type Which, whichParams,
} from "./receipts.ts";
import { type Ack, ackLevel, type ClientOptions, milliseconds, readSettings, type Settings } from "./settings.ts";
import { Spool } from "./spool.ts";
import { spooled } from "./spooled.ts";
import { jsonText } from "./values.ts";
import type { Verification } from "./verify-receipt.ts";

export interface CallOptions {
  /** ms for this call; left out, the client's. */
  readonly timeoutMs?: number;
}

export interface AppendOptions extends CallOptions {
  readonly ack?: Ack;
}

export interface WaitOptions extends CallOptions {
  readonly for?: "disk" | "anchored";
}

interface Sent extends CallOptions {
  readonly receiptId?: string | undefined;
  readonly isWrite?: boolean;
}

/** ms that the answer of `wait` may come later than it was asked to. */
const WAIT_GRACE = 2000;

export class Client {
  /** Open: the daemon was away for some time, and calls fail at once. */
  readonly circuit: CircuitBreaker;
  /** null: none was asked for. */
  readonly spool: Spool | null;
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #waits = new Set<Connection>();

  /** Connects at the first call. Throws ReceiptError `bad_setting`, and `spool_failed` where the spool cannot be opened. */
  constructor(options: ClientOptions = {}) {
    const settings = readSettings(options, process.env);
    this.#settings = settings;
    this.circuit = new CircuitBreaker(options.breaker);
    this.#connection = new Connection(settings.socket, settings.timeoutMs);
    this.spool = settings.spool === undefined ? null : new Spool(settings.spool, settings.socket, options, () => this.circuit.close());
  }

  /** Stores a receipt; with a spool, or puts it there. Act only on what this returns. */
  async append(receipt: ReceiptInput, options: AppendOptions = {}): Promise<Acknowledgement | Queued> {
    const prepared = prepare(receipt, this.#settings, this.spool !== null);
    if (this.spool === null) return await this.#append(prepared, options);
    const [kept] = await spooled(this.spool, [prepared], this.#budget(options), async (timeoutMs) => [await this.#append(prepared, { ...options, timeoutMs })]);
    return kept!;
  }

  /** Stores 1 to 1000 receipts, all or none; with a spool, or puts all of them there. */
  async appendMany(receipts: readonly ReceiptInput[], options: AppendOptions = {}): Promise<readonly (Acknowledgement | Queued)[]> {
    const all = receipts.map((receipt, at) => {
      try {
        return prepare(receipt, this.#settings, this.spool !== null);
      } catch (error) {
        throw error instanceof ReceiptRefused ? new ReceiptRefused(error.code, error.message, { pointer: `/${at}${error.pointer ?? ""}`, receiptId: error.receiptId }) : error;
      }
    });
    if (this.spool === null) return await this.#appendMany(all, options);
    return await spooled(this.spool, all, this.#budget(options), (timeoutMs) => this.#appendMany(all, { ...options, timeoutMs }));
  }

  /** Resolves once the receipt is anchored, or on the disk. Over a connection of its own: answers come in the order of calls. */
  async wait(which: Which | Acknowledgement, { for: level = "anchored", ...options }: WaitOptions = {}): Promise<void> {
    const timeoutMs = this.#budget(options);
    const params = { ...whichParams(typeof which === "object" && "receiptId" in which ? which.receiptId : which), for: level, timeout_ms: Math.floor(timeoutMs) };
    const connection = new Connection(this.#settings.socket, timeoutMs + WAIT_GRACE);
    this.#waits.add(connection);
    try {
      const request = { method: "wait", params: jsonText(params), isWrite: false, timeoutMs: timeoutMs + WAIT_GRACE, final: "timeout" };
      const notYet = await this.circuit.run(() => connection.call(request).then(() => null, notYetOrThrow), undefined, true);
      if (notYet !== null) throw notYet;
    } finally {
      connection.close();
      this.#waits.delete(connection);
    }
  }

  /** The stored receipt, as its JCS is the stored bytes. ReceiptNotFound where there is none. */
  async get(which: Which, options: CallOptions = {}): Promise<StoredReceipt> {
    return camelCase(await this.call("get", whichParams(which), options));
  }

  async head(organization?: string, options: CallOptions = {}): Promise<Head> {
    return camelCase(await this.call("head", organization === undefined ? {} : { organization }, options));
  }

  /** State of the daemon, under the names of docs/PROTOCOL.md. */
  async status(options: CallOptions = {}): Promise<Result> {
    return await this.call("status", {}, options);
  }

  /** Is it valid? By `receiptd http` where its address was given, else what can be told from the socket: then `valid` is never true. */
  async verifyReceipt(which: string, options: CallOptions = {}): Promise<Verification> {
    const { verifyOverHttp, verifyStored } = await import("./verify-receipt.ts"); // more than other calls need
    const timeoutMs = this.#budget(options);
    return this.#settings.http === undefined ? await verifyStored(this, which, timeoutMs) : await verifyOverHttp(this.#settings.http, which, timeoutMs);
  }

  /** Opens a chain, hands it to `body` and completes it: with outcome `failed` where that throws. */
  async chain<T>(options: ChainOptions, body: (chain: Chain) => Promise<T>): Promise<T> {
    return await withChain(this, this.#settings, options, body);
  }

  /** Opens a chain that the caller completes. */
  async openChain(options: ChainOptions = {}): Promise<Chain> {
    return await openChain(this, this.#settings, options);
  }

  /** Any other call of docs/PROTOCOL.md, under its names. */
  async call(method: string, params: object, { receiptId, isWrite = false, ...options }: Sent = {}): Promise<Result> {
    const text = jsonText(params, receiptId);
    return await this.circuit.run(() => this.#connection.call({ method, params: text, receiptId, isWrite, timeoutMs: this.#budget(options) }), receiptId);
  }

  /** Calls without an answer end with `closed`; what is in the spool stays there. */
  async close(): Promise<void> {
    this.#connection.close();
    for (const connection of this.#waits) connection.close();
    await this.spool?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #append({ receiptId, text }: Prepared, options: AppendOptions): Promise<Acknowledgement> {
    const asked = this.#asked(options);
    const params = `{"receipt":${text}${ackMember(asked)}}`;
    return acknowledgement(await this.#store("append", params, "/params/receipt", options, receiptId), receiptId, asked);
  }

  async #appendMany(all: readonly Prepared[], options: AppendOptions): Promise<readonly Acknowledgement[]> {
    const asked = this.#asked(options);
    const params = `{"receipts":[${all.map(({ text }) => text).join(",")}]${ackMember(asked)}}`;
    const { receipts, ack } = await this.#store("append_many", params, "/params/receipts", options);
    const list = Array.isArray(receipts) ? (receipts as readonly Result[]) : [];
    return all.map(({ receiptId }, at) => acknowledgement({ ack, ...list[at] }, receiptId, asked));
  }

  async #store(method: string, params: string, place: string, options: AppendOptions, receiptId?: string): Promise<Result> {
    return await this.circuit.run(
      () => this.#connection.call({ method, params, receiptId, isWrite: true, timeoutMs: this.#budget(options), place }), receiptId);
  }

  #asked({ ack }: AppendOptions): Ack | undefined {
    return ack === undefined ? this.#settings.ack : ackLevel(ack, "ack");
  }

  #budget({ timeoutMs }: CallOptions): number {
    return timeoutMs === undefined ? this.#settings.timeoutMs : milliseconds(timeoutMs, "timeoutMs");
  }
}

function ackMember(asked: Ack | undefined): string {
  return asked === undefined ? "" : `,"ack":"${asked}"`;
}

/** That a receipt is not anchored yet is the daemon's answer, and no sign that it is away. */
function notYetOrThrow(error: unknown): ReceiptUnavailable {
  if (error instanceof ReceiptUnavailable && error.cause instanceof RpcFailure && error.cause.code === "timeout") return error;
  throw error;
}
