/** Chains on a real file and a real ledger: sent again, at the wrong time, too much, given up, and with a crash between any two writes. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Chains, type ChainsOptions } from "../../src/chains/chains.ts";
import { ChainError } from "../../src/chains/errors.ts";
import { openChainStore } from "../../src/chains/store.ts";
import type { ChainLook, ChainWrite } from "../../src/format/chain-calls.ts";
import { FormatError } from "../../src/format/errors.ts";
import type { Request } from "../../src/format/request.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { uuidV7 } from "../../src/format/uuid.ts";
import { RpcError } from "../../src/intake/protocol.ts";
import type { Acknowledged } from "../../src/ledger/admit.ts";
import { LedgerError } from "../../src/ledger/errors.ts";

type Members = { readonly [name: string]: Json };

const LEDGER = { origin: "test.example/chains", ledgerId: "0123456789abcdef0123456789abcdef" };
const START = Date.parse("2026-06-13T14:22:00.000Z");

let dir: string;
let now: number;
let ids: number;
let chains: Chains;
/** What the ledger has: each receipt's bytes, by its id. */
let stored: Map<string, string>;
let broken: Error | null;
let errors: unknown[];
let notices: string[];

const text = ({ json }: Request): string => Buffer.from(json).toString();

/** As the ledger does it: one id, one content. */
function append(request: Request): Acknowledged {
  if (broken !== null) throw broken;
  const earlier = stored.get(request.receiptId);
  if (earlier !== undefined && earlier !== text(request)) throw new ChainError("conflict", "recorded with other content");
  stored.set(request.receiptId, text(request));
  return { stored: { receiptId: request.receiptId } as Acknowledged["stored"], duplicate: earlier !== undefined };
}

function open(more: Partial<ChainsOptions> = {}): Chains {
  const newId = () => uuidV7(now, Buffer.alloc(10, ++ids));
  return new Chains({
    store: openChainStore(join(dir, "chains.db"), LEDGER).store, append, newId, newChainId: () => `chn_${newId()}`, newSalt: () => "5a".repeat(16), now: () => now,
    has: (receiptId) => stored.has(receiptId),
    find: (receiptId) => (stored.has(receiptId) ? JSON.parse(stored.get(receiptId)!) as Json : null), hasRoom: () => true, onNotice: (said) => void notices.push(said),
    refuse: () => { if (broken !== null) throw broken; },
    requireApproved: (systemId, approvers) => { if (systemId === "strict" && approvers() < 2) throw new RpcError("policy_approvers_missing", "two"); },
    maxOpen: 3, maxEntries: 5, timeout: 60_000, onError: (error) => void errors.push(error), ...more,
  });
}

async function call(method: ChainLook | ChainWrite, params: object): Promise<Members> {
  if (method === "chain.get" || method === "chain.disclose") return chains.look(method, params as Json) as Members;
  const answer = await chains.call(method, params as Json);
  return answer.kind === "said" ? answer.answer as Members : { chain_id: answer.chainId, receipt_id: answer.receipt.stored.receiptId, duplicate: answer.receipt.duplicate };
}

const event = (chainId: Json, more: object = {}) => call("chain.event", { chain_id: chainId, event: { action: "search", agent: "research", ...more } });
const refused = (work: Promise<unknown>) => work.then(() => "taken", (error: unknown) => (error instanceof ChainError || error instanceof FormatError || error instanceof LedgerError || error instanceof RpcError ? error.code : Promise.reject(error)));
const receipts = (): readonly Members[] => [...stored.values()].map((one) => JSON.parse(one) as Members);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-chains-"));
  [now, ids, broken, errors, notices, stored] = [START, 0, null, [], [], new Map()];
  chains = open();
});
afterEach(() => {
  vi.useRealTimers();
  chains.stop();
  rmSync(dir, { recursive: true });
  const ended = receipts().map(({ chain_id }) => chain_id);
  expect(ended).toEqual([...new Set(ended)]); // no chain has two receipts
});

