/** The short tests of quick-fields.ts say yes to nothing that the schemas of fields.ts refuse. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { callerFields, linkingFields, namingFields, recordFields } from "../../src/format/fields.ts";
import { quickFields } from "../../src/format/quick-fields.ts";

const schemas: Readonly<Record<string, z.ZodType>> = { ...callerFields, ...namingFields, ...linkingFields, ...recordFields };

const good: readonly unknown[] = [
  "acme", "_ledger", "a.example/b", 1, 0, 42, null, {}, [], "decision", "key_v1", `sha256:${"0".repeat(64)}`, `hmac-sha256:${"a".repeat(64)}`,
  "019b7679-0000-7000-8000-000000000001", "ACME-2026-00001", "2026-06-01T10:00:05.234Z", "2026-06-01T10:00:05Z", [{ name: "g", status: "PASS" }],
];
const nearby: readonly unknown[] = [
  "", "A", "a/../b", -1, -0, 0.5, 2 ** 53, Number.MAX_SAFE_INTEGER, true, undefined, [1], { a: 1 }, `SHA256:${"0".repeat(64)}`, `sha256:${"g".repeat(64)}`, `sha256:${"0".repeat(64)}\n`,
  "a".repeat(256), "a".repeat(257), "😀".repeat(128), "😀".repeat(129), "a".repeat(4096), "a".repeat(4097), "ACME-2026-000001", "2026-02-30T10:00:05.234Z", "2026-06-01T10:00:60Z",
  [{ name: "g", status: "pass" }], [{ status: "PASS" }], [null], [{ name: "", status: "PASS" }], Array.from({ length: 1001 }, () => ({ name: "g", status: "PASS" })), [[]], "x_\n", "_ledger\n",
];

describe.each([...quickFields])("%s", (name, isGood) => {
  const schema = schemas[name]!;

  it("takes at least one thing", () => {
    expect(good.some((value) => isGood(value))).toBe(true);
  });

  it("takes nothing that its schema refuses", () => {
    const value = fc.oneof(fc.constantFrom(...good, ...nearby), fc.jsonValue({ maxDepth: 2 }), fc.string());
    fc.assert(fc.property(value, (any) => {
      if (isGood(any)) expect(schema.safeParse(any).success).toBe(true);
    }), { numRuns: 300 });
    for (const any of [...good, ...nearby]) if (isGood(any)) expect(schema.safeParse(any).success, JSON.stringify(any)).toBe(true);
  });
});

describe.each(["recorded_at", "timestamp"] as const)("%s", (name) => {
  it("takes the times that its schema takes", () => {
    const two = (max: number): fc.Arbitrary<string> => fc.nat(max).map((n) => String(n).padStart(2, "0"));
    const fraction = fc.constantFrom("", ".", ".2", ".234", ".234567890", ".2345678901");
    const text = fc.tuple(fc.constantFrom("2026", "2028", "0000", "9999", "026"), two(14), two(33), two(25), two(61), two(61), fraction, fc.constantFrom("Z", "z", "+00:00", "Z\n"))
      .map(([year, month, day, hour, minute, second, rest, zone]) => `${year}-${month}-${day}T${hour}:${minute}:${second}${rest}${zone}`);
    fc.assert(fc.property(text, (time) => {
      expect(quickFields.get(name)!(time)).toBe(schemas[name]!.safeParse(time).success);
    }), { numRuns: 2000 });
  });
});

it("has a test for every field", () => {
  expect([...quickFields.keys()].toSorted()).toEqual(Object.keys(schemas).toSorted());
});
