/**
 * A whole ledger in sequence: every check of docs/FORMAT.md section 13.2, in that order. Memory grows with the receipt ids and the
 * organizations; a large ledger is walked in segments instead (chain.ts and log.ts).
 */
import { hashText } from "../format/chain.ts";
import { entryOf } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { CompactRange, leafHash } from "../format/merkle.ts";
import { ChainWalk } from "./chain.ts";
import { asVerifyError, VerifyError } from "./errors.ts";
import { type OrganizationHead, orgHeadsRoot } from "./heads.ts";
import { judgeCommitment, type LedgerKeys } from "./keys.ts";
import {
  anchorOf, type AnchorSeen, endAfter, type ExpectedLedger, judgeBatch, judgeBreak, judgeEpoch, judgePlace, judgePreviousSize, judgeTime,
  type LogEnd, ownCommitment,
} from "./log.ts";
import { type VerifiedReceipt, verifyMac, verifyReceipt } from "./receipt.ts";
import { VkeyChain, type VkeyRotation } from "./vkeys.ts";

export interface LedgerWalkOptions extends ExpectedLedger {
  readonly keys?: LedgerKeys | undefined;
  readonly hash?: Hash | undefined;
}

/** An anchor receipt of the ledger, and the log root of the tree that it ends, 32 bytes. */
export interface LedgerAnchor extends AnchorSeen {
  readonly treeSize: number;
  readonly root: Uint8Array;
}

export class LedgerWalk {
  readonly #hash: Hash;
  readonly #keys: LedgerKeys | undefined;
  readonly #chain = new ChainWalk(new Map());
  readonly #vkeys = new VkeyChain();
  readonly #ids = new Map<string, number>();
  readonly #heads = new Map<string, OrganizationHead>();
  readonly #anchors: LedgerAnchor[] = [];
  readonly #log: CompactRange;
  readonly #notChecked = new Map<string, number>();
  #expected: ExpectedLedger;
  #batch: CompactRange;
  #end: LogEnd | null = null;
  /** What was published of the next epoch whose commitment is still to be compared. */
  #commitment: { readonly epoch: number; readonly text: string; readonly keyBefore: string | null } | null = null;
  /** The anchor receipt in hand: its root is known once it is a leaf itself. */
  #openAnchor: AnchorSeen | null = null;
  /** A root over the log that differs once differs ever after: said once. */
  #isLogRootKnownWrong = false;

  /** Without `origin` the first receipt says which ledger it is. */
  constructor(options: LedgerWalkOptions = {}) {
    this.#hash = options.hash ?? pureHash;
    this.#keys = options.keys;
    this.#expected = options;
    this.#log = this.#newRange();
    this.#batch = this.#newRange();
  }

  /** Receipts so far. */
  get size(): number {
    return this.#log.size;
  }

  /** RFC 6962 root over them. */
  root(): Uint8Array {
    return this.#log.root();
  }

  /** By organization, in order of first appearance. */
  get heads(): ReadonlyMap<string, OrganizationHead> {
    return this.#heads;
  }

  get anchors(): readonly LedgerAnchor[] {
    return this.#anchors;
  }

  /** What its `checkpoint_rotation` receipts name, in order. */
  get rotations(): readonly VkeyRotation[] {
    return this.#vkeys.rotations;
  }

  /** Receipts after the newest anchor. */
  get pending(): number {
    return this.#batch.size;
  }

  /** What was not checked, and of how many receipts: `signature` without its key, `details`, fields of another schema_version. */
  get notChecked(): ReadonlyMap<string, number> {
    return this.#notChecked;
  }

