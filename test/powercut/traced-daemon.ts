/** The real daemon, from the creation of its ledger to its end, under load and traced; and what its clients were told by when. */
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Acknowledged, acknowledged, Book, Load, sendAgain, until } from "../faults/book.ts";
import { Client } from "../faults/client.ts";
import { environment, receiptd, TAKING } from "../faults/daemon-process.ts";
import { Ground } from "../faults/ground.ts";
import { acknowledgedAt } from "./disk.ts";
import { UndecidedTrace } from "./strace.ts";
import { traceProcess } from "./traced-process.ts";
import type { Trace } from "./trace.ts";

export interface TracedDaemon {
  readonly ground: Ground;
  readonly trace: Trace;
  /** All that was sent. */
  readonly book: Book;
}

export interface TracedLoad {
  readonly ack: "disk" | "wal";
  readonly receipts: number;
  /** The disk does not sync; the ledger was created on one that does. */
  readonly injectNoSync?: boolean;
  /** The daemon is killed when it has answered, and started again; everything is then sent to it again, with `ack` for `disk`. */
  readonly killed?: boolean;
  /** A key of this kind waits for the daemon when it starts: it is the first thing that it does. */
  readonly rotated?: "receipts" | "checkpoint";
}

/** `init`, `key rotate` or not, and then `serve` twice or once: the last one is the process that was started. */
const SCRIPT = 'test -e "$4" || "$1" "$2" init --config "$3" && { test -z "$6" || "$1" "$2" key rotate "$6" --config "$3" >&2; } && { test -z "$5" || "$1" "$2" serve --config "$3"; exec "$1" "$2" serve --config "$3"; }';

/** How often a daemon is killed until it dies between its calls; one in ten dies inside of one where something is written all the time. */
const KILLS = 6;

/** Creates a ledger, serves it, sends the receipts to it, and stops the daemon in order. The creation is in the trace, too. */
export async function traceDaemon(scratch: string, load: TracedLoad): Promise<TracedDaemon> {
  for (let left = KILLS; ; left--) {
    try {
      return await traceOnce(scratch, load);
    } catch (error) {
      if (!(error instanceof UndecidedTrace) || left === 0) throw error;
    }
  }
}

async function traceOnce(scratch: string, { ack, receipts, injectNoSync = false, killed = false, rotated }: TracedLoad): Promise<TracedDaemon> {
  const ground = new Ground({ anchor: { max_batch: 30 } }, mkdtempSync(join(scratch, "traced-")));
  if (injectNoSync) await ground.init();
  const { child, finish } = traceProcess({
    command: "sh",
    args: ["-c", SCRIPT, "sh", ...receiptd(), ground.configFile, ground.data, killed ? "twice" : "", rotated === undefined ? "" : rotated === "receipts" ? "--retained" : "--checkpoint"],
    dir: ground.dir,
    injectNoSync,
    env: environment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: string[] = [];
  let starts = 0;
  createInterface({ input: child.stderr! }).on("line", (line) => {
    said.push(line);
    if (line.includes(TAKING)) starts++;
  });
  const ended = once(child, "exit");
  const started = (times: number): Promise<void> => until(() => starts === times || child.exitCode !== null, "the daemon taking receipts");
  await started(1);
  const book = new Book();
  await new Load(ground.socket, book, { clients: 3, depth: 4, ack, receipts }).over;
  if (killed) {
    const client = new Client(ground.socket);
    process.kill(Number((await client.must("status"))["pid"]), "SIGKILL");
    await client.closed;
    await started(2);
    await sendAgain(ground.socket, book, "all");
  }
  child.kill("SIGTERM");
  await ended;
  const trace = await finish();
  if (child.exitCode !== 0 || book.acknowledged.size !== receipts || book.contradictions.length > 0) {
    throw new Error(`the daemon failed:\n${[...said, ...book.contradictions].join("\n")}`);
  }
  return { ground, trace, book };
}

/** By receipt_id, what had been told to a client before the tick. */
export function toldBefore(trace: Trace, at: number): ReadonlyMap<string, Acknowledged> {
  const told = new Map<string, Acknowledged>();
  for (const bytes of acknowledgedAt(trace, at).values()) {
    for (const line of new TextDecoder().decode(bytes).split("\n")) {
      if (!line.startsWith('{"jsonrpc"')) continue; // the log, the threads among themselves
      const { result } = JSON.parse(line) as { readonly result?: { readonly [name: string]: unknown } };
      if (result !== undefined) told.set(String(result["receipt_id"]), acknowledged(result));
    }
  }
  return told;
}
