/** The keys of the open epoch, and the step to the next (docs/FORMAT.md section 6). */
import { hashText } from "../format/chain.ts";
import { epochCommitment, epochSecret, firstRatchetKey, nextRatchetKey, organizationKey, requestKey } from "../format/mac.ts";
import type { Request } from "../format/request.ts";
import type { Seal } from "../format/seal.ts";
import type { HmacKey, Keyring } from "./keyring.ts";
import { MacKey } from "./mac-key.ts";
import { nodeHash } from "./node-hash.ts";

/** Where the ratchet stands: K of an epoch. */
export interface RatchetState {
  readonly keyId: string;
  readonly epoch: number;
  readonly key: Uint8Array;
}

export class EpochKeys {
  readonly #requestKey: MacKey;
  readonly #keyId: string;
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
  get state(): RatchetState { return { keyId: this.#keyId, epoch: this.#epoch, key: Uint8Array.from(this.#ratchet) }; }

  /** The stored bytes of a receipt, signed under the organization's key. */
  seal(request: Request, seal: Seal, take = Buffer.allocUnsafe): Uint8Array {
    const { organization } = request;
    let key = this.#organizations.get(organization);
    if (key === undefined) {
      key = new MacKey(organizationKey(this.#secret, organization, nodeHash));
      this.#organizations.set(organization, key);
    }
    return key.sealed(request, seal, take);
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
    return hashText(epochCommitment(epochSecret(nextRatchetKey(this.#ratchet, nodeHash), nodeHash), nodeHash));
  }

  /** To the next epoch; the old keys are overwritten in memory. */
  advance(): void {
    const old = this.#ratchet;
    this.#ratchet = nextRatchetKey(old, nodeHash);
    old.fill(0);
    this.#secret.fill(0);
    this.#secret = epochSecret(this.#ratchet, nodeHash);
    this.#epoch++;
    for (const key of this.#organizations.values()) key.erase();
    this.#organizations.clear();
  }
}

/** The ratchet of a retained key at `epoch`, stepped from `from` where that is the same key's and earlier, else from the seed. */
export function ratchetAt(ledgerId: string, key: HmacKey, epoch: number, from: RatchetState | null): RatchetState {
  const usable = from !== null && from.keyId === key.keyId && from.epoch >= key.firstEpoch && from.epoch <= epoch;
  let at = usable ? from.epoch : key.firstEpoch;
  let ratchet = usable ? from.key : firstRatchetKey(key.seed, ledgerId, key.keyId, nodeHash);
  for (; at < epoch; at++) ratchet = nextRatchetKey(ratchet, nodeHash);
  return { keyId: key.keyId, epoch, key: Uint8Array.from(ratchet) };
}
