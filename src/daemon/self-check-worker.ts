/**
 * The thread of the self-check: rounds over the whole ledger, and between two statements of a round, or two rounds, slices of the open
 * batch. It writes nothing, and has no key but those that the host keeps anyway.
 */
import { getPriority, setPriority } from "node:os";
import { once } from "node:events";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Pace, Stopped } from "../audit/pace.ts";
import { checkRound } from "../audit/round.ts";
import { auditHash } from "../audit/hash.ts";
import { hashText } from "../format/chain.ts";
import { LedgerError } from "../ledger/errors.ts";
import { damagedLog } from "../ledger/left-over.ts";
import { Reader } from "../ledger/reader.ts";
import type { FromSelfCheck, Held, RoundTask, SelfCheckOptions, ToSelfCheck } from "./self-check-messages.ts";
import { Recent } from "./self-check-recent.ts";

/** ms between two messages about progress. */
const PROGRESS = 500;
const LOWEST = 19;

const port: MessagePort = parentPort!;
const options = workerData as SelfCheckOptions;
const tell = (message: FromSelfCheck): void => port.postMessage(message, []);
const recent = new Recent({
  ...options,
  answered: () => Atomics.load(options.shared, 1),
  send: (slice) => tell({ kind: "macs", slice }),
  onFound: (finding) => tell({ kind: "found", finding }),
});
/** ms between two looks at the write-ahead log, at most: what is damaged there is lost if the daemon is killed. */
const LOG_INTERVAL = Math.min(options.interval, 30_000);
let nextLook = 0;
const pace = new Pace(options.shared, options.share, () => { step(); });

/** What is to be looked at more often than in each round; ms until it may be time again. */
function step(): number {
  if (performance.now() >= nextLook) {
    const message = damagedLog(options.ledgerPath);
    if (message !== null) tell({ kind: "found", finding: { severity: "violation", code: "wal_damaged", message } });
    nextLook = performance.now() + LOG_INTERVAL;
  }
  return Math.min(recent.step(), nextLook - performance.now());
}

async function round({ size, root, starts, held }: RoundTask): Promise<void> {
  let [receipts, told] = [0, performance.now()];
  const done = await checkRound({ ...options, size, root, starts }, pace, {
    onFound: (finding) => tell({ kind: "found", finding }),
    onProgress: (more) => {
      receipts += more;
      if (performance.now() - told < PROGRESS) return;
      told = performance.now();
      tell({ kind: "progress", receipts });
    },
  }).finally(() => {
    for (const { key } of starts) key.fill(0);
  });
  tell({ kind: "done", ...done, held: unchanged(held) });
}

/** Of receipts whose MAC was wrong, those that have the same bytes still. */
function unchanged(held: readonly Held[]): readonly number[] {
  if (held.length === 0) return [];
  const reader = new Reader(options.ledgerPath, auditHash.sha256);
  try {
    return held.filter(({ logIndex, hash }) => {
      const blob = reader.byIndex(logIndex)?.blob ?? null;
      return blob !== null && hashText(auditHash.sha256(blob)) === hash;
    }).map(({ logIndex }) => logIndex);
  } finally {
    reader.close();
  }
}

/** The next round's task; null once the thread is to end. The open batch is looked at meanwhile. */
async function nextTask(from: number): Promise<RoundTask | null> {
  for (let left = from - performance.now(); !pace.isStopped && left > 0; left = from - performance.now()) {
    pace.begin();
    pace.sleep(Math.max(pace.due(), Math.min(left, step())));
  }
  if (pace.isStopped) return null;
  tell({ kind: "ask" });
  const [message] = await once(port, "message") as [ToSelfCheck];
  return message.kind === "stop" ? null : message;
}

async function run(): Promise<void> {
  for (let from = 0; ;) {
    const task = await nextTask(from);
    if (task === null) return;
    from = performance.now() + options.interval;
    pace.begin();
    try {
      await round(task);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      tell({ kind: "failed", message: error.message });
    }
    pace.sleep(pace.due());
  }
}

/** Of this thread alone, where that is how the system takes it (setpriority(2), “C library/kernel differences”). */
function beLast(): void {
  try {
    if (process.platform === "linux" && getPriority() < LOWEST) setPriority(LOWEST);
  } catch {
    // a sandbox that forbids it: the pace holds all the same
  }
}

try {
  beLast();
  await run();
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
} finally {
  recent.close();
  port.close();
}
