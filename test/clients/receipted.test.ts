/** No receipt, no decision. */
import { afterEach, expect, test } from "vitest";
import { Client, DecisionBlocked, type Gate, type ReceiptInput, receipted } from "../../src/clients/index.ts";
import { errorLine, type FakeCall, type FakeDaemon, fakeDaemon, resultLine } from "../cli/fake-daemon.ts";
import { acknowledge, errorOf, refuse, stored } from "./support.ts";

interface Application {
  readonly score: number;
}

let fake: FakeDaemon;
let client: Client;
afterEach(async () => {
  await client.close();
  await fake.stop();
});
async function meet(answer: Parameters<typeof fakeDaemon>[0], timeoutMs = 10_000): Promise<void> {
  fake = await fakeDaemon(answer);
  client = new Client({ socket: fake.path, timeoutMs, systemId: "loans" });
}
const sent = (at = -1): { readonly [name: string]: unknown } => fake.calls.at(at)!.params.receipt as never;
const decide = ({ score }: Application) => ({ action: score > 700 ? "APPROVE" : "DENY" });
const approve: (asked: Application) => string = () => "APPROVE";
const failedGate: Gate = { name: "affordability", status: "FAIL" };

test("the decision comes after the acknowledgement, and the receipt says what it was made from", async () => {
  let isAcknowledged = false;
  await meet((call, socket) => setTimeout(() => {
    isAcknowledged = true;
    acknowledge(call, socket);
  }, 30));
  const receipts: unknown[] = [];
  const scored = receipted(decide, { client, more: { model_version: "3.1" }, onReceipt: (receipt) => receipts.push(receipt) });
  expect(await scored({ score: 742 })).toEqual({ action: "APPROVE" });
  expect(isAcknowledged).toBe(true);
  expect(sent()).toMatchObject({ system_id: "loans", inputs: { score: 742 }, decision: { action: "APPROVE" }, model_version: "3.1" });
  expect(receipts).toMatchObject([{ receiptId: sent()["receipt_id"], queued: false }]);
});

test("what is recorded is chosen by functions; asynchronous ones, and methods, are decisions too", async () => {
  await meet(acknowledge);
  class Scorer {
    readonly least = 700;
    readonly score = receipted(async function (this: Scorer, _id: string, score: number) {
      return score >= this.least;
    }, {
      client, systemId: "scorer", organization: "loans", inputs: (id, score) => ({ id: `#${id}`, score }), decision: (isGood) => (isGood ? "YES" : "NO"),
      gates: (isGood) => [{ name: "least", status: isGood ? "PASS" : "WARN" }], more: (isGood) => ({ reasons: [String(isGood)] }),
    });
  }
  expect(await new Scorer().score("1", 600)).toBe(false);
  expect(sent()).toMatchObject({ system_id: "scorer", organization: "loans", inputs: { id: "#1", score: 600 }, decision: "NO", gates: [{ status: "WARN" }], reasons: ["false"] });
});

test("inputs are those before the function ran", async () => {
  await meet(acknowledge);
  await receipted((asked: { score: number }) => { asked.score = 999; return 1; }, { client })({ score: 1 });
  expect(sent()["inputs"]).toEqual({ score: 1 });
});

test.each<readonly [string, Parameters<typeof fakeDaemon>[0]]>([
  ["silent", () => undefined],
  ["gone", (_, socket) => void socket.destroy()],
  ["overloaded", (call, socket) => refuse(call, socket, "overloaded", true)],
  ["on a full disk", (call, socket) => refuse(call, socket, "disk_full", true)],
  ["failed", (call, socket) => refuse(call, socket, "ledger_failed")],
])("a daemon that is %s: no decision", async (_, answer) => {
  await meet(answer, 200);
  expect(await errorOf(receipted(decide, { client })({ score: 742 }))).toMatchObject({ name: "ReceiptUnavailable" });
});

test("a decision that somebody changes while its receipt is being stored is not handed out", async () => {
  const shared = { action: "DENY" };
  await meet((call, socket) => {
    shared.action = "APPROVE";
    acknowledge(call, socket);
  });
  const deny: (asked: Application) => { action: string } = () => shared;
  const error = await errorOf(receipted(deny, { client })({ score: 1 }));
  expect(sent()["decision"]).toEqual({ action: "DENY" });
  expect(error).toMatchObject({ name: "ReceiptError", code: "decision_changed", receiptId: sent()["receipt_id"] });
  shared.action = "DENY";
  const changing = receipted(deny, { client, onReceipt: (_receipt, result) => { result.action = "ASK"; } });
  expect(await errorOf(changing({ score: 1 }))).toMatchObject({ code: "decision_changed" });
  shared.action = "DENY";
  const partly = receipted(deny, { client, decision: ({ action }) => action, onReceipt: (_receipt, result) => { result.action = "ASK"; } });
  expect(await errorOf(partly({ score: 1 }))).toMatchObject({ code: "decision_changed" });
});

