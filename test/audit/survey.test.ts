/** What an audit draws and counts beside checking: the draw is uniform, follows from its seed alone, and knows nothing of threads or segments. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { Draw, type DrawData } from "../../src/audit/draw.ts";
import { actionOf, failedGates, outcomeOf, refusals } from "../../src/audit/gates.ts";
import { differences, notReplayable, readAnswer } from "../../src/audit/replay.ts";
import type { SurveyAsk } from "../../src/audit/survey.ts";
import type { SurveySeen } from "../../src/audit/surveying.ts";
import { EVENTS } from "../../src/audit/tally.ts";
import { SYSTEM_TYPES } from "../../src/format/fields.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { START, TestLedger } from "../support/ledger.ts";
import { auditOf } from "./support.ts";

const NONE = new Uint8Array(32);

function drawn(indexes: readonly number[], { seed = 7, size = 10 } = {}): DrawData {
  const draw = new Draw({ seed: new Uint8Array(32).fill(seed), size }, nodeHash.sha256);
  for (const index of indexes) draw.offer(index, NONE);
  return draw.data;
}

const indexes = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i);
const places = ({ drawn: found }: DrawData): readonly number[] => found.map(({ logIndex }) => logIndex);

describe("the draw", () => {
  it("is of those with the smallest ranks, as AUDITING defines them", () => {
    const rank = (index: number): string => {
      const place = Buffer.alloc(8);
      place.writeBigUInt64BE(BigInt(index));
      return createHash("sha256").update(Buffer.concat([Buffer.from("receiptd/1 draw\0"), Buffer.alloc(32, 7), place])).digest("hex");
    };
    const byRank = indexes(500).toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
    expect(places(drawn(indexes(500)))).toEqual(byRank.slice(0, 10));
  });

  it("is the same however the receipts are split, and in whatever order they come", () => {
    fc.assert(fc.property(fc.uniqueArray(fc.nat(100_000), { maxLength: 60 }), fc.nat(60), fc.integer({ min: 1, max: 20 }), (all, at, size) => {
      const joined = new Draw({ seed: new Uint8Array(32).fill(7), size }, nodeHash.sha256);
      joined.add(drawn(all.slice(at), { size }));
      joined.add(drawn(all.slice(0, at), { size }));
      expect(joined.data).toEqual(drawn(all.toReversed(), { size }));
      expect(joined.data.among).toBe(all.length);
      expect(joined.data.drawn).toHaveLength(Math.min(size, all.length));
    }));
  });

  it("gives each receipt the same chance", () => {
    const times = indexes(50).map(() => 0);
    for (let seed = 0; seed < 250; seed++) for (const index of places(drawn(indexes(50), { seed }))) times[index]!++;
    expect(Math.min(...times)).toBeGreaterThan(20); // 50 are expected of each, with a deviation of 6.3
    expect(Math.max(...times)).toBeLessThan(80);
  });
});

const json: fc.Arbitrary<Json> = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value).replaceAll("-0", "0")) as Json);

describe("decisions are compared", () => {
  it("by their JCS, and where they differ is a place in both or either", () => {
    fc.assert(fc.property(json, json, (a, b) => {
      expect(differences(a, a)).toEqual([]);
      expect(differences(a, b).length > 0).toBe(canonicalize(a) !== canonicalize(b));
      for (const { at, recorded, replayed } of differences(a, b)) {
        expect(at.startsWith("/decision")).toBe(true);
        expect(recorded).not.toBe(replayed);
      }
    }));
  });

  it("each place is named, whatever its name", () => {
    expect(differences({ action: "DENY", score: 1, "a/b~": [1, { x: 2 }] }, { action: "DENY", score: 1.5, "a/b~": [1, { x: 3 }, 4], more: null })).toEqual([
      { at: "/decision/a~1b~0/1/x", recorded: "2", replayed: "3" },
      { at: "/decision/a~1b~0/2", recorded: "nothing", replayed: "4" },
      { at: "/decision/more", recorded: "nothing", replayed: "null" },
      { at: "/decision/score", recorded: "1", replayed: "1.5" },
    ]);
    expect(differences({ a: 1 }, [1])).toEqual([{ at: "/decision", recorded: '{"a":1}', replayed: "[1]" }]);
  });

  it.each<[string, Json, string | null]>([
    ["nothing", {}, "none"],
    ["hashes alone", { a: "ab".repeat(32), b: { c: [`sha256:${"0".repeat(64)}`] } }, "hashed"],
    ["a hash beside a value", { applicant: "ab".repeat(32), score: 1 }, null],
    ["digests of sealed members", { a: 1, b: { _sd: [] } }, "sealed"],
    ["values", { a: 1 }, null],
  ])("inputs with %s", (_, inputs, why) => expect(notReplayable(inputs)).toBe(why));

  it.each([["", "bad_json"], ["[]", "bad_json"], ['{"decision":1}', "bad_json"], ['{"receipt_id":"a"}', "bad_json"], ['{"receipt_id":"a","decision":1,"decision":2}', "duplicate_name"], ['{"receipt_id":"a","decision":1e400}', "number_out_of_range"]])(
    "%s is no answer", (line, code) => expect(() => readAnswer(Buffer.from(line))).toThrow(expect.objectContaining({ code }) as Error));
});

describe("a gate that failed", () => {
  const refused = refusals(["hold_funds"]);
  it.each<[Json, string]>([
    [{ action: "APPROVE" }, "executed"], [{ action: "deny" }, "refused"], [{ action: " Refer " }, "refused"], [{ action: "HOLD_FUNDS" }, "refused"], ["REJECT", "refused"], ["PAY", "executed"],
    [{ action: "APPROVE", executed: false }, "refused"], [{ action: "DENY", executed: true }, "executed"], [{ score: 1 }, "unsaid"], [7, "unsaid"], [["DENY"], "unsaid"], [{ action: null }, "unsaid"],
  ])("%j: %s", (decision, outcome) => expect(outcomeOf(decision, refused)).toBe(outcome));

  it("is one with FAIL or ERROR", () => {
    expect(failedGates(["PASS", "FAIL", "WARN", "SKIP", "ERROR"].map((status) => ({ name: `g-${status}`, status })))).toEqual(["g-FAIL", "g-ERROR"]);
    expect([failedGates(undefined), actionOf({ action: 1 })]).toEqual([[], null]);
  });
});

test("every kind of the ledger's own receipts is an event of a report, or is told of elsewhere in it", () => {
  const elsewhere = ["genesis", "anchor", "access", "attestation"];
  const later = ["prune", "erasure"]; // which nothing writes yet
  expect([...Object.keys(EVENTS), ...elsewhere, ...later].sort()).toEqual([...SYSTEM_TYPES].sort());
});

describe("beside an audit", () => {
  let ledger: TestLedger;
  beforeAll(() => {
    ledger = new TestLedger({ organizations: 2 });
    ledger.append(30, (n) => ({ system_id: n % 3 === 0 ? "a" : "b", decision: { action: n % 2 === 0 ? "APPROVE" : "DENY" }, gates: [{ name: "limit", status: n < 10 ? "FAIL" : "PASS" }] }));
    ledger.anchor("schedule", ledger.now + 60_000);
    ledger.now += 600_000;
    ledger.append(10, () => ({ type: "x_note" }));
    ledger.append(10, () => ({ gates: [] }));
    ledger.anchor();
    ledger.close();
  });
  afterAll(() => ledger.remove());

  async function surveyed(ask: Partial<SurveyAsk>, options: object = {}): Promise<SurveySeen> {
    let seen: SurveySeen | null = null;
    const survey: SurveyAsk = { from: null, to: null, draw: { seed: new Uint8Array(32), size: 5 }, tally: { refusals: [] }, ...ask };
    const report = await auditOf(ledger, [], { survey, ...options }, { onSurvey: (found) => { seen = found; return Promise.resolve(null); } });
    expect(report.exitCode).toBe(0);
    return seen!;
  }

  it("decisions are drawn and receipts are counted, the same by any number of threads", async () => {
    const seen = await surveyed({});
    expect(seen.draw).toMatchObject({ among: 40 });
    expect(seen.draw!.drawn).toHaveLength(5);
    expect(seen.tally).toMatchObject({ receipts: 53, decisions: 40, ungated: 10, failed: { refused: 5, executed: 5, unsaid: 0 }, organizations: { others: 0 } });
    expect(Object.fromEntries(seen.tally!.systems.names)).toMatchObject({ a: 10, b: 20 });
    expect(Object.fromEntries(seen.tally!.types.names)).toEqual({ genesis: 1, anchor: 2, decision: 40, x_note: 10 });
    expect(Object.fromEntries(seen.tally!.gates.names)).toEqual({ FAIL: 10, PASS: 20 });
    expect(seen.tally!.executed.map(({ action, gates, systemId }) => [action, gates, systemId])[0]).toEqual(["APPROVE", ["limit"], "a"]);
    expect(seen.promises).toMatchObject({ count: 2, late: 1, lateOnes: [{ promised: formatTime(START + 61_000) }] });
    const threads = await surveyed({}, { workers: 2 });
    expect([threads.draw, threads.tally]).toEqual([seen.draw, seen.tally]);
  });

  it("of the time that is asked for, and of no other in its batches", async () => {
    const [from, to] = [START + 500_000, START + 603_500];
    const seen = await surveyed({ from: formatTime(from), to: formatTime(to) }, { range: { from, to } });
    expect(seen.tally).toMatchObject({ receipts: 10, decisions: 0 });
    expect(seen.draw).toEqual({ among: 0, drawn: [] });
    expect(seen.promises).toMatchObject({ count: 0, late: 0 });
    const later = await surveyed({ from: formatTime(to), to: null }, { range: { from: to } });
    expect(later.tally).toMatchObject({ decisions: 10 });
    expect(later.promises).toMatchObject({ count: 1, late: 1 });
  });
});
