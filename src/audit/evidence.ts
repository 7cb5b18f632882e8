/**
 * The anchors of one target in order of size, each with the batch objects that lie beside it. What does not count (docs/FORMAT.md
 * section 13.3 steps 1 and 2) is reported and set aside.
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { toHex } from "../format/bytes.ts";
import type { Hash } from "../format/hash.ts";
import { type LedgerName, type ObjectName, objectPrefix, parseObjectName } from "../format/names.ts";
import type { VerifyEd25519, Vkey } from "../format/note.ts";
import { type AnchorFacts, verifyAnchorObject, verifyObjectName } from "../verify/anchor.ts";
import { asVerifyError, VerifyError } from "../verify/errors.ts";
import { type FetchedObject, fetchObjects, MAX_ANCHOR_BYTES, MAX_BATCH_BYTES, Peekable } from "./objects.ts";
import type { AuditCode, Findings, Severity } from "./report.ts";

export interface EvidenceOptions {
  readonly ledger: LedgerName;
  readonly vkeys: readonly Vkey[];
  readonly hash: Hash;
  readonly verify: VerifyEd25519;
  readonly findings: Findings;
  /** Anchors of trees larger than this, for a part of a ledger. */
  readonly afterSize: number;
  readonly onObject: () => void;
}

export interface SeenAnchor {
  readonly facts: AnchorFacts;
  /** ms, by the target's clock. */
  readonly lastModified: number;
}

export interface SeenBatch {
  readonly name: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Of the object, hex: that of its name. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** All that is signed for one size. */
export interface AnchorGroup {
  readonly treeSize: number;
  /** At least one; their roots may differ. */
  readonly anchors: readonly SeenAnchor[];
}

export class Evidence {
  readonly #target: AnchorTarget;
  readonly #options: EvidenceOptions;
  readonly #prefix: string;
  readonly #batches: Peekable<FetchedObject>;
  objects = 0;
  /** Of the last object that counts: further versions of it can only be the same bytes. */
  #lastName = "";

  constructor(target: AnchorTarget, options: EvidenceOptions) {
    this.#target = target;
    this.#options = options;
    this.#prefix = objectPrefix(options.ledger);
    this.#batches = new Peekable(fetchObjects(target, `${this.#prefix}batches/`, this.#after("batches/", options.afterSize), MAX_BATCH_BYTES));
  }

  async *anchors(): AsyncGenerator<AnchorGroup, void, undefined> {
    let group: SeenAnchor[] = [];
    for await (const object of fetchObjects(this.#target, `${this.#prefix}anchors/`, this.#after("anchors/", this.#options.afterSize), MAX_ANCHOR_BYTES)) {
      const seen = this.#readAnchor(object);
      if (seen === null) continue;
      if (group[0] !== undefined && group[0].facts.treeSize !== seen.facts.treeSize) {
        yield { treeSize: group[0].facts.treeSize, anchors: group };
        group = [];
      }
      group.push(seen);
    }
    if (group[0] !== undefined) yield { treeSize: group[0].facts.treeSize, anchors: group };
  }

  /** The batch objects that begin before `index` and were not taken yet, in order. */
  async *batchesBefore(index: number): AsyncGenerator<SeenBatch, void, undefined> {
    for (let object = await this.#batches.peek(); object !== null; object = await this.#batches.peek()) {
      const name = this.#parse(object.version.name);
      if (name?.kind === "batch" && name.firstIndex >= index) return;
      await this.#batches.take();
      const seen = this.#readBatch(object);
      if (seen !== null) yield seen;
    }
  }

  /** What lies under the ledger's prefix and is neither an anchor nor a batch. */
  async lookBeside(): Promise<void> {
    if (this.#options.afterSize > 0) return;
    const [anchors, batches] = [`${this.#prefix}anchors/`, `${this.#prefix}batches/`];
    const last = "\u{10ffff}"; // sorts behind every name
    const gaps = [[undefined, anchors], [anchors + last, batches], [batches + last, this.#prefix + last]] as const;
    for (const [after, end] of gaps) {
      for await (const { name } of this.#target.list(this.#prefix, after)) {
        if (name >= end) break;
        this.objects++;
        this.#set(name, "bad_object_name", "an object of no kind that a ledger has");
      }
    }
  }

  async close(): Promise<void> {
    await this.#batches.close();
  }

  report(severity: Severity, code: AuditCode, message: string, object: string, detail: {
    readonly expected?: string | undefined; readonly found?: string | undefined; readonly logIndex?: number;
  } = {}): void {
    this.#options.findings.add({ severity, code, message, object: { target: this.#target.name, name: object }, ...detail });
  }

  #readAnchor(object: FetchedObject): SeenAnchor | null {
    const { ledger, vkeys, hash, verify } = this.#options;
    return this.#read(object, (bytes) => ({
      facts: verifyAnchorObject(object.version.name, bytes, ledger, vkeys, { hash, verify }), lastModified: object.version.lastModified,
    }));
  }

  #readBatch(object: FetchedObject): SeenBatch | null {
    return this.#read(object, (bytes) => {
      const { name } = object.version;
      const parsed = verifyObjectName(name, bytes, this.#options.ledger, this.#options.hash);
      if (parsed.kind !== "batch") throw new VerifyError("bad_object_name", "the name is not that of a batch");
      return { name, firstIndex: parsed.firstIndex, lastIndex: parsed.lastIndex, sha256: parsed.sha256, bytes };
    });
  }

  #read<T>({ version, bytes, failure }: FetchedObject, read: (bytes: Uint8Array) => T): T | null {
    const { name } = version;
    this.objects++;
    this.#options.onObject();
    if (bytes === null) {
      this.#set(name, this.#parse(name) === null ? "bad_object_name" : "name_mismatch", `the object is not one of this ledger's: ${failure}`);
      return null;
    }
    try {
      const seen = read(bytes);
      if (name !== this.#lastName) {
        this.#lastName = name;
        return seen;
      }
      this.report("note", "duplicate_object", "the object is there in several versions with the same bytes", name);
    } catch (error) {
      const { code, message, expected, found } = asVerifyError(error);
      const isDamaged = code === "name_mismatch";
      this.#set(name, code, isDamaged ? "the object was changed or never was what its name says: it does not count" : `the object does not count: ${message}`,
        expected, isDamaged ? toHex(this.#options.hash.sha256(bytes)) : found);
    }
    return null;
  }

  #set(name: string, code: AuditCode, message: string, expected?: string, found?: string): void {
    this.report("interference", code, message, name, { expected, found });
  }

  #parse(name: string): ObjectName | null {
    try {
      return parseObjectName(this.#options.ledger, name);
    } catch {
      return null;
    }
  }

  /** What sorts before the first object of interest. Batches begin where an anchor's tree ends. */
  #after(folder: string, size: number): string | undefined {
    return size === 0 ? undefined : `${this.#prefix}${folder}${String(folder === "anchors/" ? size + 1 : size).padStart(20, "0")}`;
  }
}
