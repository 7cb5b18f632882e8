/** What the page says, from facts alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Overview, Target, Timeline } from "../../src/web/page/api.ts";
import { failedGates, factsOf, gatesOf, reasonsOf, restOfDecision, sayDecision } from "../../src/web/page/receipt-facts.ts";
import { rowsOf, withNewest } from "../../src/web/page/samples.ts";
import { placesOf, ticksOf } from "../../src/web/page/time-axis.ts";
import { verdictOf } from "../../src/web/page/verdict.ts";
import { duration, figure, share } from "../../src/web/page/words.ts";

const NOW = Date.parse("2026-11-23T12:00:00.000Z");
const TARGET: Target = { name: "worm", type: "s3", required: true, state: "current", pending: 0, error: null, interference: 0, confirmed: { tree_size: 980, last_modified: "2026-11-23T11:59:20.500Z" } };
const GOOD: Overview = {
  now: "2026-11-23T12:00:00.000Z", ledger: "receipts.example.com/loans", ledger_id: "0", receipts: 1000, signed: 980, anchored: 980, pending: 20,
  newest_anchor: { tree_size: 980, recorded_at: "2026-11-23T11:59:20.000Z", next_anchor_by: "2026-11-23T12:15:20.000Z", state: "in_time" }, anchors: { count: 9, complete: true },
  daemon: { state: "ok", reason: null, asked_at: "2026-11-23T12:00:00.000Z", started_at: null, pending_since: null, signer: "ok", key_change_waiting: false },
  targets: [TARGET], self_check: { enabled: true, failed: false, finding_count: 0, findings: [], last_round: null, present_round: null },
  revoked_keys: 0, keys_complete: true, organizations: { count: 1, shares: [] }, sample: null,
};

describe("the verdict", () => {
  test("is one sentence of facts where nothing is wrong", () => {
    expect(verdictOf(GOOD, NOW)).toEqual({ level: "good", label: "In order", sentence: "1,000 receipts are recorded, 980 of them anchored; the newest anchor is 40 seconds old.", more: [] });
    expect(verdictOf({ ...GOOD, receipts: 1, anchored: 0, newest_anchor: null }, NOW).sentence).toBe("1 receipt is recorded, none of them anchored; there is no anchor yet.");
  });

  test.each<readonly [string, Partial<Overview>, "warn" | "bad", RegExp]>([
    ["the daemon is away", { daemon: { ...GOOD.daemon, state: "away" } }, "bad", /^The daemon does not answer/],
    ["it was stopped in order", { daemon: { ...GOOD.daemon, state: "away" }, newest_anchor: { ...GOOD.newest_anchor!, state: "stopped", next_anchor_by: null } }, "warn", /^The daemon was stopped in order, with an anchor at 2026-11-23 11:59:20 UTC/],
    ["it refuses", { daemon: { ...GOOD.daemon, state: "refusing", reason: "forked" } }, "bad", /^The daemon refuses receipts \(forked\): a target holds another history/],
    ["it refuses for a reason of no name here", { daemon: { ...GOOD.daemon, state: "refusing", reason: "constructor" } }, "bad", /^The daemon refuses receipts \(constructor\)\.$/],
    ["anchors are late", { newest_anchor: { ...GOOD.newest_anchor!, state: "missing", next_anchor_by: "2026-11-23T11:57:00.000Z" } }, "bad", /^Anchors are late: the next was promised by 2026-11-23 11:57:00 UTC, 3 minutes ago/],
    ["the self-check found damage", { self_check: { ...GOOD.self_check!, finding_count: 2, findings: [{ code: "hash_mismatch", log_index: 1007 }] } }, "bad", /2 findings \(hash_mismatch, at log index 1,007\)/],
    ["the self-check could not go on", { self_check: { ...GOOD.self_check!, failed: true } }, "warn", /self-check could not go on/],
    ["a target does not agree", { targets: [{ ...TARGET, state: "refused", error: { code: "forked", at: "" } }] }, "bad", /^The target worm and this ledger do not agree \(forked\)/],
    ["a target is unavailable", { targets: [{ ...TARGET, state: "unavailable" }] }, "warn", /^The target worm is unavailable: receipts are taken, and count as anchored only when it has them/],
    ["one that is not required is", { targets: [{ ...TARGET, state: "unavailable", required: false }] }, "warn", /it is not required/],
    ["somebody else writes there", { targets: [{ ...TARGET, interference: 3 }] }, "warn", /3 objects that this ledger did not make/],
    ["the ledger's own receipts are damaged", { keys_complete: false }, "warn", /^Whether a key is revoked is not known/],
    ["a key is revoked", { revoked_keys: 1 }, "warn", /^A key is revoked/],
    ["the signer is away", { daemon: { ...GOOD.daemon, signer: "unavailable" } }, "warn", /^Anchors cannot be signed/],
    ["a change of keys waits", { daemon: { ...GOOD.daemon, key_change_waiting: true } }, "warn", /^A change of keys waits/],
  ])("says that %s", (_, change, level, sentence) => {
    const verdict = verdictOf({ ...GOOD, ...change }, NOW);
    expect([verdict.level, verdict.more.length]).toEqual([level, 1]);
    expect(verdict.sentence).toMatch(sentence);
    expect(verdict.more[0]).toContain("1,000 receipts are recorded");
  });

  test("says the worst first, and all of it", () => {
    const verdict = verdictOf({ ...GOOD, revoked_keys: 2, targets: [{ ...TARGET, state: "unavailable" }], daemon: { ...GOOD.daemon, state: "away" } }, NOW);
    expect([verdict.level, verdict.sentence.slice(0, 26), verdict.more.length]).toEqual(["bad", "The daemon does not answer", 3]);
  });
});

describe("words", () => {
  test("lengths of time have the unit of which there are two", () => {
    expect([0, 1000, 40_000, 119_000, 180_000, 7_200_000, 400_000_000, -5].map(duration)).toEqual(["0 seconds", "1 second", "40 seconds", "2 minutes", "3 minutes", "2 hours", "5 days", "0 seconds"]);
  });

  test("a part is never said to be all, or none, of what it is not", () => {
    expect([share(0, 0), share(0, 9), share(1, 10_000_000), share(9_999_999, 10_000_000), share(3, 3), share(49, 50)]).toEqual(["0", "0.0", "0.1", "99.9", "100", "98.0"].map((text) => `${text}\u{a0}%`));
  });

  test("figures have separators and no false digits", () => {
    expect([0, 0.0123, 1.4859, 99.96, 1234.5, 12_345_678].map(figure)).toEqual(["0", "0.0123", "1.49", "100", "1,235", "12,345,678"]);
  });
});

describe("the line of time", () => {
  const line: Timeline = {
    now: "2026-11-23T12:00:00.000Z", from: "2026-11-23T11:00:00.000Z", complete: true, anchors: 11, slots: [{ at: "2026-11-23T11:30:00.000Z", anchors: 1, tree_size: 2 }, { at: "2026-11-23T12:00:00.000Z", anchors: 10, tree_size: 9 }], gap_count: 2,
    gaps: [{ kind: "stopped", from: "2026-11-23T10:00:00.000Z", due: null, to: "2026-11-23T11:15:00.000Z", tree_size: 3 }, { kind: "missing", from: "2026-11-23T11:00:00.000Z", due: "2026-11-23T11:45:00.000Z", to: null, tree_size: 0 }],
  };

  test("has marks and bands where their times are, none outside", () => {
    const { marks, bands } = placesOf(line);
    expect(marks.map(({ left }) => left)).toEqual([50, 100]);
    expect(bands.map(({ kind, left, width }) => [kind, left, width])).toEqual([["stopped", 0, 25], ["missing", 75, 25]]);
    expect(marks[0]!.height).toBeLessThan(marks[1]!.height);
  });

  test("has a few ticks at round times, whatever the length", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1000, max: 2 ** 39 }), (from, span) => {
      const ticks = ticksOf(from, from + span, true);
      return ticks.length <= 7 && ticks.every(({ left }) => left >= 0 && left <= 100);
    }));
    expect(ticksOf(NOW - 3_600_000, NOW, false).map(({ text }) => text)).toEqual(["11:00", "11:10", "11:20", "11:30", "11:40", "11:50", "12:00"]);
  });
});

describe("samples", () => {
  const sample = (at: string, rate: number | null) => ({ at, receipts_per_s: rate, p50_ms: rate, p95_ms: null, p99_ms: null, pending: 0 });

  test("the newest is added once", () => {
    const [a, b] = [sample("2026-11-23T12:00:00.000Z", 1), sample("2026-11-23T12:00:05.000Z", 2)];
    expect([withNewest([a], b), withNewest([a, b], b), withNewest([a], null), withNewest([], a)]).toEqual([[a, b], [a, b], [a], [a]]);
  });

  test("the table has the mean rate and the worst times, newest first", () => {
    const rows = rowsOf([sample("2026-11-23T12:00:00.000Z", 1), sample("2026-11-23T12:04:55.000Z", 3), sample("2026-11-23T12:05:00.000Z", null)], 300_000);
    expect(rows).toEqual([{ at: "2026-11-23T12:05:00.000Z", rate: null, p50: null, p95: null, p99: null }, { at: "2026-11-23T12:00:00.000Z", rate: 2, p50: 3, p95: null, p99: null }]);
  });
});

describe("a receipt's facts", () => {
  test("gates that failed come first, with what else they say", () => {
    const receipt = { gates: [{ name: "a", status: "PASS" }, { name: "b", status: "WARN" }, { name: "c", status: "ERROR", by: { limit: 3 } }, "no gate"] };
    expect(gatesOf(receipt).map(({ name, status }) => [name, status])).toEqual([["c", "ERROR"], ["b", "WARN"], ["a", "PASS"]]);
    expect(failedGates(receipt)[0]!.more).toContain('"limit": 3');
  });

  test("a decision is its action, its text, or all of it", () => {
    expect([{ decision: { action: "DENY", score: 1 } }, { decision: "DENY" }, { decision: { a: 1 } }, { type: "anchor" }].map(sayDecision)).toEqual(["DENY", "DENY", '{\n  "a": 1\n}', "(anchor)"]);
    expect(restOfDecision({ decision: { action: "DENY", score: 1 } })).toEqual([["score", "1"]]);
  });

  test("whatever a receipt says, its facts are texts", () => {
    fc.assert(fc.property(fc.dictionary(fc.constantFrom("decision", "gates", "reasons", "inputs", "type", "x_a", "constructor"), fc.jsonValue()), (receipt) => {
      const texts = [sayDecision(receipt), ...reasonsOf(receipt), ...factsOf(receipt).flat(), ...restOfDecision(receipt).flat(), ...gatesOf(receipt).flatMap(({ name, status, more }) => [name, status, more])];
      return texts.every((text) => typeof text === "string");
    }));
  });
});
