/**
 * The anchors of one target in order of size, each with the batch objects that lie beside it. What does not count (docs/FORMAT.md
 * section 13.3 steps 1 and 2) is reported and set aside.
 */
import type { AnchorTarget, TargetVersion } from "../anchor/target.ts";
import { FormatError } from "../format/errors.ts";
import type { Hash } from "../format/hash.ts";
import { type LedgerName, objectPrefix, parseObjectName } from "../format/names.ts";
import type { VerifyEd25519, Vkey } from "../format/note.ts";
import { type AnchorFacts, verifyAnchorObject } from "../verify/anchor.ts";
import { VerifyError } from "../verify/errors.ts";
import { type AnchorGroup, OpenGroup } from "./anchor-group.ts";
import { ArchiveAudit } from "./archive.ts";
import { type Listed, NOTHING_LISTED } from "./listed.ts";
import { type Lock, Locks } from "./locks.ts";
import { MAX_ANCHOR_BYTES, MAX_BATCH_BYTES, Peekable } from "./objects.ts";
import type { AuditCode, Findings, Severity } from "./report.ts";
import { SeenVersions } from "./seen-versions.ts";
import { UnknownSigners } from "./unknown-signers.ts";
import { type CountingObject, DELETE_MARKER, MULTIPART, VersionReader } from "./versions.ts";

export interface EvidenceOptions {
  readonly ledger: LedgerName;
  readonly vkeys: readonly Vkey[];
  /** Keys that the ledger's receipts name and nobody has pinned: what they alone have signed is told apart from what nobody has. */
  readonly unpinned?: readonly Vkey[] | undefined;
  readonly hash: Hash;
  readonly verify: VerifyEd25519;
  readonly findings: Findings;
  /** age identities, for archived receipts that are encrypted. */
  readonly identities: readonly string[];
  /** As in AuditOptions. */
  readonly acceptedBreaks?: ReadonlySet<string> | undefined;
  readonly hasLedger: boolean;
  /** Anchors of trees larger than this, for a part of a ledger. */
  readonly afterSize: number;
  readonly onObject: () => void;
}

/** What was found up to some size before, and is not looked at again. */
export interface Before {
  readonly size: number;
  readonly anchors: Listed;
  readonly batches: Listed;
  /** ms; null where nothing is locked. */
  readonly lockedUntil: number | null;
  readonly versions: SeenVersions;
}

export interface SeenBatch {
  readonly name: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Of the object, hex: that of its name. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly lock: Lock;
  readonly listed: Listed;
}

type Batch = Pick<SeenBatch, "firstIndex" | "lastIndex" | "sha256" | "bytes">;

export class Evidence {
  readonly #target: AnchorTarget;
  readonly #options: EvidenceOptions;
  readonly #before: Before | null;
  readonly #prefix: string;
  readonly #anchors: VersionReader<AnchorFacts>;
  readonly #batches: VersionReader<Batch>;
  readonly #nextBatch: Peekable<CountingObject<Batch>>;
  /** The receipts themselves, where they are published. */
  readonly archive: ArchiveAudit;
  readonly locks: Locks;
  /** Of anchors, those that count. */
  readonly versions: SeenVersions;
  /** By tree size, anchors that a key has signed, by its vkey, that a receipt names and nobody has pinned; and none that is pinned. */
  readonly unpinned = new Map<number, string>();
  /** Without the ledger: what nobody pinned has signed, which may be a newer key of the ledger's. */
  readonly unknown: UnknownSigners;
  /** Name of the last of them. */
  #unpinned = "";
  /** Their sizes behind the last batch whose archived receipts were looked at, in order. */
  #unjudged: number[] = [];
  /** Versions listed now. */
  objects = 0;
  /** Of these, archived receipts that are not read again. */
  archivedBefore = 0;