describe("what is sent again", () => {
  test("has the same answer, and is there once", async () => {
    const opening = { chain: { chain_id: "chn_1", summary: "S" } };
    const first = await call("chain.open", opening);
    expect(await call("chain.open", opening)).toEqual({ ...first, duplicate: true });
    const event_id = "01890000-0000-7000-8000-000000000001";
    const one = await event("chn_1", { event_id, metrics: { estimated_cost_usd: 1 } });
    now += 5000;
    expect(await event("chn_1", { event_id, metrics: { estimated_cost_usd: 1 } })).toEqual({ ...one, duplicate: true });
    const done = await call("chain.complete", { chain_id: "chn_1" });
    now += 5000;
    expect(await call("chain.complete", { chain_id: "chn_1" })).toEqual({ ...done, duplicate: true });
    expect(await event("chn_1", { event_id, metrics: { estimated_cost_usd: 1 } })).toEqual({ ...one, duplicate: true });
    expect(receipts()).toMatchObject([{ total_actions: 1, cumulative_metrics: { estimated_cost_usd: 1 }, completed_at: "2026-06-13T14:22:05.000Z" }]);
  });

  test("with other content is a conflict", async () => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    expect(await refused(call("chain.open", { chain: { chain_id: "chn_1", summary: "other" } }))).toBe("conflict");
    const event_id = "01890000-0000-7000-8000-000000000001";
    await event("chn_1", { event_id });
    expect(await refused(event("chn_1", { event_id, details: { n: 1 } }))).toBe("conflict");
    expect(await refused(call("chain.approve", { chain_id: "chn_1", approval: { approval_id: event_id, approver: "a", authenticated_by: "b", approved: "c" } }))).toBe("conflict");
    await call("chain.complete", { chain_id: "chn_1", summary: "one" });
    expect(await refused(call("chain.complete", { chain_id: "chn_1", summary: "two" }))).toBe("chain_closed");
    expect(stored.size).toBe(1);
  });

  test("at once, twice: both are answered, one is stored", async () => {
    const event_id = "01890000-0000-7000-8000-000000000001";
    const all = await Promise.all([call("chain.open", { chain: { chain_id: "chn_1" } }), event("chn_1", { event_id }), event("chn_1", { event_id }), call("chain.complete", { chain_id: "chn_1" }), call("chain.complete", { chain_id: "chn_1" })]);
    expect(all.map(({ duplicate }) => duplicate)).toEqual([false, false, true, false, true]);
    expect(receipts()).toMatchObject([{ total_actions: 1 }]);
  });
});

describe("refused, and nothing of it is kept", () => {
  test("an event of no chain, or of one that has ended", async () => {
    expect(await refused(event("chn_none"))).toBe("not_found");
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    await call("chain.complete", { chain_id: "chn_1", outcome: "failed" });
    expect(await refused(event("chn_1"))).toBe("chain_closed");
    expect(receipts()).toMatchObject([{ outcome: "failed", total_actions: 0, summary: "Workflow failed: 0 actions by 0 agents." }]);
  });

  test.each<[string, object, string]>([
    ["no action", { action: undefined }, "bad_field"],
    ["an unknown member", { actor: "x" }, "bad_field"],
    ["an id that is none", { event_id: "1" }, "bad_field"],
    ["a metric without a rule", { metrics: { foo: 1 } }, "unknown_field"],
    ["a metric that is text", { metrics: { estimated_cost_usd: "1" } }, "bad_field"],
    ["too many metrics", { metrics: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`m${i}`, 1])) }, "bad_field"],
    ["details too large", { details: { text: "x".repeat(65_536) } }, "too_large"],
  ])("%s", async (_, more, code) => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    expect(await refused(event("chn_1", more))).toBe(code);
    expect(await call("chain.get", { chain_id: "chn_1" })).toMatchObject({ total_actions: 0, agents_involved: [], cumulative_metrics: {} });
  });

  test("a reserved name in metadata", async () => {
    expect(await refused(call("chain.open", { chain: { metadata: { a: [{ _sd: 1 }] } } }))).toBe("reserved_field");
  });

  test("more chains, and more events, than may be; what ended makes room", async () => {
    for (const n of [1, 2, 3]) await call("chain.open", { chain: { chain_id: `chn_${n}` } });
    expect(await refused(call("chain.open", { chain: { chain_id: "chn_4" } }))).toBe("too_many_chains");
    for (let i = 0; i < 5; i++) await event("chn_1");
    expect(await refused(event("chn_1"))).toBe("chain_full");
    await call("chain.complete", { chain_id: "chn_1" });
    await call("chain.open", { chain: { chain_id: "chn_4" } });
    expect(chains.status()).toMatchObject({ open: 3 });
  });

  test("what would make the receipt too large", async () => {
    chains.stop();
    chains = open({ maxEntries: 100_000 });
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    const approve = () => call("chain.approve", { chain_id: "chn_1", approval: { approver: "a", authenticated_by: "b", approved: "é".repeat(4096) } });
    let taken = 0;
    const taking = async (): Promise<void> => {
      for (;; taken++) await approve();
    };
    await expect(taking()).rejects.toMatchObject({ code: "chain_full" });
    expect(taken).toBeGreaterThan(100);
    await call("chain.complete", { chain_id: "chn_1" });
    expect((receipts()[0]!["approvals"] as readonly Json[]).length).toBe(taken);
  });

  test("a chain that could have no receipt: of too much metadata, of an organization for which there is no room", async () => {
    expect(await refused(call("chain.open", { chain: { metadata: { text: "x".repeat(1_000_000) } } }))).toBe("too_large");
    chains.stop();
    chains = open({ hasRoom: (organization) => organization !== "new" });
    expect(await refused(call("chain.open", { chain: { organization: "new" } }))).toBe("too_many_organizations");
    expect(chains.status()).toMatchObject({ open: 0 });
  });

  test("anything, while no receipt can be taken", async () => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    broken = new LedgerError("disk_full", "no space");
    expect(await refused(event("chn_1"))).toBe("disk_full");
    expect(await refused(call("chain.open", { chain: {} }))).toBe("disk_full");
    broken = null;
    expect(await call("chain.get", { chain_id: "chn_1" })).toMatchObject({ status: "open", total_actions: 0 });
  });

  test("a file of another ledger", () => {
    chains.stop();
    expect(() => openChainStore(join(dir, "chains.db"), { ...LEDGER, ledgerId: "f".repeat(32) })).toThrow(expect.objectContaining({ code: "chains_unreadable" }));
    chains = open();
  });
});

