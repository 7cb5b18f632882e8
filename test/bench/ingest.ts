/** Section `ingest`: how much is taken at saturation, and what it takes on the disk. */
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { type Bench, eachRun, newFolder, raw, saturate } from "./bench.ts";
import { absolute, atLeast, atMost, compared, type Row } from "./report.ts";
import { ledgerIn, startBaseline, startReceiptd } from "./servers.ts";
import { median } from "./summary.ts";

interface Stored {
  readonly receipts: number;
  /** Receipts of a commit: a group's receipts have one time, and groups of a saturated ledger are further apart than its 1 ms. */
  readonly group: number;
  readonly blobBytes: number;
  readonly ledgerBytes: number;
  readonly dataBytes: number;
}

function sizeOf(path: string): number {
  const stat = statSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : stat.size;
}

/** What a stopped daemon has left in its folder. */
function storedIn(folder: string): Stored {
  const ledger = ledgerIn(folder);
  const ledgerBytes = ["", "-wal", "-shm"].reduce((sum, end) => sum + (statSync(ledger + end, { throwIfNoEntry: false })?.size ?? 0), 0);
  const db = new Database(ledger, { readonly: true });
  const { receipts, times } = db.prepare<[], { readonly receipts: number; readonly times: number }>("SELECT count(*) AS receipts, count(DISTINCT recorded_at) AS times FROM receipt").get()!;
  const blobBytes = db.prepare<[], number>("SELECT sum(length(bytes)) FROM blob").pluck().get()!;
  db.close();
  return { receipts, group: Math.round(receipts / times), blobBytes, ledgerBytes, dataBytes: sizeOf(dirname(ledger)) };
}

async function ingestOnce(bench: Bench) {
  const server = await startReceiptd(newFolder(bench, "ingest"));
  const receiptd = await saturate(bench, server);
  await server.stop();
  const stored = storedIn(server.folder);
  const { folder } = server;
  const rows = await raw({ kind: "inserts", folder, ledger: ledgerIn(folder), rows: bench.quick ? 25_000 : 100_000, group: stored.group, synchronous: "FULL" });
  const baseline = await startBaseline(newFolder(bench, "straightforward"), "straightforward");
  const straightforward = await saturate(bench, baseline);
  await baseline.stop();
  return { receiptd, rows, straightforward, stored };
}

export async function ingest(bench: Bench): Promise<readonly Row[]> {
  const runs = await eachRun(bench, "ingest", () => ingestOnce(bench));
  const taken = { what: "acknowledged disk, 8 × 64 in flight", unit: "receipts/s", values: runs.map(({ receiptd }) => receiptd.perSecond) };
  const group = median(runs.map(({ stored }) => stored.group));
  const all = runs.map(({ stored }) => stored.dataBytes / stored.blobBytes);
  return [
    compared("ingest/straightforward", taken, { what: "the straightforward implementation", unit: "receipts/s", values: runs.map(({ straightforward }) => straightforward.perSecond) }, atLeast(3)),
    compared("ingest/raw", taken, { what: "raw inserts, FULL", unit: "rows/s", values: runs.map(({ rows }) => rows.perSecond) }, atLeast(0.6), `raw inserts are in groups of as many as receiptd's commits had: ${group}`),
    absolute("ingest/p99", { what: "p99 at saturation", unit: "ms", values: runs.map(({ receiptd }) => receiptd.p99) }, null),
    compared("ingest/disk-space",
      { what: "ledger on the disk", unit: "bytes/receipt", values: runs.map(({ stored }) => stored.ledgerBytes / stored.receipts) },
      { what: "blobs", unit: "bytes/receipt", values: runs.map(({ stored }) => stored.blobBytes / stored.receipts) }, atMost(1.35),
      `with keys, outbox and the published anchors, all that is in data_dir, ${median(all).toFixed(2)} × the blobs`),
  ];
}
