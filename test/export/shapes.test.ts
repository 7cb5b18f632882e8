/** `receiptd export` of every shape, each checked with nothing but the file and the key. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toBase64, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { formatTime } from "../../src/format/time.ts";
import { exportVerdict, wordsForExport } from "../../src/verify/export-words.ts";
import { publishToDirectory } from "../support/publish.ts";
import { TestLedger } from "../support/ledger.ts";
import { here } from "../cli/here.ts";
import { type Asked, bytesOf, elsewhere, exported, headerOf, judged, type Lines, read, reading, redigested, withHeader } from "./support.ts";

const HOUR = 3_600_000;
let ledger: TestLedger;
let folder: string;
/** Tree sizes, and when the anchor receipts were recorded, ms. */
const sizes: number[] = [];
const times: number[] = [];

/** Five batches an hour apart, the third without receipts; `late` comes in the fourth, the tail is under no anchor. */
beforeAll(async () => {
  ledger = new TestLedger();
  for (const [i, receipts] of [20, 31, 0, 17, 9].entries()) {
    ledger.append(receipts, i === 3 ? (n) => (n % 2 === 0 ? { organization: "late" } : {}) : undefined);
    sizes.push(ledger.anchor());
    times.push(ledger.now);
    ledger.now += HOUR;
  }
  ledger.append(5);
  await publishToDirectory(ledger, "local");
  folder = ledger.targetPath("local");
});
afterAll(() => ledger.remove());

const checked = (lines: Lines, piece?: number): ReturnType<typeof read> => read(bytesOf(lines), ledger.vkey, piece);
const full = (lines: Lines): { readonly organization: string; readonly log_index: number }[] =>
  lines.slice(1, -1).filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as { organization: string; log_index: number });

describe("all organizations", () => {
  test("the whole ledger, as far as it is anchored", async () => {
    const lines = await exported(ledger, folder);
    const facts = checked(lines);
    expect(facts).toMatchObject({ receipts: sizes[4], inFull: sizes[4], unknown: 0, beforeAt: null, isClosed: false, clockStepsBefore: 0, orgSeqs: null });
    expect(full(lines).map((one) => one.log_index)).toEqual(Array.from({ length: sizes[4]! }, (_, i) => i));
    expect([exportVerdict(facts), wordsForExport(facts).sentence]).toEqual(["complete_until", expect.stringMatching(/^All 83 receipts in the ledger test\.example\/receipts from its beginning up to the anchor of 2026-06-01T14/)]);
  });

  test.each([1, 7, 100, 4096])("in pieces of %i bytes", async (piece) => {
    expect(checked(await exported(ledger, folder), piece).receipts).toBe(sizes[4]);
  });

  test("with nothing of Node's", async () => {
    expect(read(bytesOf(await exported(ledger, folder)), ledger.vkey, 1000, {}).receipts).toBe(sizes[4]);
  });

  test("a time between anchors: whole batches, and the receipts of the time are counted", async () => {
    const lines = await exported(ledger, folder, { from: times[0]! + 1, to: times[1]! });
    const facts = checked(lines);
    expect([headerOf(lines)["first"], headerOf(lines)["end"]]).toEqual([sizes[0], sizes[1]]);
    expect(facts).toMatchObject({ receipts: 31, inFull: 32, isClosed: true }); // the anchor receipt was recorded at `to`, which is not included
    expect(wordsForExport(facts).sentence).toBe(
      "All 31 receipts in the ledger test.example/receipts from 2026-06-01T10:00:02.001Z to 2026-06-01T11:00:04.000Z (log 22 to 53) are here, and there was no other when the anchor of 54 receipts was made: "
      + "all places of the log are here, under its root, which a key you pinned has signed.",
    );
  });

  test("over several anchors", async () => {
    const lines = await exported(ledger, folder, { from: times[0]! + 1, to: times[3]! + 1 });
    expect([headerOf(lines)["first"], headerOf(lines)["end"]]).toEqual([sizes[0], sizes[4]]);
    expect(checked(lines)).toMatchObject({ receipts: sizes[3]! - sizes[0]!, isClosed: true });
  });

  test("a receipt at the very time of the anchor before is not lost", async () => {
    const lines = await exported(ledger, folder, { from: times[1]!, to: times[1]! + 1 });
    expect(headerOf(lines)["first"]).toBe(sizes[0]);
    expect(checked(lines).receipts).toBe(1);
  });

  test("nothing in the time", async () => {
    const facts = checked(await exported(ledger, folder, { from: times[1]! + 1, to: times[1]! + 10 }));
    expect([facts.receipts, exportVerdict(facts)]).toEqual([0, "complete"]);
    expect(wordsForExport(facts).sentence).toMatch(/^There was no receipt in the ledger/);
  });

  test("before the ledger was", async () => {
    const facts = checked(await exported(ledger, folder, { from: 0, to: 1000 }));
    expect([facts.receipts, exportVerdict(facts), facts.header.first]).toEqual([0, "complete", 0]);
  });

  test("behind the newest anchor there is nothing to show", async () => {
    await expect(exported(ledger, folder, { from: times[4]! + 1 })).rejects.toThrow(/"not_anchored"/);
  });

  test("up to the newest anchor where the time ends later, and it says so", async () => {
    const facts = checked(await exported(ledger, folder, { from: times[3]! + 1, to: times[4]! + HOUR }));
    expect([exportVerdict(facts), facts.header.end, wordsForExport(facts).sentence]).toEqual(["complete_until", sizes[4], expect.stringMatching(/up to the anchor of .* The file was to reach to 2026-06-01T15:.*, and shows nothing of what was recorded behind that anchor\.$/)]);
  });
});

