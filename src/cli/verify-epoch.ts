/**
 * Is a receipt of the epoch of its place? Whoever has one epoch's key could sign anything with it that claims that epoch. The anchor receipt
 * before the place says which epoch it is, and is the ledger's own word. Where nothing but the MAC vouches for a receipt, and keys of closed
 * epochs are to be of no use to whoever takes over the host, that word is checked too (docs/FORMAT.md section 13.2 steps 8 and 9): from the
 * newest anchor before the place that is at a target, signed, or else from genesis, each of the ledger's own receipts up to the place.
 */
import { beforeAnchor } from "../anchor/objects.ts";
import { TargetError } from "../anchor/target.ts";
import { hashText } from "../format/chain.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { LEDGER_ORGANIZATION, type LedgerName } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { genesisOf } from "../ledger/genesis.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import { VerifyError } from "../verify/errors.ts";
import { judgeCommitment, type LedgerKeys } from "../verify/keys.ts";
import { breakOf, detailsOf, endAfter, judgeEpoch, type LogEnd, ownCommitment } from "../verify/log.ts";
import { type VerifiedReceipt, verifyMac, verifyReceipt } from "../verify/receipt.ts";
import { anchorDetailsAt } from "./anchored.ts";
import type { NamedTarget } from "./ledger-files.ts";
import { AnchorSearch } from "./verify-search.ts";

/** By the anchor receipt before the place, as the ledger has it. Returns what could not be checked, null: nothing. Throws VerifyError. */
export function checkEpoch({ log_index, key_epoch }: VerifiedReceipt["receipt"], reader: Reader, commitment: Uint8Array | null): string | null {
  const size = anchoredBefore(reader, log_index);
  const before = size === 0 ? null : anchorDetailsAt(reader, size);
  if (size > 0 && before === null) return "that its key is the one that was published for this place: the anchor receipt before it is damaged";
  const expected = before === null ? 0 : before.keyEpoch + 1;
  if (key_epoch !== expected) throw ofAnotherEpoch(key_epoch, expected);
  const published = brokenAt(reader, log_index) ?? (before === null ? genesisOf(reader)?.epoch_commitment : before.epoch_commitment);
  if (commitment === null || published === undefined || hashText(commitment) === published) return null;
  throw new VerifyError("commitment_mismatch", "the key of this epoch is not the one that was published before", { expected: published, found: hashText(commitment) });
}

/** What the `ratchet_break` in a place, or before the anchor receipt in it, says of its key; null where there is none. */
function brokenAt(reader: Reader, logIndex: number): string | null {
  for (const at of [logIndex, logIndex - 1]) {
    const blob = at < 0 ? null : reader.byIndex(at)?.blob ?? null;
    try {
      const broken = blob === null ? null : breakOf(verifyReceipt(blob, nodeHash));
      if (broken !== null) return broken.epoch_commitment;
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error; // then it says nothing
    }
  }
  return null;
}

/** Tree size of the newest anchor before a place, by the index; 0 where there is none. */
function anchoredBefore(reader: Reader, logIndex: number): number {
  const size = reader.coveringAnchor(logIndex)?.firstIndex ?? reader.newestAnchor()?.treeSize ?? 0;
  if (size <= logIndex) return size;
  throw new VerifyError("batch_gap", "the batch that the index has over this receipt begins behind it", { expected: `at most ${logIndex}`, found: size });
}

function ofAnotherEpoch(found: number, expected: number): VerifyError {
  return new VerifyError("epoch_mismatch", "the receipt is not of the epoch of its place", { pointer: "/key_epoch", expected, found });
}

export interface PlaceQuestion {
  readonly reader: Reader;
  /** None that were disclosed: whoever has these could have signed the ledger's own receipts of their epochs, too. */
  readonly keys: LedgerKeys;
  readonly ledger: LedgerName;
  readonly targets: readonly NamedTarget[];
  readonly vkeys: readonly Vkey[];
  /** What anchor.db says that a target has confirmed, as a tree size; null: nothing. */
  readonly confirmed: (target: string) => number | null;
  /** `sha256:…` of each `ratchet_break` receipt of which whoever asks knows. */
  readonly breaks: ReadonlySet<string>;
}

/** Own receipts that are read at a time. */
const PAGE = 1024;

/** Makes sure of the epoch of a place. Returns why that was not possible, null: it was. Throws VerifyError. */
export async function requirePlace(read: VerifiedReceipt, question: PlaceQuestion): Promise<string | null> {
  const { receipt } = read;
  const anchor = await anchorBefore(receipt.log_index, question);
  const walk = new OwnWalk(question, anchor);
  for (const own of ownReceipts(question.reader, anchor === null ? 1 : anchor.receipt.org_seq + 1)) {
    if (own.logIndex >= receipt.log_index) break;
    const why = walk.step(own);
    if (why !== null) return why;
  }
  return walk.finish(read);
}

