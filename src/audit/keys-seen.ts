/** Which key signed which receipts, which keys the ledger says are revoked, and which begin with a `ratchet_break`. What is here crosses threads. */
import { hashText } from "../format/chain.ts";
import type { GenesisDetails, KeyRevocationDetails } from "../format/fields.ts";
import { breakOf, checkpointRotationOf, detailsOf } from "../verify/log.ts";
import type { VerifiedReceipt } from "../verify/receipt.ts";
import type { VkeyRotation } from "../verify/vkeys.ts";

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

/** A `ratchet_break`, and what it says. */
export interface BreakSeen {
  readonly keyId: string;
  readonly previousKeyId: string;
  readonly ratchet: "lost" | "ahead" | "wrong";
  readonly reason: string;
  readonly logIndex: number;
  readonly receiptId: string;
  readonly receiptNumber: string;
  /** `sha256:…` of it: what an auditor accepts. null: it stands for others as well, for which there is no room. */
  readonly receiptHash: string | null;
  /** Tree size of the newest anchor receipt before it, 0 where there is none. */
  readonly anchored: number;
  /** Has nothing that was read before it this key? */
  readonly isNew: boolean;
}

/** A `checkpoint_rotation`. */
export interface RotationSeen {
  readonly rotation: VkeyRotation;
  readonly logIndex: number;
  readonly receiptId: string;
  readonly receiptNumber: string;
}

/** What receipts say of the ledger's checkpoint keys. `genesis` null: that receipt was not read. */
export interface VkeysSaid {
  readonly genesis: readonly string[] | null;
  readonly rotations: readonly RotationSeen[];
}

/** null for any other receipt. */
export function breakSeen(r: VerifiedReceipt, anchored: number, isNew: boolean): BreakSeen | null {
  const said = breakOf(r);
  if (said === null || !r.known) return null;
  const { log_index: logIndex, receipt_id: receiptId, receipt_number: receiptNumber } = r.receipt;
  return { keyId: said.key_id, previousKeyId: said.previous_key_id, ratchet: said.ratchet, reason: said.reason, logIndex, receiptId, receiptNumber, receiptHash: hashText(r.hash), anchored, isNew };
}

/** As many keys as are told apart: whoever writes the file can put any text there. */
export const MAX_KEYS = 256;

export class KeysSeen {
  readonly #keys = new Map<string, KeySeen>();
  readonly #revocations = new Map<string, RevocationSeen>();
  readonly #breaks: BreakSeen[] = [];
  readonly #rotations: RotationSeen[] = [];
  #genesis: readonly string[] | null = null;
  #last: KeySeen | null = null;

  /** `anchored`: tree size of the newest anchor receipt before it. */
  add(r: VerifiedReceipt, logIndex: number, anchored: number): void {
    const { key_id: keyId } = r.receipt;
    const seen = breakSeen(r, anchored, true);
    if (seen !== null) this.break(seen);
    this.#addVkeys(r, logIndex);
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

  #addVkeys(r: VerifiedReceipt, logIndex: number): void {
    if (!r.known) return;
    const { receipt_id: receiptId, receipt_number: receiptNumber } = r.receipt;
    const said = checkpointRotationOf(r);
    const rotations = said === null ? [] : [{ rotation: { treeSize: logIndex + 2, previous: said.previous_vkey, vkey: said.vkey }, logIndex, receiptId, receiptNumber }];
    if (said !== null || r.receipt.type === "genesis") this.joinVkeys({ genesis: said === null ? detailsOf<GenesisDetails>(r.receipt).vkeys : null, rotations });
  }

  /** Behind what is here already. */
  joinVkeys({ genesis, rotations }: VkeysSaid): void {
    this.#genesis ??= genesis;
    this.#rotations.push(...rotations.slice(0, MAX_KEYS - this.#rotations.length));
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

  get vkeys(): VkeysSaid {
    return { genesis: this.#genesis, rotations: this.#rotations };
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** Before the keys that were read with it are joined. The last one that there is room for stands for all that follow, and cannot be accepted. */
  break(seen: BreakSeen): void {
    if (this.#breaks.length === MAX_KEYS) return;
    const receiptHash = this.#breaks.length + 1 < MAX_KEYS ? seen.receiptHash : null;
    this.#breaks.push({ ...seen, receiptHash, isNew: seen.isNew && !this.#keys.has(seen.keyId) });
  }

  /** In order of their first receipts. */
  get keys(): readonly KeySeen[] {
    return [...this.#keys.values()];
  }

  get revocations(): readonly RevocationSeen[] {
    return [...this.#revocations.values()];
  }

  /** In order. */
  get breaks(): readonly BreakSeen[] {
    return this.#breaks;
  }
}
