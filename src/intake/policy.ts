/**
 * The policy at the door (config/policy.ts): a decision's receipt without what an auditor needs is refused, and so is one that says a decision was
 * executed although a gate had failed; a chain of which too few people have approved is not completed. Whoever gets no receipt does not act.
 */
import { failedGates, outcomeOf, refusals } from "../audit/gates.ts";
import { ANY, type Policy, type SystemPolicy } from "../config/policy.ts";
import { isArray, type Json, pointerToken } from "../format/strict-json.ts";
import { RpcError } from "./protocol.ts";

type Members = { readonly [name: string]: Json };

export class DoorPolicy {
  readonly policy: Policy;
  readonly #refusals: ReadonlySet<string>;
  /** Beginnings of system_ids, the longest first. */
  readonly #beginnings: readonly (readonly [string, SystemPolicy])[];

  constructor(policy: Policy) {
    this.policy = policy;
    this.#refusals = refusals(policy.refusals);
    this.#beginnings = [...policy.systems].flatMap(([name, system]) => (name.endsWith(ANY) ? [[name.slice(0, -ANY.length), system] as const] : []))
      .sort(([a], [b]) => b.length - a.length);
  }

  /** A receipt that readRequest has accepted. Throws RpcError `policy_field_missing`, `policy_version_differs`, `policy_gate_missing`, `policy_gate_failed`. */
  check(receipt: Json, pointer: string): void {
    const members = receipt as Members;
    if ((members["type"] ?? "decision") !== "decision") return;
    const systemId = members["system_id"] as string;
    const { version } = this.policy;
    const system = this.#systemOf(systemId);
    if (system === undefined) return;
    const refused = (code: string, message: string, at: string): RpcError => new RpcError(code, `policy ${version} for ${systemId}: ${message}`, { pointer: (pointer + at).slice(0, 2000).toWellFormed() });
    for (const name of system.fields) if (!Object.hasOwn(members, name)) throw refused("policy_field_missing", `a receipt needs ${name}`, pointerToken(name));
    if (system.fields.includes("policy_version") && members["policy_version"] !== version) throw refused("policy_version_differs", "policy_version has to be that of the policy", "/policy_version");
    for (const path of system.inputs) {
      const steps = path.split("/");
      if (!isThere(members["inputs"], steps)) throw refused("policy_field_missing", `a receipt needs the input ${path}`, `/inputs${steps.map(pointerToken).join("")}`);
    }
    this.#checkGates(members, system, refused);
  }

  /** A chain that is to be completed; `approvers`: how many people have approved of it. Throws RpcError `policy_approvers_missing`. */
  checkChain(systemId: string | undefined, approvers: () => number): void {
    const needed = this.#systemOf(systemId ?? "")?.chain_approvers ?? 0;
    const found = needed === 0 ? 0 : approvers();
    if (found >= needed) return;
    const whose = systemId === undefined ? "" : ` for ${systemId}`;
    throw new RpcError("policy_approvers_missing", `policy ${this.policy.version}${whose}: a chain is completed once ${needed} different approvers have approved, and ${found} have: have it approved (chain.approve), or complete it as failed`, { pointer: "/params/chain_id" });
  }

  /** By its whole name, else by the longest beginning. */
  #systemOf(systemId: string): SystemPolicy | undefined {
    return this.policy.systems.get(systemId) ?? this.#beginnings.find(([beginning]) => systemId.startsWith(beginning))?.[1];
  }

  #checkGates(members: Members, { gates: needed, failed_gate }: SystemPolicy, refused: (code: string, message: string, at: string) => RpcError): void {
    const gates = (members["gates"] ?? []) as readonly Members[];
    const byName = new Map(gates.toReversed().map((gate) => [gate["name"], gate])); // the first of a name
    for (const name of needed) {
      const gate = byName.get(name);
      if (gate === undefined) throw refused("policy_gate_missing", `a receipt needs the gate ${name}`, "/gates");
      if (gate["status"] === "SKIP") throw refused("policy_gate_missing", `the gate ${name} was skipped, and it has to be passed`, `/gates/${gates.indexOf(gate)}/status`);
    }
    const [failed] = failedGates(gates);
    if (failed_gate === "record" || failed === undefined || outcomeOf(members["decision"], this.#refusals) === "refused") return;
    throw refused("policy_gate_failed", `the gate ${failed} failed, so the decision is blocked: record it as not executed (decision.executed: false, or an action of refusal)`, "/decision");
  }
}

function isThere(value: Json | undefined, steps: readonly string[]): boolean {
  for (const step of steps) {
    if (typeof value !== "object" || value === null || isArray(value) || !Object.hasOwn(value, step)) return false;
    value = value[step];
  }
  return value !== null;
}