/** The newest anchor before the place that is at a target, looked for where the ledger says that there should be one; null: none was found. */
async function anchorBefore(logIndex: number, { reader, ledger, targets, vkeys, confirmed }: PlaceQuestion): Promise<AnchorFacts | null> {
  const newest = anchoredBefore(reader, logIndex);
  // under whatever name: a folder may be a copy
  const seen = (anchorDetailsAt(reader, newest)?.observed ?? []).map((one) => one.tree_size);
  let best: AnchorFacts | null = null;
  for (const { target } of targets) {
    for (const size of [newest, confirmed(target.name) ?? 0, ...seen]) {
      if (size <= (best?.treeSize ?? 0) || size > logIndex) continue;
      try {
        const found = await new AnchorSearch(target, ledger, vkeys).find(target.list(`${beforeAnchor(ledger, size)}-`), () => true);
        if (found !== null && !found.isFork && found.facts.treeSize === size) best = found.facts;
      } catch (error) {
        if (!(error instanceof TargetError)) throw error; // then it is a longer way
      }
    }
  }
  return best;
}

function* ownReceipts(reader: Reader, firstSeq: number): Generator<StoredBlob, void, undefined> {
  for (let next = firstSeq; ;) {
    const page = reader.organizationPage(LEDGER_ORGANIZATION, next, PAGE);
    yield* page;
    if (page.length < PAGE) return;
    next = page.at(-1)!.orgSeq + 1;
  }
}

class OwnWalk {
  readonly #keys: LedgerKeys;
  readonly #breaks: ReadonlySet<string>;
  #end: LogEnd | null = null;
  #seq = 0;
  #hash: string | null = null;
  /** `epoch_commitment` for the epoch of the next receipt, and the key of the epoch before. */
  #promise: { readonly commitment: string; readonly keyBefore: string | null } | null = null;

  /** `anchor` null: from genesis on. */
  constructor({ keys, breaks }: Pick<PlaceQuestion, "keys" | "breaks">, anchor: AnchorFacts | null) {
    this.#keys = keys;
    this.#breaks = breaks;
    if (anchor === null) return;
    const { receipt, receiptHash, details } = anchor;
    this.#seq = receipt.org_seq;
    this.#hash = hashText(receiptHash);
    // which key comes next the key_rotation or ratchet_break before it says, and who has it the commitment
    this.#end = endAfter({ known: true, receipt, notChecked: [], hash: receiptHash }, undefined);
    this.#promise = { commitment: details.epoch_commitment, keyBefore: receipt.key_id };
  }

  /** The next of the ledger's own receipts. Returns why it could not be checked, null: it was. */
  step({ logIndex, blob }: StoredBlob): string | null {
    const place = `that its epoch is the place's: the ledger's own receipt ${logIndex} before it`;
    if (blob === null) return `${place} is missing`;
    try {
      const read = verifyReceipt(blob, nodeHash);
      const { organization, log_index, org_seq, previous_receipt_hash: link, key_id, key_epoch } = read.receipt;
      if (organization !== LEDGER_ORGANIZATION || log_index !== logIndex || org_seq !== this.#seq + 1 || link !== this.#hash) {
        throw new VerifyError("link_mismatch", "it does not continue the ledger's own receipts", { expected: this.#hash ?? "genesis", found: link ?? "a first receipt" });
      }
      const [error] = judgeEpoch(read, this.#end);
      if (error !== undefined) throw error;
      if (!read.known) return `${place} is of a format that this program does not know`;
      const macKey = this.#keys.macKey(key_id, key_epoch, LEDGER_ORGANIZATION);
      if (macKey === null) return `${place} is of epoch ${key_epoch} of ${key_id}, of which no key is at hand`;
      verifyMac(blob, read.receipt, macKey, nodeHash);
      this.#judge(read);
      const unknown = this.#unknownBreak(read);
      if (unknown !== null) return unknown;
      if (read.receipt.type === "anchor") this.#promise = { commitment: detailsOf<AnchorDetails>(read.receipt).epoch_commitment, keyBefore: key_id };
      [this.#end, this.#seq, this.#hash] = [endAfter(read, this.#end), org_seq, hashText(read.hash)];
      return null;
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const { code, message, pointer, expected, found } = error;
      throw new VerifyError(code, `the ledger's own receipt ${logIndex}, on which the epoch of this place rests, is not to be believed: ${message}`, { pointer, expected, found });
    }
  }

  /** The receipt in the place, which is of the log's open epoch there. Returns as `step`. */
  finish(read: VerifiedReceipt): string | null {
    const end = this.#end;
    const { receipt } = read;
    const expected = end === null ? 0 : end.keyEpoch + (end.isAnchor ? 1 : 0);
    if (receipt.key_epoch !== expected) throw ofAnotherEpoch(receipt.key_epoch, expected);
    this.#judge(read);
    return this.#unknownBreak(read);
  }

  /** Nobody vouches for a key that begins so, but who knows of it. */
  #unknownBreak(read: VerifiedReceipt): string | null {
    const broken = breakOf(read);
    if (broken === null || this.#breaks.has(hashText(read.hash))) return null;
    return `that ${broken.key_id} is the ledger's key: receipt ${read.receipt.log_index} is a ratchet_break, with which whoever has the host's root key can begin one (--accept-break ${hashText(read.hash)}, if you know of it)`;
  }

  #judge(read: VerifiedReceipt): void {
    const own = ownCommitment(read);
    if (own !== null) this.#promise = { commitment: own, keyBefore: null };
    const error = this.#promise === null ? null : judgeCommitment(read.receipt, this.#promise.commitment, this.#promise.keyBefore, this.#keys);
    if (error !== null) throw error;
  }
}
