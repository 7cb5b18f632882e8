/**
 * An export, offline and in one pass (docs/FORMAT.md section 16): all that a stranger needs beside it is the ledger's vkey, from elsewhere.
 * `complete` is the best that it can say: every receipt that was asked for is here, under a root that the ledger's key has signed, and none is
 * left out. Every line is a leaf, so no place of the log can be left out or be another's; that no receipt of the organization is hidden behind
 * a hash is shown by its chain, which must lead from its newest receipt before the range to its newest at the end, as two anchors have it.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { receiptLeaf } from "../format/entries.ts";
import { type ExportHeader, formatDigestLine, readExportHeader, readHashLine } from "../format/export.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { type Hash, pureHash } from "../format/hash.ts";
import { MAX_BLOB } from "../format/limits.ts";
import { CompactRange } from "../format/merkle.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import { QuickReceipts } from "../format/quick-receipt.ts";
import type { LinkedReceipt, Receipt } from "../format/receipt.ts";
import { verifyCheckpoint, type VerifyOptions } from "./checkpoint.ts";
import { reading, VerifyError } from "./errors.ts";
import { Before } from "./export-before.ts";
import { type ChainPoint, Heads } from "./export-heads.ts";
import { Lines } from "./export-lines.ts";
import { verifyReceipt } from "./receipt.ts";

/** SHA-256 of what comes piece by piece. */
export interface RunningHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

export interface ExportOptions extends VerifyOptions {
  /** Default: the portable one. */
  readonly runningHash?: (() => RunningHash) | undefined;
  /** Bytes that are ASCII, as text. */
  readonly ascii?: ((bytes: Uint8Array, from: number, end: number) => string) | undefined;
}

export interface ExportFacts {
  readonly header: ExportHeader;
  /** Receipts asked for: of the organization, and recorded in the time. */
  readonly receipts: number;
  /** Lines that are receipts in full. */
  readonly inFull: number;
  /** Receipts in full, and the ledger's own before the file, whose `schema_version` is not known: with any, what was asked could not be checked. */
  readonly unknown: number;
  readonly clockSteps: number;
  /** Before `first`: each turned the clock back from a time before `from`. */
  readonly clockStepsBefore: number;
  /** `recorded_at` of the anchor receipt before `first`; null at the log's beginning. */
  readonly beforeAt: string | null;
  /** `recorded_at` of the anchor receipt at `end` − 1. */
  readonly endAt: string;
  /** That one was recorded at `to` or later; else the file is complete up to it, and not beyond. */
  readonly isClosed: boolean;
  /** Of the organization's chain, both included; null where there is none, or all organizations are here. */
  readonly orgSeqs: readonly [first: number, last: number] | null;
  /** 32 bytes, over the first `end` receipts. */
  readonly root: Uint8Array;
  /** The pinned keys that signed, as vkeys. */
  readonly signedBy: readonly string[];
}

const LINE_FEED = new Uint8Array([0x0a]);
const BRACE = 0x7b;

/** What is read of each receipt; `known` null where the schema_version is not. */
interface Read {
  readonly receipt: LinkedReceipt;
  readonly known: Receipt | null;
  readonly hash: Uint8Array;
}

/**
 * Takes the file in pieces, and throws VerifyError with the codes of section 16.1 as soon as something is wrong; nothing is shown before `end`.
 * `vkeys`: pinned, not those of the file.
 */
export class ExportReader {
  readonly #vkeys: readonly Vkey[];
  readonly #options: ExportOptions;
  readonly #lines = new Lines();
  readonly #digest: RunningHash;
  #digested: Uint8Array | null = null;
  #walk: ExportWalk | null = null;
  #isDone = false;

  constructor(vkeys: readonly Vkey[], options: ExportOptions = {}) {
    this.#vkeys = vkeys;
    this.#options = options;
    this.#digest = options.runningHash?.() ?? sha256.create();
  }

  /** Lines of the log so far, and all of them; null before the header. */
  get progress(): { readonly done: number; readonly all: number } | null {
    return this.#walk === null ? null : { done: this.#walk.done, all: this.#walk.all };
  }

  /** SHA-256 over the header and all lines of the log: what the last line has to say, once these have been pushed. */
  digest(): Uint8Array {
    this.#digested ??= this.#digest.digest();
    return this.#digested;
  }

