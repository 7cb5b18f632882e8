/** The policy file, and what it keeps out at the door of a real socket. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ConfigError } from "../../src/config.ts";
import { type Policy, readPolicy } from "../../src/config/policy.ts";
import { DoorPolicy } from "../../src/intake/policy.ts";
import { type Answer, Client, harness, type Harness } from "./harness.ts";

const EXAMPLE = "config/policy.example.yaml";
const GATES = [{ name: "policy_bounds", status: "PASS" }, { name: "risk_limit", status: "PASS" }];
const GOOD = {
  system_id: "loan_scorer_v1", model_version: "v3", policy_version: "2.0", decision: { action: "APPROVE" },
  inputs: { credit_score: 742, debt_to_income: 0.3, applicant: { age_band: "30-39" } }, gates: GATES,
};
const failing = (status = "FAIL") => [GATES[0], { name: "risk_limit", status }];

const dir = mkdtempSync(join(tmpdir(), "receiptd-policy-"));
let h: Harness;
let client: Client;
let calls = 0;

beforeAll(async () => {
  h = await harness({ intake: { policy: new DoorPolicy(readPolicy(EXAMPLE)) } });
  client = new Client(h.path);
});
afterAll(async () => {
  client.socket.destroy();
  await h.stop();
  rmSync(dir, { recursive: true });
});

async function ask(method: string, params: object): Promise<Answer> {
  client.send({ jsonrpc: "2.0", id: ++calls, method, params });
  await client.wait(calls);
  return client.answers[calls - 1]!;
}

const append = (more: object = {}) => ask("append", { receipt: { ...GOOD, ...more } });
const verdict = ({ result, error }: Answer) => (error === undefined ? result!["ack"] : [error.data["code"], error.data["pointer"]]);

describe("a decision of a system that the policy names", () => {
  test.each<[string, object, unknown]>([
    ["with everything", {}, "disk"],
    ["without a member", { model_version: undefined }, ["policy_field_missing", "/params/receipt/model_version"]],
    ["of another version", { policy_version: "1.9" }, ["policy_version_differs", "/params/receipt/policy_version"]],
    ["without an input", { inputs: { credit_score: 1, applicant: { age_band: "x" } } }, ["policy_field_missing", "/params/receipt/inputs/debt_to_income"]],
    ["with an input that is null", { inputs: { ...GOOD.inputs, credit_score: null } }, ["policy_field_missing", "/params/receipt/inputs/credit_score"]],
    ["without a nested input", { inputs: { ...GOOD.inputs, applicant: {} } }, ["policy_field_missing", "/params/receipt/inputs/applicant/age_band"]],
    ["with a list where an object belongs", { inputs: { ...GOOD.inputs, applicant: ["age_band"] } }, ["policy_field_missing", "/params/receipt/inputs/applicant/age_band"]],
    ["without gates", { gates: undefined }, ["policy_gate_missing", "/params/receipt/gates"]],
    ["without one gate", { gates: [GATES[0]] }, ["policy_gate_missing", "/params/receipt/gates"]],
    ["with a gate that was skipped", { gates: failing("SKIP") }, ["policy_gate_missing", "/params/receipt/gates/1/status"]],
    ["with a gate that warned", { gates: failing("WARN") }, "disk"],
    ["executed though a gate failed", { gates: failing() }, ["policy_gate_failed", "/params/receipt/decision"]],
    ["executed though a gate could not say", { gates: failing("ERROR") }, ["policy_gate_failed", "/params/receipt/decision"]],
    ["executed though a gate failed that nobody asked for", { gates: [...GATES, { name: "other", status: "FAIL" }] }, ["policy_gate_failed", "/params/receipt/decision"]],
    ["that says not whether it was executed", { gates: failing(), decision: { score: 0.1 } }, ["policy_gate_failed", "/params/receipt/decision"]],
    ["that says it was executed, by an action of refusal", { gates: failing(), decision: { action: "DENY", executed: true } }, ["policy_gate_failed", "/params/receipt/decision"]],
    ["not executed", { gates: failing(), decision: { action: "APPROVE", executed: false } }, "disk"],
    ["refused", { gates: failing(), decision: "deny" }, "disk"],
    ["refused in the house's own word", { gates: failing(), decision: { action: "Park" } }, "disk"],
  ])("%s", async (_, more, expected) => {
    const before = h.writer.size;
    expect(verdict(await append(more))).toEqual(expected);
    expect(h.writer.size - before).toBe(expected === "disk" ? 1 : 0);
  });

  test("in a list: nothing of the list is stored, and the place is named", async () => {
    const before = h.writer.size;
    expect(verdict(await ask("append_many", { receipts: [GOOD, { ...GOOD, gates: failing() }] }))).toEqual(["policy_gate_failed", "/params/receipts/1/decision"]);
    expect(h.writer.size).toBe(before);
  });

  test("the sentence says what to do", async () => {
    const { error } = await append({ gates: failing() });
    expect(error!.message).toBe("policy 2.0 for loan_scorer_v1: the gate risk_limit failed, so the decision is blocked: record it as not executed (decision.executed: false, or an action of refusal)");
    expect(error!.data["retry"]).toBe(false);
  });
});

test.each([
  ["the longest beginning that fits", "payout_eu_9", "eu"], ["whatever their order", "payout_x", "any"], ["the whole name before all beginnings", "payout_eu_1", "one"],
  ["not what only contains it", "a_payout_eu_1", "rest"], ["nor what ends before it does", "payout", "rest"],
])("of several names: %s", (_, systemId, gate) => {
  writeFileSync(join(dir, "names.yaml"), 'version: "1"\nsystems:\n  "*": {gates: [rest]}\n  payout_*: {gates: [any]}\n  payout_eu_*: {gates: [eu]}\n  payout_eu_1: {gates: [one]}\n');
  const door = new DoorPolicy(readPolicy(join(dir, "names.yaml")));
  expect(() => door.check({ system_id: systemId, decision: 1, inputs: {} }, "")).toThrow(`a receipt needs the gate ${gate}`);
});

test("a chain needs its approvers, also one of no system", () => {
  writeFileSync(join(dir, "chains.yaml"), 'version: "1"\nsystems:\n  "*": {chain_approvers: 1}\n  payout_*: {chain_approvers: 2}\n  note: {}\n');
  const door = new DoorPolicy(readPolicy(join(dir, "chains.yaml")));
  const said = (systemId: string | undefined, approvers: number): string => {
    try {
      door.checkChain(systemId, () => approvers);
      return "taken";
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect([said("payout_1", 2), said("other", 1), said(undefined, 1), said("note", 0)]).toEqual(Array(4).fill("taken"));
  expect(said("payout_1", 1)).toBe("policy 1 for payout_1: a chain is completed once 2 different approvers have approved, and 1 have: have it approved (chain.approve), or complete it as failed");
  expect([said("other", 0), said(undefined, 0)]).toEqual([expect.stringContaining("policy 1 for other"), expect.stringContaining("policy 1: a chain")]);
});

test("other systems and other types are as the policy says", async () => {
  expect(verdict(await ask("append", { receipt: { system_id: "other", decision: "APPROVE", inputs: {}, gates: failing() } }))).toBe("disk");
  expect(verdict(await ask("append", { receipt: { type: "x_note", system_id: "loan_scorer_v1" } }))).toBe("disk");
});

test("a receipt from before the policy that is sent again is a duplicate, and with other content a conflict", async () => {
  const receipt_id = "01890000-0000-7000-8000-000000000001";
  const old = { receipt_id, system_id: "loan_scorer_v1", decision: "APPROVE", inputs: {} };
  h.writer.commit([[h.f.request(old)]], h.f.keys, "disk");
  expect((await ask("append", { receipt: old })).result).toMatchObject({ receipt_id, duplicate: true });
  expect(verdict(await ask("append", { receipt: { ...old, decision: "DENY" } }))).toEqual(["conflict", "/params/receipt"]);
});

test("whether a refused receipt is stored already is answered without its bytes: a list could have a large one read a thousand times", async () => {
  const receipt_id = "01890000-0000-7000-8000-000000000002";
  const old = { receipt_id, system_id: "loan_scorer_v1", decision: "APPROVE", inputs: {} };
  h.writer.commit([[h.f.request(old)]], h.f.keys, "disk");
  const found = vi.spyOn(h.port, "find");
  expect((await ask("append_many", { receipts: [old, old] })).result).toMatchObject({ receipts: [{ duplicate: true }, { duplicate: true }] });
  expect(found).not.toHaveBeenCalled();
});

describe("the file", () => {
  const read = (text: string): Policy => {
    writeFileSync(join(dir, "policy.yaml"), text);
    return readPolicy(join(dir, "policy.yaml"));
  };

  test("the example, with its hash", () => {
    const policy = readPolicy(EXAMPLE);
    expect([policy.version, [...policy.systems.keys()], policy.systems.get("*")?.failed_gate]).toEqual(["2.0", ["loan_scorer_v1", "payout_*", "*"], "record"]);
    expect(policy.hash).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test("what is left out has a default: blocked, and nothing else needed", () => {
    expect(read('version: "1"\nsystems: {a: {}}\n').systems.get("a")).toEqual({ fields: [], inputs: [], gates: [], failed_gate: "block", chain_approvers: 0 });
  });

  test.each<[string, string, object]>([
    ["no version", "systems: {}\n", { code: "missing_key", path: "version" }],
    ["a version that is a number", "version: 2.0\nsystems: {}\n", { code: "bad_value", path: "version", line: 1 }],
    ["an unknown setting", 'version: "1"\nsystems:\n  a: {gate: [x]}\n', { code: "unknown_key", path: "systems.a.gate", line: 3 }],
    ["a word that is none", 'version: "1"\nsystems:\n  a:\n    failed_gate: allow\n', { code: "bad_value", path: "systems.a.failed_gate", line: 4 }],
    ["a * in a name", 'version: "1"\nsystems:\n  pay*out: {}\n', { code: "bad_value", path: "systems.pay*out", line: 3 }],
    ["half an approver", 'version: "1"\nsystems:\n  a: {chain_approvers: 0.5}\n', { code: "bad_value", path: "systems.a.chain_approvers", line: 3 }],
    ["a system twice", 'version: "1"\nsystems: {a: {}, a: {}}\n', { code: "duplicate_key", line: 2 }],
  ])("%s is refused with its line", (_, text, expected) => {
    let found: unknown;
    try {
      read(text);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(ConfigError);
    expect(found).toMatchObject(expected);
  });

  test("that is not there is refused", () => {
    expect(() => readPolicy(join(dir, "none.yaml"))).toThrow(expect.objectContaining({ code: "unreadable" }));
  });
});
