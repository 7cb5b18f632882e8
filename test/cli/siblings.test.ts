/** One key, two ledgers of an origin; other people's objects under other ids; batches whose anchors are gone. */
import { createHash } from "node:crypto";
import { cp, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { AuditOptions } from "../../src/audit/audit.ts";
import { type AuditRecord, parseRecord } from "../../src/audit/record.ts";
import { ended } from "../../src/audit/verdict.ts";
import { ledgerAt } from "../../src/cli/target-ledgers.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { publishToDirectory } from "../support/publish.ts";
import { ORIGIN, TestLedger } from "../support/ledger.ts";
import { found, notes, PREFIX, Published } from "../audit/bucket.ts";
import { auditOf, optionsFor } from "../audit/support.ts";
import type { VersionedTarget } from "../support/versioned-target.ts";

const OTHER = "fedcba9876543210fedcba9876543210";
const open: { remove(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.remove();
});

async function published(counts: readonly number[], seed?: string, target?: VersionedTarget): Promise<Published> {
  const made = new Published(seed === undefined ? {} : { seed }, target);
  open.push(made.ledger);
  return await made.batches(...counts);
}

/** The objects of the one, under another id, in the bucket of the other; stored so much later. */
function putBeside(from: Published, to: Published, later = 0, id = OTHER): void {
  for (const name of from.target.names(PREFIX)) {
    const { bytes, lastModified } = from.target.only(name);
    to.target.store(name.replace(PREFIX, `v1/${ORIGIN}/${id}/`), bytes!, { lastModified: lastModified + later });
  }
}

const named = (target: VersionedTarget): Parameters<typeof ledgerAt>[0] => [{ target, required: true }];
const vkeys = optionsFor({ path: "", now: 0 }).vkeys;
const sha = (digit: string): string => digit.repeat(64);
const anchorName = (id: string, size: number, digit = "a"): string => `v1/${ORIGIN}/${id}/anchors/${String(size).padStart(20, "0")}-${sha(digit)}.tlog-proof`;
const idOf = (n: number): string => n.toString(16).padStart(32, "0");

const both = [["with the ledger", {}], ["with the ledger gone", { ledgerPath: null }]] as const;
describe.each(both)("%s", (_, options: Partial<AuditOptions>) => {
  it("another ledger of the origin, signed with the key: whichever of the two is shown", async () => {
    const made = await published([9, 21, 5]);
    putBeside(await published([10, 20]), made);
    const report = await auditOf(made.ledger, [made.target], options);
    expect([report.exitCode, found(report)]).toEqual([1, [["violation", "ledger_replaced"]]]);
    expect(report.findings.find(({ code }) => code === "ledger_replaced")?.message).toMatch(new RegExp(`${OTHER}, with anchors since 2026-06-01T10:00:`));
  });

  it("… behind junk that was put there afterwards, and with its past in part that of the other", async () => {
    const made = await published([10, 20, 0, 5]);
    const other = await published([10, 20, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    for (const [size, digit] of ["b", "c", "d"].entries()) for (let n = 0; n < 20; n++) made.target.store(anchorName(OTHER, 1 + size + 100 * n, digit), utf8("junk"));
    putBeside(other, made, -1000);
    const report = await auditOf(made.ledger, [made.target], options);
    expect(found(report)).toEqual([["violation", "ledger_replaced"]]);
  });

  it("copies of its own anchors, junk, and a ledger of another key are nobody's finding", async () => {
    const made = await published([10, 20]);
    putBeside(made, made, 1000);
    putBeside(await published([10, 5], "another"), made, 0, idOf(7));
    for (let n = 0; n < 40; n++) made.target.store(anchorName(idOf(n + 100), 3), utf8("junk"));
    made.target.store(`v1/${ORIGIN}/x`, utf8("junk"));
    made.target.store(`v1/${ORIGIN}/sub/${OTHER}/anchors/x`, utf8("junk"));
    const report = await auditOf(made.ledger, [made.target], options);
    expect([report.exitCode, report.findings]).toEqual([0, []]);
  });

  it("the record of an earlier audit is of another ledger with this key", async () => {
    const made = await published([10, 20]);
    let record: AuditRecord | undefined;
    await auditOf(made.ledger, [made.target], options, { onRecord: (one) => { record = one; } });
    let again = false;
    const report = await auditOf(made.ledger, [made.target], { ...options, since: { ...record!, ledger_id: OTHER } }, { onRecord: () => { again = true; } });
    expect([report.exitCode, found(report), again]).toEqual([1, [["violation", "ledger_replaced"]], false]);
  });

  it("the newest anchors were destroyed: their batches tell", async () => {
    const made = await published([10, 20, 30, 40]);
    const [third, fourth] = [made.anchor(2), made.anchor(3)];
    made.target.destroy(fourth);
    const one = await auditOf(made.ledger, [made.target], { ledgerPath: null });
    expect([one.exitCode, notes(one)]).toEqual([0, ["unanchored_batch"]]);
    made.target.destroy(third);
    const two = await auditOf(made.ledger, [made.target], options);
    expect(two.exitCode).toBe(1);
    expect(found(two)).toContainEqual(["violation", "anchor_missing"]);
  });
});

it("which ledger is meant: said where its id was not pinned", async () => {
  const made = await published([10]);
  const report = await auditOf(made.ledger, [made.target], { ledgerIdFrom: "the audited ledger itself" });
  expect(report.notChecked.join("\n")).toContain("was taken from the audited ledger itself; pin it outside of the host, with --ledger-id");
  expect((await auditOf(made.ledger, [made.target])).notChecked.join("\n")).not.toContain("--ledger-id");
});

it("a ledger that says that it is another than the one that was pinned", async () => {
  const made = await published([10]);
  const report = await auditOf(made.ledger, [made.target], { ledger: { origin: ORIGIN, ledgerId: OTHER } });
  expect(found(report)).toContainEqual(["violation", "ledger_mismatch"]);
  expect(report.exitCode).toBe(1);
});

it("batches far ahead: a violation under a lock, interference without one", async () => {
  const made = await published([10]);
  const name = (first: number): string => `${PREFIX}batches/${String(first).padStart(20, "0")}-${String(first).padStart(20, "0")}-`;
  const put = (first: number, change: object): void => {
    const bytes = utf8(`batch ${first}`);
    made.target.store(`${name(first)}${createHash("sha256").update(bytes).digest("hex")}.entries`, bytes, change);
  };
  put(50, { retention: null });
  expect(found(await auditOf(made.ledger, [made.target], { ledgerPath: null }))).toEqual([["interference", "unanchored_batch"]]);
  put(60, {});
  expect(found(await auditOf(made.ledger, [made.target], { ledgerPath: null }))).toContainEqual(["violation", "anchor_missing"]);
});

it("an anchor that came while the audit was reading: its batch is not ahead of anything", async () => {
  const made = await published([10, 20, 30]);
  const [second, third] = [made.anchor(1), made.anchor(2)];
  const stored = [second, third].map((name) => [name, made.target.versions.get(name)!] as const);
  for (const [name] of stored) made.target.destroy(name);
  const list = made.target.list.bind(made.target);
  made.target.list = async function* (prefix, after) {
    yield* list(prefix, after);
    if (prefix.endsWith("batches/")) for (const [name, versions] of stored) made.target.versions.set(name, versions);
  };
  const report = await auditOf(made.ledger, [made.target], { ledgerPath: null });
  expect([report.exitCode, notes(report)]).toEqual([0, ["unanchored_batch"]]);
});

it("in a folder, whose times are the host's own", async () => {
  const ledger = new TestLedger({ batches: [10, 20] });
  open.push(ledger);
  const target = await publishToDirectory(ledger, "outside");
  const ahead = await published([11, 20]);
  const folder = ledger.targetPath("outside");
  await cp(`${folder}/${PREFIX}`, `${folder}/v1/${ORIGIN}/${OTHER}/`, { recursive: true });
  expect((await auditOf(ledger, [target])).exitCode).toBe(0);
  for (const name of ahead.target.names(`${PREFIX}anchors/`)) await writeFile(`${folder}/${name.replace(PREFIX, `v1/${ORIGIN}/${OTHER}/`)}`, ahead.target.only(name).bytes!);
  expect(found(await auditOf(ledger, [target]))).toEqual([["violation", "ledger_replaced"]]);
});

describe("which ledger is there", () => {
  it("the one with a signed anchor, among a thousand junk ids, with few listings", async () => {
    const made = await published([10, 20]);
    for (let n = 0; n < 1000; n++) made.target.store(`v1/${ORIGIN}/${idOf(n)}/x`, utf8("junk"));
    made.target.store(anchorName(idOf(3), 1), utf8("junk"));
    let lists = 0;
    const list = made.target.list.bind(made.target);
    made.target.list = (prefix, after) => {
      lists++;
      return list(prefix, after);
    };
    expect(await ledgerAt(named(made.target), ORIGIN, undefined, vkeys)).toMatchObject({ ledgerId: PREFIX.slice(-33, -1) });
    expect(lists).toBeLessThan(10);
  });

  it("copies of it under other ids are not others", async () => {
    const made = await published([10, 20]);
    putBeside(made, made, 1000);
    expect(await ledgerAt(named(made.target), ORIGIN, undefined, vkeys)).toMatchObject({ ledgerId: PREFIX.slice(-33, -1) });
  });

  it("several, signed or not: refused, and not all are printed", async () => {
    const made = await published([10, 20]);
    putBeside(await published([11, 20]), made);
    await expect(ledgerAt(named(made.target), ORIGIN, undefined, vkeys)).rejects.toMatchObject({ code: "bad_usage", message: expect.stringContaining("2 ledgers") as string });
    const junk = await published([10], "another");
    for (let n = 0; n < 30; n++) junk.target.store(`v1/${ORIGIN}/${idOf(n)}/x`, utf8("junk"));
    const error = await ledgerAt(named(junk.target), ORIGIN, undefined, vkeys).catch((one: unknown) => one as Error);
    expect((error as Error).message.match(/[0-9a-f]{32}/g)).toHaveLength(10);
  });

  it("the only one there is, where none is signed by the key; none; an id that is none", async () => {
    const made = await published([10], "another");
    expect(await ledgerAt(named(made.target), ORIGIN, undefined, vkeys)).toMatchObject({ ledgerId: PREFIX.slice(-33, -1) });
    await expect(ledgerAt([], ORIGIN, undefined, vkeys)).rejects.toMatchObject({ code: "not_found" });
    await expect(ledgerAt([], ORIGIN, "x", vkeys)).rejects.toMatchObject({ code: "bad_usage" });
  });
});

it.each(["{}", "[]", "null", JSON.stringify({ receiptd_audit: 1 })])("what is no record is told in plain words: %s", (text) => {
  expect(() => parseRecord(text)).toThrow(expect.objectContaining({ code: "bad_record", message: expect.not.stringContaining("✖") as string }) as Error);
});

it("a sentence has one mark at its end", () => {
  expect(["it is gone", "is it there?", "it is."].map(ended)).toEqual(["it is gone.", "is it there?", "it is."]);
});
