/**
 * The load: a process of its own that writes calls to a socket and times each answer. Closed (`inFlight` calls of each client are
 * always open) for how much can be had, open (`rate` calls a second, whether or not earlier ones are answered) for how long one takes:
 * a call's time begins when it was due, so that what waits behind a stall is counted (no coordinated omission). At a rate it
 * does not sleep when a call is due in the next ms, so that it leaves in time: from 1,000/s on it needs a processor for itself. With
 * `yields` one on which it only waits is free for what is measured.
 *
 * Reads its settings as JSON from the argument and prints its measurements as JSON.
 */
import { connect, type Socket } from "node:net";
import { setPriority } from "node:os";
import { type CallSettings, callsOf } from "./calls.ts";
import { type Measured, summary } from "./summary.ts";

export interface LoadSettings extends CallSettings {
  readonly socket: string;
  readonly clients: number;
  /** Calls of each client that are not answered, at most; of a closed load. */
  readonly inFlight: number;
  /** Calls a second over all clients, or null: as many as there is room for. */
  readonly rate: number | null;
  /** s, behind `warmUp` s that are not measured. */
  readonly seconds: number;
  readonly warmUp: number;
  /** Has everything else that runs the processors first? */
  readonly yields: boolean;
  /** Print each call's time, too. */
  readonly samples: boolean;
}

export interface LoadMeasured extends Measured {
  readonly count: number;
  readonly perSecond: number;
  /** When each call was due, ms since 1970, and how long it took, ms. */
  readonly samples?: readonly (readonly [number, number])[];
}

const LF = 0x0a;
/** ms for the last answers. */
const PATIENCE = 20_000;
/** ms that a timer of 1 ms takes, at most, if the machine is not busy. */
const TIMER = 1.5;

class Client {
  readonly #socket: Socket;
  readonly #calls: readonly Buffer[];
  readonly #onAnswers: (due: readonly number[], now: number) => void;
  /** When each open call was due, in order. */
  #due: number[] = [];
  #id = 0;

  constructor(path: string, calls: readonly Buffer[], onAnswers: (due: readonly number[], now: number) => void) {
    this.#calls = calls;
    this.#onAnswers = onAnswers;
    this.#socket = connect(path);
    this.#socket.on("data", (chunk: Buffer) => this.#answers(chunk));
    this.#socket.on("error", (error) => { throw error; });
  }

  get open(): number {
    return this.#due.length;
  }

  send(count: number, due: number): void {
    if (count <= 0) return;
    const parts: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      this.#due.push(due);
      parts.push(Buffer.from(`{"jsonrpc":"2.0","id":${this.#id}`), this.#calls[this.#id % this.#calls.length]!);
      this.#id++;
    }
    this.#socket.write(Buffer.concat(parts));
  }

  end(): void {
    this.#socket.destroy();
  }

  #answers(chunk: Buffer): void {
    const now = performance.now();
    const at = chunk.indexOf('"error":');
    if (at !== -1) throw new Error(`refused: ${chunk.toString("utf8", at, at + 200)}`);
    let answered = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, end + 1)) answered++;
    this.#onAnswers(this.#due.splice(0, answered), now);
  }
}

/** Counted are the answers that came in the measured time. */
async function closed({ clients: count, inFlight, seconds, warmUp, socket, ...settings }: LoadSettings): Promise<LoadMeasured> {
  const calls = callsOf(settings);
  const times: number[] = [];
  const begin = performance.now() + warmUp * 1000;
  const end = begin + seconds * 1000;
  const clients = Array.from({ length: count }, () => {
    const client: Client = new Client(socket, calls, (due, now) => {
      if (now >= begin && now < end) for (const at of due) times.push(now - at);
      if (now < end) client.send(due.length, now);
    });
    client.send(inFlight, performance.now());
    return client;
  });
  await new Promise((resolve) => void setTimeout(resolve, end - performance.now()));
  for (const client of clients) client.end();
  return { ...summary(times), count: times.length, perSecond: times.length / seconds };
}

/** Counted are the calls that were due in the measured time: the load ends when the last of them is answered. */
async function open({ clients: count, rate, seconds, warmUp, socket, samples: wanted, ...settings }: LoadSettings & { readonly rate: number }): Promise<LoadMeasured> {
  const calls = callsOf(settings);
  const samples: [number, number][] = [];
  const start = performance.now();
  const begin = start + warmUp * 1000;
  const end = begin + seconds * 1000;
  const clients = Array.from({ length: count }, () => new Client(socket, calls, (due, now) => {
    for (const at of due) if (at >= begin && at < end) samples.push([at, now - at]);
  }));
  let sent = 0;
  await new Promise<void>((resolve, reject) => {
    const tick = (): void => {
      const now = performance.now();
      const due = Math.floor(((Math.min(now, end) - start) * rate) / 1000);
      for (; sent < due; sent++) clients[sent % count]!.send(1, start + ((sent + 1) * 1000) / rate);
      const next = start + ((sent + 1) * 1000) / rate;
      if (now < end && next - now > TIMER) setTimeout(tick, 1);
      else if (now < end || (clients.some((client) => client.open > 0) && now < end + PATIENCE)) setImmediate(tick);
      else if (clients.some((client) => client.open > 0)) reject(new Error(`calls are not answered ${PATIENCE} ms after the load's end`));
      else resolve();
    };
    tick();
  });
  for (const client of clients) client.end();
  const times = samples.map(([, time]) => time);
  return {
    ...summary(times), count: times.length, perSecond: times.length / seconds,
    ...(wanted ? { samples: samples.map(([due, time]): readonly [number, number] => [performance.timeOrigin + due, time]) } : {}),
  };
}

const settings = JSON.parse(process.argv[2]!) as LoadSettings;
const { rate } = settings;
if (settings.yields) setPriority(19);
const result = rate === null ? await closed(settings) : await open({ ...settings, rate });
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());
