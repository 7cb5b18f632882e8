/** `verify` against a target whose provider takes things away, and where others put things. */
import { createHash } from "node:crypto";
import Database from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import { TargetError } from "../../src/anchor/target.ts";
import { type Examination, examine, type Question } from "../../src/cli/verify-receipt.ts";
import { formatObjectName } from "../../src/format/names.ts";
import { formatTime } from "../../src/format/time.ts";
import { commitmentOf, ratchetAt } from "../../src/keys/epoch-keys.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { disclose } from "../../src/keys/disclosed.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { verifyReceipt } from "../../src/verify/receipt.ts";
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
      blob: reader.byIndex(logIndex)!.blob!, asked: null, ledger: LEDGER, reader, keys: { starts: startsOf(ledger.keyring, null), sealed: [], forwardSecure: [], disclosed: [] },
      pins: { vkeys: [ledger.vkey], names: [LEDGER.origin], pinned: true, revoked: new Map(), breaks: new Set() }, revoked: new Map(), targets: [{ target: s3, required: true }],
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
    const other = await verify(6, { confirmed, pins: { vkeys: [vkey], names: [LEDGER.origin], pinned: true, revoked: new Map(), breaks: new Set() } });
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

describe("a receipt of a key whose closed epochs are to stay closed", () => {
  const FORWARD = ["key_v1"];

  /** Two batches that are published, two of 2 receipts that are closed only, and 2 receipts in the open epoch. Receipt 10 is of epoch 2. */
  async function outage(): Promise<Place & { readonly keys: Question["keys"]; readonly host: Question["keys"]; forge(...changes: readonly (readonly [number, (text: string) => string])[]): void }> {
    const made = await place(9);
    const { ledger } = made;
    for (let batch = 0; batch < 2; batch++) {
      ledger.append(2);
      ledger.anchor("schedule", ledger.now + DAY);
    }
    ledger.append(2);
    const { keyId, key } = ratchetAt(LEDGER.ledgerId, ledger.keyring.hmacKeys[0]!, OPEN, null);
    return {
      ...made, keys: { starts: startsOf(ledger.keyring, null), sealed: [], forwardSecure: FORWARD, disclosed: [] }, host: { starts: [{ keyId, epoch: OPEN, key }], sealed: FORWARD, forwardSecure: FORWARD, disclosed: [] },
      forge: (...changes) => {
        ledger.close();
        for (const [logIndex, change] of changes) ledger.forge(logIndex, change);
      },
    };
  }
  const OPEN = 4;
  const claim = (epoch: number) => (text: string): string => text.replace(/"key_epoch":\d+/, `"key_epoch":${epoch}`).replace('"system_id":"', '"system_id":"forged');

  function change(path: string, sql: string): void {
    const db = new Database(path);
    const triggers = db.prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all();
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    db.exec(sql);
    for (const trigger of triggers) db.exec(trigger.sql);
    db.close();
  }

  test("as it should be: pending, once the ledger's own receipts up to its place were checked", async () => {
    const { keys, host, verify } = await outage();
    for (const [logIndex, epoch] of [[10, 2], [13, 3], [16, 4]] as const) {
      const { verdict, checked } = await verify(logIndex, { keys });
      expect([verdict, checked]).toEqual(["pending", expect.arrayContaining([`that its epoch ${epoch} is that of its place`])]);
      expect((await verify(logIndex, { keys, targets: [{ target: new VersionedTarget(), required: true }] })).verdict).toBe("pending"); // from genesis on
    }
    const byHost = await verify(16, { keys: host });
    expect([byHost.verdict, byHost.sentence]).toEqual(["not_checked", expect.stringContaining("could not be checked: that its epoch is the place's: the ledger's own receipt 11 before it is of epoch 2 of key_v1, of which no key is at hand")]);
  });

  test("on the host, behind an anchor that is published: pending", async () => {
    const { ledger, s3, host, verify } = await outage();
    await publish(ledger, s3, { after: 9 });
    const { verdict, checked } = await verify(16, { keys: host });
    expect([verdict, checked]).toEqual(["pending", expect.arrayContaining(["that its epoch 4 is that of its place"])]);
  });

  test.each([
    ["S", null, false], ["M of its organization alone", "org-2", true],
  ])("what was disclosed vouches for nothing that is not anchored: %s", async (_, organization, isAlone) => {
    const { reader, keys: all, verify } = await outage();
    if ("why" in all) throw new Error(all.why);
    const disclosed = disclose(all.starts, LEDGER.ledgerId, [0, 1, 2, 3, OPEN].map((epoch) => ({ keyId: "key_v1", epoch })), organization).map((key) => key!);
    const keys = { starts: [], sealed: [], forwardSecure: FORWARD, disclosed };
    const { receipt } = verifyReceipt(reader.byIndex(16)!.blob!);
    expect(receipt.organization).toBe("org-2");
    const pending = await verify(16, { keys });
    expect([pending.verdict, pending.sentence]).toEqual(["not_checked", expect.stringMatching(/could not be checked: that it is older than the disclosure of its key/)]);
    const anchored = await verify(3, { keys });
    expect([anchored.verdict, anchored.checked.some((what) => what.startsWith("MAC (key_v1, epoch 0")), anchored.checked.some((what) => what.includes("by the key disclosed for org-2 alone"))]).toEqual(["anchored", true, isAlone]);
    for (const { not_checked } of [pending, anchored]) expect(not_checked.includes("that the key disclosed for org-2 is the epoch's own: nothing that is published speaks of it")).toBe(isAlone);
  });

  test.each([["S", null], ["M", "_ledger"]])("nor does it vouch for the ledger's own receipts before the place: %s", async (_, organization) => {
    const { keys: all, host, verify } = await outage();
    if ("why" in all || "why" in host) throw new Error("no keys");
    const disclosed = disclose(all.starts, LEDGER.ledgerId, [2, 3].map((epoch) => ({ keyId: "key_v1", epoch })), organization).map((key) => key!);
    const { verdict, sentence } = await verify(16, { keys: { ...host, disclosed } });
    expect([verdict, sentence]).toEqual(["not_checked", expect.stringContaining("the ledger's own receipt 11 before it is of epoch 2 of key_v1, of which no key is at hand")]);
  });

  test("without the ledger nothing says of which epoch its place is", async () => {
    const { keys, verify } = await outage();
    const { verdict, sentence } = await verify(16, { keys, reader: null });
    expect([verdict, sentence]).toEqual(["not_checked", expect.stringContaining("that its epoch 4 is that of its place: there is no ledger at hand")]);
  });

  test("written anew with the open epoch's key: behind rows of anchors that are gone", async () => {
    const { ledger, keys, forge, verify } = await outage();
    forge([10, claim(OPEN)]);
    change(ledger.path, "DELETE FROM anchor WHERE tree_size = 12; UPDATE anchor SET first_index = 15 WHERE tree_size = 15");
    expect(await verify(10, { keys })).toMatchObject({ verdict: "invalid", problem: { code: "batch_gap" } });
  });

  test.each([["that of its target", 9], ["one that is not published", 12]])("written anew behind an anchor receipt that was written anew too: %s", async (_, size) => {
    const { ledger, keys, forge, verify } = await outage();
    const commitment = commitmentOf(ratchetAt(LEDGER.ledgerId, ledger.keyring.hmacKeys[0]!, OPEN, null).key);
    forge([size - 1, (text) => claim(OPEN - 1)(text).replace(/"epoch_commitment":"[^"]*"/, `"epoch_commitment":"${commitment}"`)], [size, claim(OPEN)]);
    const found = await verify(size, { keys });
    expect([found.verdict, found.problem?.code]).toEqual(["invalid", "epoch_mismatch"]);
  });
});

describe("another receipt than the one that was asked for", () => {
  test.each([
    ["receipt_id", { receipt_id: "00000000-0000-7000-8000-000000000000" }], ["number", { receipt_number: "ORG0-2026-00777" }], ["log index", { log_index: 3 }],
  ])("is invalid, though all is right with it: by its %s", async (_, asked) => {
    const { verify } = await place();
    const found = await verify(2, { asked });
    expect(found).toMatchObject({ verdict: "invalid", problem: { code: "index_lookup", pointer: `/${Object.keys(asked)[0]!}`, expected: String(Object.values(asked)[0]) }, log_index: 2 });
    expect(found.sentence).toMatch(/^(receipt 3|ORG0-2026-00777|00000000-\S+) is INVALID: index_lookup: /);
  });

  test("the right one is, by each of its names", async () => {
    const { verify } = await place();
    const { receipt_id, receipt_number, log_index } = await verify(2);
    for (const asked of [{ receipt_id: receipt_id! }, { receipt_number: receipt_number! }, { log_index: log_index! }]) expect((await verify(2, { asked })).verdict).toBe("anchored");
  });
});
