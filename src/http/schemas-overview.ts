/** Requests and answers of routes-overview.ts. */
import { z } from "zod";

const RANGE = 2 ** 53 - 1;
const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/).nullable();
const count = z.int().min(0).max(RANGE);
const whole = z.string().regex(/^(?:0|[1-9][0-9]{0,15})$/).describe("a whole number");
const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const figure = z.number().min(0).nullable();
const range = z.enum(["hour", "day", "week", "all"]);

const sample = z.strictObject({
  at: time,
  receipts_per_s: figure.describe("since the sample before, the ledger's own receipts too; of a minute the mean"),
  p50_ms: figure.describe("to the acknowledgement, in 5 seconds; of a minute the worst 5; null: no calls, or no daemon"),
  p95_ms: figure,
  p99_ms: figure,
  pending: figure,
});

export const query = {
  none: z.strictObject({}),
  history: z.strictObject({ span: z.enum(["hour", "day"]).optional().describe("hour: every 5 seconds; day: every minute") }),
  timeline: z.strictObject({ range: range.optional() }),
  timelineAnchors: z.strictObject({ range: range.optional(), before: whole.optional().describe("tree size before which the page begins"), late: z.enum(["true", "false"]).optional().describe("true: only those that came late"), limit: whole.optional() }),
  organizations: z.strictObject({ after: z.string().max(64).optional().describe("name behind which the page begins"), limit: whole.optional() }),
} as const;

export const answers = {
  overview: z.strictObject({
    now: time, ledger: z.string(), ledger_id: z.string(),
    receipts: count, signed: count, anchored: count.describe("under an anchor that every required target has confirmed"), pending: count,
    newest_anchor: z.strictObject({
      tree_size: count, recorded_at: time, next_anchor_by: time,
      state: z.enum(["in_time", "late", "missing", "stopped"]).describe("missing: the next is late by more than the grace; stopped: the daemon was stopped in order"),
    }).nullable(),
    anchors: z.strictObject({ count, complete: z.boolean().describe("false: they have not all been read yet") }),
    daemon: z.strictObject({
      state: z.enum(["ok", "refusing", "damaged", "away"]), reason: z.string().nullable().describe("a code of docs/PROTOCOL.md"), asked_at: time, started_at: z.string().nullable(), pending_since: z.string().nullable(),
      signer: z.enum(["ok", "unavailable"]).nullable(), key_change_waiting: z.boolean(),
    }),
    targets: z.array(z.strictObject({
      name: z.string(), type: z.enum(["directory", "s3"]), required: z.boolean(), state: z.enum(["comparing", "publishing", "current", "unavailable", "refused", "unknown"]),
      pending: count.nullable(), error: z.strictObject({ code: z.string(), at: z.string() }).nullable(), interference: count.describe("objects there that the ledger did not make"),
      confirmed: z.strictObject({ tree_size: count, last_modified: time }).nullable(),
    })),
    self_check: z.strictObject({
      enabled: z.boolean(), failed: z.boolean(), finding_count: count, findings: z.array(z.strictObject({ code: z.string(), log_index: count.nullable() })),
      last_round: z.strictObject({ ended_at: z.string(), receipts: count }).nullable(), present_round: z.strictObject({ receipts: count, done: count }).nullable(),
    }).nullable(),
    revoked_keys: count, keys_complete: z.boolean(),
    organizations: z.strictObject({ count, shares: z.array(z.strictObject({ receipts: count, anchored: count })).describe("without names, the first 64") }),
    sample: sample.nullable(),
  }),
  history: z.strictObject({ now: time, since: time, step_ms: count, samples: z.array(sample) }),
  timeline: z.strictObject({
    now: time, from: time, complete: z.boolean(), anchors: count,
    slots: z.array(z.strictObject({ at: time, anchors: count, tree_size: count })).describe("240 slots of the time, those with anchors: the newest one, and how many"),
    gap_count: count,
    gaps: z.array(z.strictObject({ kind: z.enum(["late", "missing", "stopped"]), from: time, due: time, to: time, tree_size: count })).describe("the newest 100"),
  }),
  timelineAnchors: z.strictObject({
    anchors: z.array(z.strictObject({
      tree_size: count, receipts: count, root: hash, recorded_at: time, next_anchor_by: time, late_ms: figure, signed: z.boolean(), object: z.string(),
      targets: z.array(z.strictObject({ name: z.string(), last_modified: time })),
    })),
    next: z.string().nullable().describe("`before` of the next page"),
  }),
  organizations: z.strictObject({
    organizations: z.array(z.strictObject({ organization: z.string(), prefix: z.string(), own: z.boolean(), receipts: count, anchored: count, newest_at: time })),
    next: z.string().nullable(),
  }),
} as const;