test("what a policy wants approved is not completed before it is, by different people; as failed it may be, and what is done stays done", async () => {
  const approve = (chain_id: string, approver: string) => call("chain.approve", { chain_id, approval: { approver, authenticated_by: "b", approved: "c" } });
  for (const chain_id of ["chn_1", "chn_2"]) {
    await call("chain.open", { chain: { chain_id, system_id: "strict" } });
    for (let i = 0; i < 2; i++) await approve(chain_id, "ada");
    expect(await refused(call("chain.complete", { chain_id }))).toBe("policy_approvers_missing");
  }
  expect(await call("chain.get", { chain_id: "chn_1" })).toMatchObject({ status: "open", approvals: 2 });
  await approve("chn_1", "bob");
  const done = await call("chain.complete", { chain_id: "chn_1" });
  await call("chain.complete", { chain_id: "chn_2", outcome: "failed" });
  expect(receipts()).toMatchObject([{ outcome: "completed" }, { outcome: "failed" }]);
  chains.stop();
  chains = open({ requireApproved: () => { throw new RpcError("policy_approvers_missing", "a stricter one"); } });
  expect(await call("chain.complete", { chain_id: "chn_1" })).toEqual({ ...done, duplicate: true });
});

test("how many are open, since when, and how many have ended; a file that cannot be read hides the others' state from nobody", async () => {
  expect(chains.status()).toEqual({ open: 0, ended: 0, oldest: null });
  for (const n of [1, 2, 3]) {
    await call("chain.open", { chain: { chain_id: `chn_${n}` } });
    now += 1000;
  }
  await call("chain.complete", { chain_id: "chn_1" });
  expect(chains.status()).toEqual({ open: 2, ended: 1, oldest: "2026-06-13T14:22:01.000Z" });
  chains.stop();
  const { store } = openChainStore(join(dir, "chains.db"), LEDGER);
  chains = open({ store: new Proxy(store, { get(target, name) {
    if (name === "survey") return () => { throw new ChainError("chains_unreadable", "damaged"); };
    return (target[name as keyof typeof target] as () => void).bind(target);
  } }) });
  expect(chains.status()).toEqual({ open: 2, ended: null, oldest: null });
});

test("an append of somebody else under the id of a chain's receipt: the chain gets another, and says which", async () => {
  const { receipt_id: announced } = await call("chain.open", { chain: { chain_id: "chn_1" } });
  stored.set(String(announced), "{}");
  const { receipt_id } = await call("chain.complete", { chain_id: "chn_1" });
  expect(receipt_id).not.toBe(announced);
  expect(JSON.parse(stored.get(String(receipt_id))!)).toMatchObject({ type: "chain", chain_id: "chn_1", receipt_id });
  expect(await call("chain.complete", { chain_id: "chn_1" })).toEqual({ chain_id: "chn_1", receipt_id, duplicate: true });
  expect(await call("chain.get", { chain_id: "chn_1" })).toMatchObject({ receipt_id, status: "completed" });
  expect(notices).toEqual([expect.stringContaining(String(receipt_id))]);
});

