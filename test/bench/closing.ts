/** Section `closing`: what clients notice while a batch of 65,536 is closed, signed and published. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, atRate, eachRun, newFolder } from "./bench.ts";
import { atMost, compared, type Row } from "./report.ts";
import { anchor, fill, Rpc } from "./rpc.ts";
import { type Server, startReceiptd } from "./servers.ts";
import { summary } from "./summary.ts";

/** docs/FORMAT.md section 7: the largest batch. */
const BATCH = 65_536;
const RATE = 5000;
/** s of the load before it is measured, and that are measured without a batch being closed. */
const WARM_UP = 1;
const BEFORE = 2;
/** s from the close on that are measured, at least: what the close leaves to do, garbage included, is to be in it. */
const AFTER = 0.5;

const now = (): number => performance.timeOrigin + performance.now();

async function closingOnce(bench: Bench, server: Server) {
  const rpc = await Rpc.connect(server.socket);
  await anchor(server);
  const { size } = await rpc.call("status") as { readonly size: number };
  // the load brings the rest; a little less than a full batch, which would close by itself
  await fill(server, size + BATCH - 600 - (WARM_UP + BEFORE) * RATE);
  const load = atRate(bench, server, RATE, { samples: true, warmUp: WARM_UP, seconds: BEFORE + 2 * AFTER + 1 });
  let open: number;
  do {
    await sleep(5);
    open = (await rpc.call("status") as { readonly open_batch: { readonly count: number } }).open_batch.count;
  } while (open < BATCH - 600);
  const from = now();
  await anchor(server);
  const published = now();
  rpc.end();
  const to = Math.max(published, from + AFTER * 1000);
  const samples = (await load).samples!;
  const between = (first: number, end: number) => summary(samples.filter(([due]) => due >= first && due < end).map(([, time]) => time)).p99;
  return { open, published: published - from, closing: between(from - 20, to), before: between(from - BEFORE * 1000, from - 20) };
}

export async function closing(bench: Bench): Promise<readonly Row[]> {
  const server = await startReceiptd(newFolder(bench, "closing"));
  const runs = await eachRun(bench, "closing", () => closingOnce(bench, server));
  await server.stop();
  const note = `batches of ${runs.map(({ open }) => open.toLocaleString("en")).join(", ")}; published after ${runs.map(({ published }) => Math.round(published)).join(", ")} ms`;
  return [
    compared("closing/p99",
      { what: "p99 at 5,000/s while a batch is closed", unit: "ms", values: runs.map(({ closing }) => closing) },
      { what: "p99 just before", unit: "ms", values: runs.map(({ before }) => before) }, atMost(1.2), note),
  ];
}
