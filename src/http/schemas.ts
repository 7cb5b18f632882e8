/** What requests may say and what answers look like: zod for checking, and from it the OpenAPI document. */
import { z } from "zod";
import { ERROR_CODES } from "./errors.ts";

const RANGE = 2 ** 53 - 1;
const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const count = z.int().min(0).max(RANGE);
const bytes = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/).describe("base64");
const whole = z.string().regex(/^(?:0|[1-9][0-9]{0,14})$/).describe("a whole number");
const asked = z.string().regex(/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z)?$/).describe("a date or time, UTC: 2026-11-22 or 2026-11-22T16:00:00Z");
const organization = z.string().regex(/^(?:_ledger|[a-z0-9][a-z0-9._-]{0,63})$/);
const number = z.string().regex(/^[A-Z][A-Z0-9]{0,15}-\d{4}-\d{5,16}$/).describe("a receipt number, such as PR-2026-00042");
const said = z.array(z.strictObject({ code: z.string(), sentence: z.string() }));
const NOTE = "the signed note, where an anchor has this size; null: nobody has signed this root";
const state = z.enum(["anchored", "logged", "pending"]);

export const error = z.strictObject({ error: z.strictObject({ code: z.enum(ERROR_CODES), message: z.string() }) });

export const params = {
  none: z.strictObject({}),
  receipt: z.strictObject({ receipt: z.string().min(1).max(64).describe("a receipt_id (a UUID in lower case), or a receipt number") }),
  receiptId: z.strictObject({ receipt: z.string().min(1).max(64).describe("a receipt_id: a UUID in lower case") }),
  size: z.strictObject({ size: whole }),
} as const;

export const query = {
  none: z.strictObject({}),
  anchors: z.strictObject({ after: whole.optional().describe("tree size behind which the page begins"), limit: whole.optional() }),
  inclusion: z.strictObject({ log_index: whole, size: whole.optional().describe("default: the newest signed tree") }),
  consistency: z.strictObject({ first: whole, second: whole.optional().describe("default: the newest signed tree") }),
  receipts: z.strictObject({
    organization: organization.optional(),
    from: asked.optional().describe("recorded at or after this date or time, UTC"),
    to: asked.optional().describe("recorded before this time, or on this date or before it, UTC"),
    first_number: number.optional(),
    last_number: number.optional(),
    type: z.string().regex(/^[a-z][a-z0-9_]{0,61}$/).optional(),
    system_id: z.string().min(1).max(256).optional(),
    decision: z.string().min(1).max(256).optional().describe("decision.action, or the decision itself where it is text"),
    gate_status: z.enum(["PASS", "FAIL", "WARN", "SKIP", "ERROR"]).optional().describe("of one of its gates"),
    cursor: z.string().max(64).optional().describe("`next` of the page before"),
    limit: whole.optional(),
  }),
  export: z.strictObject({ organization: organization.optional(), from: asked.optional(), to: asked.optional() }),
} as const;

const listed = z.strictObject({
  receipt: z.record(z.string(), z.unknown()).nullable().describe("as stored; null where it is damaged"),
  receipt_hash: hash,
  receipt_number: z.string(),
  log_index: count,
  status: state,
  problem: z.enum(["receipt_damaged"]).nullable(),
});

export const answers = {
  health: z.strictObject({ status: z.enum(["ok"]) }),
  ready: z.strictObject({ ready: z.boolean(), daemon: z.enum(["ok", "refusing", "damaged", "away"]) }),
  verify: z.strictObject({
    valid: z.boolean().nullable().describe("true: every check that can be made here was made, and held; false: one failed; null: it could not be checked"),
    receipt_number: z.string(),
    chain_id: z.string().nullable().describe("the receipt's own; null where it has none, or was asked for by its number"),
    generated_at: time.nullable().describe("recorded_at"),
    status: z.enum(["anchored", "logged", "pending", "suspect", "invalid", "not_checked"]),
    checks: said,
    not_checked: said,
    problem: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    evidence: z.string().nullable().describe("where evidence is, for those with a token"),
  }),
  link: z.strictObject({ receipt_id: z.string(), receipt_hash: hash, previous_receipt_hash: hash.nullable(), org_seq: count }),
  anchors: z.strictObject({
    anchors: z.array(z.strictObject({
      tree_size: count, first_index: count, root: hash, signed: z.boolean(), published: z.array(z.strictObject({ target: z.string(), last_modified: time })), object: z.string(),
    })),
    next: z.string().nullable().describe("`after` of the next page"),
  }),
  keys: z.strictObject({
    ledger: z.string(), ledger_id: z.string(), vkeys: z.array(z.string()),
    keys: z.array(z.strictObject({ key_id: z.string(), mode: z.enum(["retained", "forward-secure"]), first_epoch: count, last_epoch: count.nullable(), begun_by: z.enum(["genesis", "key_rotation", "ratchet_break"]), since: time })),
    revoked: z.array(z.strictObject({ key_id: z.string(), compromised_since: time, log_index: count })),
    complete: z.boolean().describe("false: the ledger's own receipts have not all been read yet, or are damaged; ask again"),
  }),
  inclusion: z.strictObject({ log_index: count, size: count, root: hash, path: z.array(bytes), checkpoint: z.string().nullable().describe(NOTE) }),
  consistency: z.strictObject({
    first: count, second: count, first_root: hash, second_root: hash, path: z.array(bytes),
    first_checkpoint: z.string().nullable().describe(NOTE), second_checkpoint: z.string().nullable().describe(NOTE),
  }),
  receipt: listed,
  receipts: z.strictObject({
    receipts: z.array(listed),
    next: z.string().nullable().describe("cursor of the next page; null: this was the last"),
    ended: z.enum(["end", "page_full", "scan_limit"]).describe("scan_limit: so many receipts were looked at, not that there are no more"),
    scanned: count,
  }),
} as const;