  /** Judges the next blob and goes on from what it says. */
  step(blob: Uint8Array): VerifyError[] {
    const findings: VerifyError[] = [];
    let r: VerifiedReceipt | null = null;
    try {
      r = verifyReceipt(blob, this.#hash);
    } catch (error) {
      findings.push(asVerifyError(error));
    }
    if (r !== null) this.#judge(r, blob, findings);
    // what is no receipt takes a place in the log all the same
    else if (this.#end !== null) this.#end = { ...this.#end, logIndex: this.#end.logIndex + 1, recordedAt: null };
    const receiptHash = r?.hash ?? this.#hash.sha256(blob);
    const leaf = leafHash(entryOf(receiptHash), this.#hash.sha256);
    this.#log.append(leaf);
    const anchor = this.#openAnchor;
    if (anchor === null) {
      this.#batch.append(leaf);
    } else {
      this.#anchors.push({ ...anchor, treeSize: anchor.logIndex + 1, root: this.#log.root() });
      this.#batch = this.#newRange();
      this.#openAnchor = null;
    }
    return findings;
  }

  #judge(r: VerifiedReceipt, blob: Uint8Array, findings: VerifyError[]): void {
    for (const name of r.notChecked) this.#countNotChecked(name);
    if (this.#expected.origin === undefined) this.#expected = { ...this.#expected, origin: r.receipt.ledger };
    const before = this.#end;
    findings.push(...judgePlace(r, before, this.#expected));
    if (r.known) this.#judgeId(r.receipt.receipt_id, findings);
    findings.push(...this.#chain.step(r), ...judgeTime(r, before), ...judgeEpoch(r, before), ...judgeBreak(r), ...this.#vkeys.step(r));
    const own = ownCommitment(r);
    if (own !== null) this.#commitment = { epoch: r.receipt.key_epoch, text: own, keyBefore: null };
    this.#judgeKeys(r, blob, findings);
    const anchor = anchorOf(r);
    if (anchor !== null) this.#judgeAnchor(anchor, before?.anchorSize ?? 0, findings);
    const { organization, org_seq } = r.receipt;
    const firstHash = this.#heads.get(organization)?.firstHash ?? r.hash;
    this.#heads.set(organization, { firstHash, orgSeq: org_seq, hash: r.hash });
    this.#end = endAfter(r, before);
  }

  #judgeId(receiptId: string, findings: VerifyError[]): void {
    const earlier = this.#ids.get(receiptId);
    if (earlier === undefined) {
      this.#ids.set(receiptId, this.size);
      return;
    }
    findings.push(new VerifyError("duplicate_receipt_id", `the id is that of receipt ${earlier} already`, { pointer: "/receipt_id", found: receiptId }));
  }

  #judgeKeys(r: VerifiedReceipt, blob: Uint8Array, findings: VerifyError[]): void {
    const { key_id, key_epoch, organization } = r.receipt;
    // stepping to an epoch that cannot have begun would take as long as the claim is large; step 8 has the finding
    const keys = key_epoch > this.#anchors.length ? undefined : this.#keys;
    if (this.#commitment?.epoch === key_epoch) {
      const { text, keyBefore } = this.#commitment;
      this.#commitment = null;
      const finding = keys === undefined ? null : judgeCommitment(r.receipt, text, keyBefore, keys);
      if (finding !== null) findings.push(finding);
    }
    const macKey = keys?.macKey(key_id, key_epoch, organization) ?? null;
    if (macKey === null) {
      this.#countNotChecked("signature");
      return;
    }
    try {
      verifyMac(blob, r.receipt, macKey, this.#hash);
    } catch (error) {
      findings.push(asVerifyError(error));
    }
  }

  #judgeAnchor(anchor: AnchorSeen, previousSize: number, findings: VerifyError[]): void {
    const { batch, previous_anchor, org_heads_root, epoch_commitment } = anchor.details;
    const gap = judgeBatch(anchor, previousSize);
    findings.push(...gap);
    const root = hashText(this.#batch.root());
    if (gap.length === 0 && batch.root !== root) {
      findings.push(new VerifyError("batch_root_mismatch", "the receipts of the batch do not have this root", {
        pointer: "/details/batch/root", expected: root, found: batch.root,
      }));
    }
    findings.push(...this.#judgePrevious(anchor, previous_anchor, previousSize));
    const headsRoot = hashText(orgHeadsRoot(this.#heads.values(), this.#hash));
    if (org_heads_root !== headsRoot) {
      findings.push(new VerifyError("org_heads_mismatch", "the organizations' newest receipts do not have this root", {
        pointer: "/details/org_heads_root", expected: headsRoot, found: org_heads_root,
      }));
    }
    this.#commitment = { epoch: anchor.keyEpoch + 1, text: epoch_commitment, keyBefore: anchor.keyId };
    this.#openAnchor = anchor;
  }

  #judgePrevious(anchor: AnchorSeen, link: AnchorDetails["previous_anchor"], previousSize: number): VerifyError[] {
    const wrongSize = judgePreviousSize(anchor, previousSize);
    const previous = this.#anchors.at(-1);
    if (wrongSize.length > 0 || link === null || previous === undefined) return wrongSize;
    const expected = hashText(previous.root);
    if (link.root === expected || this.#isLogRootKnownWrong) return [];
    this.#isLogRootKnownWrong = true;
    return [new VerifyError("anchor_link_mismatch", "the log does not have the root of the anchor before", {
      pointer: "/details/previous_anchor/root", expected, found: link.root,
    })];
  }

  #countNotChecked(name: string): void {
    this.#notChecked.set(name, (this.#notChecked.get(name) ?? 0) + 1);
  }

  #newRange(): CompactRange {
    return new CompactRange({ sha256: this.#hash.sha256 });
  }
}
