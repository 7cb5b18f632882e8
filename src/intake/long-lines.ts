/**
 * Long lines are read by a thread: to check a receipt of a MiB takes as long as to store hundreds of small ones, which do not wait for it. One
 * at a time, of whichever connection; a connection's next line waits for it, so receipts are stored in the order in which they were sent.
 */
import { Worker } from "node:worker_threads";
import type { Policy } from "../config/policy.ts";
import type { Call, RpcId } from "./protocol.ts";
import type { ReadAppend } from "./quick-append.ts";

/** Bytes: a longer line is one; what is no longer than `SHARED` (lines.ts) cannot be. */
export const LONG = 256 * 1024;
/** What a thread may use: what the largest message becomes, many times over. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 512 };

export interface LongLineOptions {
  readonly maxAppendMany: number;
  readonly policy: Policy | null;
}

/** The policy refuses a receipt whose id the caller has chosen: with this answer, unless it is stored already. It stood before what else is refused. */
export interface Doubt {
  readonly receiptId: string;
  readonly answer: string;
}

export type FromLongLines =
  | { readonly kind: "append"; readonly append: ReadAppend; readonly doubts: readonly Doubt[] }
  | { readonly kind: "call"; readonly call: Call }
  | { readonly kind: "refused"; readonly id: RpcId; readonly answer: string; readonly doubts: readonly Doubt[] }
  /** Something that no client caused, or a thread that has ended: of a line that is too much for its memory. */
  | { readonly kind: "failed"; readonly id: RpcId; readonly error: unknown };

type Done = (read: FromLongLines) => void;

export class LongLines {
  readonly #options: LongLineOptions;
  /** From the first long line on. */
  #thread: Worker | null = null;
  #done: Done | null = null;

  constructor(options: LongLineOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#done !== null;
  }

  /** While it is not busy. The line and its memory are the thread's from now on. */
  read(line: Buffer, done: Done): void {
    this.#done = done;
    this.#thread ??= this.#start();
    this.#thread.postMessage(line, [line.buffer as ArrayBuffer]);
  }

  /** What is being read has failed then. */
  async stop(): Promise<void> {
    await this.#thread?.terminate();
  }

  #start(): Worker {
    const thread = new Worker(new URL("./long-lines-worker.ts", import.meta.url), { workerData: this.#options, name: "long lines", resourceLimits: LIMITS });
    thread.on("message", (read: FromLongLines) => this.#end(read));
    const gone = (error: unknown): void => {
      this.#thread = null; // the next line gets another
      this.#end({ kind: "failed", id: null, error });
    };
    thread.on("error", gone);
    thread.on("exit", (code) => { if (this.#thread === thread) gone(new Error(`the thread for long lines ended with ${code}`)); });
    return thread;
  }

  #end(read: FromLongLines): void {
    const done = this.#done;
    this.#done = null;
    done?.(read);
  }
}
