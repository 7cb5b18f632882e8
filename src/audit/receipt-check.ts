/** One place of the ledger: its blob by itself (docs/FORMAT.md section 13.1), its row by itself, and both against each other. */
import { equal } from "../format/bytes.ts";
import { formatNumber } from "../format/chain.ts";
import { ASSEMBLED_TYPES } from "../format/fields.ts";
import type { Hash } from "../format/hash.ts";
import { equalMac, signatureOf } from "../format/mac.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { QuickReceipts } from "../format/quick-receipt.ts";
import type { Receipt } from "../format/receipt.ts";
import { formatTime } from "../format/time.ts";
import { uuidText } from "../format/uuid.ts";
import type { IndexRow, Inspector, OrganizationRow } from "../ledger/inspect.ts";
import { asVerifyError, type VerifyError } from "../verify/errors.ts";
import { judgeCommitment, type LedgerKeys } from "../verify/keys.ts";
import { ownCommitment } from "../verify/log.ts";
import { type VerifiedReceipt, verifyMac, verifyReceipt } from "../verify/receipt.ts";
import { type Place, unlessCorrupt } from "./places.ts";
import type { Findings } from "./report.ts";
import { requestMac } from "./request-mac.ts";
import { compareRow } from "./row.ts";
import type { SegmentOptions } from "./segment-result.ts";
import { type Problem, UNKNOWN_HASH } from "./suspects.ts";

/** The epochs that a receipt may be of: a `key_epoch` is a claim, and each step to its key costs a hash. */
export interface Epochs {
  readonly first: number;
  /** As many after the first as there were anchor receipts, and receipts of which nobody knows what they were. */
  readonly last: number;
}

/** What findings call a receipt. */
export interface Identity {
  readonly organization?: string | undefined;
  readonly receiptId?: string | undefined;
  readonly receiptNumber?: string | undefined;
}

export interface CheckedPlace {
  readonly logIndex: number;
  /** The receipt if it passed steps 1 to 4 of 13.1, wherever it belongs; null otherwise. */
  readonly read: VerifiedReceipt | null;
  /** The blob is wrong by itself and the row is there: better go on with the row. */
  readonly isRowBetter: boolean;
  /** What to go on with. */
  readonly hash: Uint8Array;
  readonly blobHash: Uint8Array | null;
  readonly row: IndexRow | null;
  readonly isDisputed: boolean;
  readonly problems: Problem[];
  readonly identity: Identity;
}

export class ReceiptCheck {
  readonly #options: SegmentOptions;
  readonly #keys: LedgerKeys | null;
  readonly #hash: Hash;
  readonly #organizations: ReadonlyMap<number, OrganizationRow>;
  readonly notChecked = new Map<string, number>();
  readonly macsChecked = new Map<string, number>();
  readonly macsNotChecked = new Map<string, number>();
  /** log_index of the newest of these, -1 where there is none. */
  lastUnchecked = -1;
  readonly #findings: Findings;
  /** The short way for receipts of which nothing is to be said; whatever it does not take goes the long one. */
  readonly #quick = new QuickReceipts((bytes, from, end) => (bytes as Buffer).toString("latin1", from, end));
  /** The blob that it read last. */
  #quickBlob: Uint8Array | null = null;
  /** What was promised of the next key, until it is used. */
  #promise: { readonly epoch: number; readonly commitment: string; readonly keyBefore: string | null } | null = null;
  /** The key of this epoch is not the one that was promised: that is one finding, and not one for each MAC. */
  #wrongEpoch: number | null = null;

  /** `organizations`: the table, by its numbers. */
  constructor(options: SegmentOptions, keys: LedgerKeys | null, hash: Hash, organizations: ReadonlyMap<number, OrganizationRow>, findings: Findings) {
    this.#options = options;
    this.#keys = keys;
    this.#hash = hash;
    this.#organizations = organizations;
    this.#findings = findings;
  }

  /** `commitment`: C of the epoch, as the anchor receipt before it (or genesis, or a `ratchet_break`) has it; `keyBefore`: that receipt's key, null for genesis and a `ratchet_break`. */
  expectKey(epoch: number, commitment: string, keyBefore: string | null): void {
    this.#promise = { epoch, commitment, keyBefore };
  }

