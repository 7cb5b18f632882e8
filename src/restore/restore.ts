/**
 * A ledger lost with its host, built again from a target: anchors, batch objects and the archive. Nothing is taken for true that a
 * pinned key has not signed: each receipt has the hash in its batch's entries, these have the root in the anchor receipt, and all
 * receipts up to an anchor have the root in its checkpoint before its batch is committed.
 *
 * Order of writes: `ledger.db.new` batch by batch; then the outbox gets its name; then the ledger gets its own. A crash leaves files that
 * the next restore replaces or takes over, never half a ledger.
 */
import { anchorsPrefix } from "../anchor/objects.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import { auditHash } from "../audit/hash.ts";
import { readEntries } from "../format/entries.ts";
import { FormatError } from "../format/errors.ts";
import { type LedgerName, sizeInName } from "../format/names.ts";
import { type Vkey, vkeyText } from "../format/note.ts";
import { LedgerRestore } from "../ledger/restore.ts";
import { AnchorWalk } from "../verify/anchors.ts";
import { VerifyError, type VerifyErrorCode } from "../verify/errors.ts";
import { checkpointRotationOf } from "../verify/log.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { RestoredOutbox } from "./outbox.ts";
import { Published, type PublishedAnchor } from "./published.ts";
import { storedReceipt } from "./stored.ts";

export interface RestoreOptions {
  readonly target: AnchorTarget;
  /** The ledger's other targets, as they are configured. */
  readonly others: readonly AnchorTarget[];
  readonly ledger: LedgerName;
  /** Pinned. */
  readonly vkeys: readonly Vkey[];
  /** age identities, for an archive that is encrypted. */
  readonly identities: readonly string[];
  /** R (docs/FORMAT.md section 12); null: `request_mac` is left out, and requests sent again are not recognized. */
  readonly requestKey: Uint8Array | null;
  readonly ledgerPath: string;
  readonly outboxPath: string;
  /** Where not all can be restored, keep what can. */
  readonly keepsPart: boolean;
}

/** Why it ended before the newest anchor. */
export interface Stop {
  readonly code: VerifyErrorCode | "not_archived" | "archive_encrypted" | "unknown_version" | "no_anchors" | "anchor_missing" | "vkey_unknown";
  /** One sentence. */
  readonly message: string;
}

export interface RestoreReport {
  /** Receipts of complete batches, anchors included; without `stop`, or where a part is kept, the size of the ledger. */
  readonly receipts: number;
  readonly anchors: number;
  /** null: everything that the target still has is back. */
  readonly stop: Stop | null;
  /** The newest key that a `checkpoint_rotation` names in what is back; null: there is none. */
  readonly rotatedTo: string | null;
  /** Does the outbox that was there say that nothing else was signed? A target alone cannot say what was taken from it. */
  readonly isWitnessed: boolean;
  /** Is there a ledger now? */
  readonly isKept: boolean;
  /** The newest anchor that is back. */
  readonly newest: { readonly recordedAt: string; readonly lastModified: number } | null;
  /** Objects at the target that did not count. */
  readonly setAside: number;
  /** Names of other targets that did not answer: everything is published there anew. */
  readonly unanswered: readonly string[];
}

export interface RestoreHooks {
  /** Receipts so far, of so many that anchors by their names speak of. */
  readonly onProgress?: (receipts: number, total: number) => void;
}

/** Throws LedgerError (`ledger_exists`, `disk_full` …), TargetError, AnchorError; then nothing is left behind. */
export async function restore(options: RestoreOptions, hooks: RestoreHooks = {}): Promise<RestoreReport> {
  const ledger = LedgerRestore.begin(options.ledgerPath, options.ledger, auditHash.sha256);
  let outbox: RestoredOutbox | null = null;
  const unanswered: string[] = [];
  try {
    outbox = RestoredOutbox.begin(options.outboxPath, options.ledger, options.target.name);
    const work = new Restore(options, hooks, ledger, outbox);
    const report = await work.run();
    if (report.isKept) {
      for (const other of options.others) {
        if (!await outbox.ask(other, { ...options, size: report.receipts })) unanswered.push(other.name);
      }
      outbox.finish();
      ledger.finish();
    } else {
      outbox.discard();
      ledger.discard();
    }
    return { ...report, unanswered };
  } catch (error) {
    outbox?.discard();
    ledger.discard();
    throw error;
  }
}

class Restore {
  readonly #options: RestoreOptions;
  readonly #hooks: RestoreHooks;
  readonly #ledger: LedgerRestore;
  readonly #outbox: RestoredOutbox;
  readonly #published: Published;
  readonly #walk = new AnchorWalk({ hash: auditHash });
  #anchors = 0;
  #rotatedTo: string | null = null;
  /** What a `checkpoint_rotation` of the batch that is read names. */
  #closing: string | null = null;
  #newest: RestoreReport["newest"] = null;
  #total = 0;

  constructor(options: RestoreOptions, hooks: RestoreHooks, ledger: LedgerRestore, outbox: RestoredOutbox) {
    this.#options = options;
    this.#hooks = hooks;
    this.#ledger = ledger;
    this.#outbox = outbox;
    this.#published = new Published(options.target, options);
  }

