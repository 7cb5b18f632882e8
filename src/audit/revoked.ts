/**
 * Receipts of keys that are not to be believed any more (docs/FORMAT.md section 7, key_revocation). Recomputing a MAC proves nothing once the
 * key is known to others; what an anchor covers whose time, by a clock that is not the host's, is before that, was there before.
 */
import { count } from "../format/count.ts";
import { formatTime, parseTime } from "../format/time.ts";
import type { AuditOptions } from "./audit.ts";
import type { KeySeen, RevocationSeen } from "./keys-seen.ts";
import type { RevokedRecord } from "./record.ts";
import type { Findings, KeyReport } from "./report.ts";
import { type JudgedKeys, RevokedBefore, revokedRecord, type Revocation, type SuspectRange } from "./revoked-before.ts";
import type { NotChecked, PartSeen } from "./verdict.ts";

export interface RevokedKeys {
  /** ms since 1970, by key id: since when somebody else may have had the key. What the auditor says counts, whatever the ledger says. */
  readonly since: ReadonlyMap<string, number>;
  /** Keys whose suspect receipts the auditor knows of: a note, and no finding. */
  readonly accepted: ReadonlySet<string>;
}

const NONE: RevokedKeys = { since: new Map(), accepted: new Set() };

/** What there is to say of each key, after the targets were looked at. Adds findings, and what could not be decided. */
export function judgeKeys(options: AuditOptions, seen: PartSeen | null, findings: Findings, notChecked: NotChecked): JudgedKeys {
  const { revoked = NONE } = options;
  if (seen === null) {
    for (const keyId of revoked.since.keys()) notChecked.fail(`which receipts are suspect: ${keyId} is revoked, and the ledger was not read`);
    return { keys: [], revoked: options.since?.revoked ?? [] };
  }
  return new Judge(options, revoked, seen, findings, notChecked).run();
}

class Judge {
  readonly #options: AuditOptions;
  readonly #revoked: RevokedKeys;
  readonly #seen: PartSeen;
  readonly #findings: Findings;
  readonly #notChecked: NotChecked;
  readonly #before: RevokedBefore;
  readonly #announced: readonly RevocationSeen[];
  readonly #records: RevokedRecord[] = [];

