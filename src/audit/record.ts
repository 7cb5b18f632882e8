/**
 * What an auditor keeps of an audit that found nothing, so that the next one need not read again what cannot have changed, and has
 * something to hold against what it is shown: JSON, the auditor's own file. Whoever can change it can make an auditor believe what was
 * never checked, as with any pinned key; what cannot be so is refused all the same.
 */
import { z } from "zod";
import { KEY_ID, type LedgerName, sizeInName } from "../format/names.ts";
import { isTimestamp } from "../format/time.ts";

/** Raised whenever a record of before would say too little. */
export const RECORD_VERSION = 5;

const time = z.string().refine(isTimestamp, "must be a time");
const count = z.int().nonnegative();
const listed = z.strictObject({
  /** What counts: sizes of which there is an anchor, or batches. */
  objects: count,
  /** All that was listed, and the hash over it: as in `Listed`. */
  versions: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
}).refine(({ objects, versions }) => objects <= versions && (objects === 0) === (versions === 0), "must have a version for each object");

const listing = z.strictObject({
  /** Anchors up to the newest that counted. */
  anchors: listed.refine(({ objects }) => objects > 0, "must have an anchor"),
  /** Batches that begin before the end of that one's tree. */
  batches: listed,
  /** The newest time of any of these versions, by the target's clock. */
  newest_at: time,
  /** When the first lock on any of these ends; null at a target without locks. */
  locked_until: time.nullable(),
  /** ms for which each was to be locked; 0: any lock was taken; null at a target without locks. */
  retention_ms: count.nullable(),
}).refine(({ locked_until, retention_ms }) => (locked_until === null) === (retention_ms === null), "must have a retention iff there are locks");

const targetRecord = z.strictObject({
  target: z.string(),
  /** When an audit last read everything there; those after it went on from it, one from the other. */
  read_at: time,
  /** Was all of it held against the ledger? */
  with_ledger: z.boolean(),
  /** The newest anchor that counted. */
  newest: z.strictObject({
    name: z.string(),
    version_id: z.string(),
    last_modified: time,
    tree_size: z.int().positive(),
    root: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  }),
  /** What need not be read again where it is listed as it was; null where something is not locked that should be, and may go. */
  listing: listing.nullable(),
});

const revokedKey = z.strictObject({
  key_id: z.string().regex(KEY_ID),
  /** Since when it is not to be believed, and who says so: what counted at that audit. */
  since: time,
  by: z.enum(["auditor", "ledger"]),
  /** The earliest that the ledger's own receipts say of it, which are not read again. */
  announced: z.strictObject({ since: time, reason: z.string(), log_index: count }).nullable(),
  /** Of its receipts up to the end of the ledger, those that were suspect, and accepted; null: none. */
  suspect: z.strictObject({ first_index: count, last_index: count }).nullable(),
  /** Was it accepted of receipts that were not read that they may be suspect, too? */
  unread: z.boolean(),
}).refine(({ since, by, announced }) => (by === "auditor" || (announced !== null && Date.parse(since) === Date.parse(announced.since))), "must be revoked by somebody");

const brokenRatchet = z.strictObject({
  /** The key that began with it. */
  key_id: z.string().regex(KEY_ID),
  log_index: count,
  receipt_id: z.string(),
  receipt_number: z.string(),
  /** What an auditor accepts; null: it stands for others, too, and cannot be accepted. */
  receipt_hash: z.string().regex(/^sha256:[0-9a-f]{64}$/).nullable(),
  /** What the audit said of it. */
  says: z.string(),
});

const checkpointKeys = z.strictObject({
  /** As the genesis receipt names them. */
  genesis: z.array(z.string()),
  /** Each `checkpoint_rotation` up to the end of the ledger; `tree_size`: of the anchor that both keys sign. */
  rotations: z.array(z.strictObject({ tree_size: z.int().positive(), previous_vkey: z.string(), vkey: z.string() })),
});

const auditRecord = z.strictObject({
  receiptd_audit: z.literal(RECORD_VERSION),
  made_at: time,
  made_by: z.string(),
  origin: z.string(),
  ledger_id: z.string(),
  vkeys: z.array(z.string()).min(1),
  /** How far the ledger went when an audit last read it, with or without an anchor over its end; null where none did. */
  ledger: z.strictObject({
    size: z.int().positive(),
    /** RFC 6962 root of that many receipts. */
    root: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  }).nullable(),
  /** Of the ledger; null where it was gone, and the targets were read alone. */
  receipts: z.strictObject({
    /** When an audit last read all of them; those after it went on from it, one from the other. */
    read_at: time,
    /** Were all their MACs checked, and those of their requests? */
    macs: z.boolean(),
    request_macs: z.boolean(),
  }).nullable(),
  /** What this audit did, which found everything in order, for whoever attests it. */
  audit: z.strictObject({
    verdict: z.literal("ok"),
    /** log_index from which on it read the receipts. */
    read_from: count,
    macs_checked: count,
    macs_not_checked: count,
    not_checked: z.array(z.string()),
  }),
  /** Keys that are not to be believed any more, as far as an audit has learnt of it. */
  revoked: z.array(revokedKey),
  /** Of every key that has signed up to the end of the ledger; null: of more than are told apart. */
  key_ids: z.array(z.string()).nullable(),
  /** Each `ratchet_break` up to the end of the ledger, which were accepted. */
  breaks: z.array(brokenRatchet),
  /** The keys that sign the anchors, by the ledger's receipts, which are not read again. */
  checkpoint_keys: checkpointKeys,
  targets: z.array(targetRecord),
}).superRefine((record, { addIssue }) => {
  for (const [path, message] of contradictions(record)) addIssue({ code: "custom", path: [...path], message });
});

