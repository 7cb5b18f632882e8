/** Exports that were changed by whoever passed them on, with the digest made anew: none of them is called complete for what it is not. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toBase64, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { hashText } from "../../src/format/chain.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { formatTime } from "../../src/format/time.ts";
import { exportVerdict } from "../../src/verify/export-words.ts";
import { publishToDirectory, signCheckpoint } from "../support/publish.ts";
import { TestLedger, testKeyring } from "../support/ledger.ts";
import { bytesOf, claimed, exported, headerOf, hidden, indexOf, judged, judgedBytes, type Lines, reading, redigested, rootOver, withHeader, withLog } from "./support.ts";

const HOUR = 3_600_000;
let ledger: TestLedger;
let folder: string;
const sizes: number[] = [];
const times: number[] = [];
/** org-1 in the third and fourth batch of five; all organizations there; the whole ledger; the first two batches of org-1. */
let one: Lines;
let all: Lines;
let whole: Lines;
let begin: Lines;

beforeAll(async () => {
  ledger = new TestLedger();
  for (const receipts of [12, 15, 18, 9, 12]) {
    ledger.append(receipts);
    sizes.push(ledger.anchor());
    times.push(ledger.now);
    ledger.now += HOUR;
  }
  await publishToDirectory(ledger, "local");
  folder = ledger.targetPath("local");
  const range = { from: times[1]! + 1, to: times[3]! };
  one = await exported(ledger, folder, { ...range, organization: "org-1" });
  all = await exported(ledger, folder, range);
  whole = await exported(ledger, folder);
  begin = await exported(ledger, folder, { to: times[1]!, organization: "org-1" });
});
afterAll(() => ledger.remove());

const code = (lines: Lines): unknown => {
  const found = judged(lines, ledger.vkey);
  return typeof found === "string" ? found : exportVerdict(found);
};
const at = (logIndex: number): { hash: Uint8Array; blob: Uint8Array; orgSeq: number } => reading(ledger, (reader) => {
  const { receiptHash, blob, orgSeq } = reader.byIndex(logIndex)!;
  return { hash: receiptHash, blob: blob!, orgSeq };
});

test("as they were made they are complete", () => {
  expect([one, all, begin, whole].map(code)).toEqual(["complete", "complete", "complete", "complete_until"]);
  expect([one, all].map(redigested)).toEqual([one, all]);
});

