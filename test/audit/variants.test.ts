/**
 * Other objects with a true anchor's signed checkpoint, which anybody who may write to the bucket can make: another signature line that
 * nobody knows, so other bytes and another name. They are the same anchor, and change neither its time nor what is said of its lock.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { fromUtf8, toHex, utf8 } from "../../src/format/bytes.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { DAY, type StoredVersion } from "../support/versioned-target.ts";
import { found, notes, Published, wrong } from "./bucket.ts";
import { auditOf } from "./support.ts";

const open: Published[] = [];
afterEach(() => {
  for (const { ledger } of open.splice(0)) ledger.remove();
});

async function published(...counts: readonly number[]): Promise<Published> {
  const made = new Published();
  open.push(made);
  return await made.batches(...counts);
}

const audited = ({ ledger, target }: Published, options: Partial<AuditOptions> = {}): Promise<AuditReport> => auditOf(ledger, [target], options);
const named = (name: string, bytes: Uint8Array): string => name.replace(/[0-9a-f]{64}(?=\.)/, toHex(nodeHash.sha256(bytes)));

/** Another object of the anchor, with a name of the wanted order. */
function vary({ target }: Published, anchor: string, order: "before" | "after", change: Partial<StoredVersion> = {}, from = 0): string {
  const text = fromUtf8(target.only(anchor).bytes!)!;
  for (let n = from; ; n++) {
    const line = Buffer.alloc(68);
    line.writeUInt32BE(n);
    const bytes = utf8(`${text}— nobody ${line.toString("base64")}\n`);
    const name = named(anchor, bytes);
    if (name < anchor !== (order === "before")) continue;
    target.store(name, bytes, change);
    return name;
  }
}

const both = [["with the ledger", {}], ["with the ledger gone", { ledgerPath: null }]] as const;
const orders = [["before"], ["after"]] as const;

describe.each(both)("%s", (where, options) => {
  describe.each(orders)("a variant that is listed %s the true anchor", (order) => {
    it("and stored later: the earliest time counts", async () => {
      const made = await published(10, 20, 30);
      const anchors = [made.anchor(1), made.anchor(2)];
      const { lastModified } = made.target.only(anchors[1]!);
      for (const anchor of anchors) vary(made, anchor, order, { lastModified: lastModified + 10 * DAY, retention: { mode: "COMPLIANCE", until: 1e14 } });
      const report = await audited(made, options);
      expect([report.exitCode, notes(report)]).toEqual([0, ["duplicate_object", "duplicate_object"]]);
      expect(report.counts.targets[0]).toMatchObject({ anchors: 3, newestTime: formatTime(lastModified) });
    });

    it("what was changed since, was so after the earliest time", async () => {
      if (where !== "with the ledger") return;
      const made = await published(10, 20);
      const other = await published(9, 21);
      const anchor = other.anchor(0);
      const { lastModified } = other.target.only(anchor);
      vary(other, anchor, order, { lastModified: lastModified + 10 * DAY, retention: { mode: "COMPLIANCE", until: 1e14 } });
      const report = await auditOf(made.ledger, [other.target]);
      expect(wrong(report).find(({ changedAfter }) => changedAfter !== undefined)!.changedAfter).toMatchObject({ time: formatTime(lastModified) });
    });

    it.each([
      ["without a lock", null],
      ["with a lock that can be lifted", { mode: "GOVERNANCE", until: 1e14 }],
      ["with a lock for a day", { mode: "COMPLIANCE", until: Date.UTC(2026, 5, 2) }],
    ] as const)("%s: interference, and the true one is locked as promised", async (_, retention) => {
      const made = await published(10, 20);
      const until = made.target.only(made.batch(0)).retention!.until;
      const name = vary(made, made.anchor(1), order, { retention });
      const report = await audited(made, options);
      expect(found(report)).toEqual([["interference", "duplicate_object"]]);
      expect(wrong(report)[0]!.object!.name).toBe(name);
      expect(report.counts.targets[0]!.lockedUntil).toBe(formatTime(until));
    });

    it("all of them without a lock: one violation", async () => {
      const made = await published(10, 20);
      const anchor = made.anchor(1);
      made.target.only(anchor).retention = null;
      vary(made, anchor, order, { retention: null });
      expect(found(await audited(made, options))).toEqual([["interference", "duplicate_object"], ["violation", "lock_missing"]]);
    });
  });

  it("many of one size are one anchor, of which little is kept", async () => {
    const made = await published(10, 20);
    const anchor = made.anchor(1);
    const { lastModified } = made.target.only(anchor);
    for (let n = 0; n < 300; n++) vary(made, anchor, n % 2 === 0 ? "before" : "after", { lastModified: lastModified + 1000 + n }, n * 100);
    const report = await audited(made, options);
    expect([report.exitCode, report.findingCounts["duplicate_object"]]).toEqual([0, 300]);
    expect(report.counts.targets[0]).toMatchObject({ anchors: 2, objects: 304, newestTime: formatTime(lastModified) });
  });

  it("a batch object that is none of the anchor's, without a lock, is interference only", async () => {
    const made = await published(10, 20);
    const bytes = Uint8Array.from(made.target.only(made.batch(1)).bytes!, (byte) => byte ^ 1);
    made.target.store(named(made.batch(1), bytes), bytes, { retention: null });
    expect(found(await audited(made, options))).toEqual([["interference", "unanchored_batch"]]);
  });
});

it("more roots of one size than are kept: a fork each, and the ledger's is among those that are", async () => {
  const made = await published(10, 20);
  const own = made.anchor(1);
  for (let n = 1; n <= 12; n++) {
    const other = await published(10);
    other.ledger.now += n * 1000;
    await other.batches(20);
    const anchor = other.anchor(1);
    made.target.store(anchor, other.target.only(anchor).bytes!);
  }
  const report = await audited(made);
  expect(new Set(wrong(report).map(({ code }) => code))).toEqual(new Set(["fork"]));
  expect(report.findingCounts["fork"]).toBe(12);
  expect(wrong(report).some(({ object }) => object!.name === own)).toBe(false);
  expect(report.counts.targets[0]!.state).toBe("forked");
});