export type ListingRecord = Readonly<z.infer<typeof listing>>;
export type RevokedRecord = Readonly<z.infer<typeof revokedKey>>;
export type BreakRecord = Readonly<z.infer<typeof brokenRatchet>>;
export type TargetRecord = Readonly<z.infer<typeof targetRecord>>;
export type AuditRecord = Readonly<z.infer<typeof auditRecord>>;

/** What no audit can have said. */
function* contradictions({ made_at, origin, ledger_id, ledger, receipts, revoked, breaks, checkpoint_keys: { rotations }, targets }: AuditRecord): Generator<readonly [readonly (string | number)[], string], void, undefined> {
  const made = Date.parse(made_at);
  if (receipts !== null && Date.parse(receipts.read_at) > made) yield [["receipts", "read_at"], "is after the record was made"];
  if (receipts !== null && ledger === null) yield [["ledger"], "must say how far the receipts went that were read"];
  const size = ledger?.size ?? 0;
  for (const [i, { log_index: at }] of breaks.entries()) if (at >= size || (i > 0 && at <= breaks[i - 1]!.log_index)) yield [["breaks", i, "log_index"], "must be in the ledger, and behind the one before"];
  for (const [i, { tree_size: at }] of rotations.entries()) if (at > size + 1 || (i > 0 && at <= rotations[i - 1]!.tree_size)) yield [["checkpoint_keys", "rotations", i, "tree_size"], "must be in the ledger, and behind the one before"];
  for (const [i, { key_id, announced, suspect }] of revoked.entries()) {
    const at = ["revoked", i] as const;
    if (revoked.findIndex((one) => one.key_id === key_id) !== i) yield [at, `speaks of ${key_id} a second time`];
    if (announced !== null && announced.log_index >= size) yield [[...at, "announced", "log_index"], "is behind the end of the ledger"];
    if (suspect !== null && (suspect.first_index > suspect.last_index || suspect.last_index >= size)) yield [[...at, "suspect"], "must be receipts of the ledger"];
  }
  const names = new Set<string>();
  for (const [i, { target, read_at, newest, listing: seen }] of targets.entries()) {
    const at = ["targets", i] as const;
    if (names.has(target)) yield [at, `speaks of ${target} a second time`];
    names.add(target);
    if (Date.parse(read_at) > made) yield [[...at, "read_at"], "is after the record was made"];
    if (sizeInName({ origin, ledgerId: ledger_id }, newest.name) !== newest.tree_size) yield [[...at, "newest", "name"], "must be that of an anchor of this ledger and of this size"];
    if (seen !== null && Date.parse(newest.last_modified) > Date.parse(seen.newest_at)) yield [[...at, "newest", "last_modified"], "is after everything that was listed"];
  }
}

/** Throws RecordError. */
export function parseRecord(text: string): AuditRecord {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && "receiptd_audit" in value && typeof value.receiptd_audit === "number" && value.receiptd_audit !== RECORD_VERSION) {
      throw new RecordError(`it is of version ${value.receiptd_audit}, and this program makes and reads version ${RECORD_VERSION}: audit without it, and keep a new one`);
    }
    return auditRecord.parse(value);
  } catch (error) {
    if (error instanceof RecordError) throw error;
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

/** ms by which the auditor's clock may have been set back since. */
const CLOCK = 60_000;

/** Why a record says nothing about an audit of this ledger with these keys at this time (ms), in words; null where it does. */
export function recordProblem(record: AuditRecord, { origin, ledgerId }: LedgerName, vkeys: readonly string[], now: number): string | null {
  if (record.origin !== origin || record.ledger_id !== ledgerId) return `it is of the ledger ${record.origin} ${record.ledger_id}`;
  if (Date.parse(record.made_at) > now + CLOCK) return `it was made at ${record.made_at}, which is still to come`;
  const missing = record.vkeys.filter((vkey) => !vkeys.includes(vkey));
  return missing.length === 0 ? null : `it was made with verifier keys that are not given now: ${missing.join(", ")}`;
}
