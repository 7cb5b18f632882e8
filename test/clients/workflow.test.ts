/** The example of three agents, as its reader runs it, and the members of the seed's receipt that come out of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveHere } from "../cli/here.ts";
import { Host } from "../cli/host.ts";
import { init } from "../cli/talk.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/workflow/vendor-purchase.ts", import.meta.url));
/** As they stand in the seed. */
const SEED = [
  "receipt_number", "chain_id", "organization", "summary", "started_at", "completed_at", "agents_involved", "total_actions", "cumulative_metrics", "approvals", "events_summary", "policy_version",
  "previous_receipt_hash", "signature",
];

const host = new Host('origin: test.example/receipts\norganizations:\n  acme: {prefix: PR}\n');
let daemon: Awaited<ReturnType<typeof serveHere>>;
beforeAll(async () => {
  await init(host);
  daemon = await serveHere(host);
});
afterAll(async () => {
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  await host.remove();
});

async function example(): Promise<{ readonly [name: string]: unknown }> {
  const child = spawn(process.execPath, [EXAMPLE], { cwd: host.dir, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => { output += text; });
  expect(await once(child, "close")).toEqual([0, null]);
  return JSON.parse(output) as { readonly [name: string]: unknown };
}

test("field by field", async () => {
  const first = await example();
  const second = await example();
  expect(first["previous_receipt_hash"]).toBeNull();
  expect(Object.keys(second)).toEqual(expect.arrayContaining(SEED));
  expect(second).toMatchObject({
    receipt_number: expect.stringMatching(/^PR-\d{4}-00002$/),
    chain_id: expect.stringMatching(/^chn_01[0-9A-HJKMNP-TV-Z]{24}$/),
    organization: "acme",
    summary: "Vendor purchase workflow completed with human approval.",
    agents_involved: ["research-agent", "negotiation-agent", "commitment-agent"],
    total_actions: 7,
    cumulative_metrics: { financial_exposure_usd: 11_000, external_communications_count: 1, records_modified_count: 1, external_domains_contacted: ["vendor.com"], estimated_cost_usd: 0.42 },
    approvals: [{ approver: "jane.doe@acme.example", authenticated_by: "OIDC with a second factor", approved: "Order 300 monitor arms for 11000 USD" }],
    policy_version: "2.0",
    previous_receipt_hash: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    signature: expect.stringMatching(/^hmac-sha256:[0-9a-f]{64}$/),
  });
  expect(second["events_summary"]).toHaveLength(7);
  expect(String(second["started_at"]) <= String(second["completed_at"])).toBe(true);
});
