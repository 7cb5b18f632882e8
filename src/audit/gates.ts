/**
 * Decisions of which a gate had failed, and what became of them, as far as the receipt says so (docs/AUDITING.md has the rule). `decision` is
 * the caller's own, so words are all there is to go by.
 */
import { isArray, type Json } from "../format/strict-json.ts";

/** `executed`: the receipt says so, or names an action that is none of refusal. `unsaid`: it names none. */
export type Outcome = "refused" | "executed" | "unsaid";

/** Actions by which nothing is done, or a person is asked, in upper case. */
const REFUSALS: readonly string[] = [
  "DENY", "DENIED", "DECLINE", "DECLINED", "REJECT", "REJECTED", "REFUSE", "REFUSED", "BLOCK", "BLOCKED", "REFER", "REFERRED", "ESCALATE", "ESCALATED", "REVIEW", "HOLD", "DEFER", "DEFERRED",
];

/** `more`: a house's own words. */
export function refusals(more: readonly string[]): ReadonlySet<string> {
  return new Set([...REFUSALS, ...more.map((word) => word.toUpperCase())]);
}

/** Names of the gates with status FAIL or ERROR. */
export function failedGates(gates: Json | undefined): readonly string[] {
  if (gates === undefined || !isArray(gates)) return [];
  return gates.flatMap((gate) => {
    const { name, status } = gate as { readonly [name: string]: Json };
    return (status === "FAIL" || status === "ERROR") && typeof name === "string" ? [name] : [];
  });
}

/** The action that a decision names: itself, if it is a text, or its member `action`. */
export function actionOf(decision: Json | undefined): string | null {
  if (typeof decision === "string") return decision;
  if (typeof decision !== "object" || decision === null || isArray(decision)) return null;
  const action = Object.hasOwn(decision, "action") ? decision["action"] : undefined;
  return typeof action === "string" ? action : null;
}

export function outcomeOf(decision: Json | undefined, refused: ReadonlySet<string>): Outcome {
  if (typeof decision === "object" && decision !== null && !isArray(decision) && Object.hasOwn(decision, "executed") && typeof decision["executed"] === "boolean") {
    return decision["executed"] ? "executed" : "refused";
  }
  const action = actionOf(decision);
  if (action === null) return "unsaid";
  return refused.has(action.trim().toUpperCase()) ? "refused" : "executed";
}
