/**
 * Delivers what a spool has, in order, over a connection of its own, for as long as the spool is open. An entry goes when the daemon has
 * acknowledged it on its disk, and not before; what the daemon refuses for good is put aside and told.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, RpcClient, RpcFailure } from "../door/client.ts";
import { deliver, type Parcel } from "../door/sender.ts";
import { isTrouble } from "./errors.ts";
import type { Entries, Entry } from "./spool-entries.ts";
import type { SpoolLock } from "./spool-lock.ts";

export interface SenderEvents {
  readonly onDelivered: (entry: Entry) => void;
  readonly onRefused: (entry: Entry, failure: RpcFailure) => void;
  readonly onDamaged: (entry: Entry) => void;
  /** Somebody else has delivered it. */
  readonly onGone: (entry: Entry) => void;
  /** All that was there has been looked at. */
  readonly onPass: () => void;
  /** The folder itself makes trouble. */
  readonly onError: (error: unknown) => void;
  /** This entry's file does: it stays, and those behind it go. */
  readonly onStuck: (entry: Entry, error: unknown) => void;
}

/** What ends a pass at once (the daemon's), and what makes the next one wait. */
interface Trouble {
  isDaemons: boolean;
  isFolders: boolean;
}

/** ms */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 5000;
/** ms between two looks at a folder with nothing in it, or that another process sends from. */
const LOOK_EVERY = 1000;
/** ms without any answer. */
const PATIENCE = 10_000;
/** Entries that are read ahead of their answers. */
const PORTION = 64;

export class SpoolSender {
  readonly #entries: Entries;
  readonly #lock: SpoolLock;
  readonly #socket: string;
  readonly #events: SenderEvents;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  #client: RpcClient | null = null;
  #wake: (() => void) | null = null;
  #isWoken = false;
  /** Entries of this pass that need no more sending. */
  #settled = 0;
  /** Names of entries that were told of as stuck. */
  readonly #stuck = new Set<string>();

  constructor(entries: Entries, lock: SpoolLock, socket: string, events: SenderEvents) {
    this.#entries = entries;
    this.#lock = lock;
    this.#socket = socket;
    this.#events = events;
    this.#done = this.#run();
  }

  /** There is something to deliver. */
  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** What is on the way is left where it is. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#client?.close();
    this.wake();
    await this.#done;
    this.#lock.release();
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // whoever made it has something to do first
    let failures = 0;
    while (!this.#stopped.signal.aborted) {
      let isTroubled = false;
      this.#settled = 0;
      try {
        if (this.#lock.take()) isTroubled = !(await this.#pass());
        this.#events.onPass();
      } catch (error) {
        isTroubled = true;
        this.#events.onError(error);
      }
      failures = isTroubled && this.#settled === 0 ? failures + 1 : 0;
      if (isTroubled) await this.#rest(Math.random() * Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT));
      else if (!this.#isWoken) await this.#rest(LOOK_EVERY, true);
      if (!isTroubled) this.#isWoken = false;
    }
  }

  /** Sends what is there; false: some of it could not be sent now. */
  async #pass(): Promise<boolean> {
    const entries = this.#entries.list();
    if (entries.length === 0) return true;
    const trouble = { isDaemons: false, isFolders: false };
    try {
      await deliver(this.#parcels(entries, trouble), {
        connect: async () => (this.#client = await RpcClient.connect(this.#socket, { timeout: PATIENCE })),
        ack: "disk",
        patience: 0, // the first trouble ends it: the next pass begins with the first entry that is left
        onTrouble: () => undefined,
      });
    } catch (error) {
      if (error instanceof RpcFailure) return false;
      throw error;
    } finally {
      this.#client?.close();
      this.#client = null;
    }
    return !trouble.isDaemons && !trouble.isFolders;
  }

  async *#parcels(entries: readonly Entry[], trouble: Trouble): AsyncGenerator<readonly Parcel[]> {
    for (let at = 0; at < entries.length && !trouble.isDaemons && !this.#stopped.signal.aborted; at += PORTION) {
      this.#lock.take();
      yield entries.slice(at, at + PORTION).flatMap((entry) => {
        const text = this.#read(entry);
        return text === null ? [] : [{ text, done: (answer: Answer) => this.#settle(entry, answer, trouble) }];
      });
    }
  }

  /** null: there is nothing to send. */
  #read(entry: Entry): string | null {
    try {
      const text = this.#entries.read(entry);
      if (text === undefined) this.#events.onGone(entry);
      else if (text === null) this.#events.onDamaged(entry);
      return text ?? null;
    } catch (error) {
      this.#isStuck(entry, error);
      return null;
    }
  }

  #settle(entry: Entry, answer: Answer, trouble: Trouble): void {
    const isDelivered = "result" in answer && answer.result["receipt_id"] === entry.receiptId && answer.result["ack"] === "disk";
    if ("failure" in answer ? isTrouble(answer.failure) : !isDelivered) { // or it is not receiptd's answer
      trouble.isDaemons = true;
      return;
    }
    try {
      if ("failure" in answer) this.#events.onRefused(entry, answer.failure);
      else this.#events.onDelivered(entry);
      this.#settled++;
    } catch (error) {
      trouble.isFolders = true;
      this.#isStuck(entry, error);
    }
  }

  #isStuck(entry: Entry, error: unknown): void {
    if (this.#stuck.has(entry.name)) return;
    this.#stuck.add(entry.name);
    this.#events.onStuck(entry, error);
  }

  async #rest(ms: number, untilWoken = false): Promise<void> {
    const woken = untilWoken ? [new Promise<void>((resolve) => { this.#wake = resolve; })] : [];
    const time = new AbortController();
    const signal = AbortSignal.any([time.signal, this.#stopped.signal]);
    await Promise.race([sleep(ms, undefined, { ref: false, signal }).catch(() => undefined), ...woken]);
    time.abort();
    this.#wake = null;
  }
}
