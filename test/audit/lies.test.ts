/**
 * A daemon that signs what is not so: every check of docs/FORMAT.md section 13.2 that MACs and roots do not imply. Each with the lie
 * inside one segment of the audit, and at the border of two, where one thread sees only its own side.
 */
import { afterAll, expect, it } from "vitest";
import type { Finding } from "../../src/audit/audit.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { TestLedger } from "../support/ledger.ts";
import { auditOf } from "./support.ts";

type Details = { readonly [name: string]: Json };

const ZERO = `sha256:${"0".repeat(64)}`;
/** Receipts before the lie: with the second, a segment of the audit ends there. */
const SIZES = [["inside a segment", 20], ["at a border", 2100]] as const;

const batches = new Map<number, TestLedger>();
afterAll(() => {
  for (const batch of batches.values()) batch.remove();
});

/** A ledger with one batch of receipts that say little: what they say is not what is audited here. */
function withBatch(size: number): TestLedger {
  let batch = batches.get(size);
  if (batch === undefined) {
    batch = new TestLedger();
    batches.set(size, batch);
    batch.append(size, () => ({ inputs: {}, gates: [], reasons: [] }));
    batch.anchor();
    batch.close();
  }
  return new TestLedger({ from: batch });
}

async function findings(ledger: TestLedger): Promise<readonly Finding[]> {
  ledger.close();
  const report = await auditOf(ledger);
  ledger.remove();
  expect(report.exitCode).toBe(1);
  return report.findings.filter(({ severity }) => severity === "violation");
}

/** The second anchor lies; a third follows. */
async function withLyingAnchor(size: number, change: (details: Details) => Json): Promise<readonly Finding[]> {
  const ledger = withBatch(size);
  ledger.append(20);
  ledger.anchor("schedule", null, change);
  ledger.append(20);
  ledger.anchor();
  return await findings(ledger);
}

const batchOf = (details: Details): { readonly first_index: number; readonly count: number; readonly root: string } =>
  details["batch"] as { readonly first_index: number; readonly count: number; readonly root: string };

const LIES: readonly (readonly [string, (details: Details) => Json])[] = [
  ["batch_root_mismatch", (details) => ({ ...details, batch: { ...batchOf(details), root: ZERO } })],
  ["batch_gap", (details) => ({ ...details, batch: { ...batchOf(details), first_index: batchOf(details).first_index - 1 } })],
  ["batch_gap", (details) => ({ ...details, batch: { ...batchOf(details), count: batchOf(details).count + 1 } })],
  ["anchor_link_mismatch", (details) => ({ ...details, previous_anchor: { ...(details["previous_anchor"] as Details), root: ZERO } })],
  ["anchor_link_mismatch", (details) => ({ ...details, previous_anchor: null })],
  ["org_heads_mismatch", (details) => ({ ...details, org_heads_root: ZERO })],
];

it.each(SIZES.flatMap(([where, size]) => LIES.map(([code, change], i) => [code, where, i, size, change] as const)))(
  "%s, %s (%i)", async (code, _, __, size, change) => {
    const second = size + 1 + 1 + 20;
    expect((await withLyingAnchor(size, change)).map((finding) => [finding.code, finding.logIndex])).toContainEqual([code, second]);
  }, 30_000);

it.each(SIZES)("commitment_mismatch, %s", async (_, size) => {
  const ledger = new TestLedger({ batches: [3] });
  ledger.append(size);
  ledger.anchor("schedule", null, (details) => ({ ...details, epoch_commitment: ZERO }));
  ledger.append(2);
  // all MACs of the epoch are right: what was promised is not
  expect((await findings(ledger)).map(({ code, logIndex }) => [code, logIndex])).toEqual([["commitment_mismatch", 6 + size]]);
}, 30_000);

/** Two receipts, the anchor between them if there is a border; the second is forged before it is anchored. */
async function withForged(size: number, change: (text: string) => string): Promise<{ readonly forged: number; readonly found: readonly Finding[] }> {
  const ledger = withBatch(size);
  ledger.append(3);
  ledger.close();
  const forged = size + 2;
  ledger.forge(forged, change);
  ledger.reopen();
  ledger.append(10);
  ledger.anchor();
  return { forged, found: await findings(ledger) };
}

const FORGERIES: readonly (readonly [string, (text: string) => string])[] = [
  ["link_mismatch", (text) => text.replace(/"previous_receipt_hash":"sha256:[0-9a-f]{64}"/, `"previous_receipt_hash":"${ZERO}"`)],
  ["time_backwards", (text) => text.replace(/"recorded_at":"2026-06-01T10/, "\"recorded_at\":\"2026-06-01T09")],
  ["epoch_mismatch", (text) => text.replace("\"key_epoch\":1", "\"key_epoch\":9")],
  ["log_index_gap", (text) => text.replace(/"log_index":\d+/, "\"log_index\":5")],
  ["ledger_mismatch", (text) => text.replace("\"ledger\":\"test.example/receipts\"", "\"ledger\":\"test.example/receiptt\"")],
  ["number_mismatch", (text) => text.replace(/"receipt_number":"ORG/, "\"receipt_number\":\"ORX")],
  ["bad_receipt", (text) => text.replace("\"type\":\"decision\"", "\"type\":\"genesis\"")],
];

it.each(SIZES.flatMap(([where, size]) => FORGERIES.map(([code, change]) => [code, where, size, change] as const)))("%s, %s", async (code, _, size, change) => {
  const { forged, found } = await withForged(size, change);
  const codes = found.filter(({ logIndex }) => logIndex === forged).flatMap((finding) => [finding.code, ...(finding.also ?? [])]);
  expect(codes, JSON.stringify(found)).toContain(code);
}, 30_000);

it("a link forged before it was anchored is not blamed on the receipt that it should lead to", async () => {
  const ledger = new TestLedger({ batches: [10], tail: 9 });
  ledger.close();
  const forged = 12 + 6;
  ledger.forge(forged, (text) => text.replace(/"previous_receipt_hash":"sha256:[0-9a-f]{64}"/, `"previous_receipt_hash":"${ZERO}"`));
  ledger.reopen();
  ledger.anchor();
  expect(await findings(ledger)).toMatchObject([{ code: "link_mismatch", logIndex: forged, found: ZERO }]);
});
