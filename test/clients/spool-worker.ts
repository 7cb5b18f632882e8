/**
 * A program that decides, with a spool, until it is killed: each decision that it was handed is a line of its output, once it is. Run as
 * `node spool-worker.ts SOCKET SPOOL FIRST`.
 */
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, receipted } from "../../src/clients/index.ts";

const [socket, spool, first] = process.argv.slice(2) as [string, string, string];
const client = new Client({ socket, spool, spoolWaitMs: 50, systemId: "worker", breaker: { openMs: 50, maxOpenMs: 50 } });
const decide = receipted(({ n }: { readonly n: number }) => n, { client });
let next = Number(first);

async function work(): Promise<void> {
  for (;;) {
    const n = await decide({ n: next++ });
    writeSync(1, `${n}\n`);
    await sleep(5);
  }
}

await Promise.all([work(), work(), work(), work()]);
