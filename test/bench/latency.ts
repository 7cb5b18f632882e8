/** Section `ack`: how long one acknowledgement takes at a rate that leaves room, against the bare socket and the bare disk. */
import { type Bench, atRate, eachRun, newFolder, syncTime } from "./bench.ts";
import { atMost, compared, type Row } from "./report.ts";
import { startBaseline, startReceiptd } from "./servers.ts";

/** Calls a second. */
const DISK_RATE = 5000;
const WAL_RATE = 2000;

export async function ack(bench: Bench): Promise<readonly Row[]> {
  const receiptd = await startReceiptd(newFolder(bench, "ack"));
  const echo = await startBaseline(newFolder(bench, "echo"), "echo");
  const runs = await eachRun(bench, "ack", async () => ({
    sync: await syncTime(bench, echo.folder),
    disk: await atRate(bench, receiptd, DISK_RATE),
    diskEcho: await atRate(bench, echo, DISK_RATE),
    wal: await atRate(bench, receiptd, WAL_RATE, { ack: "wal" }),
    walEcho: await atRate(bench, echo, WAL_RATE),
  }));
  await Promise.all([receiptd.stop(), echo.stop()]);
  const ms = (what: string, values: readonly number[]) => ({ what, unit: "ms", values });
  return [
    compared("ack/disk-p50", ms("p50 at 5,000/s", runs.map(({ disk }) => disk.p50)), ms("p50 of fdatasync", runs.map(({ sync }) => sync)), atMost(2)),
    compared("ack/disk-p99", ms("p99 at 5,000/s", runs.map(({ disk }) => disk.p99)), ms("p99 of echo", runs.map(({ diskEcho }) => diskEcho.p99)), atMost(1.25)),
    compared("ack/wal-p50", ms("p50 at 2,000/s", runs.map(({ wal }) => wal.p50)), ms("p50 of echo", runs.map(({ walEcho }) => walEcho.p50)), atMost(2.5)),
    compared("ack/wal-p99", ms("p99 at 2,000/s", runs.map(({ wal }) => wal.p99)), ms("p99 of echo", runs.map(({ walEcho }) => walEcho.p99)), null),
  ];
}
