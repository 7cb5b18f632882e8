/** When anchors were made and promised: late ones, missing ones, orderly stops. */
import { describe, expect, test } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import { formatTime } from "../../src/format/time.ts";
import { AnchorTimes } from "../../src/http/anchor-times.ts";
import type { Reader } from "../../src/ledger/reader.ts";

const GRACE = 100;

/** A ledger of anchors alone: when each was made, and what it promised. */
function reader(anchors: (readonly [at: number, due: number | null | "damaged"])[]): Reader {
  const fake: Pick<Reader, "anchors" | "byIndex"> = {
    anchors: (after, limit) => anchors.map((_, i) => ({ treeSize: i + 1, firstIndex: i, root: new Uint8Array(32) })).filter(({ treeSize }) => treeSize > after).slice(0, limit),
    byIndex(index) {
      const [at, due] = anchors[index]!;
      const blob = due === "damaged" ? utf8("{") : utf8(JSON.stringify({ details: { next_anchor_by: due === null ? null : formatTime(due) } }));
      return { logIndex: index, organization: "_ledger", orgSeq: index + 1, receiptId: "", receiptHash: new Uint8Array(32), recordedAt: at, keyEpoch: 0, prefix: "LEDGER", blob } as ReturnType<Reader["byIndex"]>;
    },
  };
  return fake as Reader;
}

function timesOf(anchors: Parameters<typeof reader>[0]): AnchorTimes {
  const times = new AnchorTimes(reader(anchors), GRACE);
  while (!times.isComplete) times.step();
  return times;
}

describe("the times of anchors", () => {
  test("an anchor is late only behind the promise and the grace", () => {
    const times = timesOf([[1000, 2000], [2100, 3000], [3101, 4000]]);
    expect(times.gaps(0, 4100)).toEqual([{ kind: "late", from: 2100, due: 3000, to: 3101, treeSize: 3 }]);
    expect([1, 2, 3].map((size) => times.lateness(size))).toEqual([null, null, 101]);
    expect(times.page({ from: 0, before: 99, late: true, limit: 10 }).map(({ treeSize }) => treeSize)).toEqual([3]);
  });

  test("an anchor is missing from then on until it comes", () => {
    const anchors: Parameters<typeof reader>[0] = [[1000, 2000]];
    const times = timesOf(anchors);
    expect([times.present(2100), times.present(2101)]).toEqual([null, { kind: "missing", from: 1000, due: 2000, to: null, treeSize: 0 }]);
    anchors.push([2500, 9000]);
    times.step();
    expect([times.present(2600), times.gaps(0, 2600).map(({ kind }) => kind)]).toEqual([null, ["late"]]);
  });

  test("an orderly stop is no lateness, and damage promises nothing", () => {
    const times = timesOf([[1000, null], [9000, "damaged"], [99_000, 100_000], [99_500, null]]);
    expect(times.gaps(0, 99_600).map(({ kind, to }) => [kind, to])).toEqual([["stopped", 9000], ["stopped", null]]);
    expect(times.at(1)).toEqual({ treeSize: 2, at: 9000, due: null });
  });

  test("slots count what is in them, and no more of them are made than asked for", () => {
    const times = timesOf(Array.from({ length: 1000 }, (_, i) => [i * 1000, i * 1000 + 2000] as const));
    const slots = times.slots(0, 999_000, 10);
    expect([slots.length, slots.reduce((sum, { anchors }) => sum + anchors, 0), slots.at(-1)]).toEqual([10, 1000, { at: 999_000, anchors: 100, treeSize: 1000 }]);
    expect(times.slots(2_000_000, 3_000_000, 10)).toEqual([]);
  });

  test("pages go back from where one ended", () => {
    const times = timesOf(Array.from({ length: 300 }, (_, i) => [i, i + 5] as const));
    const first = times.page({ from: 0, before: Number.MAX_SAFE_INTEGER, late: false, limit: 2 });
    expect(first.map(({ treeSize }) => treeSize)).toEqual([300, 299]);
    expect(times.page({ from: 297, before: 299, late: false, limit: 9 }).map(({ treeSize }) => treeSize)).toEqual([298]);
  });

  test("a ledger without anchors has no times", () => {
    const times = timesOf([]);
    expect([times.newest(), times.present(0), times.gaps(0, 9), times.slots(0, 9, 3)]).toEqual([null, null, [], []]);
  });
});
