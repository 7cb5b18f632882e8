/** Keys for a walk over a ledger, stepped from a ratchet key (docs/FORMAT.md section 6). Whoever has them can sign, too. */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { epochCommitment, epochSecret, firstRatchetKey, nextRatchetKey, organizationKey } from "../format/mac.ts";
import { VerifyError } from "./errors.ts";

/** What a verifier asks of the keys; null is "not known to me", and what needs it is reported as not checked. */
export interface LedgerKeys {
  /** M of the epoch and organization, 32 bytes; the same array each time, so that it can be the key of a cache. */
  macKey(keyId: string, epoch: number, organization: string): Uint8Array | null;
  /** C of the epoch, 32 bytes. */
  commitment(keyId: string, epoch: number): Uint8Array | null;
}

/**
 * 13.2 step 9 for an epoch's first receipt: is its key the one that was published before (`commitment_mismatch`)? `published` is the
 * `epoch_commitment` of genesis or the anchor receipt before, `keyBefore` the key of the epoch before, null in the first.
 *
 * A `key_id` that nobody knows would keep its MAC from being checked. So where it is not known the key before is asked: if its C is
 * the published one, the key did not change (`key_mismatch`).
 */
export function judgeCommitment(
  receipt: { readonly key_id: string; readonly key_epoch: number }, published: string, keyBefore: string | null, keys: LedgerKeys,
): VerifyError | null {
  const { key_id, key_epoch } = receipt;
  const commitment = keys.commitment(key_id, key_epoch);
  if (commitment !== null) {
    if (hashText(commitment) === published) return null;
    return new VerifyError("commitment_mismatch", `the key of epoch ${key_epoch} is not the one that was published before`, {
      expected: published, found: hashText(commitment),
    });
  }
  const unchanged = keyBefore === null ? null : keys.commitment(keyBefore, key_epoch);
  if (unchanged === null || hashText(unchanged) !== published) return null;
  return new VerifyError("key_mismatch", `the key of epoch ${key_epoch} is published, and is not this one`, {
    pointer: "/key_id", expected: keyBefore, found: key_id,
  });
}

/** K of one epoch, from which all later epochs of the key follow. */
export interface RatchetStart {
  readonly keyId: string;
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** K of a key's first epoch, from its seed of 32 bytes. */
export function ratchetStart(
  ledgerId: string, key: { readonly keyId: string; readonly firstEpoch: number; readonly seed: Uint8Array }, hash: Hash = pureHash,
): RatchetStart {
  return { keyId: key.keyId, epoch: key.firstEpoch, key: firstRatchetKey(key.seed, ledgerId, key.keyId, hash) };
}

/** What was disclosed of one epoch: S, from which all its receipts' keys follow, or M of one organization. */
export interface DisclosedKey {
  readonly keyId: string;
  readonly epoch: number;
  /** null: `key` is S. */
  readonly organization: string | null;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/**
 * The first key that is not what the starts lead to, or what the keys disclosed before it say; null: they agree. What leads to an epoch
 * further off than `maxSteps` is not looked at.
 */
export function contradictionIn(
  disclosed: readonly DisclosedKey[], starts: readonly RatchetStart[], options: { readonly hash?: Hash; readonly maxSteps?: number } = {},
): DisclosedKey | null {
  const known = new RatchetKeys(starts, options);
  const said = new RatchetKeys([], { ...options, disclosed });
  const hash = options.hash ?? pureHash;
  return disclosed.find(({ keyId, epoch, organization, key }) => [known, said].some((keys) => {
    const expected = organization === null ? keys.commitment(keyId, epoch) : keys.macKey(keyId, epoch, organization);
    return expected !== null && !equal(expected, organization === null ? epochCommitment(key, hash) : key);
  })) ?? null;
}

interface DisclosedEpoch {
  secret: Uint8Array | null;
  /** As disclosed; where S is there, as it follows from S. */
  readonly organizations: Map<string, Uint8Array>;
}

interface OpenEpoch {
  readonly start: RatchetStart;
  readonly epoch: number;
  /** K. */
  readonly key: Uint8Array;
  readonly secret: Uint8Array;
  readonly organizations: Map<string, Uint8Array>;
}

/** Steps a second, about: 100,000 with Node's hash. */
const MAX_STEPS = 1_000_000;
/** Epochs between two that are kept once they were passed: what it costs to go back, however often receipts claim to be of another. */
const STONES = 16;

/** Keys from one or more starts, for epochs in any order, and those that were disclosed one by one. */
export class RatchetKeys implements LedgerKeys {
  readonly #starts: readonly RatchetStart[];
  readonly #hash: Hash;
  readonly #maxSteps: number;
  /** K of a start's epoch and of every STONES-th after it, as far as was asked. */
  readonly #stones: ReadonlyMap<RatchetStart, Uint8Array[]>;
  readonly #disclosed = new Map<string, DisclosedEpoch>();
  #open: OpenEpoch | null = null;

