/**
 * The daemon, asked over its control socket (docs/PROTOCOL.md): writes down who is handed receipts, checks MACs of the open epoch, says how
 * it is. One connection, made anew after it was lost; no more calls at a time than the daemon takes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_ACCESSES, type Access } from "../format/fields.ts";
import { type Result, RpcClient, RpcFailure } from "../door/client.ts";
import { ApiError } from "./errors.ts";

/** ms */
const PATIENCE = 5000;
/** ms between two receipts of accesses, while reads go on. */
const GAP = 100;
/** Calls without an answer, and accesses that wait for one receipt. */
const MOST_CALLS = 128;
const MOST_WAITING = 1024;
/** Receipts of which it is remembered that their MAC is right; of more, the oldest are forgotten. */
const MOST_REMEMBERED = 20_000;
/** ms that what the daemon says of itself is believed. */
const STATE_AGE = 500;

interface Waiting {
  readonly access: Access;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class ControlClient {
  readonly #path: string;
  #client: Promise<RpcClient> | null = null;
  #calls = 0;
  #waiting: Waiting[] = [];
  #isRecording = false;
  /** Hashes of receipts whose MAC the daemon has found right. */
  readonly #right = new Set<string>();
  #state: { readonly at: number; readonly state: Promise<string> } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when the access is in the ledger, on the disk. Whatever waits at that time gets one receipt. Throws ApiError. */
  record(access: Access): Promise<void> {
    if (this.#waiting.length >= MOST_WAITING) throw new ApiError("overloaded", "too many requests wait for being recorded; try again");
    return new Promise((resolve, reject) => {
      this.#waiting.push({ access, resolve, reject });
      if (!this.#isRecording) void this.#record();
    });
  }

  async #record(): Promise<void> {
    this.#isRecording = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_ACCESSES);
      try {
        await this.#call("record_access", { accesses: group.map(({ access }) => access) });
        for (const { resolve } of group) resolve();
      } catch (error) {
        const failure = error instanceof RpcFailure
          ? new ApiError("access_not_recorded", "this read cannot be recorded in the ledger now, and what is not recorded is not handed out; try again", { cause: error })
          : error;
        for (const { reject } of group) reject(failure);
      }
      if (this.#waiting.length > 0) await sleep(GAP); // more reads share a receipt, which stays for ever
    }
    this.#isRecording = false;
  }

  /**
   * Of the bytes with this hash, `sha256:<hex>`. What was right of them once stays so, and is not asked for again. null: the daemon is not
   * there, or has too much to do.
   */
  async checkMac(logIndex: number, hash: string): Promise<{ readonly mac: "right" | "wrong" | "not_open"; readonly receiptHash: string | null } | null> {
    if (this.#right.has(hash)) return { mac: "right", receiptHash: hash };
    if (this.#calls >= MOST_CALLS) return null;
    try {
      const { mac, receipt_hash: receiptHash } = await this.#call("check_mac", { log_index: logIndex });
      if (mac === "right" && receiptHash === hash) this.#remember(hash);
      return { mac: mac === "right" || mac === "wrong" ? mac : "not_open", receiptHash: typeof receiptHash === "string" ? receiptHash : null };
    } catch (error) {
      if (error instanceof RpcFailure) return null;
      throw error;
    }
  }

  #remember(hash: string): void {
    if (this.#right.size >= MOST_REMEMBERED) this.#right.delete(this.#right.values().next().value!);
    this.#right.add(hash);
  }

  /** `ok`, `refusing`, `damaged`; `away` where it does not answer. */
  state(): Promise<string> {
    const now = performance.now();
    if (this.#state === null || now - this.#state.at > STATE_AGE) this.#state = { at: now, state: this.#askState() };
    return this.#state.state;
  }

  /** All that the daemon says of itself; null where it does not answer. */
  async status(): Promise<Result | null> {
    try {
      return await this.#call("status", {});
    } catch (error) {
      if (error instanceof RpcFailure) return null;
      throw error;
    }
  }

  async #askState(): Promise<string> {
    try {
      return String((await this.#call("state", {}))["state"]);
    } catch (error) {
      if (error instanceof RpcFailure) return "away";
      throw error;
    }
  }

  async #call(method: string, params: object): Promise<Result> {
    this.#calls++;
    try {
      this.#client ??= RpcClient.connect(this.#path, { timeout: PATIENCE });
      const client = this.#client;
      try {
        return await (await client).call(method, params);
      } catch (error) {
        if (error instanceof RpcFailure && this.#client === client && (error.lost || error.code === "socket_not_allowed")) this.#client = null;
        throw error;
      }
    } finally {
      this.#calls--;
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.then((one) => one.close(), () => undefined);
  }
}
