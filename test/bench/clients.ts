/** Section `clients`: one append after the other, as a service makes them that decides one thing at a time, against a bare echo in the same language. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, eachRun, newFolder } from "./bench.ts";
import type { ClientTask } from "./client-calls.ts";
import { measured, run } from "./processes.ts";
import { compared, type Row } from "./report.ts";
import { receiptTexts } from "./receipts.ts";
import { startBaseline, startReceiptd } from "./servers.ts";
import type { Measured } from "./summary.ts";

const PYTHON = join(import.meta.dirname, "../../python/src");

export async function clients(bench: Bench): Promise<readonly Row[]> {
  const server = await startReceiptd(newFolder(bench, "clients"));
  const echo = await startBaseline(newFolder(bench, "clients-echo"), "echo");
  const receipts = join(echo.folder, "receipts");
  writeFileSync(receipts, receiptTexts(512).join("\n"));
  const count = bench.quick ? 1000 : 10_000;
  const task = (kind: ClientTask["kind"]): ClientTask => ({ kind, socket: kind === "client" ? server.socket : echo.socket, count, warmUp: count / 5 });
  const typescript = (kind: ClientTask["kind"]): Promise<Measured> => measured<Measured>("client-calls.ts", task(kind));
  const python = async (kind: ClientTask["kind"]): Promise<Measured> => {
    const { stdout } = await run("python3", [join(import.meta.dirname, "client_calls.py"), JSON.stringify({ ...task(kind), receipts })], { env: { ...process.env, PYTHONPATH: PYTHON } });
    return JSON.parse(stdout) as Measured;
  };
  const runs = await eachRun(bench, "clients", async () => ({
    typescript: { client: await typescript("client"), bare: await typescript("bare") },
    python: { client: await python("client"), bare: await python("bare") },
  }));
  await server.stop();
  await echo.stop();
  const row = (language: "typescript" | "python", at: "p50" | "p99"): Row => compared(
    `clients/${language}-${at}`,
    { what: `${at} of an append, wal, one after the other`, unit: "ms", values: runs.map((one) => one[language].client[at]) },
    { what: `${at} of a bare echo`, unit: "ms", values: runs.map((one) => one[language].bare[at]) }, null,
  );
  return [row("typescript", "p50"), row("typescript", "p99"), row("python", "p50"), row("python", "p99")];
}