test("nor one whose recorded part is chosen: it is chosen again, and has to be the same", async () => {
  const shared = { verdict: { action: "DENY" }, note: "x" };
  await meet(acknowledge);
  const decided: (asked: Application) => typeof shared = () => shared;
  const decision = ({ verdict: { action } }: typeof shared): object => ({ action });
  const changing = receipted(decided, { client, decision, onReceipt: (_receipt, result) => { result.verdict.action = "APPROVE"; } });
  expect(await errorOf(changing({ score: 1 }))).toMatchObject({ name: "ReceiptError", code: "decision_changed", receiptId: sent()["receipt_id"] });
  expect(sent()["decision"]).toEqual({ action: "DENY" });
  shared.verdict.action = "DENY";
  const noting = receipted(decided, { client, decision, onReceipt: (_receipt, result) => { result.note = "not recorded"; } });
  expect(await noting({ score: 1 })).toBe(shared);
});

test("what decides only later, or would leave out what was to be recorded, is refused", async () => {
  await meet(acknowledge);
  const later = function* ({ score }: Application): Generator<number> { yield score; };
  expect(await errorOf(receipted(later, { client, decision: () => "APPROVE" })({ score: 1 }))).toMatchObject({ code: "bad_value", pointer: "/decision" });
  const more = (async () => await Promise.resolve({ gates: [failedGate] })) as unknown as () => ReceiptInput;
  expect(await errorOf(receipted(decide, { client, more, blockOnFailedGate: true })({ score: 742 }))).toMatchObject({ code: "bad_value" });
  expect(fake.calls).toEqual([]);
});

test("what the function throws passes, and nothing is recorded", async () => {
  await meet(acknowledge);
  const broken = receipted(({ score }: Application): string => { throw new TypeError(`no score: ${score}`); }, { client });
  await expect(broken({ score: 1 })).rejects.toThrow(new TypeError("no score: 1"));
  expect(fake.calls).toEqual([]);
});

test("what cannot be recorded is refused: inputs before the function runs, the decision before it is handed out", async () => {
  await meet(acknowledge);
  let ran = 0;
  const count: (asked: unknown) => number = () => ++ran;
  expect(await errorOf(receipted(count, { client })({ at: new Date(0) }))).toMatchObject({ code: "bad_value", pointer: "/inputs/at" });
  expect(await errorOf(receipted(count, { client })(1))).toMatchObject({ code: "bad_value", pointer: "/inputs" });
  expect(ran).toBe(0);
  expect(await errorOf(receipted(({ score }: Application) => score / 0 - score / 0, { client })({ score: 1 }))).toMatchObject({ code: "bad_value", pointer: "/decision" });
  expect(fake.calls).toEqual([]);
});

test("a gate that the daemon's policy blocks: recorded as not executed, and not handed out", async () => {
  const policy = ({ id, params }: FakeCall): string => {
    const { decision } = params.receipt as unknown as { decision: { executed?: boolean } };
    return decision.executed === false ? resultLine(id, stored(params.receipt!.receipt_id)) : errorLine(id, "policy_gate_failed");
  };
  await meet((call, socket) => void socket.write(policy(call)));
  const error = await errorOf(receipted(decide, { client, gates: () => [failedGate] })({ score: 742 }));
  expect(error).toBeInstanceOf(DecisionBlocked);
  expect(error).toMatchObject({ code: "decision_blocked", gates: [failedGate], receipt: { queued: false, receiptId: sent()["receipt_id"] }, receiptId: sent()["receipt_id"] });
  expect(fake.calls.length).toBe(2);
  expect(sent()).toMatchObject({ decision: { action: "APPROVE", executed: false }, gates: [failedGate] });
  expect(sent(0)["receipt_id"]).not.toBe(sent(1)["receipt_id"]);
});

test.each(["FAIL", "ERROR"] as const)("blockOnFailedGate: a gate with %s, without asking the daemon first; a decision that is no object", async (status) => {
  await meet(acknowledge);
  const error = await errorOf(receipted(approve, { client, gates: () => [{ name: "g", status }], blockOnFailedGate: true })({ score: 1 }));
  expect(error).toBeInstanceOf(DecisionBlocked);
  expect(fake.calls.length).toBe(1);
  expect(sent()["decision"]).toEqual({ value: "APPROVE", executed: false });
});

test("a refusal that cannot be recorded is no DecisionBlocked: nobody has a receipt of it", async () => {
  await meet((call, socket) => refuse(call, socket, "ledger_failed"));
  expect(await errorOf(receipted(decide, { client, gates: () => [failedGate], blockOnFailedGate: true })({ score: 1 }))).toMatchObject({ name: "ReceiptUnavailable" });
});

test("without a client of its own, the one that the environment sets up", async () => {
  await meet(acknowledge);
  process.env["RECEIPTD_SOCKET"] = fake.path;
  process.env["RECEIPTD_CLIENT_SYSTEM_ID"] = "from_environment";
  try {
    expect(await receipted(decide)({ score: 1 })).toEqual({ action: "DENY" });
    expect(sent()["system_id"]).toBe("from_environment");
  } finally {
    delete process.env["RECEIPTD_SOCKET"];
    delete process.env["RECEIPTD_CLIENT_SYSTEM_ID"];
  }
});

test.each(["inputs", "decision", "gates", "onReceipt"])("%s that is no function is named before anything is decided", async (name) => {
  await meet(acknowledge);
  expect(() => receipted(decide, { client, [name]: "x" })).toThrow(expect.objectContaining({ code: "bad_setting", message: `${name}: a function` }));
});
