/** Segments: walked apart and joined, they find what one walk finds. */
import { describe, expect, it } from "vitest";
import { type ChainEnd, ChainWalk, joinStart } from "../../src/verify/chain.ts";
import { joinedEnd, joinLog, type LogEnd, LogWalk } from "../../src/verify/log.ts";
import type { VerifiedReceipt } from "../../src/verify/receipt.ts";
import { BASE, LEDGER, readableLedgers, verified } from "./support.ts";

const ledgers = readableLedgers();
const codes = (errors: readonly { readonly code: string }[]): string[] => errors.map(({ code }) => code).toSorted();

function cuts(receipts: readonly VerifiedReceipt[], ...at: readonly number[]): VerifiedReceipt[][] {
  const ends = [...at, receipts.length];
  return ends.map((end, i) => receipts.slice(ends[i - 1] ?? 0, end)).filter((part) => part.length > 0);
}

/** Every way to cut a ledger in two, and one way to cut it in pieces of two. */
function* partitions(receipts: readonly VerifiedReceipt[]): Generator<VerifiedReceipt[][]> {
  for (let at = 1; at < receipts.length; at++) yield cuts(receipts, at);
  yield cuts(receipts, 2, 4, 6, 8, 10, 12);
}

describe("ChainWalk", () => {
  function chainCodes(parts: readonly VerifiedReceipt[][]): string[] {
    const ends = new Map<string, ChainEnd>();
    const owners = new Map<string, string>([["LEDGER", "_ledger"]]);
    const findings = parts.flatMap((part) => {
      const walk = new ChainWalk();
      const inside = part.flatMap((r) => walk.step(r));
      const joins = [...walk.starts].flatMap(([organization, start]) => joinStart(start, organization, ends.get(organization), owners));
      for (const [organization, end] of walk.ends) {
        ends.set(organization, end);
        if (end.prefix !== null && !owners.has(end.prefix)) owners.set(end.prefix, organization);
      }
      return [...joins, ...inside];
    });
    return codes(findings);
  }

  it.each(ledgers)("$name", ({ receipts }) => {
    const walk = new ChainWalk(new Map());
    const whole = codes(receipts.flatMap((r) => walk.step(r)));
    for (const parts of partitions(receipts)) {
      const joined = chainCodes(parts);
      // a prefix that is used twice is seen from both sides where the segments know different owners
      expect(joined.filter((code) => code !== "number_mismatch")).toEqual(whole.filter((code) => code !== "number_mismatch"));
      expect(joined.includes("number_mismatch")).toBe(whole.includes("number_mismatch"));
    }
  });

  it("says once that a prefix is wrong", () => {
    const receipts = verified(BASE.blobs).map((r) =>
      r.known && r.receipt.organization === "acme" && r.receipt.org_seq > 1
        ? { ...r, receipt: { ...r.receipt, receipt_number: r.receipt.receipt_number.replace("ACME", "BETA") } } : r);
    const walk = new ChainWalk(new Map());
    expect(receipts.flatMap((r) => walk.step(r)).map(({ code, found }) => `${code} ${found}`)).toEqual(["number_mismatch BETA"]);
  });

  it("keeps the starts of a segment and the ends", () => {
    const walk = new ChainWalk();
    for (const r of verified(BASE.blobs.slice(6))) walk.step(r);
    expect([...walk.starts.keys()]).toEqual(["default", "acme", "_ledger", "beta"]);
    expect(walk.starts.get("acme")).toMatchObject({ orgSeq: 3, logIndex: 7, prefix: "ACME", receiptId: expect.stringMatching(/0007$/) });
    expect(walk.ends.get("beta")).toMatchObject({ orgSeq: 3, prefix: "BETA", hash: Uint8Array.from(BASE.hashes[13]!) });
  });
});

describe("LogWalk", () => {
  function logCodes(parts: readonly VerifiedReceipt[][]): string[] {
    let before: LogEnd | null = null;
    const findings = parts.flatMap((part) => {
      const walk = new LogWalk(LEDGER);
      const inside = part.flatMap((r) => walk.step(r));
      const joins = joinLog(walk.start!, before);
      before = joinedEnd(walk.end!, before);
      return [...joins, ...inside];
    });
    return codes(findings);
  }

  it.each(ledgers)("$name", ({ receipts }) => {
    const walk = new LogWalk(LEDGER, null);
    const whole = codes(receipts.flatMap((r) => walk.step(r)));
    for (const parts of partitions(receipts)) expect(logCodes(parts)).toEqual(whole);
  });

  it("goes on from a known end as if it had walked there", () => {
    const receipts = verified(BASE.blobs);
    for (let at = 1; at < receipts.length; at++) {
      const first = new LogWalk(LEDGER, null);
      for (const r of receipts.slice(0, at)) first.step(r);
      const second = new LogWalk(LEDGER, first.end);
      expect(receipts.slice(at).flatMap((r) => second.step(r))).toEqual([]);
      expect(second.start).toBeNull();
      expect(second.end!.anchorSize).toBe(13);
    }
  });

  it("hands out the anchor receipts", () => {
    const walk = new LogWalk(LEDGER, null);
    for (const r of verified(BASE.blobs)) walk.step(r);
    expect(walk.anchors.map(({ logIndex, keyEpoch, details }) => [logIndex, keyEpoch, details.reason])).toEqual([
      [4, 0, "start"], [5, 1, "heartbeat"], [10, 2, "schedule"], [12, 3, "shutdown"],
    ]);
  });
});
