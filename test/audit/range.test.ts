/** A part of a ledger by time: which batches it is, whatever the index says of times, and what an empty one still has to show. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import { TestLedger, START } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy, receiptAt } from "./support.ts";

let ledger: TestLedger;
let target: DirectoryTarget;

/** Tree sizes 22, 43, 64; a batch's receipts at START + 1, 3, 5 s, its anchor a second later. The last anchor is an hour later. */
beforeAll(async () => {
  ledger = new TestLedger({ batches: [20, 20] });
  ledger.append(20);
  ledger.now += 3_600_000;
  ledger.anchor();
  target = await publishToDirectory(ledger, "outside");
  ledger.close();
});
afterAll(() => ledger.remove());

const SECOND = { from: START + 2500, to: START + 4000 };
const LATER = { from: START + 1e9 };

async function changed(sql: string, range: object, targets = [target]) {
  const copy = new Copy(ledger).tamper((db) => db.exec(sql));
  try {
    return await auditOf(copy, targets, { range });
  } finally {
    copy.remove();
  }
}

describe("what belongs to a time range is not the index's word", () => {
  it("rows of which the times were moved out of it", async () => {
    const report = await changed("UPDATE receipt SET recorded_at = recorded_at - 8640000000 WHERE log_index BETWEEN 22 AND 42", SECOND);
    expect(report).toMatchObject({ exitCode: 1, scope: { firstIndex: 22, endIndex: 43 } });
    expect(report.findings[0]).toMatchObject({ ...receiptAt(ledger, 22), code: "index_mismatch" });
  });

  it("a row of which the time was moved into it", async () => {
    expect(await changed(`UPDATE receipt SET recorded_at = ${START + 3000} WHERE log_index = 5`, SECOND)).toMatchObject({
      exitCode: 1, scope: { firstIndex: 22, endIndex: 43 }, findings: [{ code: "index_mismatch", logIndex: 5, at: "receipt.recorded_at" }],
    });
  });

  it.each([
    ["its bytes are other ones", "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'T10:00:04', 'T10:00:01') AS BLOB) WHERE log_index = 42"],
    ["its row is another organization's", "UPDATE receipt SET org = 77 WHERE log_index = 42"],
    ["it is gone", "DELETE FROM blob WHERE log_index = 42; DELETE FROM receipt WHERE log_index = 42; DELETE FROM anchor WHERE tree_size = 43"],
  ])("an anchor receipt that cannot be believed puts its batch into the range: %s", async (_, sql) => {
    const report = await changed(sql, { to: START + 1000 });
    expect(report).toMatchObject({ exitCode: 1, scope: { firstIndex: 0 } });
    expect(report.scope.endIndex).toBeGreaterThanOrEqual(43);
    expect(report.findings.some(({ logIndex }) => logIndex === 42)).toBe(true);
  });

  it("anchors of which the receipts are no longer the ledger's by the index", async () => {
    expect(await changed("UPDATE receipt SET org = 77 WHERE org = 1 AND log_index > 22", { to: START + 1000 })).toMatchObject({
      exitCode: 1, scope: { firstIndex: 0, endIndex: 64 },
    });
  });

  it("all the ledger's anchors taken from the index leave everything in it", async () => {
    const report = await changed("DELETE FROM receipt WHERE org = 1 AND log_index > 0; DELETE FROM anchor", SECOND);
    expect(report).toMatchObject({ exitCode: 1, scope: { firstIndex: 0, endIndex: 63 } });
  });
});

describe("clock steps", () => {
  let stepped: TestLedger;
  let outside: DirectoryTarget;

  /** Receipts 0 to 9 today, 10 to 14 a year ahead, then back: the step is 15. Anchored in one batch of 0 to 20; a later one follows. */
  beforeAll(async () => {
    stepped = new TestLedger();
    stepped.append(9);
    stepped.now += 365 * 86_400_000;
    stepped.append(5);
    stepped.now = START + 10_000;
    stepped.append(5);
    stepped.anchor();
    stepped.append(5);
    stepped.anchor();
    outside = await publishToDirectory(stepped, "outside");
    stepped.close();
  });
  afterAll(() => stepped.remove());

  it.each([
    ["a time before the step, which no anchor receipt is near to", { from: START + 364 * 86_400_000, to: START + 366 * 86_400_000 }, 0, 22],
    ["a time after the step", { from: START + 11_500, to: START + 12_500 }, 0, 28],
    ["a time that only the later batch has", { from: START + 12_500, to: START + 13_500 }, 0, 28],
  ])("%s", async (_, range, firstIndex, endIndex) => {
    expect(await auditOf(stepped, [outside], { range })).toMatchObject({ exitCode: 0, scope: { firstIndex, endIndex } });
  });
});

