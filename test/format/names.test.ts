/** Names of a target's objects: what is formatted is parsed, and nothing else. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatObjectName, type ObjectName, objectPrefix, parseObjectName } from "../../src/format/names.ts";

const LEDGER = { origin: "receipts.example.com/loans", ledgerId: "0123456789abcdef0123456789abcdef" };
const sha256 = "ab".repeat(32);

const index = fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 });
const range = fc.tuple(index, index).map(([a, b]) => ({ firstIndex: Math.min(a, b), lastIndex: Math.max(a, b), sha256 }));
const names: fc.Arbitrary<ObjectName> = fc.oneof(
  index.map((n): ObjectName => ({ kind: "anchor", treeSize: n + 1, sha256 })),
  range.map((parts): ObjectName => ({ kind: "batch", ...parts })),
  fc.tuple(range, fc.boolean()).map(([parts, isEncrypted]): ObjectName => ({ kind: "receipts", ...parts, isEncrypted })),
);

test("a name is parsed as it was formatted", () => {
  fc.assert(fc.property(names, (name) => {
    expect(parseObjectName(LEDGER, formatObjectName(LEDGER, name))).toEqual(name);
  }));
});

test("archived receipts are named by their range and the hash of the object", () => {
  expect(formatObjectName(LEDGER, { kind: "receipts", firstIndex: 5, lastIndex: 41, sha256, isEncrypted: true }))
    .toBe(`v1/receipts.example.com/loans/${LEDGER.ledgerId}/receipts/00000000000000000005-00000000000000000041-${sha256}.ndjson.gz.age`);
});

const digits = (n: bigint): string => String(n).padStart(20, "0");
test.each([
  `receipts/${digits(5n)}-${digits(4n)}-${sha256}.ndjson.gz`, `receipts/${digits(0n)}-${digits(2n ** 53n)}-${sha256}.ndjson.gz`,
  `receipts/${digits(0n)}-${digits(4n)}-${sha256}.ndjson`, `receipts/${digits(0n)}-${digits(4n)}-${sha256}.ndjson.gz.AGE`,
  `receipts/0-4-${sha256}.ndjson.gz`, `receipts/${digits(0n)}-${digits(4n)}-${sha256.toUpperCase()}.ndjson.gz`,
  `receipts/${digits(0n)}-${digits(4n)}-${sha256}.entries`, `batches/${digits(0n)}-${digits(4n)}-${sha256}.ndjson.gz`,
  `receipts/${digits(0n)}-${digits(4n)}-${sha256}.ndjson.gz\n`, "receipts/",
])("%j is none", (rest) => {
  expect(() => parseObjectName(LEDGER, objectPrefix(LEDGER) + rest)).toThrow(expect.objectContaining({ code: "bad_object_name" }));
});
