/** A daemon with a policy: what it asks of a chain, over the socket, and what `receiptd status` says of both. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { must, serveHere } from "./here.ts";
import { Host, json } from "./host.ts";
import { init, talk } from "./talk.ts";

const host = new Host('origin: test.example/receipts\npolicy: ./policy.yaml\nanchor: {schedule: "0 0 1 1 *", heartbeat: 1h}\n');
let daemon: Awaited<ReturnType<typeof serveHere>>;

beforeAll(async () => {
  writeFileSync(host.path("policy.yaml"), 'version: "7 May"\nsystems:\n  payout_*: {chain_approvers: 2}\n  "*": {}\n');
  await init(host);
  daemon = await serveHere(host);
});
afterAll(async () => {
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  await host.remove();
});

test("a chain is completed once enough people have approved, and status has one line of each", async () => {
  await talk(host, async (client) => {
    const approve = (approver: string) => client.must("chain.approve", { chain_id: "chn_1", approval: { approver, authenticated_by: "OIDC", approved: "pay" } });
    await client.must("chain.open", { chain: { chain_id: "chn_0" } });
    await client.must("chain.complete", { chain_id: "chn_0" });
    await client.must("chain.open", { chain: { chain_id: "chn_1", system_id: "payout_eu" } });
    await approve("ada");
    expect(await client.call("chain.complete", { chain_id: "chn_1" })).toMatchObject({ error: { code: "policy_approvers_missing", retry: false } });
    const before = (await must(host, ["status"])).stdout;
    expect(before).toContain(`\n  policy           version 7 May, 2 systems; sha256:${createHash("sha256").update(readFileSync(host.path("policy.yaml"))).digest("hex")}\n`);
    expect(before).toMatch(/\n {2}chains {11}1 open, the oldest since \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC; 1 ended\n/);
    await approve("bob");
    expect(await client.must("chain.complete", { chain_id: "chn_1" })).toMatchObject({ chain_id: "chn_1", ack: "disk" });
  });
  expect((await must(host, ["status"])).stdout).toContain("\n  chains           0 open; 2 ended\n");
  expect(json(await must(host, ["status", "--json"]))).toMatchObject({ chains: { open: 0, ended: 2, oldest: null }, policy: { version: "7 May", systems: ["payout_*", "*"] } });
});
