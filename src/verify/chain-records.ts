/**
 * Records of a chain's events and approvals, held against the chain's receipt (docs/FORMAT.md section 19). The receipt has to be verified
 * before; what it says of events that are not disclosed stays its own word.
 */
import { fromUtf8 } from "../format/bytes.ts";
import { canonicalize, parseCanonical } from "../format/canonical.ts";
import { hashText } from "../format/chain.ts";
import { addMetrics, type MetricRules, type Metrics } from "../format/chain-metrics.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { isArray, type Json } from "../format/strict-json.ts";
import { reading, VerifyError } from "./errors.ts";

export interface ChainRecordsFacts {
  /** Their places in the chain, in order. */
  readonly checked: readonly number[];
  readonly notDisclosed: readonly number[];
  /** Every event was disclosed, and they add up to what the receipt says. */
  readonly addUp: boolean;
}

type Members = { readonly [name: string]: Json };

/** What a summary has that the record has too. */
const SHARED = { event: ["seq", "action", "agent", "at", "recorded_at"], approval: ["seq", "approver", "authenticated_by", "approved", "at", "recorded_at"] } as const;

/** `records`: the bytes of each. Throws VerifyError `bad_receipt`, `record_mismatch`. */
export function verifyChainRecords(receipt: Members, records: readonly Uint8Array[], hash: Hash = pureHash): ChainRecordsFacts {
  const summaries = summariesOf(receipt);
  const read = new Map<number, Members>();
  for (const [i, bytes] of records.entries()) {
    const pointer = `/${i}`;
    const record = reading(() => parseCanonical(fromUtf8(bytes)), "record_mismatch");
    if (!isMembers(record)) throw mismatch("is not an object", pointer);
    const seq = Object.hasOwn(record, "seq") ? record["seq"] : undefined;
    const said = typeof seq === "number" ? summaries.get(seq) : undefined;
    if (said === undefined || record["chain_id"] !== receipt["chain_id"]) throw mismatch(`is none of chain ${String(receipt["chain_id"])}`, pointer);
    const found = hashText(hash.sha256(bytes));
    if (found !== said.summary["hash"]) throw new VerifyError("record_mismatch", `record ${i + 1} is not the one that the receipt covers as number ${String(seq)}`, { pointer, expected: String(said.summary["hash"]), found });
    const isSame = record["kind"] === said.kind && SHARED[said.kind].every((name) => canonicalOf(record[name]) === canonicalOf(said.summary[name]));
    if (!isSame) throw mismatch("is not what the receipt says of it", pointer);
    read.set(seq as number, record);
  }
  const checked = [...summaries.keys()].filter((seq) => read.has(seq));
  const events = [...summaries].filter(([, { kind }]) => kind === "event").map(([seq]) => seq);
  const addUp = events.every((seq) => read.has(seq));
  if (addUp) checkTotals(receipt, events.map((seq) => read.get(seq)!));
  return { checked, notDisclosed: [...summaries.keys()].filter((seq) => !read.has(seq)), addUp };
}

/** By their places, in order: 1, 2, 3 …, each once. An entry with the number of another would be one that nobody asks the record of. */
function summariesOf(receipt: Members): ReadonlyMap<number, { readonly kind: "event" | "approval"; readonly summary: Members }> {
  const { type, events_summary: events, approvals } = receipt;
  if (type !== "chain" || events === undefined || !isArray(events) || approvals === undefined || !isArray(approvals)) {
    throw new VerifyError("bad_receipt", "the receipt is not one of a chain", { pointer: "/type" });
  }
  const all = [...events.map((summary) => ({ kind: "event" as const, summary })), ...approvals.map((summary) => ({ kind: "approval" as const, summary }))].map(({ kind, summary }) => {
    const seq = isMembers(summary) && Object.hasOwn(summary, "seq") ? summary["seq"] : undefined;
    if (typeof seq !== "number") throw new VerifyError("bad_receipt", `one of the receipt's ${kind === "event" ? "events_summary" : "approvals"} has no seq`);
    return { kind, seq, summary: summary as Members };
  }).sort((a, b) => a.seq - b.seq);
  const gap = all.findIndex(({ seq }, i) => seq !== i + 1);
  if (gap >= 0) throw new VerifyError("bad_receipt", "the receipt's events and approvals are not numbered 1, 2, 3 …, each once", { expected: gap + 1, found: all[gap]!.seq });
  return new Map(all.map(({ seq, kind, summary }) => [seq, { kind, summary }]));
}

/** Throws `record_mismatch` where the events do not add up to what the receipt says. */
function checkTotals(receipt: Members, events: readonly Members[]): void {
  let metrics: Metrics = {};
  const agents = new Set<Json>();
  for (const event of events) {
    agents.add(event["agent"]!);
    const own = (event["metrics"] ?? {}) as Metrics;
    metrics = reading(() => addMetrics(metrics, own, (receipt["metric_rules"] ?? {}) as MetricRules, "/cumulative_metrics"), "record_mismatch");
  }
  const made = { agents_involved: [...agents], cumulative_metrics: metrics, total_actions: events.length };
  for (const [name, value] of Object.entries(made)) {
    const [expected, found] = [canonicalOf(value as Json), canonicalOf(receipt[name])];
    if (expected !== found) throw new VerifyError("record_mismatch", `the events do not add up to the receipt's ${name}`, { pointer: `/${name}`, expected, found });
  }
}

function isMembers(value: Json): value is Members {
  return typeof value === "object" && value !== null && !isArray(value);
}

function canonicalOf(value: Json | undefined): string {
  return value === undefined ? "" : canonicalize(value);
}

function mismatch(what: string, pointer: string): VerifyError {
  return new VerifyError("record_mismatch", `record ${Number(pointer.slice(1)) + 1} ${what}`, { pointer });
}
