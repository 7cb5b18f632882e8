/**
 * What the ledger's own receipts say of its keys, and of its clock, read once and kept up to date: rotations, key_revocation and ratchet_break are few among
 * the anchor receipts, and no index leads to them. A part at a time, so that no request waits for a ledger of years.
 */
import { FormatError } from "../format/errors.ts";
import type { CheckpointRotationDetails, GenesisDetails, KeyRevocationDetails, KeyRotationDetails, RatchetBreakDetails } from "../format/fields.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { readReceipt, type Receipt } from "../format/receipt.ts";
import { parseTime } from "../format/time.ts";
import type { Reader } from "../ledger/reader.ts";

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
  readonly #reader: Reader;
  #next = 1;
  readonly #keys: KeyPeriod[] = [];
  readonly #revocations: Revocation[] = [];
  readonly #vkeys: string[] = [];
  /** Everything that there was, when it was last looked at. */
  isComplete = false;
  /** Log indexes of receipts at which the clock was turned back. */
  readonly clockSteps: number[] = [];

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  get keys(): readonly KeyPeriod[] { return this.#keys; }
  /** Of the checkpoint keys, in order: those that genesis names, and each that a `checkpoint_rotation` does. */
  get vkeys(): readonly string[] { return this.#vkeys; }
  get revocations(): readonly Revocation[] { return this.#revocations; }

  /** ms since when a key is not to be believed, by what the ledger says; null: it says nothing of that. */
  revokedSince(keyId: string): number | null {
    const times = this.#revocations.filter((one) => one.key_id === keyId).map((one) => parseTime(one.compromised_since) ?? 0);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Reads one part more. */
  step(): void {
    const rows = this.#reader.organizationPage(LEDGER_ORGANIZATION, this.#next, PART);
    for (const { blob, orgSeq } of rows) {
      this.#next = orgSeq + 1;
      const bytes = blob === null ? null : Buffer.from(blob.buffer, blob.byteOffset, blob.length);
      if (bytes !== null && MARKS.some((mark) => bytes.includes(mark))) this.#read(bytes);
    }
    this.isComplete = rows.length < PART;
  }

  #read(blob: Uint8Array): void {
    try {
      const { known, receipt } = readReceipt(blob);
      if (known) this.#take(receipt);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error; // it says nothing; the audit names it
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
