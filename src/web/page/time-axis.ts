/** Where things are on the line of time, in percent of its width. */
import type { Gap, Timeline } from "./api.ts";

export interface Mark {
  readonly slot: Timeline["slots"][number];
  readonly left: number;
  /** Pixels. */
  readonly height: number;
}

export interface Band {
  readonly gap: Gap;
  readonly kind: Gap["kind"];
  readonly left: number;
  readonly width: number;
}

const [LOW, HIGH] = [20, 44] as const;
/** Anchors that are worth a high mark, at least. */
const MANY = 20;

/** One anchor is a low mark; many in one place a high one. A band begins when an anchor was due, or the daemon was stopped. */
export function placesOf({ from, now, slots, gaps }: Timeline): { readonly marks: readonly Mark[]; readonly bands: readonly Band[] } {
  const begin = Date.parse(from);
  const span = Math.max(1, Date.parse(now) - begin);
  const left = (time: number): number => Math.min(100, Math.max(0, (100 * (time - begin)) / span));
  const most = Math.max(MANY, ...slots.map(({ anchors }) => anchors));
  return {
    marks: slots.map((slot) => ({ slot, left: left(Date.parse(slot.at)), height: LOW + (HIGH - LOW) * (Math.log(slot.anchors) / Math.log(most)) })),
    bands: gaps.map((gap) => {
      const [start, end] = [left(Date.parse(gap.due ?? gap.from)), left(Date.parse(gap.to ?? now))];
      return { gap, kind: gap.kind, left: start, width: end - start };
    }),
  };
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const STEPS = [MINUTE / 12, MINUTE / 6, MINUTE / 2, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE, 180 * MINUTE, 360 * MINUTE, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];
const MOST = 6;

/** Round times, at most six. UTC. */
export function ticksOf(from: number, to: number, isDayShown: boolean): readonly { readonly left: number; readonly text: string }[] {
  const span = Math.max(1, to - from);
  const step = STEPS.find((one) => span / one <= MOST) ?? span / MOST;
  const ticks: { left: number; text: string }[] = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    const text = new Date(time).toISOString();
    ticks.push({ left: (100 * (time - from)) / span, text: step >= DAY ? text.slice(0, 10) : isDayShown && span > DAY ? text.slice(5, 16).replace("T", " ") : text.slice(11, step < MINUTE ? 19 : 16) });
  }
  return ticks;
}
