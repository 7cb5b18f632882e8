/**
 * When to close a batch: at the ticks of a cron expression if there is something in it, and at the latest a heartbeat after the
 * last anchor in any case, so that silence means trouble.
 *
 * node-cron runs in UTC here. It requires both day fields to match where both are given, unlike cron(8).
 */
import cron from "node-cron";

export type CloseReason = "schedule" | "heartbeat";

/** Steps of the clock back that the ledger evens out, ms (docs/FORMAT.md section 4.4). */
const CLAMPED_MS = 1000;

/** Whether a batch must be closed now, and why. Times in ms; `lastAnchorAt` is null before the first anchor. */
export function shouldClose(at: {
  readonly tick: "cron" | "timer";
  /** Receipts in the open batch. */
  readonly openCount: number;
  readonly lastAnchorAt: number | null;
  readonly now: number;
  readonly heartbeatMs: number;
}): CloseReason | null {
  if (at.tick === "cron" && at.openCount > 0) return "schedule";
  return untilHeartbeat(at.lastAnchorAt, at.now, at.heartbeatMs) <= 0 ? "heartbeat" : null;
}

/** ms; 0 and less: it is due. A clock that was turned back makes it due: nobody knows how long ago the last anchor was. */
function untilHeartbeat(lastAnchorAt: number | null, now: number, heartbeatMs: number): number {
  if (lastAnchorAt === null || now < lastAnchorAt - CLAMPED_MS) return 0;
  return lastAnchorAt + heartbeatMs - now;
}

/** The next tick of a cron expression in UTC, ms; null where none comes. */
export function nextTick(expression: string): number | null {
  const task = cron.createTask(expression, () => {}, { timezone: "UTC" });
  try {
    return task.getNextRuns(1)[0]?.getTime() ?? null;
  } finally {
    void task.destroy();
  }
}

export interface ScheduleOptions {
  /** Five fields, UTC. */
  readonly cron: string;
  readonly heartbeatMs: number;
  readonly now: () => number;
  readonly openCount: () => number;
  readonly lastAnchorAt: () => number | null;
  /** Closes a batch, at once. What it throws is not caught: it ends the process. */
  readonly onTick: (reason: CloseReason) => void;
}

export interface Schedule {
  /** No tick comes after it. */
  stop(): void;
}

/** ms between heartbeats that could not be kept (`onTick` closed nothing), and between looks at the clock. */
const RETRY_MS = 1000;
const LOOK_MS = 30_000;
/** ms after which a tick that did not come is made up for. */
const LATE_MS = 500;

export function startSchedule(options: ScheduleOptions): Schedule {
  const { heartbeatMs, now, openCount, lastAnchorAt, onTick } = options;
  let due: NodeJS.Immediate | null = null;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;

  const tick = (kind: "cron" | "timer"): void => {
    const reason = shouldClose({ tick: kind, openCount: openCount(), lastAnchorAt: lastAnchorAt(), now: now(), heartbeatMs });
    if (reason !== null) onTick(reason);
  };
  const quiet = { info() {}, warn() {}, error() {}, debug() {} };
  const task = cron.schedule(options.cron, () => soon(), { timezone: "UTC", noOverlap: true, suppressMissedWarning: true, logger: quiet });
  const nextRun = (): number => task.getNextRun()?.getTime() ?? Number.POSITIVE_INFINITY;
  let next = nextRun();
  // Outside node-cron, which would log an error and go on; and once, however many ticks were missed.
  const soon = (): void => {
    due ??= setImmediate(() => {
      due = null;
      next = nextRun();
      tick("cron");
    });
  };
  const isLate = (): boolean => now() > next + LATE_MS; // else it was made up for before node-cron noticed
  task.on("execution:missed", () => { if (isLate()) soon(); });
  // The clock may be set and the host suspended, which no timer notices: so it is looked at now and then.
  const beat = (): void => {
    if (isLate()) soon();
    tick("timer");
    if (stopped) return; // by onTick
    const wait = untilHeartbeat(lastAnchorAt(), now(), heartbeatMs);
    timer = setTimeout(beat, wait > 0 ? Math.min(wait, LOOK_MS) : Math.min(heartbeatMs, RETRY_MS));
  };
  timer = setTimeout(beat, 0);

  return {
    stop() {
      stopped = true;
      void task.destroy();
      if (due !== null) clearImmediate(due);
      if (timer !== null) clearTimeout(timer);
    },
  };
}
