/**
 * What the ledger's own receipts say of its keys, and of its clock, read once and kept up to date: rotations, key_revocation and ratchet_break are few among
 * the anchor receipts, and no index leads to them. A part at a time, so that no request waits for a ledger of years. Whoever holds the disk
 * can change a receipt so that it no longer revokes a key: bytes that are not those in the index, or not linked, say nothing, and are damage.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { FormatError } from "../format/errors.ts";
import type { CheckpointRotationDetails, GenesisDetails, KeyRevocationDetails, KeyRotationDetails, RatchetBreakDetails } from "../format/fields.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { readReceipt, type Receipt } from "../format/receipt.ts";
import { parseTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";

/** Receipts at a time: a ms or two. */
const PART = 256;
/** What the receipts wanted have among their bytes, and anchor receipts have not. */
const MARKS = ["genesis", "key_rotation", "key_revocation", "ratchet_break", "checkpoint_rotation", "clock_step"].map((type) => Buffer.from(`"type":"${type}"`));

export interface KeyPeriod {
  readonly key_id: string;
  readonly mode: GenesisDetails["mode"];
  readonly first_epoch: number;
  /** null: it signs now, as far as this was read. */
  readonly last_epoch: number | null;
  /** `ratchet_break`: nothing before it vouches for this key. */
  readonly begun_by: "genesis" | "key_rotation" | "ratchet_break";
  /** recorded_at of that receipt. */
  readonly since: string;
}

export interface Revocation {
  readonly key_id: string;
  readonly compromised_since: string;
  readonly log_index: number;
}

export class KeyHistory {
  readonly #reader: Pick<Reader, "organizationPage">;
  #next = 1;
  /** Of the receipt before `#next`, as the index has it. */
  #previous: Uint8Array | null = null;
  #isAtEnd = false;
  #isDamaged = false;
  #isUnreadable = false;
  readonly #keys: KeyPeriod[] = [];
  readonly #revocations: Revocation[] = [];
  readonly #vkeys: string[] = [];
  /** Log indexes of receipts at which the clock was turned back. */
  readonly clockSteps: number[] = [];

  constructor(reader: Pick<Reader, "organizationPage">) {
    this.#reader = reader;
  }

  /** Everything that there was, when it was last looked at, and all of it as it was recorded. */
  get isComplete(): boolean { return this.#isAtEnd && !this.isUnsure; }
  /** Receipts are damaged, or could not be read: there may be revocations that nothing here tells of. */
  get isUnsure(): boolean { return this.#isDamaged || this.#isUnreadable; }
  get keys(): readonly KeyPeriod[] { return this.#keys; }
  /** Of the checkpoint keys, in order: those that genesis names, and each that a `checkpoint_rotation` does. */
  get vkeys(): readonly string[] { return this.#vkeys; }
  get revocations(): readonly Revocation[] { return this.#revocations; }

  /** ms since when a key is not to be believed, by what the ledger says; null: it says nothing of that. */
  revokedSince(keyId: string): number | null {
    const times = this.#revocations.filter((one) => one.key_id === keyId).map((one) => parseTime(one.compromised_since) ?? 0);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Reads one part more. True: there is another to read now; where the file cannot be read, a later call tries that part again. */
  step(): boolean {
    const rows = this.#page();
    this.#isUnreadable = rows === null;
    this.#isAtEnd = rows !== null && rows.length < PART;
    for (const row of rows ?? []) {
      if (!this.#read(row)) this.#isDamaged = true;
      this.#next = row.orgSeq + 1;
      this.#previous = row.receiptHash;
    }
    if (this.#isAtEnd && this.#next === 1) this.#isDamaged = true; // every ledger has its genesis
    return rows?.length === PART;
  }

  #page(): readonly StoredBlob[] | null {
    try {
      return this.#reader.organizationPage(LEDGER_ORGANIZATION, this.#next, PART);
    } catch (error) {
      if (error instanceof LedgerError) return null;
      throw error;
    }
  }

  /** False: it is not what was recorded there; the audit names what is wrong. */
  #read({ blob, orgSeq, receiptHash }: StoredBlob): boolean {
    if (blob === null || orgSeq !== this.#next || !equal(nodeHash.sha256(blob), receiptHash)) return false;
    const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.length);
    // the bytes are those in the index, and the next receipt names their hash: to look for the member is as good as to parse each of them
    if (!bytes.includes(`"previous_receipt_hash":${this.#previous === null ? "null" : `"${hashText(this.#previous)}"`}`)) return false;
    if (!MARKS.some((mark) => bytes.includes(mark))) return true;
    try {
      const { known, receipt } = readReceipt(bytes);
      if (known) this.#take(receipt);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  }

  #take({ type, key_epoch: epoch, log_index, recorded_at: since, details }: Receipt): void {
    if (type === "clock_step") this.clockSteps.push(log_index);
    if (type === "key_revocation") {
      const { key_id, compromised_since } = details as KeyRevocationDetails;
      this.#revocations.push({ key_id, compromised_since, log_index });
    }
    if (type === "genesis") this.#vkeys.push(...(details as GenesisDetails).vkeys);
    if (type === "checkpoint_rotation") this.#vkeys.push((details as CheckpointRotationDetails).vkey);
    if (type !== "genesis" && type !== "key_rotation" && type !== "ratchet_break") return;
    const { key_id, mode } = details as GenesisDetails | KeyRotationDetails | RatchetBreakDetails;
    const first = type === "key_rotation" ? epoch + 1 : epoch;
    const before = this.#keys.pop();
    if (before !== undefined) this.#keys.push({ ...before, last_epoch: type === "ratchet_break" ? epoch : first - 1 });
    this.#keys.push({ key_id, mode, first_epoch: first, last_epoch: null, begun_by: type, since });
  }
}