test("what whoever checks a file had asked for: it may show more, and not less", async () => {
  const file = join(ledger.dir, "asked.ndjson");
  const lines = await exported(ledger, folder, { from: times[0]! + 1, to: times[1]!, organization: "org-1" });
  writeFileSync(file, bytesOf(lines));
  const verdict = async (...asked: readonly string[]): Promise<unknown> => {
    const { code, stdout } = await here(elsewhere, ["verify-bundle", file, "--vkey", ledger.vkey, "--json", ...asked]);
    return [code, (JSON.parse(stdout) as { readonly verdict: string }).verdict];
  };
  const [from, to] = [formatTime(times[0]! + 1), formatTime(times[1]!)];
  for (const asked of [[], ["--organization", "org-1", "--from", from, "--to", to], ["--from", formatTime(times[0]! + 2)], ["--to", formatTime(times[1]! - 1)]]) expect(await verdict(...asked)).toEqual([0, "complete"]);
  for (const asked of [["--organization", "org-2"], ["--from", formatTime(times[0]!)], ["--to", formatTime(times[1]! + 1)]]) expect(await verdict(...asked)).toEqual([1, "invalid"]);
  writeFileSync(file, bytesOf(await exported(ledger, folder, { to: times[4]! + HOUR })));
  expect(await verdict()).toEqual([2, "complete_until"]); // the file itself says what was asked
  expect(await verdict("--to", formatTime(times[4]!))).toEqual([2, "complete_until"]);
  expect(await verdict("--to", formatTime(times[4]! + HOUR))).toEqual([1, "invalid"]);
});

describe("one organization", () => {
  const of = (asked: Asked): Promise<Lines> => exported(ledger, folder, asked);

  test("from the beginning: its receipts and the ledger's own in full, hashes of all others", async () => {
    const lines = await of({ organization: "org-1", to: times[1]! });
    const facts = checked(lines);
    expect(new Set(full(lines).map((one) => one.organization))).toEqual(new Set(["_ledger", "org-1"]));
    expect([facts.receipts, facts.orgSeqs, lines.length - 2]).toEqual([17, [1, 17], sizes[1]]);
  });

  test("that was there before", async () => {
    const facts = checked(await of({ organization: "org-1", from: times[0]! + 1, to: times[1]! }));
    expect(facts).toMatchObject({ receipts: 10, orgSeqs: [8, 17], isClosed: true });
    expect(wordsForExport(facts).sentence).toMatch(/^All 10 receipts of org-1 in the ledger/);
  });

  test("that has nothing in the time", async () => {
    const facts = checked(await of({ organization: "org-1", from: times[1]! + 1, to: times[1]! + 100 }));
    expect(facts).toMatchObject({ receipts: 0, orgSeqs: null, isClosed: true });
  });

  test("that begins in the range", async () => {
    const lines = await of({ organization: "late", from: times[1]! + 1, to: times[3]! });
    const facts = checked(lines);
    expect((headerOf(lines)["heads"] as { before: unknown }).before).toBeNull();
    expect(facts.receipts).toBeGreaterThan(5);
    expect(facts.orgSeqs).toEqual([1, facts.receipts]);
  });

  test("the ledger's own", async () => {
    expect(checked(await of({ organization: "_ledger", from: times[0]! + 1, to: times[3]! + 1 }))).toMatchObject({ receipts: 3, inFull: 4, orgSeqs: null });
  });

  test("that is not there, or begins later", async () => {
    await expect(of({ organization: "nobody" })).rejects.toThrow(/"not_found"/);
    await expect(of({ organization: "late", to: times[1]! })).rejects.toThrow(/"not_found"/);
  });
});

