/**
 * Moving what is committed from the write-ahead log into the database's file, in a thread of its own: done by the writer it is a third of
 * all the time that writing takes, and the receipts that come meanwhile wait for it.
 *
 * The log begins anew only where nothing is written while its last pages are moved. Of a long one the writer moves those itself, a few that
 * came while the thread was at work. Nothing that was acknowledged depends on any of it. Where the thread does not keep up the writer's
 * connection moves all pages (`INLINE_PAGES`), which bounds the log's file.
 */
import { Worker } from "node:worker_threads";
import Database from "better-sqlite3";
import { LedgerError } from "./errors.ts";

/** Pages in the log at which the writer does it itself. */
export const INLINE_PAGES = 4000;
/** Pages after which the thread is told. */
const PAGES = 500;
/** Pages in the log from which on the writer moves the last of them. */
const LONG = 2000;
const LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 };

export interface ToCheckpoints { readonly kind: "checkpoint" | "end" }
/** `pages`: in the log. */
export type FromCheckpoints = { readonly kind: "done"; readonly pages: number } | { readonly kind: "failed"; readonly message: string };

/** Why pages could not be moved, if it matters: without room, or while somebody else moves them, they stay in the log until another time. */
export function failureOf(move: () => unknown): string | null {
  try {
    move();
    return null;
  } catch (error) {
    if (error instanceof Database.SqliteError && /^SQLITE_(?:FULL|BUSY|LOCKED)/.test(error.code)) return null;
    return error instanceof Error ? error.message : String(error);
  }
}

export class Checkpointer {
  readonly #path: string;
  readonly #onFatal: (error: Error) => void;
  /** From the first time that there is something for it to do: a daemon that writes little needs no further thread. */
  #thread: { readonly worker: Worker; readonly ended: Promise<void> } | null = null;
  #moveLast = (): unknown => undefined;
  #pages = 0;
  #isBusy = false;

  /** `onFatal`: pages may be lost that the kernel took for written; the process must end, and the log is what counts at the next start. */
  constructor(path: string, onFatal: (error: Error) => void) {
    this.#path = path;
    this.#onFatal = onFatal;
  }

  /** What moves pages on the writer's connection, between two commits. */
  endWith(moveLast: () => unknown): void {
    this.#moveLast = moveLast;
  }

  /** The writer committed about so many pages. */
  wrote(pages: number): void {
    this.#pages += pages;
    if (!this.#isBusy) this.#tell();
  }

  /** Before the writer closes: the last connection to close empties the log. */
  async stop(): Promise<void> {
    this.#thread?.worker.postMessage({ kind: "end" } satisfies ToCheckpoints, []);
    await this.#thread?.ended;
  }

  #tell(): void {
    if (this.#pages < PAGES) return;
    this.#pages = 0;
    this.#isBusy = true;
    this.#thread ??= this.#start();
    this.#thread.worker.postMessage({ kind: "checkpoint" } satisfies ToCheckpoints, []);
  }

  #start(): { readonly worker: Worker; readonly ended: Promise<void> } {
    const worker = new Worker(new URL("./checkpoint-worker.ts", import.meta.url), { workerData: this.#path, name: "checkpoints", resourceLimits: LIMITS });
    worker.on("message", (message: FromCheckpoints) => {
      this.#isBusy = false;
      const failed = message.kind === "failed" ? message.message : message.pages >= LONG ? failureOf(this.#moveLast) : null;
      if (failed === null) this.#tell();
      else this.#onFatal(new LedgerError("ledger_io", `the ledger's file could not be brought up to date: ${failed}`));
    });
    worker.on("error", (error) => this.#onFatal(error instanceof Error ? error : new Error(String(error))));
    return { worker, ended: new Promise((resolve) => worker.on("exit", () => resolve())) };
  }
}
