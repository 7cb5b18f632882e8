/**
 * The daemon is killed again and again while decisions are made, and restarted; then it is counted on both sides. Every decision that was
 * handed out has its receipt, and no receipt is there twice. With a spool, the program that decides is killed, too.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Client, ReceiptUnavailable, receipted } from "../../src/clients/index.ts";
import { must } from "../cli/here.ts";
import { Host } from "../cli/host.ts";

const LONG = process.env["RECEIPTD_LONG"] === "1";
const KILLS = LONG ? 100 : 10;
/** Numbers of decisions of one program. */
const SPAN = 1_000_000;

let host: Host;
let socket: string;
beforeEach(async () => {
  host = new Host();
  socket = host.path("receiptd-data/receiptd.sock");
  await must(host, ["init"]);
});
afterEach(() => host.remove());

/** How often the ledger has a receipt of each decision. */
async function receiptsByNumber(): Promise<Map<number, number>> {
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

test(`${KILLS} kills of the daemon: every decision has its receipt, and none has two`, async () => {
  let daemon = await host.serve();
  const client = new Client({ socket, systemId: "s", timeoutMs: 150, breaker: { openMs: 20, maxOpenMs: 100 } });
  const executed: number[] = [];
  const certainlyNot: number[] = [];
  let next = 0;
  let isOver = false;
  let unavailable = 0;
  const decide = receipted(({ n }: { readonly n: number }) => n, { client });
  const work = async (): Promise<void> => {
    for (;;) {
      if (isOver) return;
      const n = next++;
      try {
        executed.push(await decide({ n }));
      } catch (error) {
        if (!(error instanceof ReceiptUnavailable)) throw error;
        unavailable++;
        if (!error.maybeStored) certainlyNot.push(n);
      }
      await sleep(2);
    }
  };
  const workers = Promise.all(Array.from({ length: 8 }, work));
  for (let kill = 0; kill < KILLS; kill++) {
    const goal = executed.length + 20;
    while (executed.length < goal) await sleep(5);
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    daemon = await host.serve();
  }
  const goal = executed.length + 20;
  while (executed.length < goal) await sleep(5);
  isOver = true;
  await workers;
  await client.close();

  const counts = await receiptsByNumber();
  expect(executed.filter((n) => counts.get(n) !== 1)).toEqual([]);
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
  expect(certainlyNot.filter((n) => counts.has(n))).toEqual([]);
  expect(unavailable).toBeGreaterThan(0);
}, LONG ? 600_000 : 60_000);

test(`${KILLS} kills of the daemon and of the program, with a spool: every decision has its receipt, and none has two`, async () => {
  const spool = host.path("spool");
  let daemon = await host.serve();
  let text = "";
  let started = 0;
  const startProgram = () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "spool-worker.ts"), socket, spool, String(started++ * SPAN)], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => { text += chunk; });
    return child;
  };
  const kill = async (child: ReturnType<typeof startProgram>): Promise<void> => {
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
    text = text.slice(0, text.lastIndexOf("\n") + 1); // a line that was cut off
  };
  const decided = (): number => text.split("\n").length - 1;
  const more = async (count: number): Promise<void> => {
    const goal = decided() + count;
    while (decided() < goal) await sleep(5);
  };
  let program = startProgram();
  for (let round = 0; round < KILLS / 2; round++) {
    await more(20);
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    await more(20); // into the spool
    await kill(program);
    program = startProgram();
    if (round % 2 === 0) await more(5); // the folder that the one before has left, and still no daemon
    daemon = await host.serve();
  }
  await more(20);
  await kill(program);

  const client = new Client({ socket, spool });
  expect(await client.spool!.flush(20_000)).toBe(true);
  expect([client.spool!.refused, client.spool!.damaged]).toEqual([0, 0]);
  await client.close();
  const executed = text.trim().split("\n").map(Number);
  const counts = await receiptsByNumber();
  expect(executed.length).toBeGreaterThan(KILLS * 20);
  expect(executed.filter((n) => counts.get(n) !== 1)).toEqual([]);
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
}, LONG ? 600_000 : 60_000);
