/** Checkpoint keys that take turns: what an auditor sees who pins all of them, some of them, or one that was stolen after its time. */
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { createDirectoryTarget, DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import type { AuditRecord } from "../../src/audit/record.ts";
import { TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { auditOf, Copy } from "./support.ts";

type Folder = DirectoryTarget & { readonly folder: string };
type Keys = TestLedger["keyring"]["checkpointKeys"];

/** 4 receipts of callers, rotated at 7 to the second key and at 14 to the third one, 3 more, a tail. */
const ledger = new TestLedger({ batches: [2] });
const first = ledger.rotateCheckpoint("second");
ledger.append(2);
const between = ledger.anchor();
const second = ledger.rotateCheckpoint("third");
ledger.append(3);
const last = ledger.anchor();
ledger.append(1);
ledger.close();

const keys = ledger.keyring.checkpointKeys;
const [one, two, three] = keys.map(({ vkey }) => vkey) as [string, string, string];
const all = { vkeys: [three, one, two] }; // their order says nothing
let names = 0;
let target: Folder;

/** A target with the ledger's anchors, some of them signed otherwise. */
async function published(signed: Readonly<Record<number, Keys>> = {}, of: Parameters<typeof publish>[0] = ledger, after = 0, into?: Folder): Promise<Folder> {
  const folder = into?.folder ?? ledger.targetPath(`t${names++}`);
  if (into === undefined) createDirectoryTarget(folder);
  const at = into ?? Object.assign(new DirectoryTarget({ name: "t", path: folder }), { folder });
  await publish(of, at, { after, folder, ...(Object.keys(signed).length === 0 ? {} : { signedBy: (size: number) => signed[size] ?? usual[size]! }) });
  return at;
}

const usual: Readonly<Record<number, Keys>> = {
  4: keys.slice(0, 1), [first]: keys.slice(0, 2), [between]: keys.slice(1, 2), [second]: keys.slice(1), [last]: keys.slice(2),
};
const violations = ({ findings }: AuditReport): readonly string[] => findings.filter(({ severity }) => severity === "violation").map(({ code }) => code);
const audited = async (options: Partial<AuditOptions> = {}, at = target): Promise<AuditReport> => await auditOf(ledger, [at], { ...all, ...options });

beforeAll(async () => {
  target = await published();
});
afterAll(() => ledger.remove());

describe("as it should be", () => {
  it.each<readonly [string, Partial<AuditOptions>]>([
    ["with the ledger", {}],
    ["with the ledger gone", { ledgerPath: null }],
    ["of an organization", { range: { organization: "org-0" } }],
    ["of a time behind both rotations", { range: { from: ledger.now - 1500 } }],
  ])("%s", async (_, options) => {
    const report = await audited(options);
    expect([report.exitCode, violations(report), report.failedToCheck]).toEqual([0, [], []]);
  });

  it("a retired key beside the one in force, and two objects that have one signature each", async () => {
    const at = await published({ [last]: [keys[0]!, keys[2]!], [first]: keys.slice(0, 1) });
    await published({ [first]: keys.slice(1, 2), [last]: keys.slice(2) }, ledger, 4, at);
    for (const ledgerPath of [ledger.path, null]) expect([(await audited({ ledgerPath }, at)).exitCode, ledgerPath]).toEqual([0, ledgerPath]);
  });
});

test("a rotation's receipt that is damaged is one finding: the anchors tell what it said", async () => {
  const copy = new Copy(ledger).tamper((db) => db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(Buffer.from("{}"), first - 2));
  const report = await auditOf(copy, [target], all);
  expect([new Set(report.findings.map(({ logIndex }) => logIndex)), violations(report).filter((code) => /vkey|retired|missing/.test(code))]).toEqual([new Set([first - 2]), []]);
  copy.remove();
});

describe("not all pinned", () => {
  it.each([
    ["the first", [one], [expect.stringContaining(`signed by ${two}, which receipt ${first - 2} announces, in the tree of ${first} receipts that ${one} has signed; it is not pinned`), expect.stringContaining(three)]],
    ["the first two", [one, two], [expect.stringMatching(new RegExp(`^the anchor of ${last} receipts .* pin it, too`))]],
    ["the newest", [three], [expect.stringContaining(`signed by ${one}, by the ledger's genesis`), expect.stringContaining(two)]],
  ])("%s alone: nothing is found, and nothing is called good", async (_, vkeys, failed) => {
    const report = await audited({ vkeys });
    expect([report.exitCode, violations(report), report.failedToCheck]).toEqual([2, [], failed]);
  });

  const idOf = (vkey: string): string => vkey.split("+", 2).join("+");
  const wrong = ({ findings }: AuditReport): readonly string[] => findings.filter(({ severity }) => severity !== "note").map(({ code }) => code);

  it.each([
    ["the first", [one], `the anchors of ${between} to ${last} receipts at t: signed by ${idOf(two)}, ${idOf(three)}, which is not pinned`, first],
    ["the first two", [one, two], `the anchor of ${last} receipts at t: signed by ${idOf(three)}, which is not pinned`, second],
  ])("%s alone, with the ledger gone: could not be checked, and the key is named", async (_, vkeys, said, newest) => {
    const gone = { vkeys, ledgerPath: null };
    const report = await audited(gone);
    expect([report.exitCode, wrong(report), report.failedToCheck]).toEqual([2, [], [expect.stringContaining(said)]]);
    expect(report.failedToCheck[0]).toContain(`the anchor of ${newest} receipts has a line by such a key, too, so the reason may be a rotation`);
    // whoever may write there can make such objects: what was promised is late all the same
    const late = await audited({ ...gone, now: ledger.now + 3 * 3_600_000 });
    expect([late.exitCode, wrong(late), late.failedToCheck]).toEqual([1, ["anchor_late"], report.failedToCheck]);
  });

  test("the newest alone, with the ledger gone: not ok either", async () => {
    expect((await audited({ vkeys: [three], ledgerPath: null })).exitCode).toBe(1);
  });

  it.each<readonly [string, Readonly<Record<number, Keys>>]>([
    ["the newest anchor that counts has no line by it", { [first]: keys.slice(1, 2) }],
    ["the newest anchor that counts has a line by another one", { [first]: [keys[0]!, keys[2]!] }],
  ])("an object by a key that nobody pinned is junk where %s", async (_, signed) => {
    const report = await audited({ vkeys: [one], ledgerPath: null }, await published(signed));
    expect([report.exitCode, new Set(wrong(report))]).toEqual([1, new Set(["bad_note"])]);
  });

  test("and where it does not go on from that anchor", async () => {
    const other = new TestLedger({ batches: [2] });
    other.append(30);
    const size = other.anchor();
    other.close();
    const at = await published();
    await published({ [size]: [keys[1]!] }, other, 4, at);
    const report = await audited({ vkeys: [one], ledgerPath: null }, at);
    expect([report.exitCode, wrong(report).filter((code) => code !== "unanchored_batch"), report.failedToCheck.length]).toEqual([1, ["bad_note"], 1]);
    other.remove();
  });

  it("a key that nothing was signed with, and that no receipt names", async () => {
    const fourth = new TestLedger({ seed: "fourth" });
    fourth.close();
    const report = await audited({ vkeys: [...all.vkeys, fourth.vkey] });
    expect([report.exitCode, report.failedToCheck]).toEqual([2, [expect.stringContaining(fourth.vkey)]]);
    fourth.remove();
  });
});

describe("out of turn", () => {
  it.each<readonly [string, Readonly<Record<number, Keys>>, string, Partial<AuditOptions>]>([
    ["the first key alone behind its rotation", { [between]: [keys[0]!] }, "retired_key", {}],
    ["the second key alone behind its rotation", { [last]: [keys[1]!] }, "retired_key", {}],
    ["a rotation's anchor with the old key alone", { [first]: [keys[0]!] }, "vkey_mismatch", {}],
    ["a rotation's anchor with the new key alone", { [first]: [keys[1]!] }, "vkey_mismatch", {}],
  ])("%s", async (_, signed, code) => {
    const at = await published(signed);
    for (const ledgerPath of [ledger.path, null]) expect([(await audited({ ledgerPath }, at)).exitCode, violations(await audited({ ledgerPath }, at))[0]]).toEqual([1, code]);
    expect(violations(await audited({ range: { from: ledger.now - 1500 } }, at))).toEqual(signed[last] === undefined ? [] : [code]);
  });

  test("the first key goes on behind its rotation, and it alone is pinned: the ledger tells that it is retired", async () => {
    const at = await published({ [between]: [keys[0]!], [second]: [keys[0]!], [last]: [keys[0]!] });
    expect(violations(await audited({ vkeys: [one] }, at))).toContain("retired_key");
    const blind = await audited({ vkeys: [one], ledgerPath: null }, at); // nothing in it says so
    expect([blind.exitCode, blind.notChecked.filter((text) => text.includes("a second key of the ledger's name"))]).toEqual([0, [expect.stringContaining(`the anchor of ${first} receipts`)]]);
  });

  test("a fork behind the rotation, signed with the retired key", async () => {
    const forked = new TestLedger({ batches: [2] });
    forked.append(30);
    forked.anchor();
    forked.close();
    const at = await published();
    await published({}, forked, 4, at);
    for (const ledgerPath of [ledger.path, null]) expect(violations(await audited({ ledgerPath }, at))).toEqual(["retired_key"]);
    forked.remove();
  });
});

describe("receipts and anchors do not agree", () => {
  async function judged(make: (made: TestLedger) => void, signedBy?: (size: number) => Keys): Promise<readonly string[]> {
    const made = new TestLedger({ batches: [2] });
    make(made);
    made.close();
    const folder = made.targetPath("t");
    createDirectoryTarget(folder);
    const at = new DirectoryTarget({ name: "t", path: folder });
    await publish(made, at, { folder, ...(signedBy === undefined ? {} : { signedBy }) });
    const report = await auditOf(made, [at], { vkeys: keys.slice(0, 2).map(({ vkey }) => vkey) });
    made.remove();
    return violations(report);
  }
  const goOn = (made: TestLedger): void => {
    made.append(2);
    made.anchor();
  };

  it.each<readonly [string, (made: TestLedger) => void, ((size: number) => Keys) | undefined]>([
    ["a rotation of another key", (made) => { made.rotateCheckpoint("second", { previous_vkey: three }); }, undefined],
    ["a rotation to the key that signs", (made) => { made.rotateCheckpoint("second", { vkey: one }); }, undefined],
    ["a rotation, and the old key goes on alone", (made) => { made.rotateCheckpoint("second"); goOn(made); }, () => keys.slice(0, 1)],
    ["two keys sign, and no receipt says so", (made) => { goOn(made); goOn(made); }, (size) => (size === 7 ? keys.slice(0, 2) : size > 7 ? keys.slice(1, 2) : keys.slice(0, 1))],
    ["another key signs, and no receipt says so", goOn, (size) => (size > 4 ? keys.slice(1, 2) : keys.slice(0, 1))],
  ])("%s", async (_, make, signedBy) => {
    expect(await judged(make, signedBy)).toContain("vkey_mismatch");
  });
});

test("an audit that goes on from a record knows which key was retired", async () => {
  const at = await published();
  const records: AuditRecord[] = [];
  await auditOf(ledger, [at], all, { onRecord: (record) => records.push(record) });
  const [since] = records as [AuditRecord];
  expect(since.checkpoint_keys).toEqual({ genesis: [one], rotations: [{ tree_size: first, previous_vkey: one, vkey: two }, { tree_size: second, previous_vkey: two, vkey: three }] });
  const more = new TestLedger({ from: ledger });
  more.append(4);
  const size = more.anchor();
  more.close();
  const goingOn = { path: more.path, keyring: ledger.keyring };
  for (const [signer, code] of [[keys[2]!, []], [keys[1]!, ["retired_key"]], [keys[0]!, ["retired_key"]]] as const) {
    const there = await published();
    await published({ [size]: [signer] }, goingOn, last, there);
    const asked = { ...all, since, sample: 0 };
    const reports = [await auditOf(more, [there], asked), await auditOf(more, [there], { ...asked, ledgerPath: null })];
    for (const report of reports) expect([signer.vkey, violations(report)]).toEqual([signer.vkey, code]);
  }
  more.remove();
});
