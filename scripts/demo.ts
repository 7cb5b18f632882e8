/**
 * `npm run demo`: receiptd at work, then attacked. Real processes in a temporary folder, about a minute, ends by itself.
 * Exit code 0 if every step did what it should, also those that show what receiptd does not notice; 1 otherwise.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dayOfWork } from "./demo/day.ts";
import { openTail, wholeHost } from "./demo/limits.ts";
import { killAll } from "./demo/processes.ts";
import { Report } from "./demo/report.ts";
import { tampering } from "./demo/tampering.ts";

const { values } = parseArgs({ options: { decisions: { type: "string", default: "1000" } } });
const decisions = Number(values.decisions);
if (!Number.isInteger(decisions) || decisions < 100 || decisions > 100_000) {
  process.stderr.write("--decisions is a whole number from 100 to 100,000\n");
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "receiptd-demo-"));
const report = new Report();

function cleanUp(): void {
  killAll();
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
  const day = await dayOfWork(report, folder, decisions, 20);
  await tampering(report, day);
  await openTail(report, day);
  await wholeHost(report, day);
} catch (error) {
  report.stopped(error); // the rest depends on it
} finally {
  cleanUp();
}
process.exitCode = report.finish();
