/** `verify` against a target whose provider takes things away, and where others put things. */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { TargetError } from "../../src/anchor/target.ts";
import { type Examination, examine, type Question } from "../../src/cli/verify-receipt.ts";
import { formatObjectName } from "../../src/format/names.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { LEDGER } from "../anchor/support.ts";
import { START, TestLedger, testKeyring } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { VersionedTarget } from "../support/versioned-target.ts";

const DAY = 86_400_000;
const open: (() => void)[] = [];
afterEach(() => {
  while (open.length > 0) open.pop()!();
});

interface Place {
  readonly ledger: TestLedger;
  readonly reader: Reader;
  readonly s3: VersionedTarget;
  /** Names of the anchors, in order of size. */
  readonly anchors: () => readonly string[];
  verify(logIndex: number, changes?: Partial<Question>): Promise<Examination>;
}

/** Two batches of three receipts, which end at 5 and 9 receipts, all published. `observed`: of each anchor receipt. */
async function place(observed: number | null = null): Promise<Place> {
  const s3 = new VersionedTarget();
  const seen = (now: number) => observed === null ? [] : [{ target: "s3", tree_size: observed, version_id: "v", last_modified: formatTime(now) }];
  const ledger = new TestLedger({ batches: [3, 3], observed: seen });
  const reader = new Reader(ledger.path, nodeHash.sha256);
  open.push(() => ledger.remove(), () => reader.close());
  s3.now = START + DAY;
  await publish(ledger, s3);
  return {
    ledger, reader, s3,
    anchors: () => s3.names("").filter((name) => name.endsWith(".tlog-proof")),
    verify: (logIndex, changes = {}) => examine({
      blob: reader.byIndex(logIndex)!.blob!, ledger: LEDGER, reader, keys: { starts: startsOf(ledger.keyring, null), sealed: [] },
      pins: { vkeys: [ledger.vkey], names: [LEDGER.origin], pinned: true, revoked: new Map() }, targets: [{ target: s3, required: true }],
      confirmed: () => null, grace: 60_000, now: ledger.now, ...changes,
    }),
  };
}

function junk(at: VersionedTarget, treeSize: number, count: number, isNamed: boolean): void {
  for (let n = 0; n < count; n++) {
    const bytes = Buffer.from(`junk ${n}`);
    const sha256 = createHash("sha256").update(isNamed ? bytes : `other ${n}`).digest("hex");
    at.store(formatObjectName(LEDGER, { kind: "anchor", treeSize, sha256: `${sha256}` }), bytes);
  }
}

describe("the newest anchors are destroyed", () => {
  test.each<readonly [string, number | null, Partial<Question>]>([
    ["anchor.db has them confirmed", null, { confirmed: () => 9 }],
    ["an anchor receipt has observed them", 9, {}],
  ])("%s: that is a finding", async (_, observed, changes) => {
    const { s3, anchors, verify } = await place(observed);
    expect((await verify(6, changes)).verdict).toBe("anchored");
    s3.destroy(anchors().at(-1)!);
    const found = await verify(6, changes);
    expect([found.verdict, found.problem?.code, found.sentence]).toEqual(["invalid", "anchor_missing", expect.stringMatching(/ has lost an anchor: anchor_missing: s3 had confirmed /)]);
    expect((await verify(2, changes)).verdict).toBe("anchored"); // under the first
  });

  test("what others put in their place changes nothing, unless the pins are not the ledger's key", async () => {
    const { s3, anchors, verify } = await place();
    const name = anchors().at(-1)!;
    const { bytes } = s3.only(name);
    s3.destroy(name);
    junk(s3, 9, 3, true);
    const confirmed = (): number => 9;
    expect((await verify(6, { confirmed })).problem?.code).toBe("anchor_missing");
    s3.store(name, bytes!);
    const { vkey } = testKeyring("another").checkpointKeys[0]!;
    const other = await verify(6, { confirmed, pins: { vkeys: [vkey], names: [LEDGER.origin], pinned: true, revoked: new Map() } });
    expect([other.verdict, other.problem]).toEqual(["not_checked", null]);
  });

  test("what may not be read is not called missing", async () => {
    const { s3, verify } = await place();
    s3.beforeGet = () => { throw new TargetError("target_denied", "no"); };
    expect(await verify(6, { confirmed: () => 9 })).toMatchObject({ verdict: "not_checked", problem: null });
  });

  test("still anchored elsewhere: a finding all the same, that says so", async () => {
    const { ledger, s3, anchors, verify } = await place();
    const other = new VersionedTarget("other");
    await publish(ledger, other);
    s3.destroy(anchors().at(-1)!);
    const found = await verify(6, { confirmed: () => 9, targets: [{ target: s3, required: true }, { target: other, required: true }] });
    expect(found).toMatchObject({ verdict: "invalid", problem: { code: "anchor_missing" }, sentence: expect.stringMatching(/is still over it\.$/), anchors: [{ tree_size: 9 }] });
  });
});

test("closed and confirmed by nobody: pending until it is due, then not checked", async () => {
  const { ledger, reader, s3, anchors, verify } = await place();
  s3.destroy(anchors().at(-1)!);
  const due = reader.byIndex(8)!.recordedAt;
  const pending = await verify(6, { confirmed: () => 5 });
  expect([pending.verdict, pending.sentence]).toEqual(["pending", expect.stringContaining("closed, not seen at s3 yet")]);
  const late = await verify(6, { now: due + 30 * DAY });
  expect([late.verdict, late.sentence]).toEqual(["not_checked", expect.stringMatching(/closed and not at s3, where it was due by /)]);
  expect(ledger.now).toBeLessThan(due + 30 * DAY);
});

test("of several versions of one anchor the first that was stored tells the time", async () => {
  const { s3, anchors, verify } = await place();
  const name = anchors().at(-1)!;
  const { bytes, lastModified } = s3.only(name);
  s3.store(name, bytes!, { lastModified: lastModified + 400 * DAY });
  for (const changes of [{}, { reader: null }]) {
    const { anchors: seen, sentence } = await verify(6, changes);
    expect(seen.map((one) => one.last_modified)).toEqual([formatTime(lastModified)]);
    expect(sentence).toContain(formatTime(lastModified));
  }
});

describe("junk before the anchor", () => {
  test("with the ledger its own anchor is found; without it so is one behind what has not the hash in its name", async () => {
    const { s3, verify } = await place();
    junk(s3, 8, 1500, true);
    const found = await verify(6);
    expect([found.verdict, found.not_checked.join("; ")]).toEqual(["anchored", expect.stringMatching(/stopped looking after \d+ objects/)]);
    expect((await verify(6, { reader: null })).not_checked.join("; ")).toMatch(/s3: stopped looking after 1000 objects/);
  });

  test("without the hash in the name it does not count as a try", async () => {
    const { s3, verify } = await place();
    junk(s3, 8, 1500, false);
    expect((await verify(6, { reader: null })).verdict).toBe("anchored");
  });

  test("an anchor that the ledger does not know of is found before its own", async () => {
    const { s3, anchors, verify } = await place();
    const other = new TestLedger({ batches: [3, 2] });
    open.push(() => other.remove());
    const theirs = new VersionedTarget();
    await publish(other, theirs);
    const newest = theirs.names("").findLast((name) => name.endsWith(".tlog-proof"))!;
    expect(anchors()).not.toContain(newest);
    for (const name of theirs.names("")) if (!s3.versions.has(name)) s3.store(name, theirs.only(name).bytes!);
    expect(await verify(7)).toMatchObject({ verdict: "invalid", problem: { code: "inclusion_mismatch" } });
  });
});