describe("a receipt is left out", () => {
  test.each([0, 1, 5])("its hash stands in its place (%i after the first)", (skip) => {
    const hide = (log: string[]): string[] => {
      let i = indexOf(log, "org-1");
      for (let n = 0; n < skip; n++) i = indexOf(log, "org-1", i + 1);
      return log.with(i, hidden(log[i]!));
    };
    expect(code(withLog(one, hide))).toBe("org_seq_gap");
    expect(code(withLog(begin, hide))).toBe("org_seq_gap");
  });

  test("the newest one, or all of them", () => {
    const isOurs = (line: string): boolean => line.includes('"organization":"org-1"');
    expect(code(withLog(one, (log) => log.with(log.findLastIndex(isOurs), hidden(log.findLast(isOurs)!))))).toBe("org_seq_gap");
    for (const lines of [one, begin]) expect(code(withLog(lines, (log) => log.map((line) => (isOurs(line) ? hidden(line) : line))))).toBe("org_seq_gap");
  });

  test("one of the ledger's own, a clock_step as well as an anchor", () => {
    const own = indexOf(one.slice(1, -1), "_ledger");
    expect(code(withLog(one, (log) => log.with(own, hidden(log[own]!))))).toBe("org_seq_gap");
    expect(code(withLog(one, (log) => [...log.slice(0, -1), hidden(log.at(-1)!)]))).toBe("bad_export");
  });

  test("where all organizations are asked for there are no hashes", () => {
    expect(code(withLog(all, (log) => log.with(3, hidden(log[3]!))))).toBe("bad_export");
  });

  test("lines are removed, added, swapped or doubled", () => {
    for (const lines of [one, all]) {
      expect(code(withLog(lines, (log) => log.toSpliced(3, 1)))).not.toMatch(/complete/);
      expect(code(withLog(lines, (log) => log.toSpliced(3, 1), { end: (headerOf(lines)["end"] as number) - 1 }))).toBe("bad_checkpoint");
      expect(code(withLog(lines, (log) => log.toSpliced(3, 0, log[3]!)))).not.toMatch(/complete/);
      expect(code(withLog(lines, (log) => [log[1]!, log[0]!, ...log.slice(2)]))).not.toMatch(/complete/);
    }
    const [a, b] = ["org-0", "org-2"].map((name) => one.slice(1, -1).findIndex((line, i) => line.startsWith('"') && all[i + 1]!.includes(name)));
    expect(code(withLog(one, (log) => log.with(a!, log[b!]!).with(b!, log[a!]!)))).toBe("log_root_mismatch");
    expect(code(withLog(one, (log) => log.with(a!, hidden("another"))))).toBe("log_root_mismatch");
  });

  test("the first lines, as if the range began later", () => {
    const first = headerOf(one)["first"] as number;
    const later = first + 1;
    const left = reading(ledger, (reader) => reader.frontier(later).map(toBase64));
    expect(code(withLog(one, (log) => log.slice(1), { first: later, left }))).toBe("inclusion_mismatch");
    const before = reading(ledger, (reader) => ({ receipt: toBase64(reader.byIndex(later - 1)!.blob!), path: reader.inclusionPath(later - 1, sizes[3]!).map(toBase64) }));
    expect(code(withLog(one, (log) => log.slice(1), { first: later, left, before }))).toBe("bad_export"); // that one is no anchor receipt
  });

  test("a batch, as if the range began with the next one", () => {
    const third = sizes[2]!;
    const change = reading(ledger, (reader) => ({ first: third, left: reader.frontier(third).map(toBase64), before: { receipt: toBase64(reader.byIndex(third - 1)!.blob!), path: reader.inclusionPath(third - 1, sizes[3]!).map(toBase64) } }));
    expect(code(withLog(all, (log) => log.slice(third - sizes[1]!), change))).toBe("bad_export"); // recorded in the time asked for
  });

  test("the last batch: the file says that it ends earlier", async () => {
    const shorter = await exported(ledger, folder, { from: times[1]! + 1, to: times[2]!, organization: "org-1" });
    const found = judged(withHeader(shorter, { to: headerOf(one)["to"]! }), ledger.vkey);
    if (typeof found === "string") throw new Error(found);
    expect([exportVerdict(found), found.endAt]).toEqual(["complete_until", formatTime(times[2]!)]);
    expect(code(withHeader(shorter, { end: sizes[3]! }))).toBe("bad_checkpoint");
    expect(code(withHeader(shorter, { end: sizes[3]!, checkpoint: headerOf(one)["checkpoint"]! }))).not.toMatch(/complete/);
  });
});

