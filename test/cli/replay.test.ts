/** `receiptd audit --replay`: decisions drawn and made again by processes that answer as they should, otherwise, or not at all. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { START, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { here } from "./here.ts";
import { Host, json } from "./host.ts";

const host = new Host();
let ledger: TestLedger;
let common: readonly string[];

/** Approves whatever comes, in the order in which it comes. */
const APPROVES = `sed -E 's/.*"receipt_id":"([^"]*)".*/{"receipt_id":"\\1","decision":{"action":"APPROVE","terms":[1,2]}}/'`;

beforeAll(async () => {
  ledger = new TestLedger({ organizations: 2 });
  ledger.append(30, () => ({ decision: { terms: [1, 2], action: "APPROVE" } }));
  ledger.anchor();
  ledger.append(2, (n) => (n === 30 ? { decision: { action: "DENY" } } : { inputs: {} }));
  ledger.append(2, () => ({ inputs: { who: "ab".repeat(32) } }));
  ledger.anchor("shutdown", null);
  await publishToDirectory(ledger, "outside");
  ledger.close();
  common = ["audit", "--ledger", ledger.path, "--anchors", ledger.targetPath("outside"), "--vkey", ledger.vkey, "--json"];
});
afterAll(async () => {
  ledger.remove();
  await host.remove();
});

async function replayed(command: string, ...more: readonly string[]) {
  const ran = await here(host, [...common, "--replay", command, ...more]);
  return { code: ran.code, ...(json(ran) as { readonly replay: object; readonly sentence: string; readonly findings: readonly object[]; readonly failed_to_check: readonly string[]; readonly not_checked: readonly string[] }) };
}

const FIRST = ["--to", new Date(START + 2500).toISOString()];

describe("decisions made again", () => {
  test("that come out as recorded", async () => {
    const report = await replayed(APPROVES, ...FIRST, "--sample", "10");
    expect(report).toMatchObject({ code: 0, replay: { decisions: 30, drawn: 10, same: 10, differ: 0, unanswered: 0, is_seed_given: false } });
    expect(report.sentence).toContain("Of 30 decisions 10 were drawn at random; the 10 that were made again by the model came out as recorded.");
    expect(report.not_checked).toContain("by making them again: 20 decisions that were not drawn");
    const { seed } = report.replay as { readonly seed: string };
    expect(seed).toMatch(/^[0-9a-f]{64}$/);
    const again = await replayed("cat > asked; exit 1", ...FIRST, "--sample", "10", "--sample-seed", seed);
    expect(again).toMatchObject({ code: 2, replay: { seed, is_seed_given: true, unanswered: 10 } });
    expect(again.not_checked.some((one) => one.includes("--sample-seed"))).toBe(true);
  });

  test("that come out otherwise are findings, each with where", async () => {
    const report = await replayed(APPROVES, "--sample", "1000");
    expect(report).toMatchObject({
      code: 1, replay: { decisions: 34, drawn: 34, same: 30, differ: 1, unanswered: 0, not_replayable: { none: 1, hashed: 2, sealed: 0 } },
      findings: [{ code: "stopped" }, { severity: "violation", code: "decision_differs", at: "/decision/action", expected: '"DENY"', found: '"APPROVE"', organization: "org-0" }],
    });
    expect(report.not_checked).toContain("by making them again: 1 without inputs, 2 with nothing but hashes as inputs, of 34 decisions that were drawn");
  });

  test("answers may come in any order, and what is asked is a line of JSON", async () => {
    expect(await replayed(`tee asked | ${APPROVES} | sort -r`, ...FIRST)).toMatchObject({ code: 0, replay: { same: 30 } });
    const lines = readFileSync(host.path("asked"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as object);
    expect(lines).toHaveLength(30);
    expect(Object.keys(lines[0]!)).toEqual(["inputs", "model_version", "receipt_id", "receipt_number", "system_id"]);
  });

  test.each<[string, string, string]>([
    ["ends at once", "exit 0", "no answer to 30 receipts"],
    ["ends with a failure, though it answered", `${APPROVES}; exit 3`, "the model ended with exit code 3"],
    ["is not there", "no-such-model-anywhere", "exit code 127"],
    ["says that it cannot", `sed -E 's/.*"receipt_id":"([^"]*)".*/{"receipt_id":"\\1","error":"no weights of v1"}/'`, "30 times: no decision, but an error (ORG0-2026-00001: no weights of v1)"],
    ["answers what nobody asked", `${APPROVES}; echo '{"receipt_id":"x","decision":1}'`, "an answer to a receipt that it was not asked about, or had answered (x)"],
    ["answers twice", `${APPROVES} | sed p`, "30 times: an answer to a receipt that it was not asked about, or had answered"],
    ["talks", `echo loading weights; ${APPROVES}`, "a line that is no answer: bad_json (loading weights)"],
    ["says two things at once", `sed -E 's/.*"receipt_id":"([^"]*)".*/{"receipt_id":"\\1","decision":1,"decision":2}/'`, "30 times: a line that is no answer: duplicate_name"],
    ["writes without end", "cat > all; tr '\\n' ' ' < /dev/zero", "a line of more than 1,052,672 bytes"],
  ])("a model that %s has shown nothing", async (_, command, why) => {
    const report = await replayed(command, ...FIRST);
    expect(report).toMatchObject({ code: 2 });
    expect(report.failed_to_check.join("\n")).toContain(why);
  });

  test("a model that does not end is ended, with all that it has started", async () => {
    const report = await replayed("sleep 1000 & sleep 1000", ...FIRST, "--replay-timeout", "200ms");
    expect(report).toMatchObject({ code: 2, replay: { unanswered: 30 } });
    expect(report.failed_to_check[0]).toContain("was not ready");
  });

  test("where there is nothing to be made again", async () => {
    expect(await replayed("false", "--from", new Date(START + 1e6).toISOString())).toMatchObject({ code: 0, replay: { decisions: 0, drawn: 0 }, sentence: expect.stringContaining("There is no decision among them") as string });
  });

  test.each([
    [["--replay", " "]], [["--sample-seed", "00"]], [["--replay", "x", "--sample-seed", "00"]], [["--replay", "x", "--sample", "0"]], [["--replay", "x", "--sample", "100001"]], [["--replay", "x", "--replay-timeout", "5"]],
    [["--replay-timeout", "5s"]], [["--sample", "5"]], [["--replay", "x", "--ledger-gone"]],
  ])("%j is no way to ask", async (args) => {
    const ran = await here(host, [...common, ...args]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("bad_usage")]);
  });
});
