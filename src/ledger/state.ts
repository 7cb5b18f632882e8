/**
 * What the writer knows without asking: sizes, heads, frontiers. Read once at start, then changed only after a commit, so that a
 * failed transaction leaves it as it was.
 */
import type { Database } from "better-sqlite3";
import { count } from "../format/count.ts";
import { entryOf } from "../format/entries.ts";
import type { Sha256 } from "../format/hash.ts";
import { CompactRange, leafHash } from "../format/merkle.ts";
import { formatTime } from "../format/time.ts";
import { LedgerError } from "./errors.ts";
import { nextKeyId } from "./keys-said.ts";
import { type OrganizationRow, requireAll, requireName } from "./organizations.ts";

/** Levels of the log's subtrees that are stored: 256 leaves and more. */
export const STORED_LEVEL = 8;

export interface Head {
  readonly org: number;
  readonly name: string;
  readonly prefix: string;
  readonly firstHash: Uint8Array;
  readonly orgSeq: number;
  readonly hash: Uint8Array;
}

export interface TreeHead {
  readonly treeSize: number;
  readonly root: Uint8Array;
}

export interface LedgerState {
  readonly origin: string;
  readonly ledgerId: string;
  /** By name, in order of first appearance. */
  readonly heads: Map<string, Head>;
  readonly prefixes: Set<string>;
  log: CompactRange;
  batch: CompactRange;
  batchFirst: number;
  /** ms */
  lastRecordedAt: number;
  previousAnchor: TreeHead | null;
  /** ms; 0: none yet */
  previousAnchorAt: number;
  /** Epoch of the next receipt. */
  epoch: number;
  /** Key of the next receipt; null where there is none yet, or the receipt that says it is damaged. */
  keyId: string | null;
}

export function loadState(db: Database, sha256: Sha256): LedgerState {
  const meta = db.prepare("SELECT origin, ledger_id FROM ledger").get() as { origin: string; ledger_id: string } | undefined;
  if (meta === undefined) throw new LedgerError("not_a_ledger", "the ledger has no identity; its creation was cut short: remove the folder and run receiptd init again");
  const heads = new Map<string, Head>();
  const prefixes = new Set<string>();
  const first = db.prepare<[number], { receipt_hash: Uint8Array; bytes: Uint8Array | null }>(
    "SELECT receipt_hash, (SELECT bytes FROM blob WHERE blob.log_index = receipt.log_index) AS bytes FROM receipt WHERE log_index = ?");
  const newest = db.prepare<[number], { org_seq: number; receipt_hash: Uint8Array }>(
    "SELECT org_seq, receipt_hash FROM receipt WHERE org = ? ORDER BY org_seq DESC LIMIT 1");
  const organizations = db.prepare("SELECT org, name, prefix, first_index FROM organization ORDER BY org")
    .all() as (OrganizationRow & { readonly first_index: number })[];
  const { most } = db.prepare("SELECT max(org) AS most FROM receipt").get() as { readonly most: number | null };
  requireAll(organizations, most ?? 0);
  for (const row of organizations) {
    const { org, name, prefix, first_index } = row;
    const head = newest.get(org);
    const start = first.get(first_index);
    if (head === undefined || start === undefined) throw new LedgerError("ledger_corrupt", `organization ${name} has no receipts; run: receiptd audit`);
    requireName(row, start, sha256);
    heads.set(name, { org, name, prefix, firstHash: start.receipt_hash, orgSeq: head.org_seq, hash: head.receipt_hash });
    prefixes.add(prefix);
  }
  const last = db.prepare("SELECT log_index, recorded_at, key_epoch FROM receipt ORDER BY log_index DESC LIMIT 1")
    .get() as { log_index: number; recorded_at: number; key_epoch: number } | undefined;
  const size = last === undefined ? 0 : last.log_index + 1;
  const anchor = db.prepare("SELECT tree_size, root FROM anchor ORDER BY tree_size DESC LIMIT 1")
    .get() as { tree_size: number; root: Uint8Array } | undefined;
  const time = db.prepare<[number], { recorded_at: number }>("SELECT recorded_at FROM receipt WHERE log_index = ?");
  const blob = db.prepare<[number], { bytes: Uint8Array }>("SELECT bytes FROM blob WHERE log_index = ?");
  const batchFirst = anchor?.tree_size ?? 0;
  if (batchFirst > size) throw new LedgerError("ledger_corrupt", `the ledger has ${count(size, "receipt")} but an anchor at ${batchFirst}; run: receiptd audit`);
  return {
    origin: meta.origin,
    ledgerId: meta.ledger_id,
    heads,
    prefixes,
    log: loadRange(db, size, sha256),
    batch: appendLeaves(db, new CompactRange({ sha256 }), batchFirst, size, sha256),
    batchFirst,
    lastRecordedAt: last?.recorded_at ?? 0,
    previousAnchor: anchor === undefined ? null : { treeSize: anchor.tree_size, root: anchor.root },
    previousAnchorAt: anchor === undefined ? 0 : time.get(anchor.tree_size - 1)?.recorded_at ?? 0,
    epoch: last === undefined ? 0 : last.key_epoch + (batchFirst === size ? 1 : 0),
    keyId: nextKeyId(size, batchFirst === size, (logIndex) => blob.get(logIndex)?.bytes ?? null),
  };
}

/** The log's frontier: stored subtrees for all but the last leaves, of which there are fewer than 256. */
function loadRange(db: Database, size: number, sha256: Sha256): CompactRange {
  const node = db.prepare<[number, number], { hash: Uint8Array }>("SELECT hash FROM tree WHERE level = ? AND position = ?");
  const stored = size - (size % 2 ** STORED_LEVEL);
  const nodes: Uint8Array[] = [];
  let at = 0;
  for (let level = 52; level >= STORED_LEVEL; level--) {
    if (Math.floor(stored / 2 ** level) % 2 === 0) continue;
    const row = node.get(level, at / 2 ** level);
    if (row === undefined) throw new LedgerError("ledger_corrupt", `subtree ${level}/${at / 2 ** level} is missing; run: receiptd audit`);
    nodes.push(row.hash);
    at += 2 ** level;
  }
  return appendLeaves(db, new CompactRange({ size: stored, nodes, sha256 }), stored, size, sha256);
}

function appendLeaves(db: Database, range: CompactRange, from: number, to: number, sha256: Sha256): CompactRange {
  const rows = db.prepare<[number, number], { log_index: number; receipt_hash: Uint8Array }>(
    "SELECT log_index, receipt_hash FROM receipt WHERE log_index >= ? AND log_index < ? ORDER BY log_index");
  let expected = from;
  for (const row of rows.iterate(from, to)) {
    if (row.log_index !== expected) break;
    range.append(leafHash(entryOf(row.receipt_hash), sha256));
    expected++;
  }
  if (expected !== to) throw new LedgerError("ledger_corrupt", `receipt ${expected} is missing; run: receiptd audit`);
  return range;
}

/** The time of the next receipt: never earlier than the last, but for a clock that was turned back by more than a second. */
export function nextTime(state: LedgerState, now: number): { readonly at: number; readonly step: { readonly from: string; readonly to: string } | null } {
  if (now >= state.lastRecordedAt) return { at: now, step: null };
  if (state.lastRecordedAt - now <= 1000) return { at: state.lastRecordedAt, step: null };
  return { at: now, step: { from: formatTime(state.lastRecordedAt), to: formatTime(now) } };
}
