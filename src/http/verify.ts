/**
 * One receipt, checked anew from its bytes for whoever asks (docs/FORMAT.md section 13), and what of it this process cannot say. It has no
 * keys: the MAC of a receipt of the open epoch it asks the daemon for, and of a closed epoch what vouches is the signed root.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { entryOf } from "../format/entries.ts";
import { leafHash, verifyInclusion } from "../format/merkle.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { StoredBlob } from "../ledger/reader.ts";
import type { SignedCheckpoint } from "../verify/checkpoint.ts";
import { VerifyError } from "../verify/errors.ts";
import { type VerifiedReceipt, verifyReceipt } from "../verify/receipt.ts";
import type { LedgerView } from "./ledger-view.ts";
import { CHECKED, NOT_CHECKED, type Said } from "./verify-words.ts";
import { type Named, numberOf } from "./which.ts";

/** How the daemon answers for a receipt of the open epoch; null: it did not. */
export type MacAnswer = { readonly mac: "right" | "wrong" | "not_open"; readonly receiptHash: string | null } | null;

export type Status = "anchored" | "logged" | "pending" | "suspect" | "invalid" | "not_checked";

export interface Examined {
  readonly valid: boolean | null;
  readonly status: Status;
  readonly receipt: VerifiedReceipt | null;
  readonly checks: readonly Said[];
  readonly notChecked: readonly Said[];
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** No anchor over it is signed yet, and the daemon has no key for it any more: in a moment there will be one. */
  readonly isBetween: boolean;
}

/** What the index says is not what is there: codes of the audit. */
class IndexFault extends Error {
  readonly code: "blob_missing" | "index_mismatch";

  constructor(code: IndexFault["code"]) {
    super(code);
    this.code = code;
  }
}

class Course {
  readonly checks: Said[] = [];
  readonly notChecked: Said[] = [];

  did(...codes: readonly (keyof typeof CHECKED)[]): void {
    for (const code of codes) this.checks.push({ code, sentence: CHECKED[code] });
  }

  didNot(...codes: readonly (keyof typeof NOT_CHECKED)[]): void {
    for (const code of codes) this.notChecked.push({ code, sentence: NOT_CHECKED[code] });
  }
}

/** `askMac` is asked, of the bytes with a hash, where no signed anchor covers the receipt. */
export async function examineStored(view: LedgerView, stored: StoredBlob, named: Named, askMac: (logIndex: number, hash: string) => Promise<MacAnswer>): Promise<Examined> {
  const course = new Course();
  let receipt: VerifiedReceipt | null = null;
  try {
    receipt = checkAlone(view, stored, named, course);
    const isSuspect = judgeKey(view, receipt, course);
    const mayBeRevoked = view.history.isUnsure;
    const anchored = checkAnchor(view, stored, receipt, course);
    // behind a wait the view may be an old one, and closed
    const standing = anchored ?? checkMac(stored, receipt, await askMac(stored.logIndex, hashText(receipt.hash)), course);
    course.didNot("targets", "vkey", "other_receipts");
    return { ...judged(receipt, standing, isSuspect, mayBeRevoked), receipt, checks: course.checks, notChecked: course.notChecked, problem: null, isBetween: standing === "between" };
  } catch (error) {
    if (!(error instanceof VerifyError || error instanceof IndexFault)) throw error;
    const problem = { code: error.code, message: sentenceOf(error.code) };
    return { valid: false, status: "invalid", receipt, checks: course.checks, notChecked: course.notChecked, problem, isBetween: false };
  }
}

/** What a stranger may know of what is wrong: which check failed, nothing of the bytes. */
function sentenceOf(code: string): string {
  if (code === "inclusion_mismatch") return "Its hash does not lead to the signed root: it, or another receipt below that anchor, was changed.";
  return `The receipt is not what was recorded, or what leads to it is damaged: a check has failed (${code}).`;
}

/** Bytes, form, place and link. Throws VerifyError. */
function checkAlone({ reader, ledger, history }: LedgerView, stored: StoredBlob, named: Named, course: Course): VerifiedReceipt {
  const { blob } = stored;
  if (blob === null) throw new IndexFault("blob_missing");
  const verified = verifyReceipt(blob, nodeHash);
  course.did("canonical");
  if (!equal(verified.hash, stored.receiptHash)) throw new IndexFault("index_mismatch");
  course.did("hash");
  const { receipt } = verified;
  if (receipt.ledger !== ledger.origin) throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger");
  const isPlace = receipt.log_index === stored.logIndex && receipt.organization === stored.organization && receipt.org_seq === stored.orgSeq && receipt.key_epoch === stored.keyEpoch;
  if (!isPlace || !isNamed(verified, stored, named)) throw new IndexFault("index_mismatch");
  course.did("place");
  if (verified.notChecked.length > 0) course.didNot("fields");
  const before = receipt.org_seq === 1 ? null : reader.byOrgSeq(receipt.organization, receipt.org_seq - 1);
  const linked = before?.blob === undefined || before.blob === null ? null : hashText(nodeHash.sha256(before.blob));
  if (linked === receipt.previous_receipt_hash) course.did("link");
  else if (before !== null && hashText(before.receiptHash) === receipt.previous_receipt_hash) course.didNot("link"); // it is the one before that is damaged
  else throw new VerifyError("link_mismatch", "the link does not lead to the receipt before");
  if (!history.isComplete) course.didNot("revocations");
  return verified;
}

