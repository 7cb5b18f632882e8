/**
 * The short way to read a stored receipt against the long one, which is the definition: whatever the short one takes, the long one takes
 * too, with the same members, the same bytes under the MAC, and the same request. And what it is for, it takes.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { QuickReceipts } from "../../src/format/quick-receipt.ts";
import { numberMatches, readReceipt, unsignedBytes } from "../../src/format/receipt.ts";
import type { Json } from "../../src/format/strict-json.ts";

const quick = new QuickReceipts((bytes, from, end) => Buffer.from(bytes.subarray(from, end)).toString("latin1"));
const ADDED = ["key_epoch", "key_id", "ledger", "log_index", "org_seq", "previous_receipt_hash", "receipt_number", "recorded_at", "schema_version", "signature"];
const LINKED = [...ADDED, "organization", "receipt_id", "type"];

const least: { readonly [name: string]: Json } = {
  schema_version: 1, ledger: "test.example/receipts", organization: "loans", org_seq: 42, log_index: 99, key_id: "key_v1", key_epoch: 3, previous_receipt_hash: `sha256:${"0a".repeat(32)}`,
  signature: `hmac-sha256:${"9f".repeat(32)}`, receipt_id: "019b7679-0000-7000-8000-000000000fff", receipt_number: "LOANS-2026-00042", recorded_at: "2026-06-01T10:00:05.234Z", type: "decision",
  system_id: "s", decision: { action: "APPROVE" }, inputs: { score: 742 },
};

/** Whether the short way took it; then the long one agrees. */
function agree(blob: Uint8Array): boolean {
  const receipt = quick.read(blob);
  if (receipt === null) return false;
  const read = readReceipt(blob);
  const whole = read.receipt as { readonly [name: string]: Json };
  expect(read.known && numberMatches(read.receipt)).toBe(true);
  expect(read.notChecked).toEqual([]);
  expect(receipt).toEqual(Object.fromEntries(LINKED.map((name) => [name, whole[name]])));
  expect(fromUtf8(quick.unsigned())).toBe(fromUtf8(unsignedBytes(blob, receipt.signature)));
  expect(fromUtf8(quick.request())).toBe(canonicalize(Object.fromEntries(Object.entries(whole).filter(([name]) => !ADDED.includes(name)))));
  return true;
}

const stored = (change: { readonly [name: string]: Json | undefined } = {}): Uint8Array =>
  utf8(canonicalize(Object.fromEntries(Object.entries({ ...least, ...change }).filter((member): member is [string, Json] => member[1] !== undefined))));

test.each<[string, { readonly [name: string]: Json | undefined }]>([
  ["the least", {}], ["the first of its organization", { org_seq: 1, previous_receipt_hash: null, receipt_number: "LOANS-2026-00001" }], ["a large number", { org_seq: 1_234_567, receipt_number: "LOANS-2026-1234567" }],
  ["the largest numbers", { org_seq: 9_007_199_254_740_991, receipt_number: "LOANS-2026-9007199254740991", log_index: 9_007_199_254_740_963, key_epoch: 9_007_199_254_740_945 }],
  ["every field", {
    chain_id: "c", gates: [{ name: "g", status: "PASS", threshold: 0.5 }], metadata: { a: [{}] }, model_epoch: 1, model_version: "v", policy_version: "p", reasons: ["r", 1], region: "eu", summary: "ü €",
    timestamp: "2026-06-01T10:00:05Z", user_id: "u", x_A: 1, x_a: { signature: "hmac-sha256:" }, x_b: "😀",
  }],
  ["the last day of a month", { recorded_at: "2026-10-31T23:59:59.999Z" }],
])("takes %s", (_, change) => {
  expect(agree(stored(change))).toBe(true);
});

test.each<[string, { readonly [name: string]: Json | undefined }]>([
  ["an unknown field", { other: 1 }], ["a field that is missing", { inputs: undefined }], ["no signature", { signature: undefined }], ["another schema", { schema_version: 2 }], ["org_seq 0", { org_seq: 0, receipt_number: "LOANS-2026-00000" }],
  ["a first receipt with a link", { org_seq: 1, receipt_number: "LOANS-2026-00001" }], ["a later one without", { previous_receipt_hash: null }], ["the number of another year", { receipt_number: "LOANS-2025-00042" }],
  ["the number of another, next to 2^53", { org_seq: 9_007_199_254_740_991, receipt_number: "LOANS-2026-9007199254740992" }], ["the number of another", { receipt_number: "LOANS-2026-00043" }], ["a number in another spelling", { receipt_number: "LOANS-2026-000042" }], ["a prefix in lower case", { receipt_number: "loans-2026-00042" }],
  ["a time without milliseconds", { recorded_at: "2026-06-01T10:00:05Z" }], ["a day that is not", { recorded_at: "2026-06-31T10:00:05.234Z" }], ["an origin with a parent", { ledger: "test.example/.." }], ["a key in upper case", { key_id: "KEY" }],
  ["the ledger's organization", { organization: "_ledger" }], ["a system receipt", { type: "anchor", organization: "_ledger", details: {} }], ["a reserved name", { metadata: { _sd: 1 } }], ["a short signature", { signature: "hmac-sha256:00" }],
  ["a hash in upper case", { previous_receipt_hash: `sha256:${"0A".repeat(32)}` }], ["null for a decision", { decision: null }], ["inputs that are none", { inputs: [] }],
])("does not take %s", (_, change) => {
  expect(agree(stored(change))).toBe(false);
});

describe("agrees with the long way", () => {
  const good = Buffer.from(stored({ gates: [{ name: "g", status: "PASS" }], timestamp: "2026-06-01T10:00:05.2Z", user_id: "ü", metadata: { b: -0.25, c: [1, "\n"] }, x_a: true }));

  test("on any text that differs in a byte, or in white space, from a good one", () => {
    let taken = 0;
    fc.assert(fc.property(fc.nat(), fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0x20, 0x30, 0x22)), fc.boolean(), (at, byte, inserts) => {
      const place = at % good.length;
      if (agree(Buffer.concat([good.subarray(0, place), Buffer.of(byte), good.subarray(inserts ? place : place + 1)]))) taken++;
    }), { numRuns: 3000 });
    expect(taken).toBeGreaterThan(200);
  });

  test("on any order of members", () => {
    const members = Object.entries(least).map(([name, value]) => `"${name}":${canonicalize(value)}`);
    fc.assert(fc.property(fc.shuffledSubarray(members, { minLength: members.length - 1 }), (some) => {
      expect(agree(utf8(`{${some.join(",")}}`))).toBe(some.length === members.length && some.every((member, i) => i === 0 || some[i - 1]! < member));
    }), { numRuns: 200 });
  });

  test("on the receipt vectors", () => {
    const vectors = JSON.parse(readFileSync(new URL("../vectors/receipts.json", import.meta.url), "utf8")) as readonly { readonly blob?: string }[];
    const blobs = vectors.flatMap(({ blob }) => (blob === undefined ? [] : [utf8(blob)]));
    expect(blobs.length).toBeGreaterThan(20);
    const taken = blobs.filter(agree);
    expect(taken.length).toBeGreaterThan(0);
  });
});
