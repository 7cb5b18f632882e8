/**
 * A target in memory that asserts what publishing promises: one call to `put` at a time, a batch before its anchor, anchors in order
 * of size. What is broken is an ordinary Error, which the publisher takes for fatal, so no test passes over it.
 */
import type { AnchorDetails } from "../../src/format/fields.ts";
import { equal } from "../../src/format/bytes.ts";
import { type LedgerName, objectPrefix, parseObjectName } from "../../src/format/names.ts";
import { readReceipt } from "../../src/format/receipt.ts";
import { parseTlogProof } from "../../src/format/tlog-proof.ts";
import { type AnchorTarget, type StoredObject, TargetError, type TargetVersion, type VersionName } from "../../src/anchor/target.ts";

export interface MemoryTargetOptions {
  readonly name?: string;
  /** Asserts the order of this ledger's objects. */
  readonly ledger?: LedgerName;
}

export class MemoryTarget implements AnchorTarget {
  readonly name: string;
  readonly trustedTime = true;
  readonly retain = null;
  /** By name. A test may add, change and remove objects behind everyone's back. */
  readonly objects = new Map<string, { readonly bytes: Uint8Array; readonly lastModified: number }>();
  /** Names in the order in which they were first stored. */
  readonly stored: string[] = [];
  /** Called before each call does anything; what it throws is what the call throws. */
  before: (call: "put" | "get" | "list", name: string) => void | Promise<void> = () => undefined;
  readonly #ledger: LedgerName | undefined;
  #clock = 1_000_000;
  #putting = false;

  constructor(options: MemoryTargetOptions = {}) {
    this.name = options.name ?? "memory";
    this.#ledger = options.ledger;
  }

  async put(name: string, bytes: Uint8Array): Promise<VersionName> {
    if (this.#putting) throw new Error("two objects are stored at once");
    this.#putting = true;
    try {
      await this.before("put", name);
      requireName(name);
      const there = this.objects.get(name);
      if (there !== undefined && !equal(there.bytes, bytes)) throw new TargetError("target_conflict", `${name} is there already`);
      if (there === undefined) {
        this.#assertOrder(name, bytes);
        this.objects.set(name, { bytes: bytes.slice(), lastModified: this.#clock++ });
        this.stored.push(name);
      }
      return { name, versionId: "v1" };
    } finally {
      this.#putting = false;
    }
  }

  async get({ name, versionId }: VersionName, maxBytes: number): Promise<StoredObject> {
    await this.before("get", name);
    const there = this.objects.get(name);
    if (there === undefined || versionId !== "v1") throw new TargetError("target_missing", `${name} is not there`);
    if (there.bytes.length > maxBytes) throw new TargetError("target_damaged", `${name} is too large`);
    return { bytes: there.bytes.slice(), lastModified: there.lastModified, retention: null };
  }

  async *list(prefix: string, after?: string): AsyncGenerator<TargetVersion> {
    await this.before("list", prefix);
    for (const name of [...this.objects.keys()].sort()) {
      if (name.startsWith(prefix) && (after === undefined || name > after)) yield this.#version(name);
    }
  }

  #version(name: string): TargetVersion {
    const { bytes, lastModified } = this.objects.get(name)!;
    return { name, versionId: "v1", kind: "object", lastModified, size: bytes.length, etag: null, isMultipart: false };
  }

  #assertOrder(name: string, bytes: Uint8Array): void {
    if (this.#ledger === undefined) return;
    const object = parseObjectName(this.#ledger, name);
    if (object.kind !== "anchor") return;
    for (const earlier of this.stored) {
      const other = parseObjectName(this.#ledger, earlier);
      if (other.kind === "anchor" && other.treeSize >= object.treeSize) throw new Error(`the anchor ${object.treeSize} came after ${other.treeSize}`);
    }
    const { batch } = readReceipt(parseTlogProof(bytes).extra!).receipt["details" as never] as AnchorDetails;
    const first = `${objectPrefix(this.#ledger)}batches/${String(batch.first_index).padStart(20, "0")}-`;
    if (batch.count > 0 && ![...this.objects.keys()].some((stored) => stored.startsWith(first))) {
      throw new Error(`the anchor ${object.treeSize} came before its batch`);
    }
  }
}

function requireName(name: string): void {
  if (name.split("/").some((part) => part === "" || part === "." || part === "..")) throw new TypeError("not a name");
}
