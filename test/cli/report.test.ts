/** `receiptd report`: the audit of a period as a page and as a signed file; on the host and on copies, of a ledger in order and of one that is not. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseCheckpoint } from "../../src/format/checkpoint.ts";
import type { FormatError } from "../../src/format/errors.ts";
import { parseNote } from "../../src/format/note.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { tamper } from "../audit/support.ts";
import { START, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { here, must, type Served, serveHere } from "./here.ts";
import { Host, json } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

type Members = { readonly [name: string]: Json };

const NASTY = `</table><script>alert(1)</script>"'&\u202e`;
const YEAR = String(new Date().getUTCFullYear());

describe("on the host", () => {
  const host = new Host();
  let daemon: Served;
  let vkey: string;
  beforeAll(async () => {
    ({ vkey } = await init(host));
    daemon = await serveHere(host);
    await talk(host, async (client) => {
      for (const n of [1, 2, 3]) await client.must("append", appending(n, { gates: [{ name: "limit", status: n === 3 ? "PASS" : "FAIL" }], ...(n === 2 ? { decision: { action: "DENY" } } : {}) }));
      await client.must("append", appending(4, { organization: "cards", system_id: NASTY, decision: { action: NASTY }, gates: [{ name: NASTY, status: "ERROR" }] }));
      const { tree_size } = await client.must("anchor");
      await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
    });
  });
  afterAll(async () => {
    daemon.child.kill("SIGTERM");
    await daemon.ended;
    await host.remove();
  });

  test("is a page and a file that the ledger's key has signed, made while the daemon runs", async () => {
    const ran = await must(host, ["report", "--period", YEAR, "-o", "report.html", "--json-out", "report.json"]);
    expect(ran.stdout).toContain(`The file is in report.json, signed by ${vkey}.`);
    const file = readFileSync(host.path("report.json"), "utf8");
    const report = JSON.parse(file) as Members & { readonly content: Members; readonly note: string };
    expect(file).toBe(`${canonicalize(report)}\n`);
    expect(report).toMatchObject({
      format: "receiptd-report/1", verdict: "ok", period: { from: `${YEAR}-01-01T00:00:00.000Z` },
      content: {
        is_over: false, suspect: 0, gaps: {}, accesses: 0, events: [], anchors: { count: 2, late: 0, missing: 0 },
        receipts: { decisions: 4, by_organization: { names: [{ name: "_ledger", count: 3 }, { name: "loans", count: 3 }, { name: "cards", count: 1 }], more: 0, others: 0 }, by_system: { names: [{ name: "loan_scorer", count: 3 }, { name: NASTY, count: 1 }] } },
        gates: { failed: { refused: 1, executed: 2, unsaid: 0 }, ungated_decisions: 0, executed: [{ receipt_number: `LN-${YEAR}-00001`, action: "APPROVE" }, { system_id: NASTY, gates: [NASTY] }] },
        macs: { checked: 7, not_checked: 0 }, audit: { exit_code: 0, counts: { receipts: 7 } },
      },
    });
    const checked = json(await must(host, ["verify-bundle", "report.json", "--vkey", vkey, "--json"]));
    expect(checked).toMatchObject({ verdict: "signed", signed_by: [vkey], problem: null, says: { verdict: "ok", made_at: report["made_at"] } });
    expect((await must(host, ["verify-bundle", "report.json", "--vkey", vkey])).stdout).toMatch(/^A key you pinned has signed this report/);
  });

  test("what is signed is no checkpoint, whoever reads it", () => {
    const { note } = JSON.parse(readFileSync(host.path("report.json"), "utf8")) as { readonly note: string };
    const { text } = parseNote(note);
    expect(text.split("\n")[0]).toBe("receiptd report/1");
    expect(() => parseCheckpoint(text)).toThrow(expect.objectContaining({ code: "bad_checkpoint" }) as FormatError);
  });

  test("the page has no script, lets none in, and holds callers' words as words", () => {
    const page = readFileSync(host.path("report.html"), "utf8");
    const { note } = JSON.parse(readFileSync(host.path("report.json"), "utf8")) as { readonly note: string };
    expect(page).toContain("Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-");
    expect(page).not.toMatch(/<script|\son\w+=|https?:|url\(|@import|javascript:/i);
    expect(page).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(page).toContain("<bdi>&lt;/table&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u{202e}</bdi>");
    expect(page).toContain(note.split("\n")[1]); // the hash of the file
    expect(page).toMatch(/<strong>In order<\/strong>/);
  });

  test("a file that was changed, is another's or is signed by nobody is not called signed", async () => {
    const file = readFileSync(host.path("report.json"), "utf8");
    const report = JSON.parse(file) as Members & { readonly content: Members };
    const write = (name: string, value: Json): string => {
      writeFileSync(host.path(name), `${canonicalize(value)}\n`);
      return name;
    };
    const cases: readonly (readonly [string, string, number])[] = [
      [write("changed", { ...report, sentence: "All is well." }), "digest_mismatch", 1],
      [write("content", { ...report, content: { ...report.content, suspect: 7 } }), "digest_mismatch", 1],
      [write("other", { ...report, ledger: "other.example" }), "bad_note", 1],
      [write("period", { ...report, period: { from: "2000-01-01T00:00:00.000Z", to: "2001-01-01T00:00:00.000Z" } }), "digest_mismatch", 1],
      [write("version", { ...report, format: "receiptd-report/2" }), "bad_report", 1],
      [write("more", { ...report, more: 1 }), "bad_report", 1],
      [write("note", { ...report, note: "x" }), "bad_note", 1],
      [write("unsigned", { ...report, note: null }), "Nobody has signed", 2],
    ];
    writeFileSync(host.path("spaced"), ` ${file}`);
    for (const [name, says, code] of [...cases, ["spaced", "not_canonical", 1] as const]) {
      const ran = await here(host, ["verify-bundle", name, "--vkey", vkey]);
      expect([name, ran.code, ran.stdout]).toEqual([name, code, expect.stringContaining(says)]);
    }
    expect((await here(host, ["verify-bundle", "report.json"])).code).toBe(2);
    expect((await here(host, ["verify-bundle", "report.json", "--vkey", new TestLedgerKey().vkey])).code).toBe(1);
  });

  test("nothing is overwritten, and nothing asked for in vain", async () => {
    for (const args of [["--period", YEAR], ["--period", YEAR, "-o", "report.html"], ["--period", YEAR, "-o", "x", "--json-out", "x"], ["--period", "2026-13", "-o", "x"], ["--period", "2026-Q5", "-o", "x"],
      ["--period", "2026-02-30", "-o", "x"], ["--period", "2026-09-02..2026-09-01", "-o", "x"], ["--period", "yesterday", "-o", "x"]]) {
      const ran = await here(host, ["report", ...args]);
      expect([args, ran.code, ran.stderr]).toEqual([args, 2, expect.stringContaining("bad_usage")]);
    }
  });

  test.each([["2024", "2024-01-01", "2025-01-01"], ["2024-Q1", "2024-01-01", "2024-04-01"], ["2024-Q4", "2024-10-01", "2025-01-01"], ["2024-02", "2024-02-01", "2024-03-01"], ["2024-12", "2024-12-01", "2025-01-01"],
    ["2024-02-29", "2024-02-29", "2024-03-01"], ["2024-02-28..2024-02-29", "2024-02-28", "2024-03-01"]])("the period %s", async (period, from, to) => {
    const made = json(await must(host, ["report", "--period", period, "--json", "--no-sign"]));
    expect(made).toMatchObject({ period: { from: `${from}T00:00:00.000Z`, to: `${to}T00:00:00.000Z` }, note: null, content: { receipts: { count: 0 }, is_over: true } });
  });
});

/** A key of the same name that has signed nothing. */
class TestLedgerKey {
  readonly vkey: string;
  constructor() {
    const ledger = new TestLedger({ seed: "another" });
    this.vkey = ledger.vkey;
    ledger.remove();
  }
}

