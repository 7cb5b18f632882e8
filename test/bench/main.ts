/**
 * How fast receiptd is, beside what its parts cost on the same machine at the same time (docs/PERFORMANCE.md). Real processes in a
 * temporary folder, which has to be on a real disk: TMPDIR says where, if not in the usual place. scripts/bench.ts starts it.
 *
 * Exit code 0 if everything was measured, whatever came out; with --check 1 if a target is missed; 2 if it could not be measured.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { audit } from "./audits.ts";
import type { Bench, Section } from "./bench.ts";
import { clients } from "./clients.ts";
import { closing } from "./closing.ts";
import { fairness } from "./fairness.ts";
import { http } from "./http.ts";
import { ingest } from "./ingest.ts";
import { tenMillion } from "./large-ledger.ts";
import { largeReceipts } from "./large-receipts.ts";
import { ack } from "./latency.ts";
import { library } from "./library.ts";
import { memory } from "./memory.ts";
import { parts } from "./parts.ts";
import { peers } from "./peers.ts";
import { killAll } from "./processes.ts";
import { profile, profileText } from "./profile.ts";
import { count, notMeasured, reportText, type Row } from "./report.ts";

const SECTIONS: Readonly<Record<string, Section>> = {
  parts, ingest, ack, library, closing, audit, memory, large: largeReceipts, peers, fairness, http, clients, "ten-million": tenMillion,
};
const USAGE = `usage: npm run bench -- [--quick] [--json] [--check] [--only NAME,…] [--runs N] [--receipts N] [--profile [--keep FOLDER]]
sections: ${Object.keys(SECTIONS).join(", ")}
--quick: everything in under two minutes, with figures to match (more --runs make them better); --receipts: of the big ledger, a multiple of 10,000; --profile: the hottest functions instead;
--keep: where their .cpuprofile files are to stay, which a browser's developer tools show as a flame graph
`;
/** statfs(2): what is written there is on no disk. */
const TMPFS = 0x0102_1994;

/** A Unix socket's path has at most 107 bytes. */
const LONGEST_TMPDIR = 36;
/** Who was killed may still be ending. */
const REMOVE = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 };

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function usage(problem: string): never {
  process.stderr.write(`${problem}\n${USAGE}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false }, json: { type: "boolean", default: false }, check: { type: "boolean", default: false },
        profile: { type: "boolean", default: false }, keep: { type: "string" }, only: { type: "string" }, runs: { type: "string" }, receipts: { type: "string" },
      },
    }).values;
  } catch (error) {
    return usage(reason(error));
  }
}

function wholeNumber(name: string, text: string, multiple: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < multiple || value % multiple !== 0) usage(`--${name} is a positive whole number${multiple > 1 ? `, a multiple of ${multiple}` : ""}`);
  return value;
}

const values = options();
const { quick } = values;
const runs = wholeNumber("runs", values.runs ?? (quick ? "1" : "5"), 1);
const receipts = wholeNumber("receipts", values.receipts ?? (quick ? "50000" : "10000000"), 10_000);
const names = values.only?.split(",") ?? Object.keys(SECTIONS);
for (const name of names) if (!Object.hasOwn(SECTIONS, name)) usage(`there is no section ${name}`);
if (statfsSync(tmpdir()).type === TMPFS) usage(`${tmpdir()} is in memory: set TMPDIR to a folder on a disk`);

if (tmpdir().length > LONGEST_TMPDIR) usage(`${tmpdir()} is too long a path for the sockets in it: set TMPDIR to one of at most ${LONGEST_TMPDIR} characters`);

const machine = {
  processor: cpus()[0]?.model ?? "unknown", processors: availableParallelism(), memory_bytes: totalmem(), kernel: `${process.platform} ${release()} ${arch()}`,
  node: process.version, filesystem: `0x${statfsSync(tmpdir()).type.toString(16)}`, load_before: loadavg()[0]!,
};
const began = performance.now();
const folder = mkdtempSync(join(tmpdir(), "receiptd-bench-"));

function cleanUp(): void {
  killAll();
  rmSync(folder, REMOVE);
}

for (const [signal, code] of [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.on(signal, () => {
    cleanUp();
    process.exit(code);
  });
}

process.on("unhandledRejection", () => undefined); // a load whose section has failed before it ended

const bench: Bench = {
  folder, shared: folder, quick, runs, receipts,
  progress: (text) => void process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`),
};

async function measureRows(): Promise<void> {
  const rows: Row[] = [];
  for (const [name, section] of Object.entries(SECTIONS)) {
    if (!names.includes(name)) continue;
    const own = join(folder, name);
    mkdirSync(own);
    try {
      rows.push(...await section({ ...bench, folder: own }));
    } catch (error) { // hours of other rows are worth having
      rows.push(notMeasured(name, `FAILED: ${reason(error)}`));
      process.exitCode = 2;
      killAll();
    }
    rmSync(own, REMOVE);
  }
  const { met, of } = count(rows);
  const seconds = (performance.now() - began) / 1000;
  const report = { met, of, quick, runs: bench.runs, seconds, machine, rows };
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : `${reportText(rows)}\n${machineText(seconds)}`);
  if (values.check && met < of) process.exitCode ??= 1;
}

function machineText(seconds: number): string {
  const { processor, processors, memory_bytes, kernel, node, load_before } = machine;
  return `${bench.runs} runs${quick ? ", quick" : ""}, ${seconds.toFixed(0)} s, on ${processors} × ${processor}, ${(memory_bytes / 1e9).toFixed(0)} GB, ${kernel}, Node ${node}, load before: ${load_before.toFixed(2)}\n`;
}

async function measureProfile(): Promise<void> {
  const measured = await profile(bench, values.keep ?? null);
  process.stdout.write(values.json ? `${JSON.stringify({ machine, ...measured }, null, 2)}\n` : profileText(measured));
}

try {
  await (values.profile ? measureProfile() : measureRows());
} catch (error) {
  process.stderr.write(`could not be measured: ${reason(error)}\n`);
  process.exitCode = 2;
} finally {
  cleanUp();
}
