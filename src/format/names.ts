/** Names with a fixed form: origins, organizations, ids, and the objects of a target (docs/FORMAT.md sections 1 and 11). */
import { FormatError } from "./errors.ts";

const ORIGIN = /^(?=.{1,200}$)[a-z0-9.-]+(?:\/[A-Za-z0-9._-]+)*$/;
export const ORGANIZATION = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const LEDGER_ORGANIZATION = "_ledger";
export const DEFAULT_ORGANIZATION = "default";
export const LEDGER_PREFIX = "LEDGER";
export const DEFAULT_PREFIX = "RCP";
export const LEDGER_ID = /^[0-9a-f]{32}$/;
export const KEY_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Is this an origin? Its parts become folder and object names, so `.` and `..` are none. */
export function isOrigin(text: string): boolean {
  return ORIGIN.test(text) && !text.split("/").some((part) => part === "." || part === "..");
}

export interface LedgerName {
  readonly origin: string;
  readonly ledgerId: string;
}

export type ObjectName =
  | { readonly kind: "anchor"; readonly treeSize: number; readonly sha256: string }
  | { readonly kind: "batch"; readonly firstIndex: number; readonly lastIndex: number; readonly sha256: string }
  | { readonly kind: "receipts"; readonly firstIndex: number; readonly lastIndex: number; readonly sha256: string; readonly isEncrypted: boolean };

const ANCHOR = /^anchors\/(\d{20})-([0-9a-f]{64})\.tlog-proof$/;
const BATCH = /^batches\/(\d{20})-(\d{20})-([0-9a-f]{64})\.entries$/;
const RECEIPTS = /^receipts\/(\d{20})-(\d{20})-([0-9a-f]{64})\.ndjson\.gz(\.age)?$/;

const digits = (value: number): string => String(value).padStart(20, "0");

/** `v1/<origin>/<ledger_id>/`: everything of one ledger in a target. */
export function objectPrefix(ledger: LedgerName): string {
  return `v1/${ledger.origin}/${ledger.ledgerId}/`;
}

export function formatObjectName(ledger: LedgerName, name: ObjectName): string {
  const prefix = objectPrefix(ledger);
  if (name.kind === "anchor") return `${prefix}anchors/${digits(name.treeSize)}-${name.sha256}.tlog-proof`;
  const range = `${digits(name.firstIndex)}-${digits(name.lastIndex)}-${name.sha256}`;
  return name.kind === "batch" ? `${prefix}batches/${range}.entries` : `${prefix}receipts/${range}.ndjson.gz${name.isEncrypted ? ".age" : ""}`;
}

/** Parses the full name of an object of this ledger; `bad_object_name` for any other. Names are under a stranger's control. */
export function parseObjectName(ledger: LedgerName, name: string): ObjectName {
  const prefix = objectPrefix(ledger);
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  const anchor = ANCHOR.exec(rest);
  if (anchor !== null) {
    const treeSize = Number(anchor[1]);
    if (Number.isSafeInteger(treeSize) && treeSize > 0) return { kind: "anchor", treeSize, sha256: anchor[2]! };
  }
  const batch = BATCH.exec(rest);
  const range = batch ?? RECEIPTS.exec(rest);
  if (range !== null) {
    const firstIndex = Number(range[1]);
    const lastIndex = Number(range[2]);
    const parts = { firstIndex, lastIndex, sha256: range[3]! };
    if (Number.isSafeInteger(lastIndex) && firstIndex <= lastIndex) {
      return batch === null ? { kind: "receipts", ...parts, isEncrypted: range[4] !== undefined } : { kind: "batch", ...parts };
    }
  }
  throw new FormatError("bad_object_name", `not the name of an anchor, a batch or receipts of ${ledger.origin}: ${name.slice(0, 400)}`);
}

/** The tree size in the name of an anchor; null for any other name. */
export function sizeInName(ledger: LedgerName, name: string): number | null {
  try {
    const parsed = parseObjectName(ledger, name);
    return parsed.kind === "anchor" ? parsed.treeSize : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