describe("a range in which nothing was recorded", () => {
  it("between two anchors they show it", async () => {
    const report = await auditOf(ledger, [target], { range: { from: START + 60_000, to: START + 120_000 } });
    expect(report).toMatchObject({ exitCode: 0, findings: [], scope: { firstIndex: 43, endIndex: 64 } });
    expect(report.sentence).toMatch(/^Nothing was recorded in the time range, as the anchors before and behind it show; the 21 receipts .* anchored at outside\.$/);
  });

  it("without a target they do not", async () => {
    const report = await auditOf(ledger, [], { range: { from: START + 60_000, to: START + 120_000 } });
    expect(report.sentence).toContain("says the ledger alone");
  });

  it("behind the newest anchor it is the ledger's word, of a ledger that is compared all the same", async () => {
    const report = await auditOf(ledger, [target], { range: LATER });
    expect(report).toMatchObject({ exitCode: 0, scope: { firstIndex: 43, endIndex: 64 }, counts: { anchors: 1, targets: [{ anchors: 1 }] } });
    expect(report.sentence).toContain("says the ledger alone");
  });

  it("a ledger that was cut behind its anchors", async () => {
    const report = await changed("DELETE FROM blob WHERE log_index >= 50; DELETE FROM receipt WHERE log_index >= 50; DELETE FROM anchor WHERE tree_size > 50", LATER);
    expect(report).toMatchObject({ exitCode: 1, findings: [{ code: "ledger_behind" }] });
  });

  it.each([0, 7])("a ledger that was written anew, with the same keys; %d receipts more", async (more) => {
    const another = new TestLedger();
    another.append(20, () => ({ decision: "OTHER" }));
    another.anchor();
    another.append(20);
    another.anchor();
    another.append(20);
    another.anchor();
    another.append(more);
    another.close();
    expect(await auditOf(another, [target], { range: LATER })).toMatchObject({ exitCode: 1, findings: expect.arrayContaining([expect.objectContaining({ code: "log_root_mismatch" })]) as unknown });
    another.remove();
  });
});

it("an organization in a time range, whose batches begin with other organizations' receipts", async () => {
  const report = await auditOf(ledger, [target], { range: { ...SECOND, organization: "org-1" } });
  expect(report).toMatchObject({ exitCode: 0, findings: [], scope: { organization: "org-1", firstIndex: 22, endIndex: 43 }, counts: { receipts: 6 + 1 } });
});

it("an organization of a ledger that is read in several runs", async () => {
  const long = new TestLedger({ batches: [2100, 20], tail: 3 });
  long.close();
  expect(await auditOf(long, [], { range: { organization: "org-1" } })).toMatchObject({ exitCode: 0, findings: [], counts: { receipts: 708 + 3 } });
  long.remove();
});

it("a target that has no anchor of the part proves nothing of it", async () => {
  const behind = new TestLedger({ batches: [20] });
  const folder = await publishToDirectory(behind, "behind");
  behind.append(20);
  behind.anchor();
  behind.close();
  expect(await auditOf(behind, [folder], { range: LATER })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringContaining("behind: it has no anchor of this part")] });
  expect(await auditOf(behind, [folder], { range: { to: START + 1500 } })).toMatchObject({ exitCode: 0 });
  behind.remove();
});

describe("an organization that the ledger does not have", () => {
  it.each([
    ["alone", {}], ["with a time range", SECOND], ["with one in which nothing was recorded", LATER],
  ])("could not be checked: %s", async (_, range) => {
    for (const keys of [{}, { keys: null }]) {
      expect(await auditOf(ledger, [target], { ...keys, range: { ...range, organization: "acme" } })).toMatchObject({
        exitCode: 2, scope: { organization: "acme" }, failedToCheck: [expect.stringContaining("the ledger has none of this name")],
      });
    }
  });
});
