/**
 * Which names a receipt may have, and what their values must look like (docs/FORMAT.md sections 4 and 7).
 *
 * zod checks values one name at a time; nothing that zod returns is stored: what was received is what is sealed.
 */
import { z } from "zod";
import { parseNumber } from "./chain.ts";
import { MAX_ATTESTATION_NOTE } from "./limits.ts";
import { isOrigin, KEY_ID, LEDGER_ID, ORGANIZATION, UUID } from "./names.ts";
import { isTimestamp, parseTime } from "./time.ts";

export const SCHEMA_VERSION = 1;
export const MAX_TOP_LEVEL = 256;
/** Of one `access` receipt. */
export const MAX_ACCESSES = 128;

/** Text of 1 to `most` UTF-16 code units: zod's own min and max count code points. */
const text = (most: number) =>
  z.custom<string>((value) => typeof value === "string" && value.length >= 1 && value.length <= most, `must be text of 1 to ${most} characters`);
const short = text(256);
const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const object = z.custom<Record<string, unknown>>(isPlainObject, "must be an object");
const count = z.int().nonnegative();
const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hex digits");
const time = z.custom<string>((value) => parseTime(value) !== null, "must be a time like 2026-06-01T10:00:05.234Z");
const keyId = z.string().regex(KEY_ID, "must be a key id");
const keyMode = z.enum(["retained", "forward-secure"]);
const gate = z.looseObject({ name: short, status: z.enum(["PASS", "FAIL", "WARN", "SKIP", "ERROR"]) });

/** Section 4.1, without `type`, `organization` and `receipt_id`. */
export const callerFields: Readonly<Record<string, z.ZodType>> = {
  system_id: short,
  model_version: short,
  user_id: short,
  region: short,
  policy_version: short,
  chain_id: short,
  summary: text(4096),
  model_epoch: count,
  timestamp: z.custom<string>(isTimestamp, "must be RFC 3339 in UTC, like 2026-06-01T10:00:05Z"),
  decision: z.custom<unknown>((value) => value !== null && value !== undefined, "must not be null"),
  inputs: object,
  gates: z.array(gate).max(1000),
  reasons: z.array(z.unknown()).max(1000),
  metadata: object,
};

export const namingFields = {
  type: z.string().regex(/^[a-z][a-z0-9_]{0,61}$/, "must be a type"),
  organization: z.string().regex(ORGANIZATION, "must be like acme-corp: at most 64 of a-z 0-9 . _ -, beginning with a letter or digit"),
  receipt_id: z.string().regex(UUID, "must be a UUID in lower case with hyphens"),
} as const;

/** Required of each type that a caller may write; `x_…` types need what "*" needs. */
export const requiredOf: Readonly<Record<string, readonly string[]>> = {
  decision: ["system_id", "decision", "inputs"],
  "*": ["system_id"],
};

export const EXTENSION_FIELD = /^x_[A-Za-z0-9_.-]{1,62}$/;
export const EXTENSION_TYPE = /^x_[a-z0-9_]{1,60}$/;

export const SYSTEM_TYPES: ReadonlySet<string> = new Set([
  "genesis", "anchor", "clock_step",
  "key_rotation", "key_revocation", "ratchet_break", "checkpoint_rotation", "prune", "erasure", "recovery", "access", "attestation",
]);
/** Types assembled by the daemon in a caller's organization. */
export const ASSEMBLED_TYPES: ReadonlySet<string> = new Set(["chain"]);

/** Section 4.2: what makes a receipt verifiable whatever its schema_version is. */
export const linkingFields = {
  ledger: z.custom<string>((value) => typeof value === "string" && isOrigin(value), "must be an origin"),
  organization: z.string().regex(/^(?:_ledger|[a-z0-9][a-z0-9._-]{0,63})$/, "must be an organization"),
  org_seq: z.int().positive(),
  log_index: count,
  key_id: keyId,
  key_epoch: count,
  previous_receipt_hash: hash.nullable(),
  signature: z.string().regex(/^hmac-sha256:[0-9a-f]{64}$/, "must be hmac-sha256: and 64 hex digits"),
} as const;

/** The rest of section 4.2, for schema_version 1. */
export const recordFields = {
  receipt_id: namingFields.receipt_id,
  receipt_number: z.custom<string>((value) => typeof value === "string" && parseNumber(value) !== null, "must be a receipt number"),
  recorded_at: time,
  type: namingFields.type,
} as const;

