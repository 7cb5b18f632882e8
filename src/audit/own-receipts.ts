/**
 * The ledger's own receipts, in order, as far as they can be believed (docs/FORMAT.md section 13.2 steps 8 and 9, without the receipts
 * between them). An audit of a part takes the beginning of the part from them: its epoch and the commitment to that epoch's key. Whoever
 * has the open epoch's key could write closed epochs anew as the open one, behind anchor receipts that nobody has signed.
 */
import { equal } from "../format/bytes.ts";
import type { AnchorDetails } from "../format/fields.ts";
import type { Hash } from "../format/hash.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Receipt } from "../format/receipt.ts";
import type { Inspector } from "../ledger/inspect.ts";
import { VerifyError } from "../verify/errors.ts";
import { judgeCommitment, type LedgerKeys } from "../verify/keys.ts";
import { detailsOf, endAfter, judgeEpoch, type LogEnd, ownCommitment } from "../verify/log.ts";
import { type VerifiedReceipt, verifyMac, verifyReceipt } from "../verify/receipt.ts";
import { KeysSeen } from "./keys-seen.ts";
import { unlessCorrupt } from "./places.ts";

export interface OwnReceipt {
  readonly receipt: Receipt;
  readonly hash: Uint8Array;
}

/** `epoch_commitment`, and the key of the epoch before, null in the first. */
interface Promised {
  readonly commitment: string;
  readonly keyBefore: string | null;
}

type OwnRow = ReturnType<Inspector["rowsOf"]>[number];

const PAGE = 1024;

export class OwnReceipts {
  readonly #inspector: Inspector;
  readonly #hash: Hash;
  readonly #keys: LedgerKeys | null;
  /** Which keys signed those that were read, also such as are not to be believed. */
  readonly keys = new KeysSeen();
  /** By key id, receipts whose key is not known; none where no keys are. */
  readonly macsNotChecked = new Map<string, number>();
  /** After the newest that could be read; undefined: nothing is known of it. */
  #end: LogEnd | null | undefined = null;
  /** By the newest anchor receipt, genesis or `ratchet_break`; null: not known. */
  #promise: Promised | null = null;

  /** `keys` null: MACs are not checked. */
  constructor(inspector: Inspector, hash: Hash, keys: LedgerKeys | null) {
    this.#inspector = inspector;
    this.#hash = hash;
    this.#keys = keys;
  }

  /** Of the first `size` receipts of the log; null for one that cannot be read, or is not to be believed. */
  *below(size: number): Generator<OwnReceipt | null, void, undefined> {
    for (const row of this.#rows(size)) yield row === null ? null : this.#read(row);
  }

  /** By the index; it has the ledger's number in the row of genesis. null: what follows is damaged. */
  *#rows(size: number): Generator<OwnRow | null, void, undefined> {
    const org = unlessCorrupt(() => this.#inspector.rows(0, 1, 1)[0]?.org, () => undefined);
    if (org === undefined) return;
    for (let after = 0; ;) {
      const rows = unlessCorrupt(() => this.#inspector.rowsOf(org, after, PAGE), () => undefined);
      if (rows === undefined) yield null;
      const below = (rows ?? []).filter(({ logIndex }) => logIndex < size);
      yield* below;
      if (rows === undefined || rows.length < PAGE || below.length < rows.length) return;
      after = rows.at(-1)!.orgSeq;
    }
  }

  /** The receipt if it is one of the ledger's own and the one that its row names. A `key_epoch` is a claim, and each step to its key costs a hash. */
  #read(row: OwnRow): OwnReceipt | null {
    const [end, promise] = [this.#end, this.#promise];
    [this.#end, this.#promise] = [undefined, null]; // unless it can be read
    const blob = unlessCorrupt(() => this.#inspector.blobs(row.logIndex, row.logIndex + 1, 1).blobs[0]?.bytes, () => undefined);
    if (blob === undefined) return null;
    try {
      const read = verifyReceipt(blob, this.#hash);
      if (!read.known || !equal(read.hash, row.receiptHash)) return null;
      const { organization, log_index, org_seq, key_epoch } = read.receipt;
      if (organization !== LEDGER_ORGANIZATION || log_index !== row.logIndex || org_seq !== row.orgSeq || key_epoch >= org_seq) return null;
      const isDue = end === undefined || judgeEpoch(read, end).length === 0;
      this.keys.add(read, log_index, end?.anchorSize ?? 0);
      this.#end = endAfter(read, end);
      return this.#isSigned(blob, read, promise) && isDue ? { receipt: read.receipt, hash: read.hash } : null;
    } catch (error) {
      if (error instanceof VerifyError) return null;
      throw error;
    }
  }

  /** By the key that was published before, as far as it is known. Throws VerifyError `mac_mismatch`. */
  #isSigned(blob: Uint8Array, read: VerifiedReceipt & { readonly known: true }, before: Promised | null): boolean {
    const { receipt } = read;
    const { type, key_id, key_epoch } = receipt;
    const own = ownCommitment(read);
    const promise = own === null ? before : { commitment: own, keyBefore: null };
    this.#promise = type === "anchor" ? { commitment: detailsOf<AnchorDetails>(receipt).epoch_commitment, keyBefore: key_id } : promise;
    if (this.#keys === null) return true;
    const mac = this.#keys.macKey(key_id, key_epoch, LEDGER_ORGANIZATION);
    if (mac === null) this.macsNotChecked.set(key_id, (this.macsNotChecked.get(key_id) ?? 0) + 1);
    else verifyMac(blob, receipt, mac, this.#hash);
    return promise === null || judgeCommitment(receipt, promise.commitment, promise.keyBefore, this.#keys) === null;
  }
}