  /** Does the row's blob concern an audit of one organization? */
  wants({ org }: IndexRow): boolean {
    const name = this.#organizations.get(org)?.name;
    return name === undefined || name === this.#options.organization || name === LEDGER_ORGANIZATION;
  }

  /** The organization that a row names, by the table; undefined where there is none. */
  organizationOf(row: IndexRow): string | undefined {
    return this.#organizations.get(row.org)?.name;
  }

  /** A place of which only the row is looked at. */
  rowOnly({ logIndex, row }: Place): CheckedPlace {
    return {
      logIndex, read: null, isRowBetter: true, hash: sized(row!.receiptHash), blobHash: null, row, isDisputed: false, problems: [],
      identity: this.#identify(row, null),
    };
  }

  check(place: Place, epochs: Epochs): CheckedPlace {
    const { logIndex, row, blob } = place;
    const problems = absences(place);
    const found = problems.length;
    const read = blob === null ? null : this.#read(logIndex, blob, epochs, problems);
    const isOfEpochs = read !== null && isAmong(read.receipt.key_epoch, epochs);
    const isOwn = isOfEpochs && problems.length === found;
    const blobHash = blob === null ? null : (read?.hash ?? this.#hash.sha256(blob));
    const isDisputed = blobHash !== null && row !== null && !equal(blobHash, row.receiptHash);
    const isRowBetter = row !== null && (read === null || (isDisputed && !isOwn));
    if (isRowBetter && read !== null && !isOfEpochs) problems.push(otherEpoch(read.receipt.key_epoch, epochs)); // else the log's walk tells
    if (!isRowBetter && read?.known === true && row !== null) problems.push(...this.#compareRow(row, blob!, read.receipt));
    return {
      logIndex, read, isRowBetter, blobHash, row, isDisputed, problems,
      hash: isRowBetter ? sized(row.receiptHash) : (blobHash ?? UNKNOWN_HASH),
      identity: problems.length > 0 || isDisputed ? this.#identify(row, isRowBetter ? null : read) : {},
    };
  }

  /** The receipt, and what is wrong with it in `problems`. */
  #read(logIndex: number, blob: Uint8Array, epochs: Epochs, problems: Problem[]): VerifiedReceipt | null {
    let read: VerifiedReceipt;
    try {
      read = this.#quickly(blob) ?? verifyReceipt(blob, this.#hash);
    } catch (error) {
      problems.push(problemOf(asVerifyError(error)));
      return null;
    }
    const names = !read.known ? ["schema_version"] : ASSEMBLED_TYPES.has(read.receipt.type) ? [read.receipt.type] : read.notChecked;
    for (const name of names) increase(this.notChecked, name);
    if (read.receipt.log_index !== logIndex) {
      problems.push({
        code: "log_index_gap", message: "another receipt is stored in this place", at: "/log_index",
        expected: String(logIndex), found: String(read.receipt.log_index),
      });
    }
    const own = ownCommitment(read);
    if (own !== null && isAmong(read.receipt.key_epoch, epochs)) this.expectKey(read.receipt.key_epoch, own, null);
    if (!this.#checkMac(blob, read, epochs, problems)) this.lastUnchecked = logIndex;
    return read;
  }

  /** As `verifyReceipt`, where there is nothing else to say; `receipt` has the members of section 4.2 only. */
  #quickly(blob: Uint8Array): VerifiedReceipt | null {
    const receipt = this.#quick.read(blob);
    this.#quickBlob = receipt === null ? null : blob;
    return receipt === null ? null : { known: true, receipt, notChecked: [], hash: this.#hash.sha256(blob) };
  }

  /** False where the key is not known. */
  #checkMac(blob: Uint8Array, { receipt }: VerifiedReceipt, epochs: Epochs, problems: Problem[]): boolean {
    if (this.#keys === null) return false;
    const { key_id, key_epoch } = receipt;
    if (!isAmong(key_epoch, epochs)) {
      increase(this.macsNotChecked, `${key_id} of another epoch`);
      return false;
    }
    this.#checkCommitment(receipt, problems);
    const wrong = this.#macError(blob, receipt);
    increase(wrong === undefined ? this.macsNotChecked : this.macsChecked, key_id);
    if (wrong === null || wrong === undefined) return wrong === null;
    if (this.#wrongEpoch === key_epoch) this.#findings.addConsequence("mac_mismatch");
    else problems.push(problemOf(wrong));
    return true;
  }

  /** At the first use of an epoch's key. */
  #checkCommitment(receipt: VerifiedReceipt["receipt"], problems: Problem[]): void {
    const promise = this.#promise;
    if (promise?.epoch !== receipt.key_epoch) return;
    this.#promise = null;
    const error = judgeCommitment(receipt, promise.commitment, promise.keyBefore, this.#keys!);
    if (error === null) return;
    problems.push(problemOf(error));
    if (error.code === "commitment_mismatch") this.#wrongEpoch = receipt.key_epoch;
  }

  /** null: the MAC is right; undefined: its key is not known. */
  #macError(blob: Uint8Array, receipt: VerifiedReceipt["receipt"]): VerifyError | null | undefined {
    const key = this.#keys!.macKey(receipt.key_id, receipt.key_epoch, receipt.organization);
    if (key === null) return undefined;
    if (blob === this.#quickBlob && equalMac(signatureOf(key, this.#quick.unsigned(), this.#hash), receipt.signature)) return null;
    try {
      verifyMac(blob, receipt, key, this.#hash);
      return null;
    } catch (error) {
      return asVerifyError(error);
    }
  }

  #compareRow(row: IndexRow, blob: Uint8Array, receipt: Receipt): Problem[] {
    const key = this.#options.requestKey;
    if (key === null || receipt.organization === LEDGER_ORGANIZATION) return compareRow(row, receipt, undefined);
    const mac = blob === this.#quickBlob ? this.#hash.hmac(key, this.#quick.request()) : requestMac(blob, receipt, key, row.requestMac, this.#hash);
    return compareRow(row, receipt, mac);
  }

  /** A receipt that was read before and said nothing wrong. */
  identityAt(inspector: Inspector, logIndex: number, organization: string): Identity {
    const blob = unlessCorrupt(() => inspector.blobs(logIndex, logIndex + 1, 1).blobs[0]?.bytes, () => undefined);
    return blob === undefined ? { organization } : this.#identify(null, verifyReceipt(blob, this.#hash));
  }

  /** By the receipt, or where that is not to be believed by the row. */
  #identify(row: IndexRow | null, read: VerifiedReceipt | null): Identity {
    if (read !== null) {
      const { organization } = read.receipt;
      return read.known ? { organization, receiptId: read.receipt.receipt_id, receiptNumber: read.receipt.receipt_number } : { organization };
    }
    const organization = row === null ? undefined : this.#organizations.get(row.org);
    if (row === null || organization === undefined) return {};
    const isTime = Number.isSafeInteger(row.recordedAt) && row.recordedAt >= 0 && row.recordedAt < 253_402_300_800_000;
    return {
      organization: organization.name,
      ...(row.receiptId.length === 16 ? { receiptId: uuidText(row.receiptId) } : {}),
      ...(isTime ? { receiptNumber: formatNumber(organization.prefix, formatTime(row.recordedAt), row.orgSeq) } : {}),
    };
  }
}

function isAmong(epoch: number, { first, last }: Epochs): boolean {
  return epoch >= first && epoch <= last;
}

function otherEpoch(found: number, { first, last }: Epochs): Problem {
  const expected = first === last ? String(first) : `${first} to ${last}`;
  return { code: "epoch_mismatch", message: "the receipt is not of the open epoch", at: "/key_epoch", expected, found: String(found) };
}

function absences({ row, blob, unreadable }: Place): Problem[] {
  if (unreadable !== null) return [{ code: "ledger_corrupt", message: `the ledger's file is damaged here: ${unreadable}` }];
  if (row === null && blob === null) return [{ code: "receipt_missing", message: "the receipt is missing: index and bytes" }];
  if (blob === null) return [{ code: "blob_missing", message: "the receipt's bytes are missing" }];
  return row === null ? [{ code: "row_missing", message: "the index has no row for the receipt" }] : [];
}

export function problemOf(error: VerifyError): Problem {
  return { code: error.code, message: error.message, at: error.pointer, expected: error.expected, found: error.found };
}

/** A damaged file can hold hashes of any length; the trees take 32 bytes only. */
function sized(hash: Uint8Array): Uint8Array {
  return hash.length === 32 ? hash : UNKNOWN_HASH;
}

function increase(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
