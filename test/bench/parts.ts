/** Section `parts`: what the machine can do, without receiptd. No targets; the other sections measure their baselines again beside themselves. */
import { mkdirSync } from "node:fs";
import { type Bench, eachRun, newFolder, raw, saturate, syncTime } from "./bench.ts";
import { absolute, type Row } from "./report.ts";
import { startBaseline } from "./servers.ts";

/** Bytes of a usual receipt when it is stored. */
const RECEIPT = 1000;

export async function parts(bench: Bench): Promise<readonly Row[]> {
  const folder = newFolder(bench, "parts");
  mkdirSync(folder);
  const echo = await startBaseline(newFolder(bench, "echo"), "echo");
  const runs = await eachRun(bench, "parts", async () => ({
    sync: await syncTime(bench, folder),
    hash: await raw({ kind: "hash", folder, size: RECEIPT, count: bench.quick ? 50_000 : 500_000, write: false }),
    echo: await saturate(bench, echo),
  }));
  await echo.stop();
  return [
    absolute("parts/fdatasync", { what: "p50 of 4 KiB", unit: "ms", values: runs.map(({ sync }) => sync) }, null),
    absolute("parts/hash", { what: `SHA-256 and HMAC of ${RECEIPT} bytes`, unit: "/s", values: runs.map(({ hash }) => hash.perSecond) }, null),
    absolute("parts/echo", { what: "bare echo, 8 × 64 in flight", unit: "/s", values: runs.map(({ echo }) => echo.perSecond) }, null),
  ];
}