describe("clocks that were turned back", () => {
  let turned: TestLedger;
  let anchors: string;
  const at: number[] = [];
  beforeAll(async () => {
    turned = new TestLedger();
    for (const step of [HOUR, HOUR, -1.5 * HOUR, HOUR, HOUR, HOUR]) {
      turned.append(6);
      turned.anchor();
      at.push(turned.now);
      turned.now += step;
    }
    await publishToDirectory(turned, "local");
    anchors = turned.targetPath("local");
  });
  afterAll(() => turned.remove());

  test("the file has every receipt with a time of the range, before the clock_step and behind it", async () => {
    const asked = { from: at[1]! + 1, to: at[2]! };
    const lines = await exported(turned, anchors, asked);
    const facts = read(bytesOf(lines), turned.vkey);
    const all = await exported(turned, anchors);
    const within = (line: string): boolean => { const time = Date.parse((JSON.parse(line) as { recorded_at: string }).recorded_at); return time >= asked.from && time < asked.to; };
    expect(facts).toMatchObject({ receipts: all.slice(1, -1).filter(within).length, clockSteps: 1, isClosed: true });
    expect(facts.receipts).toBeGreaterThan(7);
  });

  test("one before the file is shown, and was not from a time of the range", async () => {
    const facts = read(bytesOf(await exported(turned, anchors, { from: at[2]! + 60_000, to: at[5]! })), turned.vkey);
    expect([facts.header.ownBefore, facts.clockStepsBefore, facts.clockSteps, exportVerdict(facts)]).toEqual([1, 1, 0, "complete"]);
    expect(wordsForExport(facts).checked.join()).toContain("the 1 that is neither genesis nor an anchor is here: the clock was turned back once, and not from a time of the range");
  });

  test("one from a time of the range is never left before the file", async () => {
    const lines = await exported(turned, anchors, { from: at[2]! + 60_000, to: at[5]! });
    const code = (changed: Lines): unknown => { const found = judged(changed, turned.vkey); return typeof found === "string" ? found : exportVerdict(found); };
    expect(code(withHeader(lines, { from: formatTime(at[2]! - 60_000) }))).toBe("bad_export"); // the step's own receipt says from when
    expect(code(withHeader([lines[0]!, ...lines.slice(2)], { own_before: 0 }))).toBe("bad_export");
    const { first, end } = headerOf(lines) as { readonly first: number; readonly end: number };
    const proven = (logIndex: number): string => reading(turned, (reader) => canonicalize({ receipt: toBase64(reader.byIndex(logIndex)!.blob!), path: reader.inclusionPath(logIndex, end).map(toBase64) }));
    const own = reading(turned, (reader) => reader.organizationPage("_ledger", 1, 100).map(({ logIndex }) => logIndex));
    expect(own.filter((index) => code(redigested(lines.with(1, proven(index)))) === "complete")).toHaveLength(1);
    for (const index of [0, ...own.slice(1, 3), 3, first]) expect(code(redigested(lines.with(1, proven(index))))).toBe("bad_export");
    const { path, receipt } = JSON.parse(lines[1]!) as { readonly path: string[]; readonly receipt: string };
    expect(code(redigested(lines.with(1, canonicalize({ receipt, path: path.toReversed() }))))).toBe("inclusion_mismatch");
    expect(code(redigested(lines.with(1, JSON.stringify({ receipt, path }))))).toBe("not_canonical");
    expect(code(redigested(lines.with(1, canonicalize({ path, receipt: toBase64(utf8("{}")) }))))).not.toMatch(/complete/);
    expect(code(withHeader([lines[0]!, lines[1]!, ...lines.slice(1)], { own_before: 2 }))).toBe("bad_export");
  });
});

describe("what is not anchored, or not as it is anchored", () => {
  test("ends at the newest anchor that is at the target", async () => {
    const behind = new TestLedger({ batches: [5, 5] });
    try {
      await publishToDirectory(behind, "local");
      const newest = behind.size;
      behind.append(4);
      behind.anchor();
      expect(headerOf(await exported(behind, behind.targetPath("local")))["end"]).toBe(newest);
    } finally {
      behind.remove();
    }
  });

  test("a ledger that was changed gives no export, and leaves no file", async () => {
    const changed = new TestLedger({ batches: [5, 5] });
    try {
      await publishToDirectory(changed, "local");
      changed.close();
      changed.forge(3, (text) => text.replace(/APPROVE|DENY/, "REVIEW"));
      const output = join(changed.dir, "e.ndjson");
      const { code, stderr } = await here(elsewhere, ["export", "-o", output, "--ledger", changed.path, "--anchors", changed.targetPath("local"), "--vkey", changed.vkey]);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^receiptd: no_evidence: .*log_root_mismatch/)]);
      expect(existsSync(output)).toBe(false);
    } finally {
      changed.remove();
    }
  });

  test("replaces no file", async () => {
    const output = join(ledger.dir, "there");
    writeFileSync(output, "mine");
    expect((await here(elsewhere, ["export", "-o", output, "--ledger", ledger.path, "--anchors", folder, "--vkey", ledger.vkey])).code).toBe(2);
    expect(readFileSync(output, "utf8")).toBe("mine");
  });
});
