/** Segments checked by several threads, their results in the order of the segments. */
import { Worker } from "node:worker_threads";
import type { Inspector } from "../ledger/inspect.ts";
import { auditHash } from "./hash.ts";
import type { SegmentResult, SegmentTask } from "./segment-result.ts";
import { SegmentAudit } from "./segment.ts";
import type { FromWorker, WorkerOptions } from "./worker.ts";

export interface PoolHooks {
  readonly onProgress: (receipts: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** MiB of JavaScript heap; the rest of a worker's memory are SQLite's cache and the blobs of one page. */
const LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 };

/** `workers` 0: in this thread, with `inspector`. A thread that ends by itself is an error, as is an aborted signal. */
export async function* runSegments(
  tasks: Iterable<SegmentTask>, options: WorkerOptions, inspector: Inspector, workers: number, hooks: PoolHooks,
): AsyncGenerator<SegmentResult, void, undefined> {
  if (workers === 0) yield* runHere(tasks, options, inspector, hooks);
  else yield* runInThreads(tasks, options, workers, hooks);
}

async function* runHere(
  tasks: Iterable<SegmentTask>, options: WorkerOptions, inspector: Inspector, hooks: PoolHooks,
): AsyncGenerator<SegmentResult, void, undefined> {
  for (const task of tasks) {
    hooks.signal?.throwIfAborted();
    yield new SegmentAudit(inspector, task, options, auditHash).run(hooks.onProgress);
    await new Promise((resolve) => void setImmediate(resolve)); // others have a turn
  }
}

async function* runInThreads(
  tasks: Iterable<SegmentTask>, options: WorkerOptions, workers: number, hooks: PoolHooks,
): AsyncGenerator<SegmentResult, void, undefined> {
  const queue = tasks[Symbol.iterator]();
  const threads = Array.from({ length: workers }, () => new Thread(options, hooks));
  // in the order of the segments; a thread has the next one at hand while the one before waits for its turn
  const waiting: { readonly thread: Thread; readonly result: Promise<SegmentResult> }[] = [];
  const start = (thread: Thread): void => {
    const { value, done } = queue.next();
    if (done !== true) waiting.push({ thread, result: thread.run(value) });
  };
  try {
    for (const thread of [...threads, ...threads]) start(thread);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      hooks.signal?.throwIfAborted();
      const result = await next.result;
      start(next.thread);
      yield result;
    }
  } finally {
    await Promise.all(threads.map((thread) => thread.stop()));
  }
}

interface Waiting {
  readonly resolve: (result: SegmentResult) => void;
  readonly reject: (error: unknown) => void;
}

class Thread {
  readonly #worker: Worker;
  readonly #onProgress: (receipts: number) => void;
  /** In the order in which the worker answers. */
  #waiting: Waiting[] = [];
  #failure: Error | null = null;
  readonly #stopped = new AbortController();

  constructor(options: WorkerOptions, { onProgress, signal }: PoolHooks) {
    this.#onProgress = onProgress;
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: options, resourceLimits: LIMITS });
    this.#worker.on("message", (message: FromWorker) => this.#take(message));
    this.#worker.on("error", (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", (code) => this.#fail(new Error(`a thread of the audit ended with code ${code}`)));
    signal?.addEventListener("abort", () => this.#fail(new Error("the audit was stopped", { cause: signal.reason })), { signal: this.#stopped.signal });
  }

  run(task: SegmentTask): Promise<SegmentResult> {
    const result = new Promise<SegmentResult>((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(task, []);
    });
    result.catch(() => undefined); // whoever waits for it hears of it in its turn
    return result;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#worker.terminate();
  }

  #take(message: FromWorker): void {
    if (message.kind === "progress") {
      this.#onProgress(message.receipts);
      return;
    }
    this.#waiting.shift()?.resolve(message.result);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting) reject(this.#failure);
    this.#waiting = [];
  }
}
