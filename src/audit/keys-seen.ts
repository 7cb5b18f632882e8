/** Which key signed which receipts, and which keys the ledger says are revoked. What is here crosses threads. */
import type { KeyRevocationDetails } from "../format/fields.ts";
import { detailsOf } from "../verify/log.ts";
import type { VerifiedReceipt } from "../verify/receipt.ts";

export interface KeySeen {
  readonly keyId: string;
  receipts: number;
  readonly firstIndex: number;
  lastIndex: number;
  /** `recorded_at`; null where no receipt says it in a way that this program knows. */
  readonly firstAt: string | null;
  lastAt: string | null;
}

export interface RevocationSeen {
  readonly keyId: string;
  /** RFC 3339 */
  readonly since: string;
  readonly reason: string;
  readonly logIndex: number;
}

/** As many keys as are told apart: whoever writes the file can put any text there. */
const MAX_KEYS = 256;

export class KeysSeen {
  readonly #keys = new Map<string, KeySeen>();
  readonly #revocations = new Map<string, RevocationSeen>();
  #last: KeySeen | null = null;

  add(r: VerifiedReceipt, logIndex: number): void {
    const { key_id: keyId } = r.receipt;
    const at = r.known ? r.receipt.recorded_at : null;
    if (this.#last?.keyId !== keyId) this.#last = this.#keys.get(keyId) ?? null;
    if (this.#last !== null) {
      this.#last.receipts++;
      this.#last.lastIndex = logIndex;
      this.#last.lastAt = at ?? this.#last.lastAt;
    } else this.join({ keyId, receipts: 1, firstIndex: logIndex, lastIndex: logIndex, firstAt: at, lastAt: at });
    if (!r.known || r.receipt.type !== "key_revocation") return;
    const { key_id, compromised_since, reason } = detailsOf<KeyRevocationDetails>(r.receipt);
    this.revoke({ keyId: key_id, since: compromised_since, reason, logIndex });
  }

  /** Behind what is here already. */
  join(seen: KeySeen): void {
    const known = this.#keys.get(seen.keyId);
    if (known === undefined) {
      if (this.#keys.size < MAX_KEYS) this.#keys.set(seen.keyId, { ...seen });
      return;
    }
    known.receipts += seen.receipts;
    known.lastIndex = seen.lastIndex;
    known.lastAt = seen.lastAt ?? known.lastAt;
  }

  /** Of several for one key the earliest time counts. */
  revoke(seen: RevocationSeen): void {
    const known = this.#revocations.get(seen.keyId);
    if (known === undefined ? this.#revocations.size < MAX_KEYS : seen.since < known.since) this.#revocations.set(seen.keyId, seen);
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** In order of their first receipts. */
  get keys(): readonly KeySeen[] {
    return [...this.#keys.values()];
  }

  get revocations(): readonly RevocationSeen[] {
    return [...this.#revocations.values()];
  }
}
