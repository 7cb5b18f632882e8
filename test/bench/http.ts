/** Section `http`: what writers notice of the HTTP API, which is a process of its own, while receipts are verified over it. */
import { once } from "node:events";
import { type Bench, atRate, eachRun, newFolder } from "./bench.ts";
import type { HttpLoadMeasured, HttpLoadSettings } from "./http-load.ts";
import { IDLE_NODE, measured, start } from "./processes.ts";
import { absolute, atMost, compared, type Row } from "./report.ts";
import { anchor, fill, Rpc } from "./rpc.ts";
import { RECEIPTD, startReceiptd } from "./servers.ts";

/** A second. */
const APPENDS = 2000;
const VERIFICATIONS = 200;
/** Under an anchor, and as many of the open batch. */
const RECEIPTS = 1000;

export async function http(bench: Bench): Promise<readonly Row[]> {
  const server = await startReceiptd(newFolder(bench, "http"));
  await fill(server, RECEIPTS);
  await anchor(server);
  const anchored = await ids(server.socket, RECEIPTS);
  const { url, stop } = await startApi(server.folder);
  const runs = await eachRun(bench, "http", async () => {
    const [seconds, warmUp] = bench.quick ? [1, 0.3] : [5, 2];
    const alone = await atRate(bench, server, APPENDS, { seconds, warmUp });
    const open = await newestIds(server.socket, RECEIPTS);
    const paths = anchored.flatMap((id, i) => [id, open[i]!]).map((id) => `/v1/receipts/${id}/verify`);
    const load = measured<HttpLoadMeasured>("http-load.ts", { url, paths, rate: VERIFICATIONS, seconds: seconds + warmUp + 0.5 } satisfies HttpLoadSettings, IDLE_NODE); // who asks is elsewhere: what asking costs is not to slow the writer
    const beside = await atRate(bench, server, APPENDS, { seconds, warmUp });
    return { alone, beside, verify: await load };
  });
  await stop();
  await server.stop();
  const ms = (what: string, values: readonly number[]) => ({ what, unit: "ms", values });
  return [
    compared("http/append-p99", ms(`p99 of appends at ${APPENDS.toLocaleString("en")}/s beside ${VERIFICATIONS} verifications/s`, runs.map(({ beside }) => beside.p99)), ms("p99 alone", runs.map(({ alone }) => alone.p99)), atMost(1.25)),
    compared("http/append-p50", ms("p50 of the same", runs.map(({ beside }) => beside.p50)), ms("p50 alone", runs.map(({ alone }) => alone.p50)), null),
    absolute("http/verify-p50", ms(`p50 of verifications at ${VERIFICATIONS}/s, half of them of the open batch`, runs.map(({ verify }) => verify.p50)), null),
    absolute("http/verify-p99", ms("p99 of the same", runs.map(({ verify }) => verify.p99)), null),
  ];
}

/** As its unit does, with the time of processors that nobody else wants. */
async function startApi(folder: string): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const [chrt, ...asIdle] = IDLE_NODE;
  const limits = { RECEIPTD_HTTP__LISTEN: "127.0.0.1:0", RECEIPTD_HTTP__RATE__PER_CLIENT: "1000000", RECEIPTD_HTTP__RATE__OVERALL: "100000" };
  const child = start(chrt, [...asIdle, RECEIPTD, "http", "--json"], { cwd: folder, env: { ...process.env, ...limits }, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  return {
    url: (JSON.parse(line.toString()) as { readonly url: string }).url,
    stop: async () => {
      const closed = once(child, "close");
      child.kill("SIGTERM");
      await closed;
    },
  };
}

async function newestIds(socket: string, count: number): Promise<readonly string[]> {
  const rpc = await Rpc.connect(socket);
  const { size } = await rpc.call("status");
  rpc.end();
  return await ids(socket, Number(size), count);
}

/** Receipt ids of `count` receipts, the last of them at log index `end` - 1. */
async function ids(socket: string, end: number, count = end): Promise<readonly string[]> {
  const rpc = await Rpc.connect(socket);
  const found: string[] = [];
  for (let at = end - count; at < end; at++) found.push(String((await rpc.call("get", `{"log_index":${at}}`))["receipt_id"]));
  rpc.end();
  return found;
}