  constructor(options: AuditOptions, revoked: RevokedKeys, seen: PartSeen, findings: Findings, notChecked: NotChecked) {
    this.#options = options;
    this.#revoked = revoked;
    this.#seen = seen;
    this.#findings = findings;
    this.#notChecked = notChecked;
    this.#before = new RevokedBefore(options);
    for (const one of this.#before.announced) seen.joined.keys.revoke(one);
    this.#announced = seen.joined.keys.revocations;
  }

  run(): JudgedKeys {
    const { keys } = this.#seen.joined.keys;
    const named = [...this.#revoked.since.keys(), ...this.#announced.map(({ keyId }) => keyId), ...this.#before.keyIds];
    for (const keyId of new Set(named)) if (!keys.some((key) => key.keyId === keyId)) this.#unseen(keyId);
    for (const keyId of this.#revoked.accepted) this.#accepted(keyId, named.includes(keyId), keys.some((key) => key.keyId === keyId));
    const reports = keys.map((key) => this.#judge(key));
    return { keys: reports, revoked: this.#records };
  }

  /** A key that is revoked and has signed nothing that was read. */
  #unseen(keyId: string): void {
    const revocation = this.#revocationOf(keyId)!;
    if (this.#seen.part.first > 0) this.#report(keyId, null, revocation);
    else {
      if (this.#revoked.since.has(keyId) && !this.#isOfTime) this.#notChecked.fail(unknownKey(keyId, "was given as revoked"));
      else this.#notChecked.add(`anything of ${keyId}, which is revoked: no receipt that was read is signed with it`);
      this.#keep(keyId, revocation, null);
    }
  }

  /** Whoever mistypes a key's id has accepted nothing, and one that is accepted before it is revoked would never be a finding. */
  #accepted(keyId: string, isRevoked: boolean, isSeen: boolean): void {
    if (isRevoked) return;
    if (!isSeen && this.#seen.part.first === 0 && !this.#isOfTime) this.#notChecked.fail(unknownKey(keyId, "was given with --accept-suspect"));
    else this.#notChecked.add(`anything of ${keyId}, whose suspect receipts are accepted: nobody says that it is revoked`);
  }

  #judge(key: KeySeen): KeyReport {
    const { joined } = this.#seen;
    const { keyId, receipts, firstIndex, lastIndex, firstAt, lastAt } = key;
    const revocation = this.#revocationOf(keyId);
    return {
      keyId, receipts, firstIndex, lastIndex, firstAt, lastAt, macsChecked: joined.totals.macsChecked.get(keyId) ?? 0,
      revoked: revocation === null ? null : { since: formatTime(revocation.since), by: revocation.by },
      suspect: revocation === null ? 0 : this.#report(keyId, key, revocation),
    };
  }

  /** Receipts that nothing vouches for; a key's are in a row. `key`: null where none of them was read. Returns how many are known. */
  #report(keyId: string, key: KeySeen | null, revocation: Revocation): number {
    const { part, joined, since } = this.#seen;
    const isBefore = part.first > 0 && (key === null || key.firstIndex === part.first) && this.#before.mayHaveSigned(keyId);
    const before = isBefore ? this.#before.suspects(keyId, revocation.since) : null;
    if (before === "unread") this.#unread(keyId);
    const covered = joined.trail.coveredBefore(revocation.since);
    const read = key === null || key.lastIndex < covered ? null : { first: Math.max(key.firstIndex, covered), last: key.lastIndex };
    const known = before === "unread" || before === null || before.last < covered ? read : { first: Math.max(before.first, covered), last: read?.last ?? before.last };
    this.#keep(keyId, revocation, before === "unread" ? before : known);
    if (known === null) return 0;
    const suspect = known.last + 1 - known.first;
    const isOne = suspect === 1;
    const hasClock = this.#options.targets.some(({ trustedTime }) => trustedTime);
    const why = hasClock ? `no anchor that was stored before covers ${isOne ? "it" : "them"}` : "no target here has a clock of its own, so that nothing shows that they were there before";
    const from = known.first >= part.first || since === null ? "" : `; the audit of ${since.made_at} accepted that, which holds for that audit only (--accept-suspect)`;
    this.#findings.add({
      severity: this.#isAccepted(keyId) ? "note" : "violation", code: "key_revoked",
      message: `${count(suspect, "receipt")}${this.#options.range?.organization === undefined ? "" : " of the ledger"} signed with ${keyId} ${isOne ? "is" : "are"} suspect: the key is revoked, ${revocation.says}, and ${why}${from}`,
      logIndex: known.first, lastIndex: known.last,
    });
    return suspect;
  }

  #unread(keyId: string): void {
    const what = `which of the first ${count(this.#seen.part.first, "receipt")} are suspect: ${keyId} is revoked, and they were not read`;
    if (this.#isAccepted(keyId)) this.#notChecked.add(`${what}; that is accepted`);
    else this.#notChecked.fail(`${what}; audit everything, without a time, or with --since and --all-receipts`);
  }

  get #isOfTime(): boolean {
    const { range } = this.#options;
    return range?.from !== undefined || range?.to !== undefined;
  }

  #isAccepted(keyId: string): boolean {
    return this.#revoked.accepted.has(keyId);
  }

  #keep(keyId: string, revocation: Revocation, suspect: SuspectRange | "unread" | null): void {
    this.#records.push(revokedRecord(keyId, revocation, this.#announced.find((one) => one.keyId === keyId), suspect));
  }

  #revocationOf(keyId: string): Revocation | null {
    const given = this.#revoked.since.get(keyId);
    if (given !== undefined) return { since: given, by: "auditor", says: `as the auditor says (${formatTime(given)})` };
    const before = this.#before.saidOf(keyId);
    const said = this.#announced.find((one) => one.keyId === keyId);
    // what an auditor has said no receipt of the host takes back
    if (said === undefined || (before !== null && before.since <= parseTime(said.since)!)) return before;
    return { since: parseTime(said.since)!, by: "ledger", says: `as receipt ${said.logIndex} says (${said.since}: ${said.reason})` };
  }
}

function unknownKey(keyId: string, was: string): string {
  return `which receipts are suspect: no receipt of this ledger is signed with ${keyId}, which ${was}; is that its id? (receiptd key list)`;
}