describe("the file", () => {
  const path = (suffix = ""): string => join(dir, `chains.db${suffix}`);
  const copy = (from: string, to: string): void => ["", "-wal"].forEach((suffix) => void cpSync(join(dir, from + suffix), join(dir, to + suffix)));

  test("put back from before a chain's end: nothing is taken for a chain that has its receipt", async () => {
    const { receipt_id } = await call("chain.open", { chain: { chain_id: "chn_1" } });
    await call("chain.open", { chain: { chain_id: "chn_2" } });
    copy("chains.db", "older.db");
    await event("chn_1");
    await call("chain.complete", { chain_id: "chn_1", outcome: "failed", summary: "S" });
    chains.stop();
    copy("older.db", "chains.db");
    chains = open();
    expect(await refused(event("chn_1"))).toBe("chain_closed");
    expect(await call("chain.get", { chain_id: "chn_1" })).toMatchObject({ status: "failed", receipt_id, completed_at: "2026-06-13T14:22:00.000Z" });
    expect(await refused(call("chain.complete", { chain_id: "chn_1", outcome: "failed", summary: "S" }))).toBe("chain_closed");
    expect([notices.length, stored.size, chains.status()]).toMatchObject([1, 1, { open: 1 }]);
  });

  test("beside a ledger that was put back from before a chain's end: the receipt is stored again, as it was", async () => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    const { receipt_id } = await call("chain.complete", { chain_id: "chn_1", summary: "S" });
    const before = stored.get(String(receipt_id));
    chains.stop();
    stored.clear();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    broken = new LedgerError("disk_full", "no space");
    chains = open();
    vi.advanceTimersByTime(1000);
    broken = null;
    vi.advanceTimersByTime(2000);
    expect([...stored]).toEqual([[receipt_id, before]]);
    expect(notices).toEqual([expect.stringContaining("stored again")]);
    chains.stop();
    chains = open();
    expect(notices.length).toBe(1);
  });

  test.each<[string, (log: Buffer) => number]>([["in its midst", (log) => log.length >> 1], ["in its header", () => 20]])("with a log that is damaged %s, so that SQLite would drop what was acknowledged: is not opened", async (_, place) => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    for (let i = 0; i < 4; i++) await event("chn_1");
    copy("chains.db", "killed.db");
    const log = readFileSync(path("-wal"));
    log[place(log)]! ^= 1;
    writeFileSync(join(dir, "killed.db-wal"), log);
    expect(() => openChainStore(join(dir, "killed.db"), LEDGER)).toThrow(expect.objectContaining({ code: "chains_unreadable" }));
    expect(readFileSync(join(dir, "killed.db-wal")).equals(log)).toBe(true);
  });

  test("that is damaged, or none: is not taken for the ledger's", () => {
    writeFileSync(join(dir, "other.db"), "x".repeat(4096));
    expect(() => openChainStore(join(dir, "other.db"), LEDGER)).toThrow(expect.objectContaining({ code: "chains_unreadable" }));
    expect(() => openChainStore(dir, LEDGER)).toThrow(expect.objectContaining({ code: "chains_unreadable" }));
  });

  test("of which one chain is damaged: its calls are refused, those beside them are stored", async () => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    await call("chain.open", { chain: { chain_id: "chn_2" } });
    chains.stop();
    const { store } = openChainStore(path(), LEDGER);
    chains = open({ store: new Proxy(store, { get(target, name) {
      if (name !== "tally") return (target[name as keyof typeof target] as () => void).bind(target);
      return (id: string) => { if (id === "chn_1") throw new ChainError("chains_unreadable", "damaged"); return target.tally(id); };
    } }) });
    expect(await Promise.all([refused(event("chn_2")), refused(event("chn_1")), refused(event("chn_2"))])).toEqual(["taken", "chains_unreadable", "taken"]);
    expect(await call("chain.get", { chain_id: "chn_2" })).toMatchObject({ total_actions: 2 });
  });
});