/** Names that a caller may not use at the top level. */
export const RESERVED_FIELDS: ReadonlySet<string> = new Set([
  "schema_version", "ledger", "receipt_number", "org_seq", "log_index", "recorded_at", "key_id", "key_epoch",
  "previous_receipt_hash", "signature", "details", "_sd", "_sd_alg",
]);
/** Names that a caller may not use at any depth (RFC 9901). */
export const RESERVED_ANYWHERE: ReadonlySet<string> = new Set(["_sd", "_sd_alg", "..."]);

export const genesisDetails = z.strictObject({
  format: z.literal(1),
  ledger_id: z.string().regex(LEDGER_ID),
  key_id: keyId,
  mode: keyMode,
  epoch_commitment: hash,
  vkeys: z.array(text(400)).min(1).max(16),
});

const clockStepDetails = z.strictObject({ from: time, to: time });

export const anchorDetails = z.strictObject({
  batch: z.strictObject({ first_index: count, count: count.max(65_536), root: hash }),
  previous_anchor: z.strictObject({ tree_size: z.int().positive(), root: hash }).nullable(),
  org_heads_root: hash,
  epoch_commitment: hash,
  observed: z
    .array(z.strictObject({ target: short, tree_size: z.int().positive(), version_id: text(1024), last_modified: time }))
    .max(16),
  next_anchor_by: time.nullable(),
  reason: z.enum(["start", "schedule", "count", "heartbeat", "request", "shutdown"]),
});

const keyRotationDetails = z.strictObject({ previous_key_id: keyId, key_id: keyId, mode: keyMode, reason: z.enum(["request", "schedule"]) });

const checkpointRotationDetails = z.strictObject({ previous_vkey: text(400), vkey: text(400), reason: z.enum(["request", "schedule"]) });

const ratchetBreakDetails = z.strictObject({
  previous_key_id: keyId, key_id: keyId, mode: keyMode, epoch_commitment: hash, ratchet: z.enum(["lost", "ahead", "wrong"]), reason: text(1024),
});

const keyRevocationDetails = z.strictObject({ key_id: keyId, compromised_since: time, reason: text(1024) });

/** Receipts that a recovery named, by their places: SHA-256 of the bytes that stood there, null where there were none. */
const places = z.array(z.strictObject({ log_index: count, found: hash.nullable() })).max(64);

const recoveryDetails = z.strictObject({
  action: z.literal("rebuild"),
  log_size: z.int().positive(),
  root: hash,
  from: z.enum(["ledger", "archive", "both"]),
  replaced: places,
  replaced_count: count,
  lost: places,
  lost_count: count,
  reason: text(1024),
});

/** Who was handed contents over HTTP: a token by its id, never by its text. `organizations`: whose receipts; null: of all but the ledger's own. */
const accessDetails = z.strictObject({
  accesses: z
    .array(z.strictObject({
      token: keyId,
      scope: keyId,
      organizations: z.array(linkingFields.organization).min(1).max(64).nullable(),
      what: text(256),
      count: count.nullable(),
    }))
    .min(1)
    .max(MAX_ACCESSES),
});
const attestationNote = text(MAX_ATTESTATION_NOTE);
const attestationDetails = z.strictObject({ statement: attestationNote, cosigned: attestationNote });

/** `details` of the system types that this version knows; the others are reported as not checked. */
export const systemDetails: Readonly<Record<string, z.ZodType>> = {
  genesis: genesisDetails,
  clock_step: clockStepDetails,
  anchor: anchorDetails,
  key_rotation: keyRotationDetails,
  checkpoint_rotation: checkpointRotationDetails,
  key_revocation: keyRevocationDetails,
  ratchet_break: ratchetBreakDetails,
  recovery: recoveryDetails,
  access: accessDetails,
  attestation: attestationDetails,
};

export type GenesisDetails = Readonly<z.infer<typeof genesisDetails>>;
export type AnchorDetails = Readonly<z.infer<typeof anchorDetails>>;
export type KeyRotationDetails = Readonly<z.infer<typeof keyRotationDetails>>;
export type CheckpointRotationDetails = Readonly<z.infer<typeof checkpointRotationDetails>>;
export type RatchetBreakDetails = Readonly<z.infer<typeof ratchetBreakDetails>>;
export type KeyRevocationDetails = Readonly<z.infer<typeof keyRevocationDetails>>;
export type RecoveryDetails = Readonly<z.infer<typeof recoveryDetails>>;
export type Access = Readonly<z.infer<typeof accessDetails>["accesses"][number]>;
export type AnchorReason = AnchorDetails["reason"];
export type Observed = AnchorDetails["observed"][number];
