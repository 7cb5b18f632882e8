/**
 * What an auditor keeps of an audit that found nothing, so that the next one need not read again what cannot have changed: JSON,
 * the auditor's own file. Whoever can change it can make an auditor believe what was never checked, as with any pinned key.
 */
import { z } from "zod";
import type { LedgerName } from "../format/names.ts";
import { isTimestamp } from "../format/time.ts";

const time = z.string().refine(isTimestamp, "must be a time");
const count = z.int().nonnegative();
const listed = z.strictObject({
  /** Names of which at least one version counts. */
  objects: count,
  /** All that was listed, and the hash over it: as in `Listed`. */
  versions: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const targetRecord = z.strictObject({
  target: z.string(),
  /** The newest anchor that counted. */
  newest: z.strictObject({
    name: z.string(),
    version_id: z.string(),
    last_modified: time,
    tree_size: z.int().positive(),
    root: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  }),
  /** Anchors up to that one. */
  anchors: listed,
  /** Batches that begin before the end of that one's tree. */
  batches: listed,
  /** When the first lock on any of these ends; null at a target without locks. */
  locked_until: time.nullable(),
});

const auditRecord = z.strictObject({
  receiptd_audit: z.literal(1),
  made_at: time,
  made_by: z.string(),
  origin: z.string(),
  ledger_id: z.string(),
  vkeys: z.array(z.string()).min(1),
  /** Of the ledger; null where it was gone, and the targets were read alone. */
  receipts: z.strictObject({
    /** When an audit last read all of them; those after it went on from it, one from the other. */
    read_at: time,
    /** Were all their MACs checked, and those of their requests? */
    macs: z.boolean(),
    request_macs: z.boolean(),
  }).nullable(),
  targets: z.array(targetRecord),
});

export type TargetRecord = Readonly<z.infer<typeof targetRecord>>;
export type AuditRecord = Readonly<z.infer<typeof auditRecord>>;

/** Throws RecordError. */
export function parseRecord(text: string): AuditRecord {
  try {
    return auditRecord.parse(JSON.parse(text));
  } catch (error) {
    throw new RecordError(error instanceof z.ZodError ? problemText(error) : "it is not JSON", { cause: error });
  }
}

export function formatRecord(record: AuditRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

function problemText({ issues }: z.ZodError): string {
  const [issue] = issues;
  return issue === undefined || issue.path.length === 0 ? "it is another kind of JSON" : `${issue.path.join(".")}: ${issue.message}`;
}

/** Not a record, or not one of this audit. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly code = "bad_record";
}

/** Why a record says nothing about an audit of this ledger with these keys, in words; null where it does. */
export function recordProblem(record: AuditRecord, { origin, ledgerId }: LedgerName, vkeys: readonly string[]): string | null {
  if (record.origin !== origin || record.ledger_id !== ledgerId) return `it is of the ledger ${record.origin} ${record.ledger_id}`;
  return record.vkeys.every((vkey) => vkeys.includes(vkey)) ? null : "it was made with verifier keys that are not given now";
}
