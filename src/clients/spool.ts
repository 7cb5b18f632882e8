/**
 * A folder that takes receipts while the daemon does not (docs/CLIENTS.md, "Spool"): what it has accepted is on the disk, and is delivered
 * in order, once, by this process or the next that opens the folder. Its size is bounded; full, it refuses.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RpcFailure } from "../door/client.ts";
import { badSetting, ReceiptRefused, ReceiptUnavailable } from "./errors.ts";
import type { ClientOptions, SpoolSettings } from "./settings.ts";
import { Entries, type Entry, entryLine, type Sized } from "./spool-entries.ts";
import { SpoolLock } from "./spool-lock.ts";
import { SpoolSender } from "./spool-sender.ts";

/** Of a receipt that a person has to look at. `path`: where it is now. */
export interface SpoolReport {
  readonly receiptId: string;
  readonly code: string;
  readonly message: string;
  readonly pointer: string | null;
  readonly path: string;
}

/** ms between two counts of the folder, which other processes may use, too. */
const COUNT_EVERY = 5000;
const COUNT_WHEN_FULL_EVERY = 1000;
/** ms between two looks of `flush`. */
const FLUSH_LOOK = 20;

export class Spool {
  readonly #entries: Entries;
  readonly #maxBytes: number;
  readonly #maxReceipts: number;
  readonly #sender: SpoolSender;
  readonly #options: Pick<ClientOptions, "onRefused" | "onDamaged">;
  /** Of the folder as it was counted, with what has come and gone since. */
  #count = 0;
  #bytes = 0;
  #countedAt = 0;
  #refused = 0;
  #damaged = 0;
  /** By receipt_id; with the bytes. */
  readonly #known = new Map<string, Sized>();
  /** Receipts that are being written, and their bytes. */
  readonly #coming = new Set<string>();
  #comingBytes = 0;
  /** The daemon is not asked first. */
  readonly isFirst: boolean;
  /** ms that the daemon is given first. */
  readonly waitMs: number;

