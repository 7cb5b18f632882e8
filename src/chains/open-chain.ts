/** What is known of a chain while it is open: the state beside its entries, and what each call adds to it. Pure. */
import { utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { hashText } from "../format/chain.ts";
import { type ChainApproval, type ChainEvent, type ChainOpen, type ChainOutcome, MAX_DETAILS } from "../format/chain-calls.ts";
import { addMetrics, type Metrics, USUAL_RULES } from "../format/chain-metrics.ts";
import { chainRecord, chainRequest, type ChainEntry } from "../format/chain-receipt.ts";
import { FormatError } from "../format/errors.ts";
import { MAX_RECEIPT } from "../format/limits.ts";
import type { Request } from "../format/request.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { ChainError } from "./errors.ts";
import type { ChainRow, EntryRow } from "./store.ts";

/** Kept as JSON in the row. */
export interface ChainState {
  readonly metrics: Metrics;
  /** In order of first appearance. */
  readonly agents: readonly string[];
  readonly actions: number;
  /** Of what the receipt will say of the entries. */
  readonly bytes: number;
}

export interface Ending {
  readonly outcome: ChainOutcome;
  /** null: none was given. */
  readonly summary: string | null;
  /** ms since 1970 */
  readonly completedAt: number;
}

export const NEW_STATE: ChainState = { metrics: {}, agents: [], actions: 0, bytes: 0 };

/** Bytes of the receipt that are not entries or metrics, at most: the other members, and what the ledger adds. */
const OTHERS = 65_536;
const ROOM = MAX_RECEIPT - OTHERS;

export interface Said {
  readonly kind: EntryRow["kind"];
  readonly entryId: string;
  readonly call: ChainEvent | ChainApproval;
}

/** The row of a new entry, and the state behind it. Throws FormatError, ChainError `chain_full`. */
export function entryOf(row: ChainRow, said: Said, now: number, salt: string): { readonly entry: EntryRow; readonly state: ChainState } {
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
  const state = added(row, JSON.parse(row.state) as ChainState, call, utf8(text).length + 1);
  return { entry: { seq, entry_id: entryId, asked: askedOf(said), kind, summary: text, record: new TextDecoder().decode(record) }, state };
}

function added(row: ChainRow, before: ChainState, call: ChainEvent | ChainApproval, bytes: number): ChainState {
  const event = "action" in call ? call : null;
  const rules = { ...USUAL_RULES, ...openOf(row).metrics };
  const metrics = event?.metrics === undefined ? before.metrics : addMetrics(before.metrics, event.metrics, rules, "/params/event/metrics");
  const agents = event === null || before.agents.includes(event.agent) ? before.agents : [...before.agents, event.agent];
  const state = { metrics, agents, actions: before.actions + (event === null ? 0 : 1), bytes: before.bytes + bytes };
  const size = state.bytes + utf8(canonicalize({ metrics, agents })).length + openedBytes(row.opened);
  if (size > ROOM) throw new ChainError("chain_full", `with this the receipt of the chain would have more than ${MAX_RECEIPT} bytes: complete it, and open another`);
  return state;
}

/** Throws FormatError where the receipt has no room for what the chain is opened with. */
export function requireRoom(opened: string): void {
  if (openedBytes(opened) > ROOM) throw new FormatError("too_large", `with this the receipt of the chain would have more than ${MAX_RECEIPT} bytes`, "/params/chain");
}

/** At most. */
function openedBytes(opened: string): number {
  return opened.length * 3;
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
export function receiptOf(row: ChainRow, entries: readonly Pick<EntryRow, "kind" | "summary">[]): Request {
  const open = openOf(row);
  const { metrics, agents, actions } = JSON.parse(row.state) as ChainState;
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
