/**
 * How much of a ledger is anchored, and what vouches for the rest. Where there are targets, what counts is what was found there and is
 * the ledger's: an anchor receipt in the ledger says that its batch was closed, and not that it was published.
 */
import { count, receiptRange } from "../format/count.ts";
import type { AuditOptions } from "./audit.ts";
import type { AuditReport, TargetCounts } from "./report.ts";
import type { PartSeen } from "./verdict.ts";

/** Tree size up to which the audited receipts are anchored: at one target at least where any are given, else by the ledger's own word. */
export function anchoredSize({ targets }: AuditOptions, { part, joined }: PartSeen, counts: readonly TargetCounts[]): number {
  if (targets.length === 0) return joined.anchoredSize;
  return Math.min(joined.size, Math.max(part.first, ...counts.map((one) => one.anchoredSize)));
}

/** What is not checked of the receipts after that; null where there are none. */
export function pendingNote({ keys, targets }: AuditOptions, { joined }: PartSeen, anchored: number): string | null {
  const { size, macsCheckedFrom } = joined;
  const pending = size - anchored;
  if (pending <= 0) return null;
  const them = pending === 1 ? "it" : "them";
  const tail = `the ${count(pending, "receipt")} ${targets.length === 0 ? "after the newest anchor" : `that ${pending === 1 ? "is" : "are"} under no anchor at a target`}`;
  if (keys === null) return `${tail}: without a key nothing authenticates ${them}`;
  if (macsCheckedFrom <= anchored) return `${tail}, by anything outside: the HMAC key alone vouches for ${them}`;
  if (macsCheckedFrom >= size) return `${tail}, by anything: no MAC of ${them} was checked`;
  return `${tail}, by anything outside: not all MACs of ${receiptRange(anchored, macsCheckedFrom - 1)} were checked, so that nothing vouches for them, and the HMAC key alone for the others`;
}

/** Locks are told by the day: to the second they would be of one object only. `all`: tree size up to which another target has it. */
export function placeText({ target, lockedUntil, anchoredSize: size }: TargetCounts, all: number): string {
  const remarks = [
    ...(size < all ? [`the first ${count(size)} only`] : []),
    ...(lockedUntil === null ? [] : [`locked until at least ${lockedUntil.slice(0, 10)}`]),
  ];
  return remarks.length === 0 ? target : `${target} (${remarks.join("; ")})`;
}

/** The end of a sentence about the receipts. */
export function openText({ receipts, pending }: AuditReport["counts"], isOfOne: boolean): string {
  if (pending === 0) return "";
  const are = pending === 1 ? "is" : "are";
  if (isOfOne) return `; ${count(pending, "receipt")} of the ledger ${are} not anchored yet`;
  if (pending < receipts) return `; ${count(pending)} of them ${are} not anchored yet`;
  return receipts === 1 ? "; it is not anchored yet" : `; none of the ${count(receipts)} is anchored yet`;
}
