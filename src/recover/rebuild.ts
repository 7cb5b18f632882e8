/**
 * A ledger rebuilt from what is left of it: batch by batch from the old file's bytes and, where these are damaged or missing, from what was
 * published. Which receipt was in a place is decided, in this order, by a signed anchor at the target and its entries; by the root that
 * this host has signed; by the root in the batch's own anchor receipt. The index over the receipts is made anew.
 *
 * Everything that is read may be damaged, or an attacker's. Where nothing decides, it stops, and whoever asked keeps the old file.
 */
import type { Outbox } from "../anchor/outbox.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import type { ArchivedReceipt } from "../audit/archived-receipts.ts";
import { auditHash } from "../audit/hash.ts";
import { HashList } from "../audit/hash-list.ts";
import { equal } from "../format/bytes.ts";
import { parseHash } from "../format/chain.ts";
import { count, receiptRange } from "../format/count.ts";
import { formatEntries, readEntries, receiptLeaf } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import type { LedgerName } from "../format/names.ts";
import { type Vkey, vkeyText } from "../format/note.ts";
import { Published, type PublishedAnchor } from "../restore/published.ts";
import { AnchorWalk } from "../verify/anchors.ts";
import type { RatchetStart } from "../verify/keys.ts";
import { detailsOf } from "../verify/log.ts";
import { Appender } from "./appender.ts";
import { type BatchScan, scanBatch, settleBatch } from "./batch-scan.ts";
import { type Examined, Examiner, rowHash } from "./examine.ts";
import type { OldLedger } from "./old-ledger.ts";
import { type Rebuilt, type Sink, Spots, type Stop } from "./rebuilt.ts";
import { settleTail } from "./tail.ts";

/** What this host has signed; null: that is not known. */
export type Signed = Pick<Outbox, "newest" | "newestConfirmed" | "root">;

export interface RebuildOptions {
  readonly old: OldLedger;
  readonly ledger: LedgerName;
  /** Where anchors and archived receipts are; null: no target is asked. */
  readonly source: AnchorTarget | null;
  readonly vkeys: readonly Vkey[];
  /** age identities, for an archive that is encrypted. */
  readonly identities: readonly string[];
  readonly signed: Signed | null;
  /** From where the receipts' keys can be stepped; null: MACs are not checked. */
  readonly starts: readonly RatchetStart[] | null;
  /** Keys of which the host has the open epoch's alone. */
  readonly sealed: readonly string[];
  /** R (docs/FORMAT.md section 12). */
  readonly requestKey: Uint8Array | null;
  /** Go on without receipts at the end of which nothing is left that says what they were: not the MAC either, where the ratchet is lost. */
  readonly dropsTail: boolean;
  readonly sink: Sink;
  readonly onProgress?: ((receipts: number) => void) | undefined;
  /** Told of each anchor at the source that the ledger goes on with, in order. */
  readonly onAnchor?: ((anchor: PublishedAnchor) => void) | undefined;
}

/** Throws TargetError, and what the sink throws. */
export async function rebuild(options: RebuildOptions): Promise<Rebuilt> {
  return await new Rebuild(options).run();
}

/** The anchor receipt that closes a batch. */
interface Closing {
  readonly hash: Uint8Array;
  /** As it was published; null: not known. */
  readonly blob: Uint8Array | null;
  /** Is the batch what was signed, or what this anchor receipt's MAC speaks for? Else each receipt in it has to be, by its own MAC. */
  readonly isCovered: boolean;
}

class Rebuild {
  readonly #options: RebuildOptions;
  readonly #examiner: Examiner;
  readonly #appender: Appender;
  readonly #published: Published | null;
  readonly #walk = new AnchorWalk({ hash: auditHash });
  #epoch = 0;
  #anchors = 0;
  #publishedSize = 0;

