/** One place of a damaged ledger: what its bytes are by themselves (docs/FORMAT.md section 13.1), and whether their MAC is right. */
import { auditHash } from "../audit/hash.ts";
import type { Place } from "../audit/places.ts";
import { equal } from "../format/bytes.ts";
import type { LedgerName } from "../format/names.ts";
import { RatchetKeys, type RatchetStart } from "../verify/keys.ts";
import { VerifyError } from "../verify/errors.ts";
import { type VerifiedReceipt, verifyMac, verifyReceipt } from "../verify/receipt.ts";
import type { Stop } from "./rebuilt.ts";

type KnownReceipt = VerifiedReceipt & { readonly known: true };

export interface Examined extends Place {
  /** SHA-256 of the bytes; null where there are none. */
  readonly blobHash: Uint8Array | null;
  /** The receipt, where the bytes are one of this ledger and place. */
  readonly read: KnownReceipt | null;
  /** The bytes are a receipt of a schema_version that this program does not know. */
  readonly isNewer: boolean;
}

/** `unknown`: nobody here has the key. */
export type MacVerdict = "right" | "wrong" | "unknown";

export class Examiner {
  readonly #ledger: LedgerName;
  readonly #keys: RatchetKeys | null;
  readonly #sealed: readonly string[];

  /** `starts` null: no MAC can be checked. `sealed`: keys of which the host has the open epoch's alone. */
  constructor(ledger: LedgerName, starts: readonly RatchetStart[] | null, sealed: readonly string[] = []) {
    this.#ledger = ledger;
    this.#sealed = sealed;
    this.#keys = starts === null ? null : new RatchetKeys(starts, { hash: auditHash });
  }

  examine(place: Place): Examined {
    const { blob, logIndex } = place;
    if (blob === null) return { ...place, blobHash: null, read: null, isNewer: false };
    const read = this.#read(blob);
    const isHere = read !== null && read.receipt.log_index === logIndex && read.receipt.ledger === this.#ledger.origin;
    return { ...place, blobHash: read?.hash ?? auditHash.sha256(blob), read: isHere && read.known ? read : null, isNewer: isHere && !read.known };
  }

  /** `epoch`: the one that is open at this place; a receipt that says another is not one of this place. */
  mac({ blob, read }: Examined, epoch: number): MacVerdict {
    if (blob === null || read === null || read.receipt.key_epoch !== epoch) return "wrong";
    const { key_id, organization } = read.receipt;
    const key = this.#keys?.macKey(key_id, epoch, organization) ?? null;
    if (key === null) return "unknown";
    try {
      verifyMac(blob, read.receipt, key, auditHash);
      return "right";
    } catch (error) {
      if (error instanceof VerifyError) return "wrong";
      throw error;
    }
  }

  /** Of a receipt whose MAC is `unknown`, where nothing else speaks for it: anybody may have written index and bytes. */
  unchecked({ logIndex, read }: Examined): Stop {
    const keyId = read!.receipt.key_id;
    const isSealed = this.#sealed.includes(keyId);
    const why = isSealed ? `${keyId} is forward-secure, and the ratchet on this host has not its key of this epoch` : `the keyring has no key ${keyId}, which it names: it is an older one, or somebody has put the receipt there`;
    return { code: isSealed ? "ratchet_lost" : "key_unknown", logIndex, message: `receipt ${logIndex} is under no anchor, and its MAC cannot be checked here: ${why}` };
  }

  #read(blob: Uint8Array): VerifiedReceipt | null {
    try {
      return verifyReceipt(blob, auditHash);
    } catch (error) {
      if (error instanceof VerifyError) return null;
      throw error;
    }
  }
}

/** Do index and bytes say the same, and is it a receipt? */
export function isUndisputed({ read, row }: Examined): boolean {
  return read !== null && row !== null && equal(read.hash, row.receiptHash);
}

/** Of the row; null where there is none, or it has no hash. */
export function rowHash({ row }: Place): Uint8Array | null {
  return row?.receiptHash.length === 32 ? row.receiptHash : null;
}
