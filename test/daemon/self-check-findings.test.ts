import { describe, expect, test } from "vitest";
import type { AuditCode, OpenFinding } from "../../src/audit/report.ts";
import { SelfCheckFindings } from "../../src/daemon/self-check-findings.ts";

const at = (logIndex: number, code: AuditCode = "receipt_changed"): OpenFinding => ({ severity: "violation", code, message: "it is another", logIndex });
const indexes = (findings: SelfCheckFindings): unknown[] => findings.named.map(({ logIndex }) => logIndex);

describe("what was found", () => {
  test("is new once, stays until a whole round no longer finds it, and is then over", () => {
    const findings = new SelfCheckFindings();
    expect([findings.add(at(1)), findings.add(at(1)), findings.add(at(1, "index_mismatch"))]).toEqual([true, false, true]);
    expect([findings.count, indexes(findings)]).toEqual([2, [1, 1]]);
    findings.finish(0, [], []);
    expect(findings.count).toBe(2);
    expect(findings.add(at(1))).toBe(false); // the next round finds it again
    findings.finish(0, [], []);
    expect([findings.count, indexes(findings)]).toEqual([1, [1]]);
    findings.finish(0, [], []);
    expect([findings.count, findings.named]).toEqual([0, []]);
    expect(findings.add(at(1))).toBe(true);
  });

  test("is not over because a round came to no end", () => {
    const findings = new SelfCheckFindings();
    findings.add(at(1));
    findings.finish(0, [], []);
    findings.add(at(2));
    findings.fail();
    expect(indexes(findings)).toEqual([1, 2]);
    findings.finish(0, [], []);
    expect(findings.count).toBe(0);
  });

  test("is counted beyond what is named", () => {
    const findings = new SelfCheckFindings();
    for (let i = 0; i < 10_000; i++) findings.add(at(i));
    expect([findings.count, findings.named.length]).toEqual([10_000, 16]);
    findings.finish(20_000, [], []); // not all of them were told
    expect([findings.count, findings.named.length]).toEqual([20_000, 16]);
    findings.finish(0, [], []);
    expect(findings.count).toBe(0);
  });

  test("a MAC that was wrong is held as long as the bytes are the same: its epoch may be closed, and its key gone", () => {
    const findings = new SelfCheckFindings();
    expect(findings.hold(at(7, "mac_mismatch"), "sha256:07")).toBe(true);
    for (let round = 0; round < 3; round++) {
      const { held } = findings;
      expect(held).toEqual([{ logIndex: 7, hash: "sha256:07" }]);
      findings.finish(1, held, [7]);
      expect([findings.count, indexes(findings)]).toEqual([1, [7]]);
    }
    findings.finish(0, [], []); // of what a round was not told, it says nothing
    expect(findings.count).toBe(1);
    findings.finish(0, findings.held, []);
    expect(findings.count).toBe(0);
  });
});
