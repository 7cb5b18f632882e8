/**
 * Syncs of the ledger, shared: one at a time, and all who ask while one runs get the next, which begins after they asked. A thousand
 * calls that wait for the disk cost two syncs, not a thousand open files.
 *
 * After a failure there is no other: the kernel may have dropped the pages (ledger/errors.ts), so a second sync would succeed for
 * what is not stored.
 */
import type { IntakePort } from "./port.ts";

export class Syncs {
  readonly #port: IntakePort;
  #running: Promise<number> | null = null;
  #next: Promise<number> | null = null;

  constructor(port: IntakePort) {
    this.#port = port;
  }

  /** Resolves with the size that survives a power cut: at least what was committed when it was called. */
  readonly sync = (): Promise<number> => {
    if (this.#running === null) return this.#start();
    return this.#next ??= this.#running.then(() => this.#start());
  };

  #start(): Promise<number> {
    this.#next = null;
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<number> {
    try {
      const size = await this.#port.sync();
      if (this.#next === null) this.#running = null;
      return size;
    } catch (error) {
      this.#port.fatal(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }
}