  push(piece: Uint8Array): void {
    for (const line of this.#lines.take(piece)) this.#line(line);
  }

  end(): ExportFacts {
    this.#lines.end();
    if (this.#walk === null || !this.#isDone) {
      const at = this.#walk === null ? "it has no header" : this.#walk.isAtEnd ? "its last line, the digest, is missing" : `${this.#walk.all - this.#walk.done} of its ${this.#walk.all} lines of the log are missing`;
      throw new VerifyError("bad_export", `the file is cut: ${at}`);
    }
    return this.#walk.finish();
  }

  #line(line: Uint8Array): void {
    if (this.#isDone) throw new VerifyError("bad_export", "the file goes on behind its digest");
    if (this.#walk?.isAtEnd === true) {
      this.#requireDigest(line);
      this.#isDone = true;
      return;
    }
    this.#digest.update(line);
    this.#digest.update(LINE_FEED);
    if (this.#walk === null) this.#walk = new ExportWalk(reading(() => readExportHeader(line)), this.#vkeys, this.#options);
    else this.#walk.step(line);
  }

  #requireDigest(line: Uint8Array): void {
    if (!equal(line, formatDigestLine(this.digest()))) throw new VerifyError("digest_mismatch", "the file is not as it was made: its digest is another");
  }
}

class ExportWalk {
  readonly #header: ExportHeader;
  readonly #hash: Hash;
  readonly #quick: QuickReceipts;
  readonly #log: CompactRange;
  readonly #root: Uint8Array;
  readonly #signedBy: readonly string[];
  readonly #before: Before;
  readonly #heads: Heads | null;
  readonly #orgStart: number;
  #own: ChainPoint;
  #org: ChainPoint;
  /** The newest `recorded_at`. */
  #time: string;
  #last: Receipt | null = null;
  #receipts = 0;
  #inFull = 0;
  #unknown = 0;
  #clockSteps = 0;

  constructor(header: ExportHeader, vkeys: readonly Vkey[], options: ExportOptions) {
    this.#header = header;
    this.#hash = options.hash ?? pureHash;
    this.#quick = new QuickReceipts(options.ascii ?? ((bytes, from, end) => String.fromCharCode(...bytes.subarray(from, end))));
    const { size, root, signedBy } = verifyCheckpoint(header.checkpoint, header.ledger, vkeys, options);
    if (size !== header.end) throw new VerifyError("bad_checkpoint", "the checkpoint is one of another size", { pointer: "/checkpoint", expected: header.end, found: size });
    this.#root = root;
    this.#signedBy = signedBy;
    this.#before = new Before(header, root, this.#hash);
    const { anchor: before } = this.#before;
    this.#heads = header.heads === null ? null : new Heads(header, header.heads, before, this.#hash);
    this.#own = before === null ? { orgSeq: 0, hash: null } : { orgSeq: before.receipt.org_seq, hash: before.hash };
    this.#org = this.#heads?.before ?? { orgSeq: 0, hash: null };
    this.#orgStart = this.#org.orgSeq;
    this.#time = before?.receipt.recorded_at ?? "";
    this.#log = new CompactRange({ size: header.first, nodes: header.left, sha256: this.#hash.sha256 });
  }

  get done(): number {
    return this.#log.size - this.#header.first;
  }

  get all(): number {
    return this.#header.end - this.#header.first;
  }

  get isAtEnd(): boolean {
    return this.#log.size === this.#header.end;
  }

