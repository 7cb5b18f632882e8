/**
 * Neighbours in the log (docs/FORMAT.md section 13.2 steps 1 to 3, 7 and 8, and of step 10 what needs no leaves).
 *
 * Like a `ChainWalk`, a `LogWalk` can begin anywhere: what needs the receipts before is kept in `start` and judged by `joinLog`.
 */
import type { AnchorDetails, CheckpointRotationDetails, GenesisDetails, KeyRevocationDetails, KeyRotationDetails, RatchetBreakDetails, RecoveryDetails } from "../format/fields.ts";
import type { LedgerName } from "../format/names.ts";
import type { Receipt } from "../format/receipt.ts";
import { VerifyError } from "./errors.ts";
import type { VerifiedReceipt } from "./receipt.ts";

/** Where the log stands after a receipt. */
export interface LogEnd {
  readonly logIndex: number;
  /** `recorded_at`; null after a receipt of unknown schema_version, whose neighbours' times are not compared with it. */
  readonly recordedAt: string | null;
  /** Empty where it is not known: of a receipt that was not read. */
  readonly keyId: string;
  readonly keyEpoch: number;
  /** The receipt was an anchor: the next one is in the next epoch. */
  readonly isAnchor: boolean;
  /**
   * The key that the next epoch will have, where the receipt is a `key_rotation` or `ratchet_break`, or the anchor receipt behind one; else
   * null. undefined after an anchor receipt with which a segment begins.
   */
  readonly rotatedTo: string | null | undefined;
  /** The receipt is a `checkpoint_rotation`: the anchor receipt that closes the batch is due. */
  readonly isAnchorDue: boolean;
  /** Tree size of the newest anchor, 0 before the first; null in a segment without one. */
  readonly anchorSize: number | null;
}

/** The first receipt of a segment, the one behind it where that is an anchor receipt, and the first anchor receipt in it. */
export interface LogStart {
  readonly receipt: VerifiedReceipt;
  readonly second: VerifiedReceipt | null;
  readonly firstAnchor: AnchorSeen | null;
}

/** An anchor receipt on the way. */
export interface AnchorSeen {
  readonly logIndex: number;
  readonly receiptId: string;
  readonly receiptNumber: string;
  readonly recordedAt: string;
  readonly keyId: string;
  readonly keyEpoch: number;
  /** Receipt hash, 32 bytes. */
  readonly hash: Uint8Array;
  readonly details: AnchorDetails;
}

/** What is expected of every receipt; a member that is missing is not compared. */
export type ExpectedLedger = Partial<LedgerName>;

export class LogWalk {
  readonly #ledger: ExpectedLedger;
  readonly #anchors: AnchorSeen[] = [];
  #end: LogEnd | null | undefined;
  #first: VerifiedReceipt | null = null;
  #second: VerifiedReceipt | null = null;
  #firstAnchor: AnchorSeen | null = null;

  /** `known`: where the log stands, null at its beginning; undefined: segment mode. */
  constructor(ledger: ExpectedLedger = {}, known?: LogEnd | null) {
    this.#ledger = ledger;
    this.#end = known;
  }

  /** null before the first receipt. */
  get end(): LogEnd | null {
    return this.#end ?? null;
  }

  /** null but in segment mode. */
  get start(): LogStart | null {
    return this.#first === null ? null : { receipt: this.#first, second: this.#second, firstAnchor: this.#firstAnchor };
  }

  /** Anchor receipts so far. `batch.root`, `previous_anchor.root` and `org_heads_root` are not checked here. */
  get anchors(): readonly AnchorSeen[] {
    return this.#anchors;
  }