describe("a crash", () => {
  test("behind each answer loses nothing of the chain", async () => {
    const again = () => { chains.stop(); chains = open(); };
    await call("chain.open", { chain: { chain_id: "chn_1", policy_version: "2.0" } });
    again();
    await event("chn_1", { metrics: { external_domains_contacted: ["a.example"] } });
    again();
    await call("chain.approve", { chain_id: "chn_1", approval: { approver: "a", authenticated_by: "b", approved: "c" } });
    again();
    await event("chn_1", { agent: "other", metrics: { external_domains_contacted: ["b.example", "a.example"] } });
    again();
    await call("chain.complete", { chain_id: "chn_1" });
    expect(receipts()).toMatchObject([{ total_actions: 2, agents_involved: ["research", "other"], approvals: [{ seq: 2 }], events_summary: [{ seq: 1 }, { seq: 3 }], policy_version: "2.0", cumulative_metrics: { external_domains_contacted: ["a.example", "b.example"] } }]);
    expect(chains.status()).toMatchObject({ open: 0 });
  });

  test("between its end and its receipt: the receipt comes by itself, and is the one that was to be", async () => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    await event("chn_1");
    chains.stop();
    chains = open({ append: () => { throw new LedgerError("disk_full", "no space"); } });
    expect(await refused(call("chain.complete", { chain_id: "chn_1", summary: "S" }))).toBe("disk_full");
    expect([await call("chain.get", { chain_id: "chn_1" }), stored.size]).toMatchObject([{ status: "ending" }, 0]);
    chains.stop();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    now += 86_400_000;
    chains = open();
    vi.advanceTimersByTime(1000);
    expect(receipts()).toMatchObject([{ summary: "S", outcome: "completed", completed_at: "2026-06-13T14:22:00.000Z" }]);
    expect(await call("chain.complete", { chain_id: "chn_1", summary: "S" })).toMatchObject({ duplicate: true });
  });

  test("between its receipt and the word that it is there: there is no second one", async () => {
    await call("chain.open", { chain: { chain_id: "chn_1" } });
    chains.stop();
    chains = open({ append: (request) => { append(request); throw new LedgerError("ledger_busy", "as if it had ended here"); } });
    expect(await refused(call("chain.complete", { chain_id: "chn_1" }))).toBe("ledger_busy");
    chains.stop();
    chains = open();
    expect(await call("chain.complete", { chain_id: "chn_1" })).toMatchObject({ duplicate: true });
    expect(stored.size).toBe(1);
  });
});

test("a chain that nobody completes ends as abandoned, and its receipt says so", async () => {
  chains.stop();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  chains = open();
  await call("chain.open", { chain: { chain_id: "chn_1", timeout_s: 30, summary: "Purchase" } });
  await call("chain.open", { chain: { chain_id: "chn_2" } });
  await event("chn_2");
  now += 29_999;
  vi.advanceTimersByTime(1000);
  expect(stored.size).toBe(0);
  now += 30_001;
  broken = new LedgerError("disk_full", "no space");
  vi.advanceTimersByTime(1000);
  expect([stored.size, errors.length]).toEqual([0, 1]);
  broken = null;
  vi.advanceTimersByTime(1000);
  expect(receipts()).toMatchObject([
    { chain_id: "chn_1", outcome: "abandoned", summary: "Abandoned: nobody completed it by 2026-06-13T14:22:30.000Z; 0 actions by 0 agents until then. It was opened as: Purchase", completed_at: "2026-06-13T14:23:00.000Z" },
    { chain_id: "chn_2", outcome: "abandoned", summary: "Abandoned: nobody completed it by 2026-06-13T14:23:00.000Z; 1 action by 1 agent until then.", total_actions: 1 },
  ]);
  expect(await refused(event("chn_2"))).toBe("chain_closed");
});

test("chains that cannot have their receipts keep no other from ending, and are spoken of once", async () => {
  chains.stop();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const barred = (id: string): boolean => id < "chn_070";
  const ended: string[] = [];
  chains = open({ maxOpen: 100, append(request) {
    const { chain_id: id } = JSON.parse(text(request)) as { readonly chain_id: string };
    if (barred(id)) throw new ChainError("too_many_organizations", "no room");
    ended.push(id);
    return append(request);
  } });
  for (let i = 0; i < 75; i++) await call("chain.open", { chain: { chain_id: `chn_${String(i).padStart(3, "0")}`, timeout_s: 1 } });
  now += 2000;
  for (let i = 0; i < 20; i++) vi.advanceTimersByTime(1000);
  expect(ended).toEqual(["chn_070", "chn_071", "chn_072", "chn_073", "chn_074"]);
  expect([errors.length, chains.status()]).toMatchObject([70, { open: 70, ended: 5 }]);
});