  step(line: Uint8Array): void {
    if (!this.#before.isDone) return this.#before.step(line);
    const logIndex = this.#log.size;
    try {
      const hash = reading(() => readHashLine(line));
      this.#log.append(receiptLeaf(hash ?? this.#receipt(line, logIndex), this.#hash.sha256));
      if (hash === null) return;
      this.#last = null;
      if (this.#header.organization === null) throw new VerifyError("bad_export", "the receipt is left out though all organizations are asked for");
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const { code, pointer, expected, found } = error;
      throw new VerifyError(code, `log index ${logIndex}: ${error.message}`, { pointer, expected, found, cause: error });
    }
  }

  /** Judges a receipt in full; its hash. */
  #receipt(line: Uint8Array, logIndex: number): Uint8Array {
    if (line[0] !== BRACE) throw new VerifyError("bad_export", "the line is neither a receipt nor the hash of one");
    if (line.length > MAX_BLOB) throw new VerifyError("too_large", `a stored receipt is at most ${MAX_BLOB} bytes`);
    const { receipt, known, hash } = this.#read(line);
    const { ledger, organization } = this.#header;
    if (receipt.ledger !== ledger) throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger", { pointer: "/ledger", expected: ledger, found: receipt.ledger });
    if (receipt.log_index !== logIndex) throw new VerifyError("log_index_gap", "the receipt has another place in the log", { pointer: "/log_index", expected: logIndex, found: receipt.log_index });
    const isOwn = receipt.organization === LEDGER_ORGANIZATION;
    if (organization !== null && !isOwn && receipt.organization !== organization) {
      throw new VerifyError("bad_export", "the receipt is one of an organization that is not asked for", { pointer: "/organization", expected: organization, found: receipt.organization });
    }
    if (isOwn) this.#own = follow(this.#own, receipt, hash);
    else if (organization !== null) this.#org = follow(this.#org, receipt, hash);
    if (known === null) this.#unknown++;
    else this.#judgeTime(known);
    this.#inFull++;
    this.#last = known;
    if (known !== null && (organization === null || receipt.organization === organization) && this.#isWithin(known.recorded_at)) this.#receipts++;
    return hash;
  }

  #read(line: Uint8Array): Read {
    const quick = this.#quick.read(line);
    if (quick !== null) return { receipt: quick, known: quick, hash: this.#hash.sha256(line) };
    const { known, receipt, hash } = verifyReceipt(line, this.#hash);
    return { receipt, known: known ? receipt : null, hash };
  }

  /** Section 4.4, between the receipts that are here in full: every `clock_step` is. */
  #judgeTime({ type, recorded_at: at, details }: Receipt): void {
    const { from: latest, to } = type === "clock_step" ? (details as { readonly from: string; readonly to: string }) : { from: at, to: at };
    if (latest < this.#time || to !== at) throw new VerifyError("time_backwards", "the receipt was recorded before one that stands before it", { pointer: "/recorded_at", expected: this.#time, found: at });
    if (type === "clock_step") this.#clockSteps++;
    this.#time = at;
  }

  #isWithin(at: string): boolean {
    const { from, to } = this.#header;
    return (from === null || at >= from) && (to === null || at < to);
  }

  /** At the end of the file: what the last anchor receipt shows, and the root over all. */
  finish(): ExportFacts {
    const header = this.#header;
    const last = this.#last;
    if (!equal(this.#log.root(), this.#root)) {
      throw new VerifyError("log_root_mismatch", "the lines are not those under the signed root", { expected: hashText(this.#root), found: hashText(this.#log.root()) });
    }
    if (last?.type !== "anchor") throw new VerifyError("bad_export", "the last receipt is not an anchor receipt that can be read", { pointer: "/end" });
    if (header.from !== null && last.recorded_at <= header.from) {
      throw new VerifyError("bad_export", "the file ends before the time asked for", { pointer: "/end", expected: header.from, found: last.recorded_at });
    }
    this.#heads?.requireEnd(last["details"] as AnchorDetails, this.#org);
    const isOrg = this.#heads !== null && this.#org.orgSeq > this.#orgStart;
    return {
      header, receipts: this.#receipts, inFull: this.#inFull, unknown: this.#unknown + this.#before.unknown, clockSteps: this.#clockSteps,
      clockStepsBefore: this.#before.clockSteps, beforeAt: this.#before.anchor?.receipt.recorded_at ?? null, endAt: last.recorded_at,
      isClosed: header.to !== null && last.recorded_at >= header.to, orgSeqs: isOrg ? [this.#orgStart + 1, this.#org.orgSeq] : null, root: this.#root, signedBy: this.#signedBy,
    };
  }
}

/** The chain's next receipt (13.2 step 5). */
function follow({ orgSeq, hash }: ChainPoint, receipt: LinkedReceipt, receiptHash: Uint8Array): ChainPoint {
  if (receipt.org_seq !== orgSeq + 1) {
    throw new VerifyError("org_seq_gap", `the receipts of ${receipt.organization} do not follow one another: one is left out`, { pointer: "/org_seq", expected: orgSeq + 1, found: receipt.org_seq });
  }
  const expected = hash === null ? null : hashText(hash);
  if (receipt.previous_receipt_hash !== expected) {
    throw new VerifyError("link_mismatch", `the link does not lead to the receipt of ${receipt.organization} before`, { pointer: "/previous_receipt_hash", expected, found: receipt.previous_receipt_hash });
  }
  return { orgSeq: receipt.org_seq, hash: receiptHash };
}