  constructor(target: AnchorTarget, options: EvidenceOptions, before: Before | null = null) {
    this.#target = target;
    this.#options = options;
    this.#before = before;
    this.#prefix = objectPrefix(options.ledger);
    this.locks = new Locks((code, message, object) => this.report("violation", code, message, object), before?.lockedUntil ?? null);
    this.versions = before?.versions ?? new SeenVersions();
    const { ledger, vkeys, hash, verify } = options;
    this.unknown = new UnknownSigners({ ledger, vkeys, hash, verify });
    const common = {
      ledger, hash, locks: null, // anybody can add an object without a lock to those that have one
      onVersion: () => this.#count(),
      report: (...finding: Parameters<Evidence["report"]>) => this.report(...finding),
    };
    this.#anchors = new VersionReader(target, {
      ...common, maxBytes: MAX_ANCHOR_BYTES,
      read: (_, bytes, { name }) => this.#readAnchor(name, bytes),
      report: (...finding) => { if (finding[1] !== "bad_note" || (finding[3] !== this.#unpinned && !this.unknown.names.has(finding[3]))) this.report(...finding); },
      onCounting: (name, { versionId, lastModified }) => {
        if (name.kind === "anchor") this.versions.add(name.treeSize, versionId, lastModified);
      },
    });
    this.#batches = new VersionReader(target, {
      ...common, maxBytes: MAX_BATCH_BYTES, onCounting: () => undefined,
      read: (name, bytes) => {
        if (name.kind !== "batch") throw new VerifyError("bad_object_name", "the name is not that of a batch");
        return { firstIndex: name.firstIndex, lastIndex: name.lastIndex, sha256: name.sha256, bytes };
      },
    });
    this.#nextBatch = new Peekable(this.#batches.objects(`${this.#prefix}batches/`, this.#after("batches/"), before?.batches ?? NOTHING_LISTED));
    this.archive = new ArchiveAudit(target, {
      ...common, hasLedger: options.hasLedger, acceptedBreaks: options.acceptedBreaks, identities: options.identities, from: before?.size ?? options.afterSize,
      locks: new Locks((code, message, object) => this.report("note", code, message, object)), // no anchor promises them
    });
  }

  #readAnchor(name: string, bytes: Uint8Array): AnchorFacts {
    const { ledger, vkeys, unpinned = [], hash, verify, hasLedger } = this.#options;
    try {
      return verifyAnchorObject(name, bytes, ledger, vkeys, { hash, verify });
    } catch (error) {
      if (!(error instanceof VerifyError) || error.code !== "bad_note") throw error;
      try {
        const { treeSize, signedBy } = verifyAnchorObject(name, bytes, ledger, unpinned, { hash, verify });
        this.unpinned.set(treeSize, signedBy.at(-1)!);
        this.#unjudged.push(treeSize);
        this.#unpinned = name;
      } catch (other) {
        if (!(other instanceof VerifyError)) throw other; // signed by neither: what was wrong first is told
        if (!hasLedger) this.unknown.add(name, bytes, error);
      }
      throw error;
    }
  }

  /** Versions that were read now. */
  get read(): number {
    return this.#anchors.read + this.#batches.read + this.archive.counts.objects;
  }

  /** Versions of anchors and batches that count, and can be removed though others with the same bytes cannot. */
  get unlocked(): number {
    return this.#anchors.unlocked + this.#batches.unlocked;
  }

  /** `rootAt`: what the ledger has at a size; null where that is not known. */
  async *anchors(rootAt: (treeSize: number) => Uint8Array | null): AsyncGenerator<AnchorGroup, void, undefined> {
    let group: OpenGroup | null = null;
    const found = this.#anchors.objects(`${this.#prefix}anchors/`, this.#after("anchors/"), this.#before?.anchors ?? NOTHING_LISTED);
    const onLock = (name: string, lock: Lock): void => this.judgeLock(name, lock);
    for await (const object of found) {
      const { treeSize } = object.value;
      if (group !== null && group.treeSize !== treeSize) {
        yield group.close(onLock);
        group = null;
      }
      group ??= new OpenGroup(treeSize, object.listed, rootAt(treeSize), (...finding) => this.report(...finding));
      group.add(object);
    }
    if (group !== null) yield group.close(onLock);
  }

  /** Of an anchor, or of the batch object that belongs to one. */
  judgeLock(name: string, lock: Lock): void {
    if (this.#target.retain !== null) this.locks.add(name, lock);
  }

  /** The batch objects that begin before `index` and were not taken yet, in order. */
  async *batchesBefore(index: number): AsyncGenerator<SeenBatch, void, undefined> {
    for (let object = await this.#nextBatch.peek(); object !== null && object.value.firstIndex < index; object = await this.#nextBatch.peek()) {
      await this.#nextBatch.take();
      yield { ...object.value, name: object.name, lock: object.lock, listed: object.listed };
    }
  }

  /** The archived receipts of the next batch in order. What is before it under anchors that are not believed is not judged: those are told. */
  async archived(firstIndex: number, receipts: number, entries: Uint8Array | null): Promise<void> {
    if ((this.#unjudged[0] ?? Infinity) <= firstIndex) {
      this.#unjudged = this.#unjudged.filter((treeSize) => treeSize > firstIndex);
      await this.archive.batch(firstIndex, 0, null);
    }
    await this.archive.batch(firstIndex, receipts, entries);
  }

  /** What lies under the ledger's prefix and is neither an anchor nor a batch. */
  async lookBeside(): Promise<void> {
    if (this.#options.afterSize > 0) return;
    const [anchors, batches] = [`${this.#prefix}anchors/`, `${this.#prefix}batches/`];
    const last = "\u{10ffff}"; // sorts behind every name
    const gaps = [[undefined, anchors], [anchors + last, batches], [batches + last, null]] as const;
    for (const [after, end] of gaps) {
      for await (const version of this.#target.list(this.#prefix, after)) {
        if (end !== null && version.name >= end) break;
        if (this.archive.covers(version.name)) continue;
        this.#count();
        this.#beside(version);
      }
    }
  }

  #beside({ name, kind, isMultipart }: TargetVersion): void {
    if (kind === "delete_marker") this.report("interference", "delete_marker", DELETE_MARKER, name);
    else if (kind !== "object" || !isReceipts(this.#options.ledger, name)) this.report("interference", "bad_object_name", "an object of no kind that a ledger has", name);
    else if (isMultipart) this.report("interference", "multipart_version", MULTIPART, name);
    else this.archivedBefore++;
  }

  /**
   * At the end. Throws TargetError `target_denied` where nothing could be read because whoever asks may not: of single objects that
   * is a finding, since whoever may write can store some that nobody else can read.
   */
  requireReadable(): void {
    const denied = this.#anchors.denied ?? this.#batches.denied;
    if (denied !== null && this.read === 0) throw denied;
  }

  async close(): Promise<void> {
    await this.#nextBatch.close();
    await this.archive.close();
  }

  report(severity: Severity, code: AuditCode, message: string, object: string, detail: {
    readonly expected?: string | undefined; readonly found?: string | undefined; readonly logIndex?: number;
  } = {}): void {
    this.#options.findings.add({ severity, code, message, object: { target: this.#target.name, name: object }, ...detail });
  }

  #count(): void {
    this.objects++;
    this.#options.onObject();
  }

  /** What sorts before the first object of interest. Batches begin where an anchor's tree ends. */
  #after(folder: "anchors/" | "batches/"): string | undefined {
    const size = this.#before?.size ?? this.#options.afterSize;
    return size === 0 ? undefined : endOfFirst(this.#prefix, folder, size);
  }
}

/**
 * Sorts behind every anchor of a tree of at most `size` receipts, or every batch that begins below `size`; and before all others. No
 * anchor or batch has this very name: what has it belongs to the part before, so that it is in one of the two.
 */
export function endOfFirst(prefix: string, folder: "anchors/" | "batches/", size: number): string {
  return `${prefix}${folder}${String(folder === "anchors/" ? size + 1 : size).padStart(20, "0")}`;
}

function isReceipts(ledger: LedgerName, name: string): boolean {
  try {
    return parseObjectName(ledger, name).kind === "receipts";
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
