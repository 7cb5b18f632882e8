/** What findings are called: stable, unlike their messages. */
import type { VerifyErrorCode } from "../verify/errors.ts";

/** Beside the codes of docs/FORMAT.md section 13. */
export type AuditCode =
  | VerifyErrorCode
  // the ledger's file
  | "ledger_corrupt"
  | "not_a_ledger"
  | "wal_damaged"
  | "schema_mismatch"
  // receipts and the index over them
  | "receipt_changed"
  | "receipt_missing"
  | "blob_missing"
  | "row_missing"
  | "index_mismatch"
  | "index_lookup"
  | "request_mac_mismatch"
  | "organization_mismatch"
  | "anchor_row_mismatch"
  | "tree_mismatch"
  // targets, their versions and locks
  | "duplicate_object"
  | "delete_marker"
  | "multipart_version"
  | "unreadable_object"
  | "lock_missing"
  | "retention_short"
  | "version_missing"
  | "version_changed"
  | "observed_mismatch"
  | "read_in_full"
  | "unanchored_batch"
  | "archive_mismatch"
  | "unanchored_receipts"
  | "not_archived"
  | "anchor_missing"
  | "ledger_replaced"
  | "not_published_yet"
  | "newer_than_audit"
  | "anchor_late"
  | "published_late"
  | "idle"
  | "stopped"
  | "recorded_after_anchor"
  | "recorded_before_observed"
  | "clock_stepped"
  | "recovered"
  | "key_revoked"
  | "attestation_mismatch"
  // decisions made again
  | "decision_differs";
