/**
 * A stored decision straight from its bytes: what `readReceipt` (and `numberMatches`) make sure of, by the short way of quick-scan.ts.
 * Like that one it only ever accepts; whatever is not certain, system receipts among it, is for `readReceipt`, which knows the reason.
 */
import { copyBytes, isUtf8 } from "./bytes.ts";
import { SCHEMA_VERSION } from "./fields.ts";
import { MAX_BLOB } from "./limits.ts";
import { isOrigin, KEY_ID } from "./names.ts";
import { NAMES, rankAt, rankOf } from "./quick-names.ts";
import { QuickScan } from "./quick-scan.ts";
import { DEPTH, QuickValues } from "./quick-values.ts";
import type { Receipt } from "./receipt.ts";
import { CUTS } from "./seal.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACE = 0x7b;
const BRACE_END = 0x7d;

const MOST_EXTENSIONS = 64;
/** Characters of `recorded_at`, with its quotes. */
const TIME = 26;
const NEEDED = [
  "schema_version", "ledger", "organization", "org_seq", "log_index", "key_id", "key_epoch", "previous_receipt_hash", "signature", "receipt_id", "receipt_number", "recorded_at", "type",
  "system_id", "decision", "inputs",
].map(rankOf);
const [LEDGER, ORGANIZATION, ORG_SEQ, LOG_INDEX, KEY, EPOCH, PREVIOUS, SIGNATURE, ID, NUMBER, RECORDED, VERSION] = [
  rankOf("ledger"), rankOf("organization"), rankOf("org_seq"), rankOf("log_index"), rankOf("key_id"), rankOf("key_epoch"), rankOf("previous_receipt_hash"), rankOf("signature"),
  rankOf("receipt_id"), rankOf("receipt_number"), rankOf("recorded_at"), rankOf("schema_version"),
] as const;
/** The first and the last member of each run that the daemon adds. */
const RUNS = CUTS.map((first, i) => [rankOf(first), [LOG_INDEX, ORG_SEQ, PREVIOUS, RECORDED, SIGNATURE][i]!] as const);

export class QuickReceipts {
  readonly #scan = new QuickScan();
  readonly #values = new QuickValues(this.#scan);
  readonly #ascii: (bytes: Uint8Array, from: number, end: number) => string;
  #blob: Uint8Array = new Uint8Array(0);
  /** Of each member by rank: where it begins, where its value does, and behind it; 0: it is not there. */
  readonly #from = new Int32Array(NAMES.length);
  readonly #value = new Int32Array(NAMES.length);
  readonly #to = new Int32Array(NAMES.length);
  /** The last ones that were right: they seldom change. */
  #ledger = "";
  #key = "";
  #out: Uint8Array = new Uint8Array(0);

  /** `ascii`: bytes that are ASCII, as text. */
  constructor(ascii: (bytes: Uint8Array, from: number, end: number) => string) {
    this.#ascii = ascii;
  }