  constructor({ folder, isFirst, waitMs, maxBytes, maxReceipts }: SpoolSettings, socket: string, options: Pick<ClientOptions, "onRefused" | "onDamaged">, onDelivered: () => void) {
    this.#entries = new Entries(folder);
    this.#maxBytes = maxBytes;
    this.#maxReceipts = maxReceipts;
    this.waitMs = waitMs;
    this.isFirst = isFirst;
    this.#options = options;
    for (const found of this.#recount(0)) this.#known.set(found.entry.receiptId, found);
    this.#refused = this.#entries.count("refused");
    this.#damaged = this.#entries.count("damaged");
    const swept = this.#entries.sweep();
    if (swept > 0) warn(`${swept} receipts in ${folder} were being written when their process ended; they were never accepted, and are removed`);
    this.#sender = new SpoolSender(this.#entries, new SpoolLock(folder), socket, {
      onDelivered: (entry) => {
        this.#entries.remove(entry);
        this.#forget(entry);
        onDelivered();
      },
      onRefused: (entry, failure) => this.#refuse(entry, failure),
      onDamaged: (entry) => this.#quarantine(entry),
      onGone: (entry) => this.#forget(entry),
      onPass: () => this.#recount(COUNT_EVERY),
      onError: (error) => warn(`${folder} cannot be worked on: ${String(error)}`),
      onStuck: ({ name }, error) => warn(`${this.#entries.path("pending", name)} cannot be worked on, and stays where it is: ${String(error)}`),
    });
  }

  /** Receipts to be delivered. */
  get pending(): number { return this.#count; }
  /** Of the files of those. */
  get bytes(): number { return this.#bytes; }
  /** Receipts that the daemon has refused for good; they are in `refused`. */
  get refused(): number { return this.#refused; }
  get damaged(): number { return this.#damaged; }

  /** The text under this id that waits here; null where none does, as far as this process knows. Throws ReceiptUnavailable `spool_failed`. */
  find(receiptId: string): string | null {
    const known = this.#known.get(receiptId);
    try {
      return known === undefined ? null : this.#entries.read(known.entry) ?? null;
    } catch (cause) {
      throw new ReceiptUnavailable("spool_failed", `the receipt waits in the spool, and cannot be read there: ${String(cause)}`, { receiptId, cause, maybeStored: true });
    }
  }

  /** Resolves when all of them are on the disk. Throws ReceiptUnavailable `spool_full` before any is, or `spool_failed`, and then none is left there. */
  async add(all: readonly { readonly receiptId: string; readonly text: string }[]): Promise<void> {
    const lines = all.map(({ text }) => entryLine(text));
    const bytes = lines.reduce((sum, line) => sum + line.length, 0);
    if (!this.#hasRoom(lines.length, bytes)) this.#recount(COUNT_WHEN_FULL_EVERY);
    if (!this.#hasRoom(lines.length, bytes)) {
      throw new ReceiptUnavailable("spool_full", `the spool has ${this.#count} receipts in ${this.#bytes} bytes, and takes no more`, { receiptId: all[0]?.receiptId });
    }
    for (const [at, { receiptId }] of all.entries()) {
      if (all.findIndex((other) => other.receiptId === receiptId) < at) throw new ReceiptRefused("conflict", "two receipts of one call with this receipt_id", { receiptId });
      if (this.#coming.has(receiptId)) throw new ReceiptUnavailable("spool_failed", "this receipt is being written", { receiptId, maybeStored: true });
    }
    const added = await Promise.allSettled(all.map(({ receiptId }, at) => this.#add(receiptId, lines[at]!)));
    const failures = added.flatMap((one) => (one.status === "rejected" ? [one.reason as ReceiptUnavailable] : []));
    const [failure] = failures;
    if (failure === undefined) return this.#sender.wake();
    const entries = added.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    for (const entry of entries) {
      this.#entries.remove(entry);
      this.#forget(entry);
    }
    const { code, message, receiptId, cause } = failure;
    const maybeStored = entries.length > 0 || failures.some((one) => one.maybeStored); // delivered already, perhaps
    throw new ReceiptUnavailable(code, message, { receiptId, cause, maybeStored });
  }

  /** Whether nothing is left to deliver within this time. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (typeof timeoutMs !== "number" || !(timeoutMs >= 0)) throw badSetting("timeoutMs", "milliseconds, from 0");
    const until = performance.now() + timeoutMs;
    this.#sender.wake();
    while (this.#entries.list().length > 0) {
      if (performance.now() >= until) return false;
      await sleep(FLUSH_LOOK);
    }
    this.#recount(0);
    return true;
  }

  /** What is there stays there. */
  async close(): Promise<void> {
    await this.#sender.stop();
  }

  async #add(receiptId: string, line: Uint8Array): Promise<Entry> {
    this.#coming.add(receiptId);
    this.#comingBytes += line.length;
    try {
      const entry = await this.#entries.add(receiptId, line);
      this.#known.set(receiptId, { entry, bytes: line.length });
      this.#count++;
      this.#bytes += line.length;
      return entry;
    } finally {
      this.#coming.delete(receiptId);
      this.#comingBytes -= line.length;
    }
  }

  #hasRoom(count: number, bytes: number): boolean {
    return this.#count + this.#coming.size + count <= this.#maxReceipts && this.#bytes + this.#comingBytes + bytes <= this.#maxBytes;
  }

  /** What is in the folder, if it was not counted a moment ago. */
  #recount(every: number): readonly Sized[] {
    const now = performance.now();
    if (this.#countedAt > 0 && now - this.#countedAt < every) return [];
    this.#countedAt = now;
    const found = this.#entries.sizes();
    this.#count = found.length;
    this.#bytes = found.reduce((sum, { bytes }) => sum + bytes, 0);
    return found;
  }

  #forget({ receiptId }: Entry): void {
    const known = this.#known.get(receiptId);
    this.#known.delete(receiptId);
    this.#count = Math.max(0, this.#count - 1);
    this.#bytes = Math.max(0, this.#bytes - (known?.bytes ?? 0));
  }

  #refuse(entry: Entry, failure: RpcFailure): void {
    const { code, message } = failure;
    const pointer = failure.pointer ?? null;
    this.#entries.refuse(entry, { code, message, pointer });
    this.#forget(entry);
    this.#refused++;
    const path = this.#entries.path("refused", entry.name);
    report(this.#options.onRefused, { receiptId: entry.receiptId, code, message: `the daemon refuses the receipt for good: ${message}`, pointer, path });
  }

  #quarantine(entry: Entry): void {
    this.#entries.quarantine(entry);
    this.#forget(entry);
    this.#damaged++;
    const path = this.#entries.path("damaged", entry.name);
    report(this.#options.onDamaged, { receiptId: entry.receiptId, code: "spool_damaged", message: "the receipt is not what was written there; it was not sent", pointer: null, path });
  }
}

/** A process warning, too, where nobody has asked, or who has asked fails. */
function report(told: ((report: SpoolReport) => void) | undefined, what: SpoolReport): void {
  const { receiptId, code, message, path } = what;
  const text = `${receiptId}: ${code}: ${message} (${path})`;
  try {
    if (told === undefined) warn(text);
    else told(what);
  } catch (error) {
    warn(`${text}; whoever was told of it failed: ${String(error)}`);
  }
}

function warn(text: string): void {
  process.emitWarning(`receiptd spool: ${text}`, { code: "RECEIPTD_SPOOL" });
}
