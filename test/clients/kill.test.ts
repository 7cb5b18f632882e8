/**
 * The daemon is killed again and again while decisions are made, and restarted; then it is counted on both sides. Every decision that was
 * handed out has its receipt, and no receipt is there twice. A program with a spool decides at the same time, and is killed, too.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Client, ReceiptUnavailable, receipted } from "../../src/clients/index.ts";
import { must } from "../cli/here.ts";
import { Host } from "../cli/host.ts";

const LONG = process.env["RECEIPTD_LONG"] === "1";
const KILLS = LONG ? 100 : 4;
/** Numbers of decisions of one program; those made here come first. */
const SPAN = 1_000_000;

/** How often the ledger has a receipt of each decision. */
async function receiptsByNumber(socket: string): Promise<Map<number, number>> {
  const client = new Client({ socket, timeoutMs: 30_000 });
  const counts = new Map<number, number>();
  const { orgSeq = 0 } = await client.head("default");
  const all = await Promise.all(Array.from({ length: orgSeq }, (_, at) => client.get({ organization: "default", orgSeq: at + 1 })));
  for (const { receipt } of all) {
    const { n } = receipt["inputs"] as { readonly n: number };
    counts.set(n, (counts.get(n) ?? 0) + 1);
  }
  await client.close();
  return counts;
}

/** Decides in this process, without a spool, as fast as it is let. */
class Load {
  readonly executed: number[] = [];
  readonly certainlyNot: number[] = [];
  unavailable = 0;
  readonly #client: Client;
  readonly #workers: Promise<unknown>;
  #next = 0;
  #isOver = false;

  constructor(socket: string) {
    this.#client = new Client({ socket, systemId: "s", timeoutMs: 150, breaker: { openMs: 20, maxOpenMs: 100 } });
    const decide = receipted(({ n }: { readonly n: number }) => n, { client: this.#client });
    this.#workers = Promise.all(Array.from({ length: 8 }, () => this.#work(decide)));
    this.#workers.catch(() => undefined); // until somebody waits for them
  }

  async more(count: number): Promise<void> {
    const goal = this.executed.length + count;
    while (this.executed.length < goal) await Promise.race([sleep(5), this.#workers]);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#workers;
    await this.#client.close();
  }

  async #work(decide: (inputs: { readonly n: number }) => Promise<number>): Promise<void> {
    while (!this.#isOver) {
      const n = this.#next++;
      try {
        this.executed.push(await decide({ n }));
        await sleep(2);
      } catch (error) {
        if (!(error instanceof ReceiptUnavailable)) throw error;
        this.unavailable++;
        if (!error.maybeStored) this.certainlyNot.push(n);
        await sleep(20);
      }
    }
  }
}

/** Decides in a process of its own, with a spool. */
class Program {
  readonly #args: readonly string[];
  #child: ChildProcessByStdio<null, Readable, null> | null = null;
  #started = 0;
  #text = "";
  #lines = 0;

  constructor(socket: string, spool: string) {
    this.#args = [join(import.meta.dirname, "spool-worker.ts"), socket, spool];
  }

  get executed(): readonly number[] {
    return this.#text.split("\n").slice(0, -1).map(Number);
  }

  start(): void {
    this.#child = spawn(process.execPath, [...this.#args, String(++this.#started * SPAN)], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      this.#text += chunk;
      this.#lines += chunk.split("\n").length - 1;
    });
  }

  async more(count: number): Promise<void> {
    const goal = this.#lines + count;
    while (this.#lines < goal) await sleep(5);
  }

  async kill(): Promise<void> {
    const closed = once(this.#child!, "close");
    this.#child!.kill("SIGKILL");
    await closed;
    this.#text = this.#text.slice(0, this.#text.lastIndexOf("\n") + 1); // a line that was cut off
  }
}

test(`${KILLS} kills of the daemon, half of them also of a program with a spool: every decision has its receipt, and none has two`, async () => {
  const host = new Host();
  const socket = host.path("receiptd-data/receiptd.sock");
  const spool = host.path("spool");
  await must(host, ["init"]);
  let daemon = await host.serve();
  const load = new Load(socket);
  const program = new Program(socket, spool);
  program.start();
  for (let kill = 0; kill < KILLS; kill++) {
    await Promise.all([load.more(20), program.more(20)]);
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    if (kill % 2 === 0) {
      await program.more(20); // into the spool
      await program.kill();
      program.start();
      if (kill % 4 === 0) await program.more(5); // the folder that the one before has left, and still no daemon
    }
    daemon = await host.serve();
  }
  await Promise.all([load.more(20), program.more(20)]);
  await load.stop();
  await program.kill();

  const client = new Client({ socket, spool });
  expect(await client.spool!.flush(20_000)).toBe(true);
  expect([client.spool!.refused, client.spool!.damaged]).toEqual([0, 0]);
  await client.close();
  const counts = await receiptsByNumber(socket);
  expect(load.executed.filter((n) => counts.get(n) !== 1)).toEqual([]);
  expect(load.certainlyNot.filter((n) => counts.has(n))).toEqual([]);
  expect(load.unavailable).toBeGreaterThan(0);
  expect(program.executed.length).toBeGreaterThan(KILLS * 20);
  expect(program.executed.filter((n) => counts.get(n) !== 1)).toEqual([]);
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
  await host.remove();
}, LONG ? 600_000 : 60_000);
