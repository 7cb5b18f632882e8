/**
 * The receipt of a chain (docs/FORMAT.md section 19), and the records that it covers by their hashes: each is JCS with a salt, so that the hash of
 * one that is not disclosed tells nothing of it, and one that is can be checked by whoever has the receipt.
 */
import { utf8 } from "./bytes.ts";
import { canonicalize } from "./canonical.ts";
import type { ChainOutcome } from "./chain-calls.ts";
import type { MetricRules, Metrics } from "./chain-metrics.ts";
import { FormatError } from "./errors.ts";
import { MAX_RECEIPT } from "./limits.ts";
import type { Request } from "./request.ts";
import { joinMembers } from "./seal.ts";
import type { Json } from "./strict-json.ts";

/** What the receipt says of an event or an approval; the rest is in the record. */
export interface ChainEntry {
  readonly kind: "event" | "approval";
  readonly summary: { readonly [name: string]: Json };
}

export interface ChainFacts {
  readonly chainId: string;
  readonly organization: string;
  readonly receiptId: string;
  readonly outcome: ChainOutcome;
  readonly summary: string;
  readonly startedAt: string;
  readonly completedAt: string;
  readonly agents: readonly string[];
  readonly metrics: Metrics;
  readonly rules: MetricRules;
  readonly entries: readonly ChainEntry[];
  /** `system_id`, `policy_version`, `metadata`, where chain.open had them. */
  readonly own: { readonly [name: string]: Json };
}

/** In the shape of a caller's request. Throws FormatError `too_large`. */
export function chainRequest(facts: ChainFacts): Request {
  const { chainId, organization, receiptId, outcome, summary, startedAt, completedAt, agents, metrics, rules, entries, own } = facts;
  const of = (kind: ChainEntry["kind"]): Json => entries.filter((entry) => entry.kind === kind).map((entry) => entry.summary);
  const events = of("event") as readonly Json[];
  const full: { readonly [name: string]: Json } = {
    ...own,
    type: "chain", organization, receipt_id: receiptId, chain_id: chainId, outcome, summary,
    started_at: startedAt, completed_at: completedAt, agents_involved: agents, total_actions: events.length,
    cumulative_metrics: metrics, metric_rules: rules, approvals: of("approval"), events_summary: events,
  };
  const names = Object.keys(full).sort();
  const joined = joinMembers(names, names.map((name) => `"${name}":${canonicalize(full[name]!)}`));
  if (joined.json.length > MAX_RECEIPT) throw new FormatError("too_large", `a receipt is at most ${MAX_RECEIPT} bytes`, "");
  return { type: "chain", organization, receiptId, ...joined, chosenId: true };
}

/** The bytes under an event's or an approval's hash. */
export function chainRecord(record: { readonly [name: string]: Json }): Uint8Array {
  return utf8(canonicalize(record));
}
