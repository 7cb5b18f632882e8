/** A workflow, while the daemon is killed again and again: whoever sends again what was not answered has every event once, and one receipt. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { must } from "../cli/here.ts";
import { Host, type Running } from "../cli/host.ts";
import { init } from "../cli/talk.ts";
import { Client } from "../faults/client.ts";

type Members = { readonly [name: string]: unknown };

const KILLS = 4;
const EVENTS = 400;

const host = new Host();
let daemon: Running;

beforeAll(async () => {
  await init(host);
  daemon = await host.serve();
});
afterAll(() => host.remove());

/** Until it is answered, whatever happens to the daemon. */
async function insist(client: { current: Client }, method: string, params: object): Promise<Members> {
  for (;;) {
    const answer = await client.current.call(method, params);
    if ("result" in answer) return answer.result;
    if ("error" in answer && !answer.error.retry) throw new Error(JSON.stringify(answer));
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (client.current.ended) client.current = new Client(host.path("receiptd-data/receiptd.sock"));
  }
}

test("no event is lost, none is doubled, and there is one receipt", { timeout: 120_000 }, async () => {
  const client = { current: new Client(host.path("receiptd-data/receiptd.sock")) };
  await insist(client, "chain.open", { chain: { chain_id: "chn_kill", organization: "loans" } });
  const done = { count: 0 };
  const answers = Array.from({ length: EVENTS }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i * 6));
    const event_id = randomUUID();
    const answer = await insist(client, "chain.event", { chain_id: "chn_kill", event: { event_id, action: `a${i}`, agent: "agent", metrics: { estimated_cost_usd: 0.01 } } });
    done.count++;
    return answer;
  });
  for (let kill = 1; kill <= KILLS; kill++) {
    await vi.waitUntil(() => done.count >= (kill * EVENTS) / (KILLS + 1), { timeout: 60_000, interval: 2 });
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    daemon = await host.serve();
  }
  const hashes = (await Promise.all(answers)).map(({ hash }) => String(hash));
  const completing = insist(client, "chain.complete", { chain_id: "chn_kill" });
  daemon.child.kill("SIGKILL");
  await daemon.ended;
  daemon = await host.serve();
  const { receipt_id } = await completing;
  const { receipt } = await insist(client, "get", { receipt_id }) as { readonly receipt: Members };
  expect(receipt).toMatchObject({ chain_id: "chn_kill", total_actions: EVENTS, cumulative_metrics: { estimated_cost_usd: EVENTS / 100 }, outcome: "completed" });
  expect((receipt["events_summary"] as readonly Members[]).map(({ hash }) => hash).sort()).toEqual(hashes.sort());
  expect(new Set((receipt["events_summary"] as readonly Members[]).map(({ action }) => action)).size).toBe(EVENTS);
  await must(host, ["anchor"]);
  await must(host, ["audit"]);
  await client.current.close();
});
