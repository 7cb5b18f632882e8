/**
 * Receipts of keys that are not to be believed any more (docs/FORMAT.md section 7, key_revocation). Recomputing a MAC proves nothing once the
 * key is known to others; what an anchor covers whose time, by a clock that is not the host's, is before that, was there before.
 */
import { count } from "../format/count.ts";
import { formatTime, parseTime } from "../format/time.ts";
import type { AuditOptions } from "./audit.ts";
import type { KeySeen, RevocationSeen } from "./keys-seen.ts";
import type { Findings, KeyReport } from "./report.ts";
import type { NotChecked, PartSeen } from "./verdict.ts";

export interface RevokedKeys {
  /** ms since 1970, by key id: since when somebody else may have had the key. What the auditor says counts, whatever the ledger says. */
  readonly since: ReadonlyMap<string, number>;
  /** Keys whose suspect receipts the auditor knows of: a note, and no finding. */
  readonly accepted: ReadonlySet<string>;
}

interface Revocation {
  readonly since: number;
  readonly by: "auditor" | "ledger";
  /** In words. */
  readonly says: string;
}

const NONE: RevokedKeys = { since: new Map(), accepted: new Set() };

/** What there is to say of each key, after the targets were looked at. Adds findings, and what could not be decided. */
export function judgeKeys({ revoked = NONE, targets, range }: AuditOptions, seen: PartSeen | null, findings: Findings, notChecked: NotChecked): readonly KeyReport[] {
  if (seen === null) {
    for (const keyId of revoked.since.keys()) notChecked.fail(`which receipts are suspect: ${keyId} is revoked, and the ledger was not read`);
    return [];
  }
  const { part, joined } = seen;
  const { keys, revocations } = joined.keys;
  const hasClock = targets.some(({ trustedTime }) => trustedTime);
  const unseen = [...revoked.since.keys(), ...revocations.map(({ keyId }) => keyId)].filter((keyId, i, all) => all.indexOf(keyId) === i && !keys.some((key) => key.keyId === keyId));
  for (const keyId of unseen) {
    if (part.first > 0 && !revoked.accepted.has(keyId)) notChecked.fail(before(keyId, part.first));
    else if (revoked.since.has(keyId) && range?.from === undefined && range?.to === undefined) notChecked.fail(`which receipts are suspect: no receipt of this ledger is signed with ${keyId}, which was given as revoked; is that its id? (receiptd key list)`);
    else notChecked.add(`anything of ${keyId}, which is revoked: no receipt that was read is signed with it`);
  }
  return keys.map((key) => {
    const { keyId, receipts, firstIndex, lastIndex, firstAt, lastAt } = key;
    const revocation = revocationOf(keyId, revoked, revocations);
    const isAccepted = revoked.accepted.has(keyId);
    if (revocation !== null && part.first > 0 && firstIndex === part.first && !isAccepted) notChecked.fail(before(keyId, part.first));
    const suspect = revocation === null ? 0 : report(key, revocation, joined.trail.coveredBefore(revocation.since), { hasClock, isAccepted, isOfOne: range?.organization !== undefined }, findings);
    return {
      keyId, receipts, firstIndex, lastIndex, firstAt, lastAt, macsChecked: joined.totals.macsChecked.get(keyId) ?? 0,
      revoked: revocation === null ? null : { since: formatTime(revocation.since), by: revocation.by }, suspect,
    };
  });
}

function before(keyId: string, first: number): string {
  return `which of the first ${count(first, "receipt")} are suspect: ${keyId} is revoked, and they were not read; audit everything, without --since or a time`;
}

function revocationOf(keyId: string, { since }: RevokedKeys, announced: readonly RevocationSeen[]): Revocation | null {
  const given = since.get(keyId);
  if (given !== undefined) return { since: given, by: "auditor", says: `as the auditor says (${formatTime(given)})` };
  const said = announced.find((one) => one.keyId === keyId);
  if (said === undefined) return null;
  return { since: parseTime(said.since)!, by: "ledger", says: `as receipt ${said.logIndex} says (${said.since}: ${said.reason})` };
}

/** Receipts that nothing vouches for; a key's are in a row. */
function report(
  { keyId, firstIndex, lastIndex }: KeySeen, { says }: Revocation, covered: number,
  { hasClock, isAccepted, isOfOne }: { readonly hasClock: boolean; readonly isAccepted: boolean; readonly isOfOne: boolean }, findings: Findings,
): number {
  const first = Math.max(firstIndex, covered);
  const suspect = lastIndex + 1 - first;
  if (suspect <= 0) return 0;
  const are = suspect === 1 ? "is" : "are";
  const why = hasClock ? `no anchor that was stored before covers ${suspect === 1 ? "it" : "them"}` : "no target here has a clock of its own, so that nothing shows that they were there before";
  findings.add({
    severity: isAccepted ? "note" : "violation", code: "key_revoked",
    message: `${count(suspect, "receipt")}${isOfOne ? " of the ledger" : ""} signed with ${keyId} ${are} suspect: the key is revoked, ${says}, and ${why}`,
    logIndex: first, lastIndex,
  });
  return suspect;
}
