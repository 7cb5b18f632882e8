/** Those who wait until a tree size is anchored. */
export class Waiters {
  readonly #waiting = new Set<{ readonly size: number; readonly done: () => void }>();

  /** Calls `done` once `reached(size)` has been told; returns how to stop waiting. */
  add(size: number, done: () => void): () => void {
    const waiter = { size, done };
    this.#waiting.add(waiter);
    return () => void this.#waiting.delete(waiter);
  }

  reached(size: number): void {
    for (const waiter of this.#waiting) {
      if (waiter.size > size) continue;
      this.#waiting.delete(waiter);
      waiter.done();
    }
  }
}
