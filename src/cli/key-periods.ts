/** Which receipts each key of a keyring has signed, by the ledger. */
import { formatTime } from "../format/time.ts";
import type { HmacKey, Keyring } from "../keys/keyring.ts";
import { announcedIn, firstOfEpoch, keyInUse } from "../ledger/keys-said.ts";
import type { Reader } from "../ledger/reader.ts";

export interface KeyPeriod {
  readonly key_id: string;
  readonly mode: HmacKey["mode"];
  /** `signs`, `rotated`: another signs now; `revoked`: nor is it to be believed; `unused`: it was made, and the ledger never went on with it. */
  readonly state: "signs" | "rotated" | "revoked" | "unused";
  readonly first_epoch: number;
  readonly created_at: string | null;
  readonly receipts: number;
  readonly first_index: number | null;
  readonly last_index: number | null;
  readonly first_recorded_at: string | null;
  readonly last_recorded_at: string | null;
  readonly revoked: { readonly compromised_since: string; readonly reason: string } | null;
}

/** In order of first epoch. */
export function keyPeriods(reader: Reader, { hmacKeys }: Keyring): readonly KeyPeriod[] {
  const used = keyInUse(reader);
  const said = hmacKeys.map(({ keyId, firstEpoch }) => announcedIn(reader, firstEpoch).find(({ key_id: id }) => id === keyId));
  const inUse = hmacKeys.filter(({ keyId }, i) => keyId === used || said[i] !== undefined);
  const starts = inUse.map((key) => said[hmacKeys.indexOf(key)]?.first ?? firstOfEpoch(reader, key.firstEpoch));
  const size = reader.size();
  return hmacKeys.map((key) => {
    const { keyId, mode, firstEpoch, createdAt = null, revoked = null } = key;
    const place = inUse.indexOf(key);
    const first = place === -1 ? size : starts[place]!;
    const end = place === -1 ? size : starts[place + 1] ?? size;
    const isAny = end > first;
    const time = (logIndex: number): string | null => (isAny ? formatTime(reader.byIndex(logIndex)!.recordedAt) : null);
    return {
      key_id: keyId, mode, state: revoked !== null ? "revoked" : keyId === used ? "signs" : place === -1 ? "unused" : "rotated",
      first_epoch: firstEpoch, created_at: createdAt, receipts: end - first, first_index: isAny ? first : null, last_index: isAny ? end - 1 : null,
      first_recorded_at: time(first), last_recorded_at: time(end - 1), revoked,
    };
  });
}