  /** The members of section 4.2, and none other, of a receipt of type `decision` that is right in every way that `readReceipt` looks at; else null. */
  read(blob: Uint8Array): Receipt | null {
    this.#blob = blob;
    if (blob.length > MAX_BLOB || blob[0] !== BRACE || !this.#members()) return null;
    for (const rank of NEEDED) if (this.#to[rank] === 0) return null;
    const receipt = {
      schema_version: SCHEMA_VERSION, ledger: this.#text(LEDGER), organization: this.#text(ORGANIZATION), org_seq: this.#count(ORG_SEQ), log_index: this.#count(LOG_INDEX), key_id: this.#text(KEY),
      key_epoch: this.#count(EPOCH), previous_receipt_hash: blob[this.#value[PREVIOUS]!] === QUOTE ? this.#text(PREVIOUS) : null, signature: this.#text(SIGNATURE),
      receipt_id: this.#text(ID), receipt_number: this.#text(NUMBER), recorded_at: this.#text(RECORDED), type: "decision",
    };
    if (this.#count(VERSION) !== SCHEMA_VERSION || receipt.org_seq === 0 || (receipt.org_seq === 1) !== (receipt.previous_receipt_hash === null)) return null;
    if (this.#to[RECORDED]! - this.#value[RECORDED]! !== TIME || !isNumber(receipt)) return null;
    if (receipt.ledger !== this.#ledger && !isOrigin(receipt.ledger)) return null;
    if (receipt.key_id !== this.#key && !KEY_ID.test(receipt.key_id)) return null;
    this.#ledger = receipt.ledger;
    this.#key = receipt.key_id;
    return receipt;
  }

  /** What the MAC of the receipt that was read covers; good until the next call. */
  unsigned(): Uint8Array {
    const end = this.#to[SIGNATURE]! + 1; // with its comma: `system_id` follows
    return this.#without([[this.#from[SIGNATURE]!, end]]);
  }

  /** What the request_mac of the receipt that was read covers; good until the next call. */
  request(): Uint8Array {
    return this.#without(RUNS.map(([first, last]) => [this.#from[first]!, this.#to[last]! + 1] as const));
  }

  #without(parts: readonly (readonly [start: number, end: number])[]): Uint8Array {
    const blob = this.#blob;
    if (this.#out.length < blob.length) this.#out = new Uint8Array(2 * blob.length);
    let from = 0;
    let at = 0;
    for (const [start, end] of parts) {
      copyBytes(blob, from, start, this.#out, at);
      at += start - from;
      from = end;
    }
    copyBytes(blob, from, blob.length, this.#out, at);
    return this.#out.subarray(0, at + blob.length - from);
  }

  /** Whether the blob is the JCS of an object with known members in order, each of the right kind. */
  #members(): boolean {
    const scan = this.#scan;
    const blob = this.#blob;
    scan.begin(blob, 0);
    this.#to.fill(0);
    let last = -1;
    let extensions = 0;
    let name = 0;
    for (let p = 1; ;) {
      if (blob[p] !== QUOTE) return false;
      const start = p + 1;
      const end = scan.name(start);
      if (end < 0 || blob[end + 1] !== COLON) return false;
      const rank = rankAt(blob, start, end);
      if (rank < 0 || rank < last || (rank === last && rank < NAMES.length)) return false;
      if (rank === NAMES.length && (++extensions > MOST_EXTENSIONS || (extensions > 1 && !isBefore(blob, name, start)))) return false;
      const behind = rank === NAMES.length ? scan.value(end + 2, DEPTH) : this.#values.field(rank, blob, end + 2);
      if (behind < 0 || scan.isChanged) return false;
      if (rank < NAMES.length) {
        this.#from[rank] = p;
        this.#value[rank] = end + 2;
        this.#to[rank] = behind;
      }
      last = rank;
      name = start;
      if (blob[behind] === BRACE_END) return behind + 1 === blob.length && (!scan.beyondAscii || isUtf8(blob));
      if (blob[behind] !== COMMA) return false;
      p = behind + 1;
    }
  }

  #text(rank: number): string {
    return this.#ascii(this.#blob, this.#value[rank]! + 1, this.#to[rank]! - 1);
  }

  #count(rank: number): number {
    let count = 0;
    for (let i = this.#value[rank]!; i < this.#to[rank]!; i++) count = 10 * count + (this.#blob[i]! - 0x30); // in this order all of it is below 2^53
    return count;
  }
}

/** Of two names of one text, both with their closing quotes, which is before any character of a name. */
function isBefore(text: Uint8Array, a: number, b: number): boolean {
  let i = 0;
  while (text[a + i] === text[b + i] && text[a + i] !== QUOTE) i++;
  return text[a + i]! < text[b + i]!;
}

/** Is the number the one that a prefix, the year and org_seq make (section 4.3)? */
function isNumber({ receipt_number, recorded_at, org_seq }: { readonly receipt_number: string; readonly recorded_at: string; readonly org_seq: number }): boolean {
  const rest = `-${recorded_at.slice(0, 4)}-${org_seq < 10_000 ? String(org_seq).padStart(5, "0") : org_seq}`;
  const length = receipt_number.length - rest.length;
  if (length < 1 || length > 16 || !receipt_number.endsWith(rest)) return false;
  for (let i = 0; i < length; i++) {
    const c = receipt_number.charCodeAt(i);
    if (!((c >= 0x41 && c <= 0x5a) || (i > 0 && c >= 0x30 && c <= 0x39))) return false;
  }
  return true;
}