describe("on a copy", () => {
  const host = new Host(null);
  let ledger: TestLedger;
  let common: readonly string[];
  beforeAll(async () => {
    ledger = new TestLedger({ batches: [5] });
    ledger.revoke("key_v1", START);
    ledger.anchor();
    ledger.now -= 3_000;
    ledger.append(3);
    ledger.anchor("shutdown", null);
    await publishToDirectory(ledger, "outside");
    ledger.close();
    common = ["report", "--ledger", ledger.path, "--anchors", ledger.targetPath("outside"), "--vkey", ledger.vkey, "--period", "2026-06-01", "--json"];
  });
  afterAll(async () => {
    ledger.remove();
    await host.remove();
  });

  test("is signed by nobody, and says what it has not checked; events and suspect receipts are there", async () => {
    const ran = await here(host, common);
    expect([ran.code, json(ran)]).toEqual([1, expect.objectContaining({ note: null, verdict: "findings" })]);
    expect(json(ran)).toMatchObject({
      content: { suspect: 14, macs: { checked: 0, not_checked: 14 }, events: [{ type: "key_revocation", says: expect.stringContaining("a backup was stolen") as string }, { type: "clock_step" }], audit: { finding_counts: { key_revoked: 1 } } },
    });
  });

  test("of a ledger that cannot be read is one all the same", async () => {
    tamper(ledger.path, (db) => db.exec("DELETE FROM blob WHERE log_index = 3; DELETE FROM receipt WHERE log_index = 3"));
    expect(json(await here(host, common))).toMatchObject({ verdict: "findings", content: { gaps: { receipt_missing: 1 } } });
    writeFileSync(ledger.path, "no ledger");
    const ran = await here(host, [...common.slice(0, -1), "-o", "none.html"]);
    expect(ran.code).toBe(1);
    expect(readFileSync(host.path("none.html"), "utf8")).toContain("the ledger could not be read");
  });
});
