/** Chains, against a daemon that keeps them as docs/PROTOCOL.md says. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Chain, Client, ReceiptError } from "../../src/clients/index.ts";
import { errorLine, type FakeCall, type FakeDaemon, fakeDaemon, resultLine } from "../cli/fake-daemon.ts";
import { errorOf, stored } from "./support.ts";

const RECEIPT_ID = "0192aaaa-0000-7000-8000-000000000001";
interface Kept {
  readonly open: { readonly [name: string]: unknown };
  readonly steps: Map<string, { readonly hash: string; readonly seq: number; readonly text: string }>;
  outcome: string | null;
}

let fake: FakeDaemon;
let client: Client;
let chains: Map<string, Kept>;
/** What the fake daemon does wrong. */
let fault: { lose?: number; dropAnswersOf?: string };
beforeEach(async () => {
  chains = new Map();
  fault = {};
  const answered = new Set<string>();
  fake = await fakeDaemon((call, socket) => {
    const answer = answerOf(call);
    const isFirst = !answered.has(call.method);
    answered.add(call.method);
    if (isFirst && fault.dropAnswersOf === call.method) socket.destroy(); // carried out, and nobody told
    else socket.write(typeof answer === "string" ? errorLine(call.id, answer) : resultLine(call.id, answer));
  });
  client = new Client({ socket: fake.path, organization: "loans", systemId: "agents", timeoutMs: 3000 });
});
afterEach(async () => {
  await client.close();
  await fake.stop();
});

function answerOf({ method, params }: FakeCall): object | string {
  const { chain, chain_id, event, approval, outcome } = params as { readonly [name: string]: Record<string, unknown> } & { chain_id: string; outcome: string };
  if (method === "chain.open") {
    const id = String(chain!["chain_id"]);
    const duplicate = chains.has(id);
    if (!duplicate) chains.set(id, { open: chain!, steps: new Map(), outcome: null });
    return { chain_id: id, organization: chain!["organization"], started_at: "2026-01-01T00:00:00.000Z", expires_at: "2026-01-02T00:00:00.000Z", receipt_id: RECEIPT_ID, duplicate };
  }
  const kept = chains.get(String(chain_id));
  if (method === "get") {
    const [id, { steps }] = [...chains].at(-1)!;
    const of = (member: string) => [...steps.values()].filter(({ text }) => text.includes(member)).slice(fault.lose ?? 0).map(({ seq, hash }) => ({ seq, hash }));
    return { ...stored(RECEIPT_ID), receipt: { type: "chain", chain_id: id, events_summary: of("event_id"), approvals: of("approval_id") }, status: "pending" };
  }
  if (kept === undefined) return "not_found";
  if (method === "chain.get") return { chain_id, status: kept.outcome ?? "open", events: kept.steps.size };
  if (method === "chain.complete") {
    const duplicate = kept.outcome !== null;
    kept.outcome ??= outcome;
    return { ...stored(RECEIPT_ID), chain_id, duplicate };
  }
  const step = event ?? approval!;
  const id = String(step["event_id"] ?? step["approval_id"]);
  const text = JSON.stringify(step);
  const duplicate = kept.steps.has(id);
  if (!duplicate) kept.steps.set(id, { seq: kept.steps.size + 1, hash: `sha256:${createHash("sha256").update(text).digest("hex")}`, text });
  const { seq, hash } = kept.steps.get(id)!;
  const name = event === undefined ? "approval_id" : "event_id";
  return { chain_id, [name]: id, seq, hash, recorded_at: "2026-01-01T00:00:00.000Z", duplicate };
}

describe("a chain", () => {
  test("opens, keeps events and approvals, and ends as one receipt", async () => {
    let chain: Chain | undefined;
    const result = await client.chain({ summary: "refund", metrics: { cost: "sum" }, timeoutS: 60, policyVersion: "p1" }, async (opened) => {
      chain = opened;
      expect(await opened.event({ action: "draft", agent: "writer", metrics: { cost: 0.01 } })).toMatchObject({ seq: 1, duplicate: false, hash: expect.stringMatching(/^sha256:/) });
      await opened.approve({ approver: "ada", authenticatedBy: "oidc", approved: "refund of 20" });
      expect(await opened.get()).toMatchObject({ status: "open", events: 2 });
      return "done";
    });
    expect(result).toBe("done");
    expect(chain!.chainId).toMatch(/^chn_[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
    expect(chain!.receipt).toMatchObject({ receiptId: RECEIPT_ID, queued: false });
    const kept = chains.get(chain!.chainId)!;
    expect(kept.open).toEqual({ chain_id: chain!.chainId, organization: "loans", system_id: "agents", summary: "refund", metrics: { cost: "sum" }, timeout_s: 60, policy_version: "p1" });
    expect([...kept.steps.values()].map(({ text }) => JSON.parse(text) as object)).toEqual([
      { event_id: expect.any(String), action: "draft", agent: "writer", metrics: { cost: 0.01 } },
      { approval_id: expect.any(String), approver: "ada", authenticated_by: "oidc", approved: "refund of 20" },
    ]);
    expect(kept.outcome).toBe("completed");
  });

  test("what is thrown passes on, and the chain has failed", async () => {
    await expect(client.chain({}, async (chain) => {
      await chain.event({ action: "a", agent: "b" });
      throw new RangeError("too expensive");
    })).rejects.toThrow(new RangeError("too expensive"));
    expect([...chains.values()][0]!.outcome).toBe("failed");
  });

  test("one that its body has completed is not completed again", async () => {
    await client.chain({}, async (chain) => {
      await chain.complete({ outcome: "failed", summary: "by hand" });
    });
    expect(fake.calls.filter(({ method }) => method === "chain.complete").map(({ params }) => params)).toEqual([{ chain_id: expect.any(String), outcome: "failed", summary: "by hand" }]);
  });

  test.each(["chain.open", "chain.event", "chain.approve", "chain.complete"])("an answer of %s that is lost: sent again in the same bytes, kept once", async (method) => {
    fault.dropAnswersOf = method;
    await client.chain({}, async (chain) => {
      await chain.event({ action: "a", agent: "b" });
      await chain.approve({ approver: "c", authenticatedBy: "d", approved: "x" });
    });
    const again = fake.calls.filter((call) => call.method === method).map(({ params }) => JSON.stringify(params));
    expect([again.length, new Set(again).size]).toEqual([2, 1]);
    expect([...chains.values()][0]!.steps.size).toBe(2);
  });

  test.each<readonly [string, (chain: Chain) => Promise<unknown>]>([
    ["event", (chain) => chain.event({ action: "a", agent: "b" })],
    ["approval", (chain) => chain.approve({ approver: "a", authenticatedBy: "b", approved: "c" })],
  ])("an %s that was acknowledged and is not in the receipt is found out", async (_, step) => {
    fault.lose = 1;
    const error = await errorOf(client.chain({}, step));
    expect(error).toBeInstanceOf(ReceiptError);
    expect(error).toMatchObject({ code: "chain_mismatch", receiptId: RECEIPT_ID });
  });

  test("one that is not there", async () => {
    const chain = await client.openChain();
    chains.clear();
    expect(await errorOf(chain.event({ action: "a", agent: "b" }))).toMatchObject({ name: "ReceiptNotFound", code: "not_found" });
  });
});
