/** What a chain adds up to: kept so that an event writes little however much there is, and taken over from files that kept it otherwise. */
import Database from "better-sqlite3";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Chains } from "../../src/chains/chains.ts";
import { type ChainStore, openChainStore } from "../../src/chains/store.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { MAX_SET } from "../../src/format/chain-metrics.ts";
import { MAX_RECEIPT } from "../../src/format/limits.ts";
import type { Json } from "../../src/format/strict-json.ts";
import type { Acknowledged } from "../../src/ledger/admit.ts";

type Members = { readonly [name: string]: Json };

const LEDGER = { origin: "test.example/chains", ledgerId: "0123456789abcdef0123456789abcdef" };

let dir: string;
let chains: Chains;
let receipts: Members[];
/** Characters of the states that were written. */
let states: number[];

function open(): Chains {
  let ids = 0;
  const { store } = openChainStore(join(dir, "chains.db"), LEDGER);
  const watched = new Proxy(store, { get(target, name) {
    if (name === "add") return (...args: Parameters<ChainStore["add"]>) => { states.push(args[2].length); target.add(...args); };
    return (target[name as keyof ChainStore] as () => void).bind(target);
  } });
  return new Chains({
    store: watched, newId: () => `01890000-0000-7000-8000-${String(++ids).padStart(12, "0")}`, newChainId: () => "chn_x", newSalt: () => "5a".repeat(16), now: () => 1_780_000_000_000,
    append(request) {
      receipts.push(JSON.parse(Buffer.from(request.json).toString()) as Members);
      expect(request.json.length).toBeLessThanOrEqual(MAX_RECEIPT);
      return { stored: { receiptId: request.receiptId } as Acknowledged["stored"], duplicate: false };
    },
    has: () => true, find: () => null, hasRoom: () => true, refuse: () => undefined, requireApproved: () => undefined, onNotice: () => undefined,
    onError: (error) => { throw error; }, maxOpen: 10, maxEntries: 10_000, timeout: 60_000,
  });
}

const event = async (more: object): Promise<unknown> => chains.call("chain.event", { chain_id: "chn_1", event: { action: "a", agent: "b", ...more } } as Json).then(() => "taken", (error: { code: string }) => error.code);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-sums-"));
  [receipts, states] = [[], []];
  chains = open();
});
afterEach(() => {
  chains.stop();
  rmSync(dir, { recursive: true });
});

test("sets and agents of any size: what an event writes of the chain stays small, and the receipt has them all in order", async () => {
  const sets = { s0: "set", s1: "set", constructor: "set" };
  await chains.call("chain.open", { chain: { chain_id: "chn_1", metrics: sets, metadata: { text: "x".repeat(100_000) } } });
  const names = (n: number): string[] => Array.from({ length: MAX_SET }, (_, i) => `${n}.${MAX_SET - i}`.padEnd(100, "é"));
  for (const [n, name] of Object.keys(sets).entries()) expect(await event({ agent: `agent ${9 - n}`, metrics: { [name]: names(n) } })).toBe("taken");
  expect(await event({ agent: "agent 8", metrics: { s0: names(0).slice(5, 7), estimated_cost_usd: 0.1 } })).toBe("taken");
  expect(await event({ metrics: { s0: "one more" } })).toBe("too_large");
  expect(Math.max(...states)).toBeLessThan(1000);
  chains.stop();
  chains = open();
  await chains.call("chain.complete", { chain_id: "chn_1" });
  expect(receipts).toMatchObject([{ total_actions: 4, agents_involved: ["agent 9", "agent 8", "agent 7"], cumulative_metrics: { s0: names(0), s1: names(1), constructor: names(2), estimated_cost_usd: 0.1 } }]);
});

test("agents alone can fill the receipt, and no more than that is taken", async () => {
  await chains.call("chain.open", { chain: { chain_id: "chn_1" } });
  let taken = 0;
  while (await event({ action: "é".repeat(256), agent: `${taken}`.padEnd(256, "é") }) === "taken") taken++;
  expect(taken).toBeGreaterThan(500);
  await chains.call("chain.complete", { chain_id: "chn_1" });
  expect((receipts[0]!["agents_involved"] as readonly Json[]).length).toBe(taken);
});

test("a file that kept it all in one place is taken over as it was, to the digit, and its chains go on", async () => {
  chains.stop();
  rmSync(dir, { recursive: true });
  dir = mkdtempSync(join(tmpdir(), "receiptd-sums-"));
  const db = new Database(join(dir, "chains.db"));
  db.exec(readFileSync("src/chains/migrations/0001-initial.sql", "utf8"));
  db.pragma(`application_id = ${0x72637063}`);
  db.pragma("user_version = 1");
  db.prepare("INSERT INTO ledger VALUES (1, ?, ?)").run(LEDGER.origin, LEDGER.ledgerId);
  const metrics = { estimated_cost_usd: 0.1, tiny: 5e-324, small: 1.234567890123456e-7, large: 9007199254740991, "a.b": 0.30000000000000004, word: "\u2028\"é", yes: true, domains: ["z", "ä\"", "a"] };
  const state = canonicalize({ metrics, agents: ["second", "first"], actions: 2, bytes: 300 });
  const opened = canonicalize({ chain_id: "chn_1", metrics: { tiny: "last", small: "last", large: "max", "a.b": "last", word: "last", yes: "last", domains: "set" } });
  const begin = db.prepare("INSERT INTO chains VALUES (?, 'default', ?, ?, ?, 1, ?, 3, ?, ?)");
  begin.run("chn_1", "01890000-0000-7000-8000-00000000000a", "open", opened, 1_790_000_000_000, state, null);
  begin.run("chn_0", "01890000-0000-7000-8000-00000000000b", "ended", canonicalize({ chain_id: "chn_0" }), 2, canonicalize({ metrics: {}, agents: [], actions: 0, bytes: 0 }), canonicalize({ outcome: "failed", summary: null, completedAt: 5 }));
  db.close();
  chains = open();
  expect(chains.look("chain.get", { chain_id: "chn_1" })).toMatchObject({ status: "open", agents_involved: ["second", "first"], total_actions: 2, approvals: 1, cumulative_metrics: metrics });
  expect(chains.look("chain.get", { chain_id: "chn_0" })).toMatchObject({ status: "failed", agents_involved: [], total_actions: 0, cumulative_metrics: {} });
  expect(await event({ agent: "first", metrics: { domains: ["a", "b"], estimated_cost_usd: 0.2, word: "w" } })).toBe("taken");
  expect(chains.look("chain.get", { chain_id: "chn_1" })).toMatchObject({
    agents_involved: ["second", "first"], total_actions: 3, cumulative_metrics: { ...metrics, domains: ["z", "ä\"", "a", "b"], estimated_cost_usd: 0.3, word: "w" },
  });
  expect(chains.status()).toMatchObject({ open: 1, ended: 1 });
});