  constructor(options: RebuildOptions) {
    const { ledger, starts, sealed, old, sink, requestKey, source } = options;
    this.#options = options;
    this.#examiner = new Examiner(ledger, starts, sealed);
    this.#appender = new Appender(old, this.#examiner, sink, requestKey);
    this.#published = source === null ? null : new Published(source, options);
  }

  async run(): Promise<Rebuilt> {
    let stop: Stop | null = null;
    try {
      for await (const group of this.#published?.anchors() ?? []) {
        stop = await this.#anchored(group);
        if (stop !== null) break;
      }
    } finally {
      await this.#published?.close();
    }
    stop ??= await this.#own() ?? this.#missing();
    const { log, kept, replaced, added, lost } = this.#appender;
    const dropped = new Spots();
    if (stop === null) for (const logIndex of this.#options.old.namesFrom(log.size)) dropped.add({ logIndex, found: null, receiptNumber: null });
    if (dropped.count > 0 && !this.#options.dropsTail) stop = { code: "tail_lost", logIndex: log.size, message: tailText(dropped) };
    const { old: { wrong } } = this.#options;
    return { size: log.size, root: log.root(), anchors: this.#anchors, publishedSize: this.#publishedSize, kept, replaced, added, lost, dropped, wrong, stop };
  }

  get #first(): number {
    return this.#appender.log.size;
  }

  /** A batch whose anchor is at the target. */
  async #anchored(group: readonly PublishedAnchor[]): Promise<Stop | null> {
    const [anchor] = group as readonly [PublishedAnchor];
    const { facts } = anchor;
    const { old, signed } = this.#options;
    const { treeSize, root, details: { batch } } = facts;
    const known = signed?.root(treeSize) ?? null;
    if (group.length > 1 || (known !== null && !equal(known, root))) {
      return { code: "forked", logIndex: treeSize - 1, message: `${group.length > 1 ? "two roots are" : "this host and another one have each a root"} signed for the tree of ${treeSize} receipts` };
    }
    const first = this.#first;
    const scan = scanBatch(old.places(first, treeSize), this.#examiner, ({ logIndex }) => logIndex === treeSize - 1);
    const bundle = await this.#published!.entries(facts);
    const isSettled = bundle === null ? settleBatch(scan, first, parseHash(batch.root)) : scan.hashes.length === batch.count;
    if (bundle !== null && isSettled) [...readEntries(bundle)].forEach((hash, i) => scan.hashes.set(i, hash));
    const [wrong] = this.#walk.step(facts, () => (isSettled ? scan.hashes : null));
    if (wrong !== undefined) return { code: wrong.code, logIndex: first, message: `the anchor of ${treeSize} receipts at the target: ${wrong.message}` };
    const stop = await this.#write(scan, { hash: facts.receiptHash, blob: facts.blob, isCovered: true });
    this.#publishedSize = treeSize;
    if (stop === null) this.#options.onAnchor?.(anchor);
    return stop;
  }

  /** What no anchor at the target covers, as this ledger has it. */
  async #own(): Promise<Stop | null> {
    const { old, signed } = this.#options;
    for (;;) {
      const first = this.#first;
      const isAnchor = ({ logIndex, read }: Examined): boolean => (read === null
        ? (signed?.root(logIndex + 1) ?? null) !== null || old.anchorRoot(logIndex + 1) !== null
        : read.receipt.type === "anchor");
      const scan = scanBatch(old.places(first, old.end), this.#examiner, isAnchor);
      if (scan.anchor === null) return await this.#tail(first);
      const closing = this.#closing(scan, scan.anchor, first);
      if ("code" in closing) return closing;
      const stop = await this.#write(scan, closing);
      if (stop !== null) return stop;
    }
  }

  /** Settles a batch of which only this host knows, and says which anchor receipt closed it. */
  #closing(scan: BatchScan, anchor: Examined, first: number): Closing | Stop {
    const { logIndex, read, blobHash } = anchor;
    const { signed, old } = this.#options;
    const undecided = (what: string): Stop => ({ code: "undecided", logIndex: first, message: `${what} of ${receiptRange(first, logIndex)}: no target has its anchor, and what is left here does not say which receipts they were` });
    const details = read === null ? null : detailsOf<AnchorDetails>(read.receipt);
    if (details !== null && !settleBatch(scan, first, parseHash(details.batch.root))) return undecided("the batch");
    const witness = signed?.root(logIndex + 1) ?? null;
    const expected = witness ?? old.anchorRoot(logIndex + 1);
    const candidates = [read?.hash ?? null, rowHash(anchor), blobHash].filter((hash) => hash !== null);
    const found = expected === null ? undefined : candidates.find((hash) => equal(this.#rootWith(scan, hash), expected));
    if (found !== undefined && witness !== null) return { hash: found, blob: null, isCovered: true };
    if (witness !== null) return { code: "forked", logIndex: first, message: `this host has signed another root for the tree of ${logIndex + 1} receipts than these have` };
    if (found !== undefined && (read === null || !equal(found, read.hash))) return { hash: found, blob: null, isCovered: false }; // by the old index alone
    const mac = read === null ? "wrong" : this.#examiner.mac(anchor, this.#epoch);
    if (read === null || mac === "wrong") return undecided("the anchor receipt");
    return mac === "unknown" ? this.#examiner.unchecked(anchor) : { hash: read.hash, blob: null, isCovered: true };
  }

  #rootWith({ hashes }: BatchScan, anchorHash: Uint8Array): Uint8Array {
    const log = this.#appender.log.clone();
    for (const hash of [...hashes, anchorHash]) log.append(receiptLeaf(hash, auditHash.sha256));
    return log.root();
  }

  async #tail(first: number): Promise<Stop | null> {
    const { old, dropsTail } = this.#options;
    const truths = settleTail(old, this.#examiner, this.#appender, first, this.#epoch, dropsTail);
    return "code" in truths ? truths : await this.#places(first, truths, null);
  }

  /** A batch, its anchor receipt, and the end of its epoch. */
  async #write(scan: BatchScan, closing: Closing): Promise<Stop | null> {
    const firstIndex = this.#first;
    const isWhole = equal(scan.hashes.bytes, scan.blobHashes.bytes);
    const truths = new HashList();
    for (const hash of [...scan.hashes, closing.hash]) truths.push(hash);
    const entries = isWhole || this.#published === null ? null : formatEntries(scan.hashes.bytes);
    const forged = closing.isCovered ? null : this.#uncovered(firstIndex, truths);
    const stop = forged ?? await this.#places(firstIndex, truths, closing.blob, entries);
    if (stop !== null) return stop;
    await this.#published?.receipts.skip(firstIndex + scan.hashes.length);
    this.#options.sink.commit({ treeSize: this.#first, firstIndex, root: this.#appender.log.root() });
    this.#epoch++;
    this.#anchors++;
    this.#options.onProgress?.(this.#first);
    return this.#goesOn();
  }

  /** What only a key that is not known here has signed would be taken for unpublished, and what is archived for lost. */
  #goesOn(): Stop | null {
    const { rotatedTo } = this.#appender;
    if (rotatedTo === null || this.#options.vkeys.some((vkey) => vkeyText(vkey) === rotatedTo)) return null;
    return { code: "vkey_unknown", logIndex: this.#first - 1, message: `from the anchor of ${count(this.#first, "receipt")} on the ledger's anchors are signed with ${rotatedTo}, which the keyring does not know: it is an older one, and what is published behind that cannot be told from anybody's` };
  }

  /** The first of the receipts that are there whose own MAC does not speak for it. */
  #uncovered(first: number, truths: HashList): Stop | null {
    for (const place of this.#options.old.places(first, first + truths.length)) {
      const examined = this.#examiner.examine(place);
      const { logIndex, read, blobHash } = examined;
      if (read === null || !equal(blobHash!, truths.at(logIndex - first))) continue;
      const mac = this.#examiner.mac(examined, this.#epoch);
      if (mac === "unknown") return this.#examiner.unchecked(examined);
      if (mac === "wrong") return { code: "mac_mismatch", logIndex, message: `receipt ${logIndex} is under no anchor that is known here, and was not signed with this ledger's key: somebody has put it there` };
    }
    return null;
  }

  /** `last`: the bytes of the last of them, as they were published. `entries` null: the others are not looked for in the archive. */
  async #places(first: number, truths: HashList, last: Uint8Array | null, entries: Uint8Array | null = null): Promise<Stop | null> {
    const { old } = this.#options;
    const archived = entries === null ? null : new Follower(this.#published!.receipts.batch(first, entries));
    for (const place of old.places(first, first + truths.length)) {
      const { logIndex } = place;
      const examined = this.#examiner.examine(place);
      const truth = truths.at(logIndex - first);
      const isRight = examined.blobHash !== null && equal(examined.blobHash, truth);
      const isLast = logIndex === first + truths.length - 1;
      const bytes = isRight ? null : (isLast ? last : null) ?? await archived?.at(logIndex) ?? null;
      const stop = this.#appender.append(examined, truth, this.#epoch, bytes);
      if (stop !== null) return this.#explained(stop, examined, entries !== null);
    }
    await archived?.close();
    return null;
  }

  /** Why a receipt that was anchored is not to be had. */
  #explained(stop: Stop, { row, blob, logIndex }: Examined, isLookedFor: boolean): Stop {
    if (stop.code !== "receipt_lost" || !isLookedFor) return stop;
    const what = row === null && blob === null ? `receipt ${logIndex} is anchored, and this ledger has nothing of it` : stop.message;
    if (this.#published!.receipts.encrypted === 0) return { ...stop, code: "not_archived", message: `${what}; it is not archived` };
    return { ...stop, code: "archive_encrypted", message: `${what}; it is archived encrypted, and ${this.#options.identities.length === 0 ? "no identity was given" : "none of the identities given opens it"}` };
  }

  /** Has this host signed more than there is? */
  #missing(): Stop | null {
    const { signed } = this.#options;
    const size = this.#first;
    const most = Math.max(signed?.newest()?.treeSize ?? 0, signed?.newestConfirmed()?.treeSize ?? 0);
    if (most <= size) return null;
    return { code: "ledger_behind", logIndex: size, message: `this host has signed an anchor of ${most} receipts, and of these there are ${size}, here and at the target` };
  }
}

/** Which receipts were at the end, under no anchor. */
export function tailText({ count: places, range }: Spots): string {
  const [first, last] = range!;
  const which = places === last - first + 1 ? receiptRange(first, last) : `${count(places)} of ${receiptRange(first, last)}`;
  return `${which} (by log index) ${places === 1 ? "was" : "were"} in this ledger, under no anchor, and nothing is left that says what ${places === 1 ? "it was" : "they were"}`;
}

/** Archived receipts, asked for in order of log_index. */
class Follower {
  readonly #receipts: AsyncGenerator<ArchivedReceipt, void, undefined>;
  #next: ArchivedReceipt | null = null;
  #isOver = false;

  constructor(receipts: AsyncGenerator<ArchivedReceipt, void, undefined>) {
    this.#receipts = receipts;
  }

  async at(logIndex: number): Promise<Uint8Array | null> {
    while (!this.#isOver && (this.#next === null || this.#next.logIndex < logIndex)) {
      const step = await this.#receipts.next();
      if (step.done === true) this.#isOver = true;
      else this.#next = step.value;
    }
    return this.#next?.logIndex === logIndex ? this.#next.blob : null;
  }

  async close(): Promise<void> {
    await this.#receipts.return();
  }
}
