/** What is known of a chain while it is open: the state beside its entries, and what each call adds to it. Pure. */
import { utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { hashText } from "../format/chain.ts";
import { type ChainApproval, type ChainEvent, type ChainOpen, type ChainOutcome, MAX_DETAILS } from "../format/chain-calls.ts";
import { addMetrics, MAX_SET, type MetricRules, type Metrics, USUAL_RULES } from "../format/chain-metrics.ts";
import { chainRecord, chainRequest, type ChainEntry } from "../format/chain-receipt.ts";
import { FormatError } from "../format/errors.ts";
import { MAX_RECEIPT } from "../format/limits.ts";
import type { Request } from "../format/request.ts";
import { type Json, pointerToken } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { ChainError } from "./errors.ts";
import { AGENTS, type ChainRow, type EntryRow, type MemberRow, type TallyRow } from "./store.ts";

/** Kept as JSON beside the row, and small whatever the chain has: the members of sets, and the agents, have rows of their own. */
export interface ChainState {
  /** But for sets. */
  readonly metrics: Metrics;
  /** How many members each has. */
  readonly sets: { readonly [name: string]: number };
  readonly agents: number;
  readonly actions: number;
  /** Of what the receipt will say of the entries, the members of sets and the agents. */
  readonly bytes: number;
  /** Of what the receipt will say that the chain was opened with, at most. */
  readonly opened: number;
  /** Of the metrics that chain.open declared. */
  readonly rules: MetricRules;
}

/** What the receipt says that the chain adds up to. */
export interface Totals {
  readonly metrics: Metrics;
  /** In order of first appearance. */
  readonly agents: readonly string[];
  readonly actions: number;
}

export interface Ending {
  readonly outcome: ChainOutcome;
  /** null: none was given. */
  readonly summary: string | null;
  /** ms since 1970 */
  readonly completedAt: number;
}


/** Bytes of the receipt that are not entries or metrics, at most: the other members, and what the ledger adds. */
const OTHERS = 65_536;
const ROOM = MAX_RECEIPT - OTHERS;

export interface Said {
  readonly kind: EntryRow["kind"];
  readonly entryId: string;
  readonly call: ChainEvent | ChainApproval;
}

/** Of a chain to be opened. Throws FormatError where its receipt would have no room for what it is opened with. */
export function newState({ metrics: rules = {} }: ChainOpen, text: string): ChainState {
  const opened = text.length * 3;
  if (opened > ROOM) throw new FormatError("too_large", `with this the receipt of the chain would have more than ${MAX_RECEIPT} bytes`, "/params/chain");
  return { metrics: {}, sets: {}, agents: 0, actions: 0, bytes: 0, opened, rules };
}

export interface Added {
  readonly entry: EntryRow;
  readonly state: ChainState;
  readonly members: readonly MemberRow[];
}

/** The rows of a new entry, and the state behind it; `has`: is it a member of this set already? Throws FormatError, ChainError `chain_full`. */
export function entryOf(row: TallyRow, said: Said, has: (name: string, member: string) => boolean, now: number, salt: string): Added {
  const { kind, entryId, call } = said;
  const name = kind === "event" ? "event" : "approval";
  const { details } = call;
  if (details !== undefined && utf8(canonicalize(details)).length > MAX_DETAILS) throw new FormatError("too_large", `details have at most ${MAX_DETAILS} bytes`, `/params/${name}/details`);
  const seq = row.entries + 1;
  const recordedAt = formatTime(now);
  const record = chainRecord({ ...(call as object as { readonly [name: string]: Json }), [`${name}_id`]: entryId, chain_id: row.chain_id, kind, seq, recorded_at: recordedAt, salt });
  const hash = hashText(nodeHash.sha256(record));
  const at = call.at === undefined ? {} : { at: call.at };
  const summary: ChainEntry["summary"] = "action" in call
    ? { seq, action: call.action, agent: call.agent, ...at, recorded_at: recordedAt, hash }
    : { seq, approver: call.approver, authenticated_by: call.authenticated_by, approved: call.approved, ...at, recorded_at: recordedAt, hash };
  const text = canonicalize(summary);
  const { state, members } = added(JSON.parse(row.state) as ChainState, call, has, utf8(text).length + 1);
  return { state, members, entry: { seq, entry_id: entryId, asked: askedOf(said), kind, summary: text, record: new TextDecoder().decode(record) } };
}

function added(before: ChainState, call: ChainEvent | ChainApproval, has: (name: string, member: string) => boolean, bytes: number): Pick<Added, "state" | "members"> {
  const event = "action" in call ? call : null;
  const rules = { ...USUAL_RULES, ...before.rules };
  const said = Object.entries(event?.metrics ?? {});
  const isSet = (name: string): boolean => Object.hasOwn(rules, name) && rules[name] === "set";
  const at = "/params/event/metrics";
  const metrics = addMetrics(before.metrics, Object.fromEntries(said.filter(([name]) => !isSet(name))), rules, at);
  const unions = addMetrics({}, Object.fromEntries(said.filter(([name]) => isSet(name))), rules, at) as { readonly [name: string]: readonly string[] };
  const members: MemberRow[] = [];
  const union = (name: string, all: readonly string[], count: number): number => {
    const fresh = all.filter((member) => !has(name, member));
    fresh.forEach((member, i) => void members.push({ name, member, place: count + i }));
    return count + fresh.length;
  };
  const sets: { [name: string]: number } = { ...before.sets };
  for (const [name, all] of Object.entries(unions)) {
    const count = union(name, all, Object.hasOwn(sets, name) ? sets[name]! : 0);
    sets[name] = count;
    if (count > MAX_SET) throw new FormatError("too_large", `a set has at most ${MAX_SET} members`, at + pointerToken(name));
  }
  const agents = event === null ? before.agents : union(AGENTS, [event.agent], before.agents);
  const more = members.reduce((sum, { member }) => sum + utf8(JSON.stringify(member)).length + 1, bytes);
  const state: ChainState = { ...before, metrics, sets, agents, actions: before.actions + (event === null ? 0 : 1), bytes: before.bytes + more };
  const size = state.bytes + utf8(canonicalize({ metrics, sets })).length + state.opened;
  if (size > ROOM) throw new ChainError("chain_full", `with this the receipt of the chain would have more than ${MAX_RECEIPT} bytes: complete it, and open another`);
  return { state, members };
}

export function totalsOf({ state }: Pick<TallyRow, "state">, members: readonly MemberRow[]): Totals {
  const { metrics, sets, actions } = JSON.parse(state) as ChainState;
  const of = (set: string): readonly string[] => members.filter(({ name }) => name === set).map(({ member }) => member);
  return { metrics: { ...metrics, ...Object.fromEntries(Object.keys(sets).map((name) => [name, of(name)])) }, agents: of(AGENTS), actions };
}

export function openOf(row: ChainRow): ChainOpen {
  return JSON.parse(row.opened) as ChainOpen;
}

/** SHA-256 of what was asked: the same id with another one is a conflict. */
export function askedOf({ kind, entryId, call }: Said): Uint8Array {
  return nodeHash.sha256(utf8(canonicalize([kind, entryId, call as object as Json])));
}

/** How a chain ended, by its receipt; null: that is no receipt of this chain. */
export function endingOf(chainId: string, receipt: Json): Ending | null {
  if (typeof receipt !== "object" || receipt === null) return null;
  const { type, chain_id, outcome, summary, completed_at } = receipt as { readonly [name: string]: Json };
  if (type !== "chain" || chain_id !== chainId) return null;
  return { outcome: outcome as ChainOutcome, summary: summary as string, completedAt: Date.parse(completed_at as string) };
}

/** The receipt of a chain that is ending: always the same bytes. */
export function receiptOf(row: ChainRow, { metrics, agents, actions }: Totals, entries: readonly Pick<EntryRow, "kind" | "summary">[]): Request {
  const open = openOf(row);
  const { outcome, summary, completedAt } = JSON.parse(row.ending!) as Ending;
  const rules = { ...USUAL_RULES, ...open.metrics };
  const { system_id, policy_version, metadata } = open;
  return chainRequest({
    chainId: row.chain_id, organization: row.organization, receiptId: row.receipt_id, outcome,
    summary: summary ?? summaryOf(outcome, open.summary, sentence(outcome, actions, agents.length, row.expires_at)),
    startedAt: formatTime(row.started_at), completedAt: formatTime(completedAt),
    agents, metrics, rules: Object.fromEntries(Object.keys(metrics).map((name) => [name, rules[name]!])),
    entries: entries.map(({ kind, summary: said }) => ({ kind, summary: JSON.parse(said) as ChainEntry["summary"] })),
    own: {
      ...(system_id === undefined ? {} : { system_id }),
      ...(policy_version === undefined ? {} : { policy_version }),
      ...(metadata === undefined ? {} : { metadata }),
    },
  });
}

/** What was written when it began says nothing of an end that was another. */
function summaryOf(outcome: ChainOutcome, opened: string | undefined, made: string): string {
  if (opened === undefined) return made;
  return outcome === "completed" ? opened : `${made} It was opened as: ${opened}`;
}

function sentence(outcome: ChainOutcome, actions: number, agents: number, expiresAt: number): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
  const work = `${count(actions, "action")} by ${count(agents, "agent")}`;
  return outcome === "abandoned" ? `Abandoned: nobody completed it by ${formatTime(expiresAt)}; ${work} until then.` : `Workflow ${outcome}: ${work}.`;
}
