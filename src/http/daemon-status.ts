/**
 * What is shown to anybody of the daemon's `status` (docs/PROTOCOL.md): states, codes and times. Its messages stay here: they have paths, names of
 * buckets and of organizations in them. A daemon of another version may say less.
 */
import { z } from "zod";

const percentiles = z.object({ calls: z.number(), p50_ms: z.number(), p95_ms: z.number(), p99_ms: z.number() });
const text = z.string().nullable().catch(null);

const status = z.object({
  state: z.enum(["ok", "refusing", "damaged"]).catch("refusing"),
  reason: z.object({ code: z.string() }).nullable().catch(null),
  size: z.number(),
  pending_since: text,
  signer: z.object({ state: z.enum(["ok", "unavailable"]) }).catch({ state: "ok" }),
  targets: z.array(z.object({
    name: z.string(),
    state: z.enum(["comparing", "publishing", "current", "unavailable", "refused"]).catch("unavailable"),
    pending: z.number().catch(0),
    last_error: z.object({ code: z.string(), at: z.string() }).nullable().catch(null),
    interference: z.number().catch(0),
  })).catch([]),
  self_check: z.union([
    z.object({
      enabled: z.literal(true),
      failure: z.unknown(),
      finding_count: z.number(),
      findings: z.array(z.object({ code: z.string(), log_index: z.number().nullable().catch(null) })),
      last_round: z.object({ ended_at: z.string(), receipts: z.number() }).nullable(),
      present_round: z.object({ receipts: z.number(), done: z.number() }).nullable(),
    }),
    z.object({ enabled: z.literal(false) }),
  ]).catch({ enabled: false }),
  latency: z.object({ recent: percentiles.nullable().catch(null) }).catch({ recent: null }),
  key_change_waiting: z.boolean().catch(false),
  started_at: z.string().catch(""),
});

export type DaemonStatus = Readonly<z.output<typeof status>>;

/** null: it is no status. */
export function readStatus(answer: unknown): DaemonStatus | null {
  return status.safeParse(answer).data ?? null;
}
