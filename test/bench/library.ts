/** Section `library`: a receipt without a socket, one a commit, against a commit of nothing but its row. */
import type { AppendTask } from "./append.ts";
import { type Bench, eachRun, newFolder, raw } from "./bench.ts";
import { measured } from "./processes.ts";
import { atMost, compared, type Row } from "./report.ts";
import { initReceiptd, ledgerIn } from "./servers.ts";
import type { Measured } from "./summary.ts";

export async function library(bench: Bench): Promise<readonly Row[]> {
  const count = bench.quick ? 5000 : 40_000;
  const runs = await eachRun(bench, "library", async () => {
    const folder = newFolder(bench, "library");
    await initReceiptd(folder);
    const appended = await measured<Measured>("append.ts", { folder, count } satisfies AppendTask);
    const row = await raw({ kind: "inserts", folder, ledger: ledgerIn(folder), rows: count, group: 1, synchronous: "NORMAL" });
    return { appended, row };
  });
  const us = (what: string, values: readonly number[]) => ({ what, unit: "µs", values: values.map((value) => value * 1000) });
  return [
    compared("library/p50", us("p50 of an append in process, wal", runs.map(({ appended }) => appended.p50)), us("p50 of a commit of its row", runs.map(({ row }) => row.p50)), atMost(1.3)),
    compared("library/p99", us("p99 of an append in process, wal", runs.map(({ appended }) => appended.p99)), us("p99 of a commit of its row", runs.map(({ row }) => row.p99)), null),
  ];
}
