/** `anchor.fail_closed_after`: how long receipts may wait for their anchors. */
import { expect, test } from "vitest";
import { Overdue } from "../../src/daemon/overdue.ts";
import { LedgerError } from "../../src/ledger/errors.ts";

/** A ledger whose receipt i was recorded at 1000 · i. */
function overdue(limit: number | null) {
  const at = { now: 0, size: 0, anchored: 0, reads: 0 };
  const reader = { byIndex: (index: number) => { at.reads++; return { recordedAt: 1000 * index } as never; } };
  return { at, overdue: new Overdue({ reader, limit, now: () => at.now, size: () => at.size, anchoredSize: () => at.anchored }) };
}

test("nothing is overdue while everything is anchored", () => {
  const { at, overdue: it } = overdue(1);
  Object.assign(at, { size: 7, anchored: 7, now: 1e9 });
  expect(it.since()).toBeNull();
  expect(it.refusal()).toBeNull();
});

test("the first receipt that is not anchored decides, up to the limit and not beyond", () => {
  const { at, overdue: it } = overdue(5000);
  Object.assign(at, { size: 20, anchored: 7, now: 12_000 });
  expect(it.since()).toBe(7000);
  expect(it.refusal()).toBeNull();
  at.now = 12_001;
  expect(it.refusal()).toMatchObject({ code: "anchoring_overdue", message: expect.stringContaining("1970-01-01T00:00:07.000Z") });
  at.anchored = 8;
  expect(it.refusal()).toBeNull();
  expect(at.reads).toBe(2); // not one for each call
});

test("without a limit nothing is ever refused", () => {
  const { at, overdue: it } = overdue(null);
  Object.assign(at, { size: 20, anchored: 0, now: 1e12 });
  expect(it.since()).toBe(0);
  expect(it.refusal()).toBeNull();
});

test("a damaged ledger that does not say is no reason for status to fail", () => {
  const reader = { byIndex: () => { throw new LedgerError("ledger_corrupt", "the file is damaged"); } };
  const it = new Overdue({ reader, limit: 1, now: () => 1e12, size: () => 20, anchoredSize: () => 7 });
  expect([it.since(), it.refusal()]).toEqual([null, null]);
});
