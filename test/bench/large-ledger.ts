/**
 * Section `ten-million`: whether it stays as fast as the ledger grows. Ten million receipts, or as many as `--receipts` says, against a
 * hundredth of them. It takes long: most of an hour, and disk space of 1.5 KB for each receipt.
 */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, eachRun, newFolder, saturate } from "./bench.ts";
import type { GetsMeasured, GetsTask } from "./gets.ts";
import { fillLedger, largeLedger } from "./ledgers.ts";
import { measured } from "./processes.ts";
import { absolute, atLeast, atMost, compared, type Row } from "./report.ts";
import { anchor, fill, Rpc } from "./rpc.ts";
import { ledgerIn, receiptd, type Server, startBaseline, startReceiptd } from "./servers.ts";

/** Receipts of the open batch, whose leaves a start reads again; just below a full one. */
const OPEN_BATCH = 65_000;

/** Saturation on a copy of the small ledger and on the big one, in turn. The big one grows by what it takes. */
async function appendRates(bench: Bench, small: string, large: string): Promise<readonly Row[]> {
  const runs = await eachRun(bench, "ten-million, append", async () => {
    const copy = newFolder(bench, "copy");
    cpSync(small, copy, { recursive: true });
    const rate = async (folder: string): Promise<number> => {
      const server = await startReceiptd(folder);
      const { perSecond } = await saturate(bench, server);
      await server.stop();
      return perSecond;
    };
    const rates = { small: await rate(copy), large: await rate(large) };
    rmSync(copy, { recursive: true });
    return rates;
  });
  const values = (what: string, values: readonly number[]) => ({ what, unit: "receipts/s", values });
  return [compared("ten-million/append",
    values(`on ${bench.receipts.toLocaleString("en")} receipts`, runs.map(({ large }) => large)),
    values(`on ${(bench.receipts / 100).toLocaleString("en")}`, runs.map(({ small }) => small)), atLeast(0.9))];
}

/** From the start of the process until the first call is answered, behind a SIGKILL with a batch open. */
async function starts(bench: Bench, large: string): Promise<readonly Row[]> {
  let server = await startReceiptd(large);
  const seconds = await eachRun(bench, "ten-million, start", async () => {
    await anchor(server);
    const rpc = await Rpc.connect(server.socket);
    const { size } = await rpc.call("status") as { readonly size: number };
    await fill(server, size + Math.min(OPEN_BATCH, bench.receipts / 10));
    rpc.end();
    await server.stop("SIGKILL");
    const began = performance.now();
    server = await startReceiptd(large);
    const first = await Rpc.connect(server.socket);
    await first.call("status");
    const time = (performance.now() - began) / 1000;
    first.end();
    return time;
  });
  await server.stop();
  return [absolute("ten-million/start", { what: "start behind a SIGKILL, until the first answer", unit: "s", values: seconds }, atMost(2))];
}

async function lookUps(bench: Bench, large: string): Promise<readonly Row[]> {
  const server = await startReceiptd(large);
  const echo: Server = await startBaseline(newFolder(bench, "echo"), "echo");
  const task: GetsTask = { socket: server.socket, echo: echo.socket, ledger: ledgerIn(large), count: bench.quick ? 2000 : 10_000 };
  const runs = await eachRun(bench, "ten-million, get", () => measured<GetsMeasured>("gets.ts", task));
  await Promise.all([server.stop(), echo.stop()]);
  const ms = (what: string, values: readonly number[]) => ({ what, unit: "ms", values });
  const echoed = `p99 of echo: ${runs.map(({ echo }) => echo.p99.toFixed(2)).join(", ")} ms`;
  return [
    absolute("ten-million/get-by-id", ms("p99", runs.map(({ id }) => id.p99)), atMost(1), echoed),
    absolute("ten-million/get-by-number", ms("p99", runs.map(({ number }) => number.p99)), atMost(1)),
    absolute("ten-million/proof", ms("p99 of an inclusion proof, in process", runs.map(({ proof }) => proof.p99)), atMost(5)),
  ];
}

/** An audit since another, a hundredth of the receipts later, against one of a ledger with nothing but a hundredth. */
async function audits(bench: Bench, small: string, large: string): Promise<readonly Row[]> {
  const record = join(large, "audit.json");
  bench.progress("ten-million, audit of all of it");
  const all = await receiptd(large, "audit", "--record", record);
  const server = await startReceiptd(large);
  const rpc = await Rpc.connect(server.socket);
  const { size } = await rpc.call("status") as { readonly size: number };
  rpc.end();
  await fill(server, size + bench.receipts / 100);
  await anchor(server);
  await server.stop();
  const runs = await eachRun(bench, "ten-million, audit of what is new", async () => ({
    since: (await receiptd(large, "audit", "--since", record)).seconds,
    small: (await receiptd(small, "audit")).seconds,
  }));
  const seconds = (what: string, values: readonly number[]) => ({ what, unit: "s", values });
  const news = (bench.receipts / 100).toLocaleString("en");
  return [
    compared("ten-million/audit-since", seconds(`audit of ${news} new receipts, --since`, runs.map(({ since }) => since)), seconds(`audit of ${news} that are all`, runs.map(({ small }) => small)),
      atMost(1.5), `the audit of all ${size.toLocaleString("en")} receipts took ${all.seconds.toFixed(1)} s and ${Math.round(all.peak * 1.048_576)} MB`),
  ];
}

export async function tenMillion(bench: Bench): Promise<readonly Row[]> {
  const small = newFolder(bench, "small");
  await fillLedger(bench, small, bench.receipts / 100);
  const large = await largeLedger(bench, bench.receipts);
  return [
    ...await audits(bench, small, large), // first: the ledger grows with the others
    ...await appendRates(bench, small, large),
    ...await starts(bench, large),
    ...await lookUps(bench, large),
  ];
}
