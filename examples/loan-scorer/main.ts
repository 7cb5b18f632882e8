/**
 * The loan scorer at work. The one rule: a decision is acted on when its receipt is acknowledged, and not before; what cannot be
 * recorded is not done. Exit code 0: every decision was recorded and acted on; 1: some were not; 2: wrong usage.
 */
import { createSecretKey, randomBytes, randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Ledger, NotRecorded } from "./ledger.ts";
import { applicantOf, decide, type Decision, pseudonymOf } from "./scorer.ts";

const { values } = parseArgs({
  options: {
    socket: { type: "string", default: "receiptd-data/receiptd.sock" },
    organization: { type: "string", default: "loans" },
    seed: { type: "string", default: "loans" },
    first: { type: "string", default: "0" }, // number of the first applicant
    count: { type: "string", default: "100" },
    key: { type: "string" }, // file with the key of the pseudonyms; without one they are good for this run only
    acks: { type: "string" }, // file that keeps the acknowledgements, one a line
    csv: { type: "boolean", default: false }, // print the applicants, decide nothing
    json: { type: "boolean", default: false },
  },
});
const [first, count] = [Number(values.first), Number(values.count)];
/** So many decisions wait for their acknowledgements at a time. */
const LANES = 64;

const done = { APPROVE: 0, REFER: 0, DENY: 0 };
const notRecorded: Record<string, number> = {};
let lent = 0;

/** What a decision does in the world: here it moves counters, elsewhere money. */
function act({ action }: Decision, amount: number): void {
  done[action]++;
  if (action === "APPROVE") lent += amount;
}

async function decideAll(): Promise<void> {
  const key = createSecretKey(values.key === undefined ? randomBytes(32) : readFileSync(values.key));
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  /** Everybody whose id ends in 13 has been lent to before, and regretted. */
  const ids = numbers.map((n) => applicantOf(values.seed, n).national_id).filter((id) => id.endsWith("13"));
  const blacklist = new Set(ids.map((id) => pseudonymOf(id, key)));
  const ledger = new Ledger(values.socket);

  const handle = async (n: number): Promise<void> => {
    const applicant = applicantOf(values.seed, n);
    const scored = decide(applicant, key, blacklist);
    const receipt = { ...scored, organization: values.organization, receipt_id: randomUUID(), timestamp: new Date().toISOString() };
    try {
      const acknowledgement = await ledger.append(receipt);
      if (values.acks !== undefined) appendFileSync(values.acks, `${JSON.stringify(acknowledgement)}\n`);
    } catch (error) {
      if (!(error instanceof NotRecorded)) throw error;
      const why = `${error.code}: ${error.message}`;
      notRecorded[why] = (notRecorded[why] ?? 0) + 1;
      return; // no receipt, no loan
    }
    act(receipt.decision, applicant.amount);
  };
  await Promise.all(Array.from({ length: LANES }, async () => {
    for (let n = numbers.shift(); n !== undefined; n = numbers.shift()) await handle(n);
  }));
  ledger.close();
}

function report(seconds: number): void {
  const acted = done.APPROVE + done.REFER + done.DENY;
  process.exitCode = acted === count ? 0 : 1;
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ decisions: count, acted, ...done, lent, not_recorded: notRecorded, seconds })}\n`);
    return;
  }
  const n = (value: number): string => value.toLocaleString("en-US");
  process.stdout.write(`${n(acted)} of ${n(count)} decisions recorded and acted on in ${seconds.toFixed(1)} s: `
    + `${n(done.APPROVE)} approved (${n(lent)} lent), ${n(done.REFER)} referred, ${n(done.DENY)} denied.\n`);
  for (const [why, times] of Object.entries(notRecorded)) process.stdout.write(`  ${n(times)} not recorded, so not acted on: ${why}\n`);
}

if (!Number.isInteger(count) || count < 1 || !Number.isInteger(first) || first < 0) {
  process.stderr.write("--count and --first are whole numbers\n");
  process.exitCode = 2;
} else if (values.csv) {
  const applicants = Array.from({ length: count }, (_, i) => applicantOf(values.seed, first + i));
  process.stdout.write(`${[Object.keys(applicants[0]!), ...applicants.map(Object.values)].join("\n")}\n`);
} else {
  const started = performance.now();
  await decideAll();
  report((performance.now() - started) / 1000);
}