  /** Judges the next receipt against the one before and goes on from what it says. */
  step(r: VerifiedReceipt): VerifyError[] {
    const before = this.#end;
    const findings = judgePlace(r, before, this.#ledger);
    if (before?.rotatedTo === undefined && before?.isAnchor === true) this.#second = r;
    if (before === undefined) this.#first = r;
    else findings.push(...judgeTime(r, before), ...judgeEpoch(r, before));
    const anchor = anchorOf(r);
    if (anchor !== null) {
      const size = before === undefined ? null : before === null ? 0 : before.anchorSize;
      if (size === null) this.#firstAnchor ??= anchor;
      else findings.push(...judgeBatch(anchor, size), ...judgePreviousSize(anchor, size));
      this.#anchors.push(anchor);
    }
    this.#end = endAfter(r, before);
    return findings;
  }
}

/** Judges the beginning of a segment against where the log stood before it, null at the ledger's beginning. */
export function joinLog(start: LogStart, before: LogEnd | null): VerifyError[] {
  const { receipt, second, firstAnchor } = start;
  const findings = [...judgeIndex(receipt, before), ...judgeTime(receipt, before), ...judgeEpoch(receipt, before)];
  if (second !== null) findings.push(...judgeKey(second, endAfter(receipt, before)));
  const size = before === null ? 0 : before.anchorSize;
  if (firstAnchor !== null && size !== null) findings.push(...judgeBatch(firstAnchor, size), ...judgePreviousSize(firstAnchor, size));
  return findings;
}

/** Where the log stands after a segment that was joined to `before`. */
export function joinedEnd(end: LogEnd, before: LogEnd | null): LogEnd {
  const rotatedTo = end.rotatedTo === undefined ? before?.rotatedTo ?? null : end.rotatedTo;
  return { ...end, rotatedTo, anchorSize: end.anchorSize ?? (before === null ? 0 : before.anchorSize) };
}

export function anchorOf(r: VerifiedReceipt): AnchorSeen | null {
  if (!r.known || r.receipt.type !== "anchor") return null;
  const { log_index, receipt_id, receipt_number, recorded_at, key_id, key_epoch } = r.receipt;
  return {
    logIndex: log_index, receiptId: receipt_id, receiptNumber: receipt_number, recordedAt: recorded_at, keyId: key_id,
    keyEpoch: key_epoch, hash: r.hash, details: detailsOf<AnchorDetails>(r.receipt),
  };
}

/** `details` of a system receipt, whose form `verifyReceipt` has checked. */
export function detailsOf<T extends AnchorDetails | CheckpointRotationDetails | GenesisDetails | KeyRotationDetails | KeyRevocationDetails | RatchetBreakDetails | RecoveryDetails>(receipt: Receipt): T {
  return receipt["details"] as unknown as T;
}

/** What a `key_rotation` says; null for any other receipt. */
function rotationOf(r: VerifiedReceipt): KeyRotationDetails | null {
  return r.known && r.receipt.type === "key_rotation" ? detailsOf<KeyRotationDetails>(r.receipt) : null;
}

/** What a `checkpoint_rotation` says; null for any other receipt. */
export function checkpointRotationOf(r: VerifiedReceipt): CheckpointRotationDetails | null {
  return r.known && r.receipt.type === "checkpoint_rotation" ? detailsOf<CheckpointRotationDetails>(r.receipt) : null;
}

/** What a `ratchet_break` says; null for any other receipt. */
export function breakOf(r: VerifiedReceipt): RatchetBreakDetails | null {
  return r.known && r.receipt.type === "ratchet_break" ? detailsOf<RatchetBreakDetails>(r.receipt) : null;
}

/** Step 9: C of its own epoch, where the receipt says it itself, since nothing before it has named its key: genesis, and `ratchet_break`. */
export function ownCommitment(r: VerifiedReceipt): string | null {
  if (r.known && r.receipt.type === "genesis") return detailsOf<GenesisDetails>(r.receipt).epoch_commitment;
  return breakOf(r)?.epoch_commitment ?? null;
}

/** Step 8: a key that nobody before it has vouched for. Whether somebody knows of it, and who, is not in the ledger. */
export function judgeBreak(r: VerifiedReceipt): VerifyError[] {
  const said = breakOf(r);
  if (said === null) return [];
  return [new VerifyError("ratchet_break", "the ledger goes on with a key that the one before has not named", {
    pointer: "/details/key_id", expected: said.previous_key_id, found: said.key_id,
  })];
}

export function endAfter(r: VerifiedReceipt, before: LogEnd | null | undefined): LogEnd {
  const { log_index, key_id, key_epoch } = r.receipt;
  const isAnchor = r.known && r.receipt.type === "anchor";
  const sizeBefore = before === undefined ? null : before === null ? 0 : before.anchorSize;
  return {
    logIndex: log_index, recordedAt: r.known ? r.receipt.recorded_at : null, keyId: key_id, keyEpoch: key_epoch, isAnchor,
    rotatedTo: (rotationOf(r) ?? breakOf(r))?.key_id ?? (isAnchor && before !== null ? before?.rotatedTo : null),
    isAnchorDue: checkpointRotationOf(r) !== null,
    anchorSize: isAnchor ? log_index + 1 : sizeBefore,
  };
}

/** Steps 1 to 3. */
export function judgePlace(r: VerifiedReceipt, before: LogEnd | null | undefined, ledger: ExpectedLedger): VerifyError[] {
  const findings = before === undefined ? [] : judgeIndex(r, before);
  if (r.known) findings.push(...judgeGenesis(r.receipt, ledger));
  const { origin } = ledger;
  if (origin !== undefined && r.receipt.ledger !== origin) {
    findings.push(new VerifyError("ledger_mismatch", "the receipt is one of another ledger", {
      pointer: "/ledger", expected: origin, found: r.receipt.ledger,
    }));
  }
  return findings;
}

function judgeIndex(r: VerifiedReceipt, before: LogEnd | null): VerifyError[] {
  const expected = before === null ? 0 : before.logIndex + 1;
  const found = r.receipt.log_index;
  if (found === expected) return [];
  return [new VerifyError("log_index_gap", "the receipts of the log do not follow one another", { pointer: "/log_index", expected, found })];
}

/** Genesis stands at log_index 0 and nowhere else; what it says of the ledger and of itself is so. */
function judgeGenesis(receipt: Receipt, ledger: ExpectedLedger): VerifyError[] {
  const isGenesis = receipt.type === "genesis";
  if (isGenesis !== (receipt.log_index === 0)) {
    const message = isGenesis ? "genesis stands at log_index 0 only" : "the first receipt of a ledger is genesis";
    return [new VerifyError("genesis_mismatch", message, { pointer: "/type", found: receipt.type })];
  }
  if (!isGenesis) return [];
  const details = detailsOf<GenesisDetails>(receipt);
  const pairs = [
    ["/key_id", details.key_id, receipt.key_id],
    ["/key_epoch", 0, receipt.key_epoch],
    ["/details/ledger_id", ledger.ledgerId ?? details.ledger_id, details.ledger_id],
  ] as const;
  return pairs
    .filter(([, expected, found]) => expected !== found)
    .map(([pointer, expected, found]) => new VerifyError("genesis_mismatch", "genesis is not that of this ledger and key", { pointer, expected, found }));
}

/** Step 7, section 4.4. Times of one form compare as text. */
export function judgeTime(r: VerifiedReceipt, before: LogEnd | null): VerifyError[] {
  if (!r.known || before === null || before.recordedAt === null) return [];
  const { type, recorded_at: found } = r.receipt;
  if (type === "clock_step") {
    const { from, to } = r.receipt["details"] as { readonly from: string; readonly to: string };
    if (from === before.recordedAt && to === found && to < from) return [];
    return [new VerifyError("time_backwards", "the clock step is not the one that happened here", {
      pointer: "/details", expected: `from ${before.recordedAt} to ${found}, which is earlier`, found: `from ${from} to ${to}`,
    })];
  }
  if (found >= before.recordedAt) return [];
  return [new VerifyError("time_backwards", "the receipt is recorded before the one that it follows", {
    pointer: "/recorded_at", expected: `${before.recordedAt} or later`, found,
  })];
}

/** Step 8. */
export function judgeEpoch(r: VerifiedReceipt, before: LogEnd | null): VerifyError[] {
  const { key_epoch } = r.receipt;
  if (before === null && r.known && r.receipt.type === "genesis") return []; // step 2 has looked
  const expected = before === null ? 0 : before.keyEpoch + (before.isAnchor ? 1 : 0);
  if (key_epoch !== expected) {
    return [new VerifyError("epoch_mismatch", "the receipt is not of the open epoch", { pointer: "/key_epoch", expected, found: key_epoch })];
  }
  return [...judgeKey(r, before), ...judgeRotation(r, before), ...judgeAnchorDue(r, before)];
}

/** A `checkpoint_rotation` stands right before the anchor receipt: so the anchor that both keys sign is that of its own batch. */
function judgeAnchorDue(r: VerifiedReceipt, before: LogEnd | null): VerifyError[] {
  if (before?.isAnchorDue !== true || !r.known || r.receipt.type === "anchor") return [];
  return [new VerifyError("vkey_mismatch", "a checkpoint_rotation is the last receipt before the anchor receipt that closes its batch", { pointer: "/type", expected: "anchor", found: r.receipt.type })];
}

/** A key changes only where an epoch does, and only to the one that a `key_rotation` has named; or with a `ratchet_break`. */
function judgeKey(r: VerifiedReceipt, before: LogEnd | null): VerifyError[] {
  const found = breakOf(r)?.previous_key_id ?? r.receipt.key_id;
  if (before === null || before.keyId === "" || (before.isAnchor && before.rotatedTo === undefined)) return [];
  const expected = before.isAnchor ? before.rotatedTo ?? before.keyId : before.keyId;
  if (found === expected || found === "") return [];
  if (breakOf(r) !== null) return [new VerifyError("key_mismatch", "the ratchet_break is one of another key", { pointer: "/details/previous_key_id", expected, found })];
  const why = !before.isAnchor ? "a key changes only where an epoch does"
    : before.rotatedTo === null ? "the key changes, and no key_rotation says so" : "the key is not the one that the key_rotation named";
  return [new VerifyError("key_mismatch", why, { pointer: "/key_id", expected, found })];
}

/** What a `key_rotation` or `ratchet_break` says of itself, and that the anchor receipt which closes its epoch follows at once. */
function judgeRotation(r: VerifiedReceipt, before: LogEnd | null): VerifyError[] {
  const said = rotationOf(r);
  if (said !== null && said.previous_key_id !== r.receipt.key_id) {
    return [new VerifyError("key_mismatch", "the key_rotation is one of another key", { pointer: "/details/previous_key_id", expected: r.receipt.key_id, found: said.previous_key_id })];
  }
  if (said !== null && said.key_id === r.receipt.key_id) {
    return [new VerifyError("key_mismatch", "the key_rotation names the key that it replaces", { pointer: "/details/key_id", found: said.key_id })];
  }
  const broken = breakOf(r);
  if (broken !== null && broken.key_id !== r.receipt.key_id) {
    return [new VerifyError("key_mismatch", "the ratchet_break is not signed with the key that it names", { pointer: "/key_id", expected: broken.key_id, found: r.receipt.key_id })];
  }
  if (broken !== null && broken.key_id === broken.previous_key_id) {
    return [new VerifyError("key_mismatch", "the ratchet_break names the key that it replaces", { pointer: "/details/key_id", found: broken.key_id })];
  }
  if (before === null || before.isAnchor || (before.rotatedTo ?? null) === null || !r.known || r.receipt.type === "anchor") return [];
  return [new VerifyError("key_mismatch", "a key_rotation or ratchet_break is the last receipt before the anchor receipt that closes its epoch", { pointer: "/type", expected: "anchor", found: r.receipt.type })];
}

/** Step 10: `first_index` and `count`; `size` is the previous anchor's tree size, 0 where there is none. */
export function judgeBatch(anchor: AnchorSeen, size: number): VerifyError[] {
  const { first_index, count } = anchor.details.batch;
  if (first_index !== size) {
    return [new VerifyError("batch_gap", "the batch does not begin where the one before ended", { pointer: "/details/batch/first_index", expected: size, found: first_index })];
  }
  if (count === anchor.logIndex - first_index) return [];
  return [new VerifyError("batch_gap", "the batch does not hold all receipts since the anchor before", {
    pointer: "/details/batch/count", expected: anchor.logIndex - first_index, found: count,
  })];
}

/** Step 10: the tree size of `previous_anchor`. */
export function judgePreviousSize(anchor: AnchorSeen, size: number): VerifyError[] {
  const found = anchor.details.previous_anchor?.tree_size ?? null;
  const expected = size === 0 ? null : size;
  if (found === expected) return [];
  return [new VerifyError("anchor_link_mismatch", "the anchor does not continue the one before", { pointer: "/details/previous_anchor", expected, found })];
}
