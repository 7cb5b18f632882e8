/** A bar on standard error for long work: how much, how fast, how long still. Nothing where standard error is no terminal. */
import { count } from "../format/count.ts";
import { durationText } from "./times.ts";

const EVERY = 200;
const WIDTH = 24;

export interface Progress {
  /** `done` things so far; `fraction` of the whole work, null where its end is not known. A new `what` begins anew. */
  update(done: number, fraction: number | null, what?: string): void;
  /** Removes the bar. */
  end(): void;
}

/** `shown` null: where standard error is a terminal. */
export function progress(what: string, shown: boolean | null): Progress {
  const { stderr } = process;
  if (!(shown ?? stderr.isTTY)) return { update() {}, end() {} };
  let startedAt = performance.now();
  let current = what;
  const wipe = stderr.isTTY ? "\r\u001b[2K" : "";
  const newline = stderr.isTTY ? "" : "\n";
  let shownAt = 0;
  return {
    update(done, fraction, counted = what) {
      const now = performance.now();
      if (counted !== current) [current, startedAt] = [counted, now];
      if (now - shownAt < EVERY) return;
      shownAt = now;
      stderr.write(`${wipe}${progressLine(current, done, fraction, now - startedAt)}${newline}`);
    },
    end() {
      if (shownAt > 0) stderr.write(wipe);
    },
  };
}

/** `ms` since the work began. */
export function progressLine(what: string, done: number, fraction: number | null, ms: number): string {
  const rate = `${count(Math.round((done / Math.max(ms, 1)) * 1000))}/s`;
  if (fraction === null) return `${count(done)} ${what}  ${rate}`;
  const part = Math.min(1, Math.max(0, fraction));
  const filled = Math.round(part * WIDTH);
  const bar = `[${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}]`;
  const left = part > 0.001 ? `  ${durationText((ms / part) * (1 - part))} left` : "";
  return `${bar} ${String(Math.floor(part * 100)).padStart(3)}%  ${count(done)} ${what}  ${rate}${left}`;
}
