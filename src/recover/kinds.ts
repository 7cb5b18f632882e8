/** Which of an audit's findings a recovery is about. */
import type { AuditCode, Finding } from "../audit/report.ts";

/** What is derived from the receipts' bytes and can be made anew from them. */
const INDEX: ReadonlySet<AuditCode> = new Set([
  "schema_mismatch", "row_missing", "index_mismatch", "index_lookup", "request_mac_mismatch", "organization_mismatch", "anchor_row_mismatch", "tree_mismatch",
  "ledger_corrupt", "not_a_ledger", "ledger_mismatch",
]);
/** The ledger against what was anchored. */
const PAST: ReadonlySet<AuditCode> = new Set(["ledger_behind", "log_root_mismatch", "fork"]);
/** Of receipts that are as they were written, whether they are to be believed; what a target has lost; and what is looked at apart (old-ledger.ts). */
const NO_DAMAGE: ReadonlySet<AuditCode> = new Set(["key_revoked", "ratchet_break", "attestation_mismatch", "anchor_missing", "wal_damaged"]);

/** `receipt`: the bytes of receipts. null: nothing that a recovery could change. */
export function kindOf({ severity, code, object }: Finding): "index" | "receipt" | "past" | null {
  if (severity !== "violation" || NO_DAMAGE.has(code)) return null;
  if (PAST.has(code)) return "past";
  if (object !== undefined) return null;
  return INDEX.has(code) ? "index" : "receipt";
}
