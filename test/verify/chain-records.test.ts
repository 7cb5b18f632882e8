/** Records against receipts that no daemon makes: whoever holds the ledger's key can sign any. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { canonicalize } from "../../src/format/canonical.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { verifyChainRecords } from "../../src/verify/chain-records.ts";
import { VerifyError } from "../../src/verify/errors.ts";

type Members = { readonly [name: string]: Json };

const AT = "2026-06-13T14:22:00.000Z";

function recordOf(seq: number, more: Members = {}): Uint8Array {
  return Buffer.from(canonicalize({ kind: "event", chain_id: "chn_1", event_id: `e${seq}`, seq, action: "a", agent: "x", recorded_at: AT, salt: "5a", ...more }));
}

function summaryOf(record: Uint8Array): Members {
  const { seq, action, agent, recorded_at } = JSON.parse(Buffer.from(record).toString()) as Members;
  return { seq: seq!, action: action!, agent: agent!, recorded_at: recorded_at!, hash: `sha256:${createHash("sha256").update(record).digest("hex")}` };
}

function receipt(events: readonly Json[], more: Members = {}): Members {
  return { type: "chain", chain_id: "chn_1", events_summary: events, approvals: [], agents_involved: ["x"], total_actions: 1, cumulative_metrics: {}, metric_rules: {}, ...more };
}

function judged(of: Members, records: readonly Uint8Array[]): unknown {
  try {
    return verifyChainRecords(of, records);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return error.code;
  }
}

const one = recordOf(1);
const hidden = { seq: 1, action: "pay", agent: "y", recorded_at: AT, hash: `sha256:${"0".repeat(64)}` };

test("a receipt as it has to be: its one event is checked, and adds up", () => {
  expect(judged(receipt([summaryOf(one)]), [one])).toEqual({ checked: [1], notDisclosed: [], addUp: true });
});

describe("an event that hides behind another's number is not taken for disclosed", () => {
  test.each<[string, Members]>([
    ["among the events, before it", receipt([hidden, summaryOf(one)])],
    ["among the events, behind it", receipt([summaryOf(one), hidden])],
    ["an approval", receipt([summaryOf(one)], { approvals: [{ seq: 1, approver: "a", hash: "x" }] })],
    ["by a number that is none", receipt([summaryOf(one), { ...hidden, seq: "2" }])],
    ["by a number between", receipt([summaryOf(one), { ...hidden, seq: 1.5 }])],
    ["by none", receipt([summaryOf(one), null])],
  ])("%s", (_, of) => {
    expect(judged(of, [one])).toBe("bad_receipt");
  });
});

test("metrics by a rule that is none add up to nothing", () => {
  const record = recordOf(1, { metrics: { n: 1 } });
  expect(judged(receipt([summaryOf(record)], { metric_rules: { n: "product" }, cumulative_metrics: { n: 1 } }), [record])).toBe("record_mismatch");
  expect(judged(receipt([summaryOf(record)], { metric_rules: null, cumulative_metrics: { n: 1 } }), [record])).toBe("record_mismatch");
});

test.each<[string, string]>([["no JSON", "x"], ["an empty line", ""], ["not canonical", `${Buffer.from(one).toString()}\r`], ["no object", "null"], ["no UTF-8", "\xff"], ["a name that is forbidden", '{"__proto__":1}']])(
  "%s is no record, and says nothing of the receipt", (_, line) => {
    expect(judged(receipt([summaryOf(one)]), [one, Buffer.from(line, "latin1")])).toBe("record_mismatch");
  });
