/** A workflow of three agents over the socket, its one receipt, and its events disclosed to somebody who has nothing but files. */
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { here, must, serveHere } from "./here.ts";
import { Host, json } from "./host.ts";
import { init, talk } from "./talk.ts";

type Members = { readonly [name: string]: unknown };

const HASH = /^sha256:[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const host = new Host();
let daemon: Awaited<ReturnType<typeof serveHere>>;
let vkey: string;
let chainId: string;
let done: Members;
const acknowledged: Members[] = [];

const check = (...more: readonly string[]) => here(host, ["verify-bundle", "chain.evidence.json", "--vkey", vkey, "--records", "records.ndjson", "--json", ...more]);

beforeAll(async () => {
  ({ vkey } = await init(host));
  daemon = await serveHere(host);
  await talk(host, async (client) => {
    await client.must("append", { receipt: { organization: "loans", system_id: "s", decision: "a", inputs: {} } });
    const opened = await client.must("chain.open", { chain: { organization: "loans", summary: "Vendor purchase workflow completed with human approval.", policy_version: "2.0" } });
    chainId = String(opened["chain_id"]);
    const event = async (agent: string, action: string, metrics: object = {}, details: object = {}) =>
      void acknowledged.push(await client.must("chain.event", { chain_id: chainId, event: { agent, action, metrics, details } }));
    await event("research-agent", "search", { estimated_cost_usd: 0.1 }, { query: "monitor arms", found: 12 });
    await event("research-agent", "compare", { estimated_cost_usd: 0.2 });
    await event("negotiation-agent", "offer", { estimated_cost_usd: 0.05 });
    await event("negotiation-agent", "agree", { financial_exposure_usd: 11_000 }, { price: 11_000 });
    acknowledged.push(await client.must("chain.approve", { chain_id: chainId, approval: { approver: "jane@acme.example", authenticated_by: "OIDC, second factor", approved: "Buy for 11,000 USD", at: "2026-06-13T14:23:10Z" } }));
    await event("email-agent", "send", { external_communications_count: 1, external_domains_contacted: "vendor.com", estimated_cost_usd: 0.07 });
    await event("email-agent", "file", { records_modified_count: 1 });
    await event("research-agent", "close");
    done = await client.must("chain.complete", { chain_id: chainId });
    const { tree_size } = await client.must("anchor");
    await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
  });
  await must(host, ["evidence", String(done["receipt_id"]), "-o", "chain.evidence.json"]);
  const { stdout } = await must(host, ["chain", "disclose", chainId]);
  writeFileSync(host.path("records.ndjson"), stdout);
});
afterAll(async () => {
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  await host.remove();
});

test("the receipt is the seed's, field by field", async () => {
  const { receipt } = json(await must(host, ["get", String(done["receipt_id"]), "--json"])) as { readonly receipt: Members };
  const { events_summary: events, approvals, started_at: started, completed_at: completed, ...rest } = receipt;
  expect(rest).toEqual({
    type: "chain", schema_version: 1, ledger: "test.example/receipts", organization: "loans", outcome: "completed",
    receipt_number: expect.stringMatching(/^LN-\d{4}-00002$/), org_seq: 2, log_index: done["log_index"], recorded_at: done["recorded_at"], key_id: "key_v1", key_epoch: done["key_epoch"],
    receipt_id: done["receipt_id"], chain_id: expect.stringMatching(/^chn_[0-9A-HJKMNP-TV-Z]{26}$/),
    summary: "Vendor purchase workflow completed with human approval.",
    agents_involved: ["research-agent", "negotiation-agent", "email-agent"],
    total_actions: 7,
    cumulative_metrics: { financial_exposure_usd: 11_000, external_communications_count: 1, records_modified_count: 1, external_domains_contacted: ["vendor.com"], estimated_cost_usd: 0.42 },
    metric_rules: { financial_exposure_usd: "sum", external_communications_count: "sum", records_modified_count: "sum", external_domains_contacted: "set", estimated_cost_usd: "sum" },
    policy_version: "2.0",
    previous_receipt_hash: expect.stringMatching(HASH),
    signature: expect.stringMatching(/^hmac-sha256:[0-9a-f]{64}$/),
  });
  expect([started, completed].every((time) => TIME.test(String(time)))).toBe(true);
  expect((events as readonly Members[]).map(({ seq, agent, action }) => [seq, agent, action])).toEqual([
    [1, "research-agent", "search"], [2, "research-agent", "compare"], [3, "negotiation-agent", "offer"], [4, "negotiation-agent", "agree"],
    [6, "email-agent", "send"], [7, "email-agent", "file"], [8, "research-agent", "close"],
  ]);
  expect(approvals).toEqual([{ seq: 5, approver: "jane@acme.example", authenticated_by: "OIDC, second factor", approved: "Buy for 11,000 USD", at: "2026-06-13T14:23:10Z", recorded_at: expect.stringMatching(TIME), hash: expect.stringMatching(HASH) }]);
  const hashes = [...events as readonly Members[], ...approvals as readonly Members[]].map(({ hash }) => hash).sort();
  expect(hashes).toEqual(acknowledged.map(({ hash }) => hash).sort());
});

test("the ledger with it is sound, and what was not checked of it is said once", async () => {
  const { stdout, code } = await here(host, ["audit"]);
  expect([code, stdout]).toEqual([0, expect.stringContaining("what 1 receipt of chains says of their events")]);
  expect(stdout).not.toContain("this program does not know");
});

test("asked in the same breath: each call sees those before it", async () => {
  const id = "chn_breath";
  const receipt_id = "01890000-0000-7000-8000-00000000000a";
  const calls: readonly (readonly [string, object])[] = [
    ["chain.open", { chain: { chain_id: id } }],
    ["chain.get", { chain_id: id }],
    ["chain.event", { chain_id: id, event: { action: "a", agent: "x" } }],
    ["chain.event", { chain_id: id, event: { action: "b", agent: "x" } }],
    ["append", { receipt: { receipt_id, system_id: "s", decision: "a", inputs: {} } }],
    ["chain.disclose", { chain_id: id, seq: 2 }],
    ["get", { receipt_id }],
    ["chain.complete", { chain_id: id }],
    ["chain.get", { chain_id: id }],
    ["chain.event", { chain_id: id, event: { action: "c", agent: "x" } }],
  ];
  const socket = connect(host.path("receiptd-data/receiptd.sock"));
  socket.end(calls.map(([method, params], i) => `${JSON.stringify({ jsonrpc: "2.0", id: i, method, params })}\n`).join(""));
  const answers = (await text(socket)).trim().split("\n").map((line) => JSON.parse(line) as { readonly id: number; readonly result?: Members; readonly error?: { readonly data: Members } });
  expect(answers.map((answer) => answer.id)).toEqual(calls.map((_, i) => i));
  expect(answers.map(({ result, error }) => result?.["status"] ?? result?.["seq"] ?? result?.["ack"] ?? error?.data["code"] ?? "done")).toEqual([
    "done", "open", 1, 2, "disk", 2, "pending", "disk", "completed", "chain_closed",
  ]);
});

test("shown", async () => {
  const { stdout } = await must(host, ["chain", "show", chainId]);
  expect(stdout).toContain(`The chain has ended (completed); its receipt is ${String(done["receipt_id"])}.`);
  expect(stdout).toContain("7 by research-agent, negotiation-agent, email-agent");
  expect([(await here(host, ["chain", "show", "chn_none"])).code, (await here(host, ["chain", "disclose", chainId, "--seq", "9"])).code]).toEqual([2, 2]);
});

describe("records, with the receipt's evidence and a pinned key", () => {
  test("all of them: they are the receipt's, and add up to what it says", async () => {
    const { code, stdout } = await check();
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { verdict: "logged", records_checked: [1, 2, 3, 4, 5, 6, 7, 8], records_not_disclosed: [], totals_checked: true }]);
  });

  test("one of them: the others are not checked, and it says so", async () => {
    await must(host, ["chain", "disclose", chainId, "--seq", "4"]).then(({ stdout }) => writeFileSync(host.path("one.ndjson"), stdout));
    const { code, stdout } = await here(host, ["verify-bundle", "chain.evidence.json", "--vkey", vkey, "--records", "one.ndjson", "--json"]);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { records_checked: [4], records_not_disclosed: [1, 2, 3, 5, 6, 7, 8], totals_checked: false }]);
    expect((JSON.parse(stdout) as { readonly not_checked: readonly string[] }).not_checked.join()).toContain("1, 2, 3, 5, 6, 7, 8");
  });

  test("with any byte changed: they are not", async () => {
    const good = readFileSync(host.path("records.ndjson"));
    const wrong: number[] = [];
    for (let at = 0; at < good.length; at += 7) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      writeFileSync(host.path("records.ndjson"), bad);
      const { code, stdout } = await check();
      if (code !== 1 || (JSON.parse(stdout) as Members)["verdict"] !== "invalid") wrong.push(at);
    }
    writeFileSync(host.path("records.ndjson"), good);
    expect(wrong).toEqual([]);
  });

  test("of another receipt: they are not", async () => {
    await must(host, ["evidence", "LN-2026-00001", "-o", "other.evidence.json"]).catch(() => must(host, ["evidence", "2", "-o", "other.evidence.json"]));
    const { code, stdout } = await here(host, ["verify-bundle", "other.evidence.json", "--vkey", vkey, "--records", "records.ndjson", "--json"]);
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { verdict: "invalid", problem: { code: "bad_receipt" } }]);
  });
});