  async run(): Promise<Omit<RestoreReport, "unanswered">> {
    let stop: Stop | null = null;
    try {
      if (this.#hooks.onProgress !== undefined) this.#total = await newestSize(this.#options.target, this.#options.ledger);
      for await (const group of this.#published.anchors()) {
        stop = await this.#batch(group);
        if (stop !== null) break;
      }
    } finally {
      await this.#published.close();
    }
    if (this.#anchors === 0) stop ??= { code: "no_anchors", message: "no anchor of this ledger is there that a pinned key has signed" };
    const missing = stop === null ? this.#outbox.missing(this.#ledger.size) : null;
    if (missing !== null) stop = { code: "anchor_missing", message: missing };
    return {
      rotatedTo: this.#rotatedTo,
      isWitnessed: this.#outbox.isWitness(this.#ledger.size),
      receipts: this.#ledger.size, anchors: this.#anchors, stop, newest: this.#newest, setAside: this.#published.setAside,
      isKept: stop === null || (this.#options.keepsPart && this.#anchors > 0),
    };
  }

  async #batch(group: readonly PublishedAnchor[]): Promise<Stop | null> {
    const [anchor] = group as readonly [PublishedAnchor];
    const { facts } = anchor;
    const { first_index: first, count } = facts.details.batch;
    if (group.length > 1) {
      return { code: "fork", message: `two roots are signed for the tree of ${facts.treeSize} receipts: the key has signed two pasts, and which is the right one a person has to find out` };
    }
    if (this.#outbox.contradicts(anchor)) {
      return { code: "fork", message: `this host has signed another root for the tree of ${facts.treeSize} receipts: which past is the right one a person has to find out` };
    }
    const entries = await this.#published.entries(facts);
    const [wrong] = this.#walk.step(facts, () => (entries === null ? null : readEntries(entries)));
    if (wrong !== undefined) return { code: wrong.code, message: `the anchor of ${facts.treeSize} receipts: ${wrong.message}` };
    if (this.#ledger.size !== first) throw new Error("the walk let a gap pass");
    const stop = await this.#receipts(first, count, entries!) ?? this.#append(facts.treeSize - 1, facts.blob);
    if (stop !== null) return stop;
    this.#ledger.commit({ treeSize: facts.treeSize, firstIndex: first, root: facts.root });
    this.#outbox.add(anchor);
    const rotatedTo = this.#closing;
    this.#closing = null;
    this.#anchors++;
    this.#newest = { recordedAt: facts.receipt.recorded_at, lastModified: anchor.lastModified };
    this.#hooks.onProgress?.(facts.treeSize, this.#total);
    return rotatedTo === null ? null : this.#goesOn(rotatedTo, facts.treeSize);
  }

  /** Behind the anchor that both keys sign nothing counts without the new one: an end that nobody could tell from the true one. */
  #goesOn(vkey: string, treeSize: number): Stop | null {
    this.#rotatedTo = vkey;
    if (this.#options.vkeys.some((known) => vkeyText(known) === vkey)) return null;
    return { code: "vkey_unknown", message: `the checkpoint_rotation before the anchor of ${treeSize} receipts hands over to ${vkey}, which is none of the keys that are believed here (those given, else the keyring's), and what it alone has signed does not count: put the newest backup of the keyring in its place, or pin that key, too, once you know by another way that it is the ledger's (--vkey)` };
  }

  async #receipts(first: number, count: number, entries: Uint8Array): Promise<Stop | null> {
    if (count === 0) return null;
    let at = first;
    for await (const { logIndex, blob } of this.#published.receipts.batch(first, entries)) {
      if (logIndex !== at) break;
      const stop = this.#append(at, blob);
      if (stop !== null) return stop;
      at++;
      if (at % 1024 === 0) this.#hooks.onProgress?.(at, this.#total);
    }
    if (at === first + count) return null;
    const batch = `the batch of receipts ${first} to ${first + count - 1}`;
    const { encrypted } = this.#published.receipts;
    if (encrypted === 0) return { code: "not_archived", message: `${batch} is not archived: receipt ${at} is in no object that counts` };
    return { code: "archive_encrypted", message: `${batch} is archived encrypted, and ${this.#options.identities.length === 0 ? "no identity was given" : "none of the identities given opens it"}` };
  }

  /** The next receipt, whose hash is the anchored one. */
  #append(logIndex: number, blob: Uint8Array): Stop | null {
    const verified = this.#verify(blob);
    if (verified instanceof VerifyError) return { code: verified.code, message: `receipt ${logIndex} was anchored as it is, and is no receipt: ${verified.message}` };
    if (!verified.known) return { code: "unknown_version", message: `receipt ${logIndex} has schema_version ${verified.receipt.schema_version}: restore the ledger with a newer receiptd` };
    const { receipt, hash } = verified;
    if (receipt.log_index !== logIndex) return { code: "log_index_gap", message: `receipt ${logIndex} calls itself ${receipt.log_index}` };
    this.#closing = checkpointRotationOf(verified)?.vkey ?? this.#closing;
    this.#ledger.append(storedReceipt(receipt, hash, blob, this.#options.requestKey, null), blob);
    return null;
  }

  #verify(blob: Uint8Array): ReturnType<typeof verifyReceipt> | VerifyError {
    try {
      return verifyReceipt(blob, auditHash);
    } catch (error) {
      if (error instanceof VerifyError) return error;
      if (error instanceof FormatError) return new VerifyError(error.code, error.message);
      throw error;
    }
  }
}

/** By the names alone, which anybody can make: for a bar, nothing else. */
async function newestSize(target: AnchorTarget, ledger: LedgerName): Promise<number> {
  let newest = 0;
  for await (const { name } of target.list(anchorsPrefix(ledger))) newest = Math.max(newest, sizeInName(ledger, name) ?? 0);
  return newest;
}
