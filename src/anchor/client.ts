/** The writer's side of the publisher's thread: tells it what may be signed, and keeps what it last said. */
import { Worker } from "node:worker_threads";
import type { Observed } from "../format/fields.ts";
import { formatTime } from "../format/time.ts";
import { type Comparison, UNCOMPARED } from "./compare.ts";
import { AnchorError } from "./errors.ts";
import { type Progress, TIMING } from "./publisher.ts";
import type { SigningPeriod } from "./signers.ts";
import { sleep } from "./wait.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./worker.ts";

export interface PublisherClientOptions extends Omit<WorkerOptions, "timing"> {
  readonly timing?: WorkerOptions["timing"];
  /** The thread has ended, or cannot go on: so must the process. Called once, and never after `stop`. */
  readonly onFatal: (error: Error) => void;
}

export interface PublisherStatus extends Progress {
  /** Why receipts must be refused: what is at a target contradicts the ledger. Never reverts while the process lives. */
  readonly refusal: { readonly code: "ledger_behind" | "forked"; readonly message: string } | null;
}

export interface PublisherClient {
  /**
   * What comparing the ledger with the targets gave, at the latest after `timing.compareMs`. `uncompared` becomes `ok`, `forked` or
   * `ledger_behind` later: see `status`. Rejects with what is fatal.
   */
  readonly ready: Promise<Comparison>;
  /** The anchor of this tree size and its epoch's end are on the disk: it may be signed. */
  closed(treeSize: number): void;
  /** The ledger goes on with another checkpoint key. Before its first anchor is said to be closed. */
  rotated(to: SigningPeriod): void;
  /** Calls back whenever the status has changed; returns how to end that. */
  onProgress(callback: (status: PublisherStatus) => void): () => void;
  status(): PublisherStatus;
  /** The newest anchor confirmed at each target, for the next anchor receipt. */
  observed(): readonly Observed[];
  /** Ends the thread, waiting at most `timeoutMs` (5 s) for targets to finish what they are doing. */
  stop(timeoutMs?: number): Promise<void>;
}

/** MiB: it moves objects of megabytes, and has little to think about. */
const LIMITS = { maxYoungGenerationSizeMb: 3 };
const STOP_MS = 5000;
/** ms more for the thread itself. */
const THREAD_MS = 1000;

export function startPublisher({ onFatal, ...options }: PublisherClientOptions): PublisherClient {
  const workerData: WorkerOptions = { ...options, timing: options.timing ?? TIMING };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData, name: "publisher", resourceLimits: LIMITS });
  const listeners = new Set<(status: PublisherStatus) => void>();
  const ready = Promise.withResolvers<Comparison>();
  ready.promise.catch(() => undefined); // onFatal tells it, too
  let status = statusOf({ comparison: UNCOMPARED, targets: [], signedSize: 0, signerError: null, anchoredSize: 0 });
  let over = false;

  const end = (error: Error): void => {
    if (over) return;
    over = true;
    ready.reject(error);
    onFatal(error);
  };
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "compared") return ready.resolve(message.comparison);
    if (message.kind === "fatal") return end(new AnchorError("publisher_failed", `${message.message} (${message.code})`));
    status = statusOf(message.progress);
    for (const listener of listeners) listener(status);
  });
  worker.on("error", (error) => end(new AnchorError("publisher_failed", "the publisher's thread failed", { cause: error })));
  worker.on("exit", (code) => end(new AnchorError("publisher_failed", `the publisher's thread ended with code ${code}`)));
  const post = (message: ToWorker): void => worker.postMessage(message, []);

  return {
    ready: ready.promise,
    closed: (treeSize) => post({ kind: "closed", treeSize }),
    rotated: (to) => post({ kind: "rotated", to }),
    onProgress(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    status: () => status,
    observed: () => status.targets.flatMap(({ name, confirmed }) => confirmed === null ? [] : [{
      target: name, tree_size: confirmed.treeSize, version_id: confirmed.versionId, last_modified: formatTime(confirmed.lastModified),
    }]),
    async stop(timeoutMs = STOP_MS) {
      over = true;
      ready.reject(new AnchorError("publisher_failed", "the publisher was stopped"));
      if (worker.threadId === -1) return; // it has ended
      const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      post({ kind: "stop", timeoutMs });
      const patience = new AbortController();
      await Promise.race([exited, sleep(timeoutMs + THREAD_MS, patience.signal)]);
      patience.abort();
      // a call that hangs in the kernel (a lost network disk) keeps the thread; it must not keep the process
      void worker.terminate();
      worker.unref();
    },
  };
}

function statusOf(progress: Progress): PublisherStatus {
  const { state, detail } = progress.comparison;
  return { ...progress, refusal: state === "ledger_behind" || state === "forked" ? { code: state, message: detail } : null };
}
