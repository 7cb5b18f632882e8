/** Section `audit`: an audit of a million receipts by two threads, against what their bytes alone cost two threads. */
import { join } from "node:path";
import { type Bench, eachRun } from "./bench.ts";
import { largeLedger } from "./ledgers.ts";
import { run } from "./processes.ts";
import { absolute, atMost, compared, type Row } from "./report.ts";
import { ledgerIn, receiptd } from "./servers.ts";

const MOST = 1_000_000;
const SCRIPT = join(import.meta.dirname, "hash-blobs.ts");

export async function audit(bench: Bench): Promise<readonly Row[]> {
  const size = Math.min(bench.receipts, MOST);
  const folder = await largeLedger(bench, size);
  const runs = await eachRun(bench, "audit", async () => ({
    bytes: await run(process.execPath, [SCRIPT, JSON.stringify({ ledger: ledgerIn(folder) })]),
    audit: await receiptd(folder, "audit", "--workers", "2"),
  }));
  return [
    compared("audit/time",
      { what: `audit of ${size.toLocaleString("en")} receipts, 2 threads`, unit: "s", values: runs.map(({ audit }) => audit.seconds) },
      { what: "read, SHA-256 and HMAC, 2 threads", unit: "s", values: runs.map(({ bytes }) => bytes.seconds) }, atMost(2)),
    absolute("audit/memory", { what: "highest resident set of the audit", unit: "MB", values: runs.map(({ audit }) => audit.peak * 1.048_576) }, atMost(300)),
  ];
}
