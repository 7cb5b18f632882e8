/** The keys of the open epoch, and the step to the next (docs/FORMAT.md section 6). */
import { toHex } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { epochCommitment, epochSecret, equalMac, firstRatchetKey, nextRatchetKey, organizationKey, requestKey, SIGNATURE_PREFIX } from "../format/mac.ts";
import type { Request } from "../format/request.ts";
import type { Seal } from "../format/seal.ts";
import { KeyError } from "./errors.ts";
import type { HmacKey, Keyring } from "./keyring.ts";
import { MacKey } from "./mac-key.ts";
import { nodeHash } from "./node-hash.ts";

/** Where the ratchet stands: K of an epoch. */
export interface RatchetState {
  readonly keyId: string;
  readonly epoch: number;
  readonly key: Uint8Array;
}

/** A copy in memory that the garbage collector does not move: of what it moves, nobody can overwrite what it leaves behind. */
export function keyCopy(key: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(key.length));
  copy.set(key);
  return copy;
}

/** `sha256:<hex>` of C of the epoch whose K this is. */
export function commitmentOf(key: Uint8Array): string {
  const secret = epochSecret(key, nodeHash);
  const commitment = hashText(epochCommitment(secret, nodeHash));
  secret.fill(0);
  return commitment;
}

/**
 * Every array with a key that no longer signs is overwritten here and where it is passed to: what is in memory of a closed epoch could
 * forge it (test/attacks/memory.test.ts looks through a daemon's).
 */
export class EpochKeys {
  readonly #requestKey: MacKey;
  #keyId: string;
  #epoch: number;
  #ratchet: Uint8Array;
  #secret: Uint8Array;
  readonly #organizations = new Map<string, MacKey>();

  /** `state.key` is overwritten by `advance`. */
  constructor(keyring: Keyring, state: RatchetState) {
    this.#requestKey = new MacKey(requestKey(keyring.requestSecret, keyring.ledgerId, nodeHash));
    this.#keyId = state.keyId;
    this.#epoch = state.epoch;
    this.#ratchet = state.key;
    this.#secret = epochSecret(state.key, nodeHash);
  }

  get keyId(): string { return this.#keyId; }
  get epoch(): number { return this.#epoch; }
  get state(): RatchetState { return { keyId: this.#keyId, epoch: this.#epoch, key: keyCopy(this.#ratchet) }; }

  /** The stored bytes of a receipt, signed under the organization's key. */
  seal(request: Request, seal: Seal, take = Buffer.allocUnsafe): Uint8Array {
    const { organization } = request;
    return this.#keyOf(organization).sealed(request, seal, take);
  }

  /** Is `signature` that of a receipt of the open epoch? `unsigned`: its JCS without it. What is in the file is whoever's has the file. */
  isSigned(organization: string, unsigned: Uint8Array, signature: string): boolean {
    return equalMac(SIGNATURE_PREFIX + toHex(this.#keyOf(organization).mac(unsigned)), signature);
  }

  #keyOf(organization: string): MacKey {
    const known = this.#organizations.get(organization);
    if (known !== undefined) return known;
    const bytes = organizationKey(this.#secret, organization, nodeHash);
    const key = new MacKey(bytes);
    bytes.fill(0);
    this.#organizations.set(organization, key);
    return key;
  }

  /** Section 12. */
  requestMac(json: Uint8Array): Uint8Array {
    return this.#requestKey.mac(json);
  }

  /** `sha256:<hex>` of C_e of the open epoch. */
  commitment(): string {
    return hashText(epochCommitment(this.#secret, nodeHash));
  }

  /** `sha256:<hex>` of C_{e+1}: what the anchor that closes the open epoch publishes. */
  nextCommitment(): string {
    const ratchet = nextRatchetKey(this.#ratchet, nodeHash);
    const commitment = commitmentOf(ratchet);
    ratchet.fill(0);
    return commitment;
  }

  /** To the next epoch; the old keys are overwritten in memory. */
  advance(): void {
    this.change({ keyId: this.#keyId, epoch: this.#epoch + 1, key: nextRatchetKey(this.#ratchet, nodeHash) });
  }

  /** Overwrites what is in memory; nothing can be signed any more. */
  erase(): void {
    this.#ratchet.fill(0);
    this.#secret.fill(0);
    for (const key of this.#organizations.values()) key.erase();
    this.#organizations.clear();
  }

  /** To another key, with which an epoch begins; the old ones are overwritten in memory. `state.key` is overwritten by the next change. */
  change(state: RatchetState): void {
    this.erase();
    this.#ratchet = state.key;
    this.#secret = epochSecret(this.#ratchet, nodeHash);
    this.#keyId = state.keyId;
    this.#epoch = state.epoch;
  }
}

/**
 * The ratchet of the key at `epoch`: stepped from `from` where that is the same key's and earlier, else from the seed. A forward-secure
 * key has none: `ratchet_lost`, or `ratchet_ahead` where the ledger is older than the key, whose steps nobody can take back.
 */
export function ratchetAt(ledgerId: string, key: HmacKey, epoch: number, from: RatchetState | null): RatchetState {
  const own = from !== null && from.keyId === key.keyId && from.epoch >= key.firstEpoch ? from : null;
  const start = own !== null && own.epoch <= epoch ? own : key.seed === null ? null : seedState(ledgerId, key.keyId, key.firstEpoch, key.seed);
  if (start === null) throw unreachable(key.keyId, epoch, own);
  let ratchet = keyCopy(start.key);
  for (let at = start.epoch; at < epoch; at++) {
    const old = ratchet;
    ratchet = nextRatchetKey(old, nodeHash);
    old.fill(0);
  }
  if (start !== own) start.key.fill(0);
  return { keyId: key.keyId, epoch, key: ratchet };
}

function seedState(ledgerId: string, keyId: string, epoch: number, seed: Uint8Array): RatchetState {
  return { keyId, epoch, key: firstRatchetKey(seed, ledgerId, keyId, nodeHash) };
}

function unreachable(keyId: string, epoch: number, own: RatchetState | null): KeyError {
  if (own === null) {
    return new KeyError("ratchet_lost", `the ratchet holds no key of ${keyId}, which is forward-secure: without it receipts of epoch ${epoch} can be signed with the auditor's seed only (receiptd init --ratchet --seed FILE; where nobody has it: receiptd key break)`);
  }
  return new KeyError("ratchet_ahead", `the ratchet is at epoch ${own.epoch} of ${keyId}, the ledger at ${epoch}: the ledger is an older one, put back; its newer receipts are in the anchors' archive or in another copy`);
}