function isNamed({ known, receipt }: VerifiedReceipt, stored: StoredBlob, named: Named): boolean {
  if (!known) return true; // its other members are not known to this program
  return receipt.receipt_id === stored.receiptId && receipt.recorded_at === formatTime(stored.recordedAt)
    && receipt.receipt_number === numberOf(stored) && (named.by === "number" || receipt.receipt_id === named.receiptId);
}

type Standing = "anchored" | "logged" | "mac" | "between" | "unsure";

/** By the signed root of the first anchor over it; null where there is none yet. Throws VerifyError. */
function checkAnchor(view: LedgerView, { logIndex }: StoredBlob, { hash }: VerifiedReceipt, course: Course): Standing | null {
  const { reader, outbox, targets } = view;
  try {
    const row = reader.coveringAnchor(logIndex);
    const note = row === null ? null : outbox.note(row.treeSize);
    if (row === null || note === null) return null;
    const signed = checkpointOf(view, note);
    if (signed === null) {
      course.didNot("checkpoint");
      return "unsure";
    }
    const { size, root } = signed;
    if (size !== row.treeSize || !equal(root, row.root)) throw new VerifyError("log_root_mismatch", "another root was signed");
    course.did("checkpoint");
    const leaf = leafHash(entryOf(hash), nodeHash.sha256);
    const leads = (): boolean => verifyInclusion({ leafHash: leaf, index: logIndex, size, path: reader.inclusionPath(logIndex, size), root }, nodeHash.sha256);
    if (!leads()) reader.forgetNodes(); // what is kept may be of damage that was put right
    if (!leads()) throw new VerifyError("inclusion_mismatch", "the path does not lead to the signed root");
    course.did("inclusion");
    course.didNot("mac_of_closed_epoch");
    const isConfirmed = targets.every(({ name, required }) => !required || outbox.firstConfirmed(name, size) !== null);
    if (isConfirmed) course.did("confirmed");
    else course.didNot("confirmed");
    return isConfirmed ? "anchored" : "logged";
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    course.didNot("inclusion"); // damage elsewhere in the file
    return "unsure";
  }
}

/** null: no key that is known has signed it, and not all keys are known. Throws VerifyError. */
function checkpointOf(view: LedgerView, note: string): SignedCheckpoint | null {
  try {
    return view.checkpoint(note);
  } catch (error) {
    if (!view.history.isComplete && error instanceof VerifyError && error.code === "bad_note") return null;
    throw error;
  }
}

function checkMac({ receiptHash }: StoredBlob, { hash }: VerifiedReceipt, answer: MacAnswer, course: Course): Standing {
  course.didNot("anchor");
  if (answer === null) {
    course.didNot("mac");
    return "unsure";
  }
  if (answer.mac === "not_open") {
    course.didNot("mac_between");
    return "between";
  }
  if (answer.mac === "wrong" || answer.receiptHash !== hashText(hash) || !equal(hash, receiptHash)) throw new VerifyError("mac_mismatch", "the MAC is not that of these bytes");
  course.did("mac");
  return "mac";
}

/** True: its key is revoked, and nothing shows that it was there before. */
function judgeKey(view: LedgerView, { receipt }: VerifiedReceipt, course: Course): boolean {
  const since = view.history.revokedSince(receipt.key_id);
  if (since === null || wasBefore(view, receipt.log_index, since)) return false;
  course.didNot("key_revoked");
  return true;
}

function judged({ known }: VerifiedReceipt, standing: Standing, isSuspect: boolean, mayBeRevoked: boolean): Pick<Examined, "valid" | "status"> {
  if (!known) return { valid: null, status: "not_checked" };
  if (isSuspect) return { valid: null, status: "suspect" };
  if (mayBeRevoked) return { valid: null, status: "not_checked" };
  switch (standing) {
    case "anchored":
    case "logged": return { valid: true, status: standing };
    case "mac": return { valid: true, status: "pending" };
    case "between": return { valid: null, status: "pending" };
    case "unsure": return { valid: null, status: "not_checked" };
  }
}

/** Did a target with a clock of its own have an anchor over it before that time (docs/FORMAT.md section 7, key_revocation)? */
function wasBefore({ targets, outbox }: LedgerView, logIndex: number, since: number): boolean {
  return targets.some(({ name, type }) => type === "s3" && (outbox.firstConfirmed(name, logIndex + 1)?.lastModified ?? since) < since);
}
