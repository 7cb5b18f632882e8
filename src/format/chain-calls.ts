/**
 * What a caller may say of a chain (docs/FORMAT.md section 19, docs/PROTOCOL.md): when it begins, what happens in it, who approved of what, and
 * how it ends.
 */
import { z } from "zod";
import { callerFields, namingFields } from "./fields.ts";
import type { MetricRules, Metrics } from "./chain-metrics.ts";
import type { Json } from "./strict-json.ts";

/** Names of metrics in one chain. */
const MAX_METRICS = 64;
/** Bytes of JCS that `details` of one event or approval have at most. */
export const MAX_DETAILS = 65_536;
/** s; a chain that is not completed after this long ends as abandoned. */
const LONGEST_TIMEOUT = 365 * 86_400;

const text = (most: number) => z.custom<string>((value) => typeof value === "string" && value.length >= 1 && value.length <= most, `must be text of 1 to ${most} characters`);
const chainId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/, "must be 1 to 128 of A-Z a-z 0-9 _ . : -, beginning with a letter or digit");
const metricName = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, "must be a metric's name: 1 to 64 of A-Z a-z 0-9 _ . -, beginning with a letter");
const isFew = (value: object): boolean => Object.keys(value).length <= MAX_METRICS;
const few = `at most ${MAX_METRICS} metrics`;
const short = text(256);
const time = callerFields["timestamp"]!;
const object = callerFields["inputs"]!;

const open = z.strictObject({
  chain_id: chainId.optional(),
  organization: namingFields.organization.optional(),
  system_id: short.optional(),
  summary: text(4096).optional(),
  policy_version: short.optional(),
  metrics: z.record(metricName, z.enum(["sum", "set", "max", "min", "last"])).refine(isFew, few).optional(),
  timeout_s: z.int().min(1).max(LONGEST_TIMEOUT).optional(),
  metadata: object.optional(),
});

const event = z.strictObject({
  event_id: namingFields.receipt_id.optional(),
  action: short,
  agent: short,
  at: time.optional(),
  metrics: z.record(metricName, z.unknown()).refine(isFew, few).optional(),
  details: object.optional(),
});

const approval = z.strictObject({
  approval_id: namingFields.receipt_id.optional(),
  approver: short,
  authenticated_by: short,
  approved: text(4096),
  at: time.optional(),
  details: object.optional(),
});

export const chainSchemas = {
  "chain.open": z.strictObject({ chain: open }),
  "chain.event": z.strictObject({ chain_id: chainId, event }),
  "chain.approve": z.strictObject({ chain_id: chainId, approval }),
  "chain.complete": z.strictObject({ chain_id: chainId, outcome: z.enum(["completed", "failed"]).optional(), summary: text(4096).optional(), ack: z.enum(["disk", "wal"]).optional() }),
  "chain.get": z.strictObject({ chain_id: chainId }),
  "chain.disclose": z.strictObject({ chain_id: chainId, seq: z.int().positive() }),
} as const;

/** Calls that only look. */
export type ChainLook = "chain.get" | "chain.disclose";
export type ChainWrite = Exclude<keyof typeof chainSchemas, ChainLook>;

export interface ChainOpen {
  readonly chain_id?: string;
  readonly organization?: string;
  readonly system_id?: string;
  readonly summary?: string;
  readonly policy_version?: string;
  readonly metrics?: MetricRules;
  readonly timeout_s?: number;
  readonly metadata?: Json;
}

export interface ChainEvent {
  readonly event_id?: string;
  readonly action: string;
  readonly agent: string;
  readonly at?: string;
  readonly metrics?: Metrics;
  readonly details?: Json;
}

export interface ChainApproval {
  readonly approval_id?: string;
  readonly approver: string;
  readonly authenticated_by: string;
  readonly approved: string;
  readonly at?: string;
  readonly details?: Json;
}

/** How it ended; `abandoned` is the daemon's word for one that nobody completed in time. */
export type ChainOutcome = "completed" | "failed" | "abandoned";
