/**
 * The pace of a thread that is to take no more than its share of a processor, whatever it does: it rests between two statements, for as
 * long as the time that it had the processor asks for. A rest ends at once when the thread is to end.
 */
import { Inspector, type IndexKey, type IndexScan, type IndexRow, type ReceiptIndex } from "../ledger/inspect.ts";
import type { AnchorRow } from "../ledger/reader.ts";

/** Thrown out of whatever is being done when the thread is to end. */
export class Stopped extends Error {}

/** ms of work without a rest. */
const STINT = 3;
/** ms: after a statement that took long (a disk that is slow) it goes on nevertheless. */
const LONGEST_REST = 10_000;

/** ms of the processor that this thread has had; before Node 23.9 ms by the clock, which is more on a busy machine. */
export function processorTime(): number {
  if (typeof process.threadCpuUsage !== "function") return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

export class Pace {
  readonly #stop: Int32Array;
  readonly #share: number;
  readonly #beforeRest: () => void;
  #since = processorTime();

  /** `stop`: shared, not 0 once the thread is to end, and notified then. `share` of one processor, above 0 and at most 1. */
  constructor(stop: Int32Array, share: number, beforeRest: () => void) {
    this.#stop = stop;
    this.#share = share;
    this.#beforeRest = beforeRest;
  }

  get isStopped(): boolean {
    return Atomics.load(this.#stop, 0) !== 0;
  }

  /** Blocks the thread for as long as the work since the last rest asks for. Throws `Stopped`. */
  rest(): void {
    if (this.isStopped) throw new Stopped();
    if (processorTime() - this.#since < STINT) return;
    this.#beforeRest();
    this.sleep(this.due());
    if (this.isStopped) throw new Stopped();
  }

  /** ms of rest that the work since the last one asks for. */
  due(): number {
    const worked = processorTime() - this.#since;
    return Math.min(LONGEST_REST, worked * (1 / this.#share - 1));
  }

  /** Blocks the thread for so many ms, or until it is to end. */
  sleep(ms: number): void {
    if (ms > 0) Atomics.wait(this.#stop, 0, 0, ms);
    this.begin();
  }

  /** Work begins now. */
  begin(): void {
    this.#since = processorTime();
  }
}

/** Rests before each statement that reads much. Between two statements no read transaction is open, so nothing keeps the log from being reset. */
export class PacedInspector extends Inspector {
  readonly #pace: Pace;

  constructor(path: string, pace: Pace) {
    super(path);
    this.#pace = pace;
  }

  override rows(first: number, end: number, limit: number): IndexRow[] {
    this.#pace.rest();
    return super.rows(first, end, limit);
  }

  override blobs(first: number, end: number, maxBytes: number): ReturnType<Inspector["blobs"]> {
    this.#pace.rest();
    return super.blobs(first, end, maxBytes);
  }

  override notFoundBy(index: ReceiptIndex, first: number, end: number): ReturnType<Inspector["notFoundBy"]> {
    this.#pace.rest();
    return super.notFoundBy(index, first, end);
  }

  override scanIndex(index: ReceiptIndex, after: IndexKey | null, size: number, limit: number): IndexScan {
    this.#pace.rest();
    return super.scanIndex(index, after, size, limit);
  }

  override anchors(after: number, limit: number): AnchorRow[] {
    this.#pace.rest();
    return super.anchors(after, limit);
  }

  override treeExtent(size: number): ReturnType<Inspector["treeExtent"]> {
    this.#pace.rest();
    return super.treeExtent(size);
  }
}
