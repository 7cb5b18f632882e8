/**
 * `npm run demo`: receiptd at work, then attacked; with `-- --s3` its anchors are in a bucket on a real S3 server. Real processes
 * in a temporary folder, about a minute, ends by itself.
 * Exit code 0 if every step did what it should, also those that show what receiptd does not notice; 1 otherwise.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Bucket } from "./demo/bucket.ts";
import { bundleIfOld } from "./bundle.ts";
import { bucketAttacks, lostAndRestored } from "./demo/bucket-attacks.ts";
import { dayOfWork } from "./demo/day.ts";
import { openTail, wholeHost } from "./demo/limits.ts";
import { killAll } from "./demo/processes.ts";
import { Report } from "./demo/report.ts";
import { tampering } from "./demo/tampering.ts";

const { values } = parseArgs({ options: { decisions: { type: "string", default: "1000" }, s3: { type: "boolean", default: false } } });
const decisions = Number(values.decisions);
if (!Number.isInteger(decisions) || decisions < 100 || decisions > 100_000) {
  process.stderr.write("--decisions is a whole number from 100 to 100,000\n");
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "receiptd-demo-"));
const report = new Report();
await bundleIfOld();

let bucket: Bucket | null = null;

async function openBucket(report: Report, folder: string): Promise<Bucket> {
  const { Bucket } = await import("./demo/bucket.ts"); // the SDK is needed for nothing else
  report.chapter("0. A bucket with Object Lock");
  let opened!: Bucket;
  await report.step("a bucket is made", async () => {
    opened = await Bucket.open(folder);
    return `The bucket ${opened.name} is made, on ${opened.place.folder === null ? "the server that the environment names" : "a Ceph RADOS Gateway started for this"}`;
  });
  return opened;
}

function cleanUp(): void {
  killAll();
  bucket?.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 }); // who was killed may still be ending
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.on(signal, () => {
    cleanUp();
    process.exit(code);
  });
}

process.stdout.write("receiptd: a day's work, and every way to lie about it afterwards. All of it happens in a temporary folder.\n");
try {
  if (values.s3) bucket = await openBucket(report, folder);
  const day = await dayOfWork(report, folder, decisions, 20, bucket?.settings);
  await tampering(report, day, bucket === null);
  if (bucket === null) {
    await openTail(report, day);
    await wholeHost(report, day);
  } else {
    await bucketAttacks(report, day, bucket);
    await lostAndRestored(report, day, bucket);
  }
} catch (error) {
  report.stopped(error); // the rest depends on it
} finally {
  cleanUp();
}
process.exitCode = report.finish();
