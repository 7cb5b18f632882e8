/**
 * What the record of an earlier audit knows of revoked keys (docs/FORMAT.md section 13.5). Receipts that are not read again cannot say
 * that their key is revoked, or that they are suspect: whoever accepted that did so for that audit, and not for whoever goes on from it.
 */
import { formatTime } from "../format/time.ts";
import type { AuditOptions } from "./audit.ts";
import type { RevocationSeen } from "./keys-seen.ts";
import type { RevokedRecord } from "./record.ts";
import type { KeyReport } from "./report.ts";

/** Indexes, both included. */
export interface SuspectRange {
  readonly first: number;
  readonly last: number;
}

/** By whom and since when (ms) a key is revoked. */
export interface Revocation {
  readonly since: number;
  readonly by: "auditor" | "ledger";
  /** In words. */
  readonly says: string;
}

export class RevokedBefore {
  /** When the record was made, RFC 3339. */
  readonly #madeAt: string;
  readonly #known: readonly RevokedRecord[];
  readonly #keyIds: readonly string[] | null;

  /** Nothing is known where there is no record, or it is of another ledger. */
  constructor({ since, ledger }: Pick<AuditOptions, "since" | "ledger">) {
    this.#madeAt = since?.made_at ?? "";
    const isOurs = since?.origin === ledger.origin && since.ledger_id === ledger.ledgerId;
    this.#known = isOurs ? since.revoked : [];
    this.#keyIds = isOurs ? since.key_ids : null;
  }

  get keyIds(): readonly string[] {
    return this.#known.map(({ key_id }) => key_id);
  }

  /** By the ledger's own receipts. */
  get announced(): readonly RevocationSeen[] {
    return this.#known.flatMap(({ key_id: keyId, announced }) => (announced === null ? [] : [{ keyId, since: announced.since, reason: announced.reason, logIndex: announced.log_index }]));
  }

  /** What an auditor said then, which the ledger may not say; null: nothing. */
  saidOf(keyId: string): Revocation | null {
    const known = this.#of(keyId);
    if (known?.by !== "auditor") return null;
    return { since: Date.parse(known.since), by: "auditor", says: `as was said at the audit of ${this.#madeAt} (${known.since})` };
  }

  /** False: it has signed nothing up to the end of the record. */
  mayHaveSigned(keyId: string): boolean {
    return this.#keyIds === null || this.#keyIds.includes(keyId);
  }

  /** Suspects up to the end of the record, where the key is revoked since this time (ms); null: none. `unread`: nobody knows. */
  suspects(keyId: string, since: number): SuspectRange | "unread" | null {
    const known = this.#of(keyId);
    if (known === null || known.unread || Date.parse(known.since) > since) return "unread";
    if (known.suspect === null) return null; // nor are there any, by a later time
    return Date.parse(known.since) === since ? { first: known.suspect.first_index, last: known.suspect.last_index } : "unread";
  }

  #of(keyId: string): RevokedRecord | null {
    return this.#known.find(({ key_id }) => key_id === keyId) ?? null;
  }
}

/** A key for the record to come. */
export function revokedRecord(keyId: string, { since, by }: Revocation, announced: RevocationSeen | undefined, suspect: SuspectRange | "unread" | null): RevokedRecord {
  return {
    key_id: keyId, since: formatTime(since), by,
    announced: announced === undefined ? null : { since: announced.since, reason: announced.reason, log_index: announced.logIndex },
    suspect: suspect === null || suspect === "unread" ? null : { first_index: suspect.first, last_index: suspect.last },
    unread: suspect === "unread",
  };
}

/** What there is to say of the keys of an audit, and what its record keeps of those that are revoked. */
export interface JudgedKeys {
  readonly keys: readonly KeyReport[];
  readonly revoked: readonly RevokedRecord[];
}