describe("a receipt is another", () => {
  test("one is changed", () => {
    expect(code(withLog(one, (log) => log.map((line) => line.replace("APPROVE", "DENY"))))).toMatch(/link_mismatch|log_root_mismatch/);
    expect(code(withLog(all, (log) => log.with(2, log[2]!.replace(/APPROVE|DENY/, "REVIEW"))))).toBe("log_root_mismatch");
  });

  test("the newest one is changed, which no link in the file shows", () => {
    const last = one.slice(1, -1).findLastIndex((line) => line.includes('"organization":"org-1"'));
    expect(code(withLog(one, (log) => log.with(last, log[last]!.replace(/APPROVE|DENY/, "REVIEW"))))).toBe("log_root_mismatch");
  });

  test("another organization's stands among them, or one of another place or ledger", () => {
    const i = indexOf(all.slice(1, -1), "org-2");
    expect(code(withLog(one, (log) => log.with(i, all[i + 1]!)))).toBe("bad_export");
    expect(code(withLog(all, (log) => log.with(4, log[5]!)))).toBe("log_index_gap");
    expect(code(withLog(all, (log) => log.with(4, log[4]!.replace(/"ledger":"[^"]*"/, '"ledger":"other.example/receipts"'))))).toBe("ledger_mismatch");
    expect(code(withLog(all, (log) => log.with(4, "null")))).toBe("bad_export");
    expect(code(withLog(all, (log) => log.with(4, ` ${log[4]!}`)))).toBe("bad_export");
    expect(code(withLog(all, (log) => log.with(4, log[4]!.replace("{", "{ "))))).toBe("not_canonical");
  });
});

describe("the header says something else", () => {
  test("other receipts of its own for an organization's newest before the range and at its end", () => {
    const heads = headerOf(one)["heads"] as { readonly [name: string]: Json };
    const first = indexOf(one.slice(1, -1), "org-1");
    const without = (change: { readonly [name: string]: Json }): Lines => withLog(one, (log) => log.with(first, hidden(log[first]!)), { heads: { ...heads, ...change } });
    const hiddenOne = at(sizes[1]! + first);
    expect(code(without({ before: claimed(hiddenOne.orgSeq, hiddenOne.hash) }))).toBe("org_heads_mismatch");
    expect(code(without({ before: { ...(heads["before"] as object), org_seq: hiddenOne.orgSeq, hash: hashText(hiddenOne.hash) } }))).toBe("org_heads_mismatch");
    expect(code(without({ before: heads["end"]! }))).toBe("org_heads_mismatch");
    expect(code(without({ before: null }))).toBe("org_seq_gap");
    expect(code(withHeader(one, { heads: { ...heads, end: heads["before"]! } }))).toBe("org_heads_mismatch");
    expect(code(withHeader(one, { heads: { ...heads, end: { ...(heads["end"] as object), org_seq: 3 } } }))).toBe("org_heads_mismatch");
  });

  test("another organization's heads, and all receipts of this one are hidden", async () => {
    const other = await exported(ledger, folder, { from: times[1]! + 1, to: times[3]!, organization: "org-2" });
    const hide = (log: string[]): string[] => log.map((line) => (line.includes('"organization":"org-1"') ? hidden(line) : line));
    expect(code(withLog(one, hide, { heads: headerOf(other)["heads"]! }))).toBe("org_heads_mismatch");
    expect(code(withHeader(other, { organization: "org-1" }))).toBe("org_heads_mismatch");
    const heads = { ...(headerOf(other)["heads"] as object), first_receipt: (headerOf(one)["heads"] as { first_receipt: string }).first_receipt };
    expect(code(withLog(one, hide, { heads }))).toBe("org_heads_mismatch");
    expect(code(withHeader(one, { organization: "org-9" }))).toBe("org_heads_mismatch");
    expect(code(withHeader(one, { organization: null }))).toBe("bad_export");
    expect(code(withHeader(one, { organization: null, heads: null }))).toBe("bad_export");
    expect(code(withHeader(one, { organization: "_ledger", heads: null }))).toBe("bad_export");
  });

  test("another anchor receipt before", () => {
    const { path } = headerOf(one)["before"] as { readonly path: Json };
    const blob = Buffer.from(at(sizes[1]! - 1).blob).toString();
    const earlier = toBase64(utf8(blob.replace(/"recorded_at":"2026-[^"]*"/, '"recorded_at":"2026-06-01T09:00:00.000Z"')));
    expect(code(withHeader(one, { before: { receipt: earlier, path } }))).toBe("inclusion_mismatch");
    const first = reading(ledger, (reader) => reader.inclusionPath(sizes[0]! - 1, sizes[3]!).map(toBase64));
    expect(code(withHeader(one, { before: { receipt: toBase64(at(sizes[0]! - 1).blob), path: first } }))).toBe("inclusion_mismatch");
    expect(code(withHeader(one, { before: null }))).toBe("bad_export");
    expect(code(withHeader(one, { before: { receipt: toBase64(at(sizes[1]! - 2).blob), path } }))).toBe("bad_export");
  });

  test("a longer time", () => {
    expect(code(withHeader(one, { from: null }))).toBe("bad_export");
    expect(code(withHeader(one, { from: formatTime(times[1]!) }))).toBe("bad_export");
    expect(code(withHeader(one, { to: formatTime(times[3]! + 1) }))).toBe("complete_until");
    expect(code(withHeader(one, { from: formatTime(times[4]!), to: null }))).toBe("bad_export");
    expect(code(withHeader(one, { from: headerOf(one)["to"]!, to: headerOf(one)["from"]! }))).toBe("bad_export");
  });

  test("other subtrees on the left", () => {
    const left = headerOf(one)["left"] as readonly string[];
    expect(code(withHeader(one, { left: [...left].reverse() }))).toBe("log_root_mismatch");
    expect(code(withHeader(one, { left: left.slice(1) }))).toBe("bad_export");
  });

  test("members of another form", () => {
    for (const change of [{ more: 1 }, { first: -1 }, { first: 1.5 }, { end: "x" }, { from: "2026-06-01" }, { organization: "A B" }, { left: "x" }, { checkpoint: null }, { vkeys: Array(17).fill("") }, { published: {} }] as const) {
      expect([change, code(withHeader(one, change as never))]).toEqual([change, "bad_export"]);
    }
    expect(code(redigested([one[0]!.replace("{", "{ "), ...one.slice(1)]))).toBe("not_canonical");
    expect(code(withHeader(one, { format: "receiptd-export/2" }))).toBe("bad_export");
  });

  test("another key, or another ledger", () => {
    const stranger = testKeyring("a stranger").checkpointKeys[0]!.vkey;
    expect(judged(one, stranger)).toBe("bad_note");
    expect(code(withHeader(one, { ledger: "other.example/receipts" }))).toBe("bad_note");
  });
});

describe("the file is cut or damaged", () => {
  test("at every line", () => {
    for (let n = 0; n < one.length; n++) expect([n, code(one.slice(0, n))]).toEqual([n, n === 0 ? "no export" : "bad_export"]);
    for (let n = 1; n < one.length - 1; n++) expect([n, code(redigested([...one.slice(0, n), ""]))]).not.toEqual([n, "complete"]);
  });

  test("at every byte of its end, or with more behind it", () => {
    const bytes = bytesOf(one);
    for (let cut = 1; cut < 400; cut++) expect(judgedBytes(bytes.slice(0, -cut), ledger.vkey)).toBe("bad_export");
    for (const more of ["\n", "{}\n", one.at(-1)!]) expect(judgedBytes(utf8(Buffer.from(bytes).toString() + more), ledger.vkey)).toBe("bad_export");
  });

  test("a line without end", () => {
    const endless = Buffer.concat([utf8(`${one[0]!}\n`), Buffer.alloc(3 * 1024 * 1024, 0x61)]);
    expect(judgedBytes(endless, ledger.vkey)).toBe("too_large");
  });

  test("without a new digest every change is named one", () => {
    expect(code(one.with(one.findIndex((line) => line.startsWith('"')), hidden("another")))).toBe("digest_mismatch");
    expect(code([canonicalize({ ...headerOf(one), vkeys: [] }), ...one.slice(1)])).toBe("digest_mismatch");
  });
});

describe("signed by whoever has the ledger's key", () => {
  /** A root over other lines. */
  const resigned = async (lines: Lines): Promise<Lines> => {
    const text = `${ledger.keyring.origin}\n${headerOf(lines)["end"] as number}\n${toBase64(rootOver(lines))}\n`;
    return withHeader(lines, { checkpoint: await signCheckpoint(text, ledger.keyring) });
  };

  test("a schema_version that is not known could not be checked", async () => {
    const lines = await resigned(withLog(whole, (log) => log.with(4, log[4]!.replace('"schema_version":1', '"schema_version":2'))));
    expect(code(lines)).toBe("could_not_check");
  });

  test("times that go back without a clock_step", async () => {
    const early = (line: string): string => line.replace(/"recorded_at":"2026-06-01T\d\d/, '"recorded_at":"2026-06-01T08');
    expect(code(await resigned(withLog(whole, (log) => log.with(20, early(log[20]!)))))).toBe("time_backwards");
  });

  test("a chain that does not lead to the head that its own anchor shows", async () => {
    const i = begin.slice(1, -1).findLastIndex((line) => line.includes('"organization":"org-1"'));
    const changed = withLog(begin, (log) => log.with(i, log[i]!.replace(/APPROVE|DENY/, "REVIEW")));
    expect(code(await resigned(changed))).toBe("link_mismatch");
  });
});
