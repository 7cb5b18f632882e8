/**
 * Delivers receipts to the daemon, whatever happens on the way: many calls on the way at a time, their number and bytes bounded,
 * and after a lost connection or an error that passes everything without an answer is sent again. Sending again is safe because
 * every receipt has a receipt_id: what was stored already is answered as a duplicate.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, type RpcClient, RpcFailure, within } from "./client.ts";

export interface Parcel {
  /** The receipt, in one line, with a receipt_id. */
  readonly text: string;
  /** Told once: the acknowledgement, or why the receipt was refused for good. */
  readonly done: (answer: Answer) => void;
}

export interface SenderOptions {
  readonly connect: () => Promise<RpcClient>;
  readonly ack: "disk" | "wal" | undefined;
  /** ms from the first trouble to go on trying without any answer that settles something. */
  readonly patience: number;
  /** Told before waiting to try again; `again`: nothing was settled since it was told before. */
  readonly onTrouble: (error: RpcFailure, again: boolean) => void;
}

/** Where a receipt stands in its message. */
const SENT_AT = "/params/receipt";
const WINDOW_CALLS = 512;
const WINDOW_BYTES = 4 * 1024 * 1024;
/** ms */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 2000;

/** Delivers them all, in order but for what is sent again; throws the last RpcFailure once patience is at its end. */
export async function deliver(parcels: AsyncIterable<readonly Parcel[]>, options: SenderOptions): Promise<void> {
  const source = new Source(parcels);
  let troubleSince: number | null = null;
  let wait = FIRST_WAIT;
  for (;;) {
    const trouble = await session(source, options, () => {
      troubleSince = null;
      wait = FIRST_WAIT;
    });
    if (trouble === null) return;
    const now = performance.now();
    const again = troubleSince !== null;
    troubleSince ??= now; // not since the last answer: there may have been nothing to send for long
    const mayPass = trouble.lost || trouble.retry;
    if (!mayPass || now - troubleSince + wait > options.patience) throw trouble;
    options.onTrouble(trouble, again);
    await sleep(wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/** What is still to be sent: first what came back. */
class Source {
  readonly #iterator: AsyncIterator<readonly Parcel[]>;
  #ready: readonly Parcel[] = [];
  #at = 0;

  constructor(parcels: AsyncIterable<readonly Parcel[]>) {
    this.#iterator = parcels[Symbol.asyncIterator]();
  }

  /** The next one, if it is at hand. */
  next(): Parcel | undefined {
    return this.#at < this.#ready.length ? this.#ready[this.#at++] : undefined;
  }

  /** Fetches more; false at the end. */
  async fetch(): Promise<boolean> {
    const { done, value } = await this.#iterator.next();
    if (done === true) return false;
    this.#ready = value;
    this.#at = 0;
    return true;
  }

  putBack(parcels: readonly Parcel[]): void {
    this.#ready = [...parcels, ...this.#ready.slice(this.#at)];
    this.#at = 0;
  }
}

/** Sends over one connection until all is answered (null), or until there is trouble; what is not settled then is put back. */
async function session(source: Source, options: SenderOptions, settled: () => void): Promise<RpcFailure | null> {
  let client: RpcClient;
  try {
    client = await options.connect();
  } catch (error) {
    if (error instanceof RpcFailure) return error;
    throw error;
  }
  const flight = new Flight(client, options.ack, settled);
  try {
    while (flight.trouble() === null) {
      const parcel = flight.isFull() ? undefined : source.next();
      if (parcel !== undefined) flight.send(parcel);
      else if (flight.isFull()) await flight.answer();
      else if (!(await source.fetch())) break;
    }
    // what comes back is sent first the next time: everything behind it has to be settled by then
    while (client.due > 0) await flight.answer();
    return flight.trouble();
  } finally {
    client.close();
    source.putBack(flight.unsettled);
  }
}

/** The calls of one connection that have no answer yet. */
class Flight {
  readonly unsettled: Parcel[] = [];
  readonly #client: RpcClient;
  readonly #end: string;
  readonly #settled: () => void;
  #bytes = 0;
  #trouble: RpcFailure | null = null;
  #wake = (): void => {};

  constructor(client: RpcClient, ack: string | undefined, settled: () => void) {
    this.#client = client;
    this.#end = ack === undefined ? "}" : `,"ack":"${ack}"}`;
    this.#settled = settled;
  }

  trouble(): RpcFailure | null {
    return this.#trouble;
  }

  isFull(): boolean {
    return this.#client.due >= WINDOW_CALLS || this.#bytes >= WINDOW_BYTES;
  }

  /** Resolves with the next answer. */
  answer(): Promise<void> {
    return new Promise((resolve) => { this.#wake = resolve; });
  }

  send(parcel: Parcel): void {
    this.#bytes += parcel.text.length;
    this.#client.send("append", `{"receipt":${parcel.text}${this.#end}`, (answer) => {
      this.#bytes -= parcel.text.length;
      if ("failure" in answer && (answer.failure.lost || answer.failure.retry)) {
        this.#trouble ??= answer.failure;
        this.unsettled.push(parcel);
      } else {
        this.#settled();
        parcel.done("failure" in answer ? { failure: within(SENT_AT, answer.failure) } : answer);
      }
      this.#wake();
    });
  }
}
