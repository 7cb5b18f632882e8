import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type CloseReason, type Schedule, type ScheduleOptions, shouldClose, startSchedule } from "../../src/anchor/schedule.ts";

const MINUTE = 60_000;

describe("whether to close", () => {
  test.each<[what: string, tick: "cron" | "timer", openCount: number, elapsed: number | null, expected: CloseReason | null]>([
    ["a tick with receipts", "cron", 1, 0, "schedule"],
    ["a tick with receipts, heartbeat due", "cron", 1, 15 * MINUTE, "schedule"],
    ["a tick without receipts", "cron", 0, 15 * MINUTE - 1, null],
    ["a tick without receipts, heartbeat due", "cron", 0, 15 * MINUTE, "heartbeat"],
    ["the timer, early", "timer", 0, 15 * MINUTE - 1, null],
    ["the timer, early, with receipts", "timer", 9, 15 * MINUTE - 1, null],
    ["the timer, due", "timer", 0, 15 * MINUTE, "heartbeat"],
    ["the timer, due, with receipts", "timer", 9, 15 * MINUTE, "heartbeat"],
    ["no anchor yet", "timer", 0, null, "heartbeat"],
    ["no anchor yet, at a tick with receipts", "cron", 1, null, "schedule"],
    ["a clock a second behind the last anchor", "timer", 0, -1000, null],
    ["a clock more than that behind", "timer", 0, -1001, "heartbeat"],
    ["a clock more than that behind, at a tick", "cron", 0, -1001, "heartbeat"],
  ])("%s", (_, tick, openCount, elapsed, expected) => {
    const now = Date.UTC(2026, 5, 1, 10);
    expect(shouldClose({ tick, openCount, now, heartbeatMs: 15 * MINUTE, lastAnchorAt: elapsed === null ? null : now - elapsed })).toBe(expected);
  });
});

describe("the schedule", () => {
  const START = Date.UTC(2026, 5, 1, 10, 0, 30);
  let closed: (readonly [reason: CloseReason, at: string])[];
  let open: number;
  let last: number | null;
  let schedule: Schedule;

  beforeEach(() => {
    vi.useFakeTimers({ now: START });
    closed = [];
    open = 0;
    last = START;
  });
  afterEach(() => {
    schedule.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  function start(options: Partial<ScheduleOptions> = {}): void {
    schedule = startSchedule({
      cron: "* * * * *",
      heartbeatMs: 15 * MINUTE,
      now: Date.now,
      openCount: () => open,
      lastAnchorAt: () => last,
      onTick: (reason) => {
        closed.push([reason, new Date().toISOString().slice(11, 19)]);
        open = 0;
        last = Date.now();
      },
      ...options,
    });
  }
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  test("closes at the ticks, if there is something", async () => {
    start();
    open = 3;
    await pass(40_000);
    await pass(MINUTE);
    open = 1;
    await pass(MINUTE);
    expect(closed).toEqual([["schedule", "10:01:00"], ["schedule", "10:03:00"]]);
  });

  test("what comes just after a tick waits for the next", async () => {
    start();
    for (let n = 0; n < 5; n++) {
      await pass(MINUTE - 25_000);
      open = 1;
      await pass(25_000);
    }
    expect(closed.map(([, at]) => at)).toEqual(["10:02:00", "10:03:00", "10:04:00", "10:05:00"]);
  });

  test("idle, closes a heartbeat after the last anchor, and again", async () => {
    start();
    await pass(31 * MINUTE);
    expect(closed.map(([reason]) => reason)).toEqual(["heartbeat", "heartbeat"]);
    expect(closed[0]![1]).toBe("10:15:30");
  });

  test("the heartbeat does not wait for a schedule that is slower", async () => {
    start({ cron: "0 0 1 1 *", heartbeatMs: 10 * MINUTE });
    open = 1;
    await pass(10 * MINUTE);
    expect(closed).toEqual([["heartbeat", "10:10:30"]]);
  });

  test("an anchor made otherwise puts the heartbeat off", async () => {
    start();
    await pass(10 * MINUTE);
    last = Date.now();
    await pass(14 * MINUTE);
    expect(closed).toEqual([]);
    await pass(2 * MINUTE);
    expect(closed).toEqual([["heartbeat", "10:25:30"]]);
  });

  test("a heartbeat that could not be kept is tried again", async () => {
    const tried: CloseReason[] = [];
    start({ cron: "0 0 1 1 *", onTick: (reason) => void tried.push(reason) });
    await pass(15 * MINUTE + 2500);
    expect(tried).toEqual(["heartbeat", "heartbeat", "heartbeat"]);
  });

  test("a tick missed while the process was stopped is made up for, once", async () => {
    start({ cron: "0 * * * *", heartbeatMs: 86_400_000 });
    open = 5;
    await pass(30 * MINUTE);
    vi.setSystemTime(START + 80 * MINUTE); // a suspended host: timers have not run, the clock has
    await pass(MINUTE);
    expect(closed.map(([reason]) => reason)).toEqual(["schedule"]);
    open = 1;
    await pass(37 * MINUTE);
    expect(closed).toHaveLength(1);
  });

  test("a tick missed by a busy process is made up for at once", async () => {
    await pass(10_000); // so that looking at the clock does not fall on the tick
    start({ cron: "0 * * * *", heartbeatMs: 86_400_000 });
    open = 5;
    await pass(59 * MINUTE + 15_000);
    vi.setSystemTime(Date.UTC(2026, 5, 1, 11, 0, 5)); // 10 s of which timers saw nothing
    await pass(5100);
    expect(closed).toEqual([["schedule", "11:00:10"]]);
  });

  test("a clock turned back closes soon, not when it has caught up", async () => {
    start();
    await pass(MINUTE);
    vi.setSystemTime(START - 60 * MINUTE);
    await pass(MINUTE);
    expect(closed).toHaveLength(1);
    expect(closed[0]![0]).toBe("heartbeat");
  });

  test.each([["a tick", 1, 2], ["a heartbeat", 0, 16]])("stopped by %s, it does nothing any more", async (_, receipts, minutes) => {
    start({ onTick: (reason) => {
      closed.push([reason, ""]);
      schedule.stop();
    } });
    open = receipts;
    await pass(minutes * MINUTE);
    expect(closed).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

// Node reads TZ for a process, and vitest has no real environment.
test("ticks by UTC, wherever the host is", () => {
  const script = `
    import { mock } from "node:test";
    import { startSchedule } from ${JSON.stringify(new URL("../../src/anchor/schedule.ts", import.meta.url).href)};
    const start = Date.UTC(2026, 5, 1, 10);
    mock.timers.enable({ now: start }); // what a tick of 10 s makes due runs at its end
    startSchedule({
      cron: "30 11 * * *", heartbeatMs: 86_400_000, now: Date.now, openCount: () => 1, lastAnchorAt: () => start,
      onTick: (reason) => {
        console.log(reason, new Date().toISOString(), new Date().getHours());
        process.exit();
      },
    });
    for (;;) mock.timers.tick(10_000);`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { env: { TZ: "Asia/Kathmandu" }, stdio: ["ignore", "pipe", "inherit"] });
  expect(output.toString()).toBe("schedule 2026-06-01T11:30:10.000Z 17\n");
});