  /**
   * `maxSteps` bounds what one forged `key_epoch` can cost; an epoch further off than that is not known. Whoever knows how many
   * anchor receipts there were before asks for no later epoch than that (13.2).
   *
   * Of what was disclosed S counts before M, and what comes first before what contradicts it, which `contradictionIn` finds.
   */
  constructor(
    starts: readonly RatchetStart[], options: { readonly hash?: Hash; readonly maxSteps?: number; readonly disclosed?: readonly DisclosedKey[] } = {},
  ) {
    this.#starts = starts;
    this.#hash = options.hash ?? pureHash;
    this.#maxSteps = options.maxSteps ?? MAX_STEPS;
    this.#stones = new Map(starts.map((start) => [start, [start.key]]));
    for (const { keyId, epoch, organization, key } of options.disclosed ?? []) {
      const of = this.#disclosed.get(`${keyId} ${epoch}`) ?? { secret: null, organizations: new Map() };
      if (organization === null) of.secret ??= key;
      else if (!of.organizations.has(organization)) of.organizations.set(organization, key);
      this.#disclosed.set(`${keyId} ${epoch}`, of);
    }
    for (const of of this.#disclosed.values()) if (of.secret !== null) of.organizations.clear(); // each follows from S
  }

  macKey(keyId: string, epoch: number, organization: string): Uint8Array | null {
    const open = this.#at(keyId, epoch) ?? this.#disclosed.get(`${keyId} ${epoch}`) ?? null;
    if (open === null) return null;
    let key = open.organizations.get(organization);
    if (key === undefined) {
      if (open.secret === null) return null;
      key = organizationKey(open.secret, organization, this.#hash);
      open.organizations.set(organization, key);
    }
    return key;
  }

  commitment(keyId: string, epoch: number): Uint8Array | null {
    const secret = (this.#at(keyId, epoch) ?? this.#disclosed.get(`${keyId} ${epoch}`))?.secret ?? null;
    return secret === null ? null : epochCommitment(secret, this.#hash);
  }

  /** Is what is known of the epoch's key what was disclosed, and nothing else? Others know it, too, and can sign with it. */
  isDisclosed(keyId: string, epoch: number): boolean {
    return this.#at(keyId, epoch) === null && this.#disclosed.has(`${keyId} ${epoch}`);
  }

  #at(keyId: string, epoch: number): OpenEpoch | null {
    let start: RatchetStart | null = null;
    for (const one of this.#starts) {
      if (one.keyId === keyId && one.epoch <= epoch && one.epoch >= (start?.epoch ?? 0)) start = one;
    }
    if (start === null) return null;
    const open = this.#open?.start === start ? this.#open : null;
    if (open?.epoch === epoch) return open;
    const key = this.#step(start, epoch, open);
    if (key !== null) this.#open = { start, epoch, key, secret: epochSecret(key, this.#hash), organizations: new Map() };
    return key === null ? null : this.#open;
  }

  /** K of the epoch, from the nearest one before that is kept. */
  #step(start: RatchetStart, epoch: number, open: OpenEpoch | null): Uint8Array | null {
    const stones = this.#stones.get(start)!;
    const stone = Math.min(Math.floor((epoch - start.epoch) / STONES), stones.length - 1);
    let at = start.epoch + stone * STONES;
    let key = stones[stone]!;
    if (open !== null && open.epoch > at && open.epoch < epoch) ({ epoch: at, key } = open);
    if (epoch - at > this.#maxSteps) return null;
    while (at < epoch) {
      key = nextRatchetKey(key, this.#hash);
      at++;
      if (at - start.epoch === stones.length * STONES) stones.push(key);
    }
    return key;
  }
}
