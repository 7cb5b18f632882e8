/**
 * Receipts of a time in one file, with what shows that none is left out: `receiptd-export/1`, docs/FORMAT.md section 16. A header, a line for
 * each place of the log, and a digest. Reading authenticates nothing; see verify/export.ts.
 */
import { equal, toBase64, utf8 } from "./bytes.ts";
import { canonicalize } from "./canonical.ts";
import { HASH_PREFIX, hashText, parseHash } from "./chain.ts";
import { FormatError } from "./errors.ts";
import { MAX_BLOB } from "./limits.ts";
import { Members, type PublishedAt } from "./members.ts";
import { HASH_BYTES, MAX_PATH } from "./merkle.ts";
import { LEDGER_ORGANIZATION, ORGANIZATION } from "./names.ts";
import { isArray, type Json, parseStrictBytes } from "./strict-json.ts";
import { parseTime } from "./time.ts";

const EXPORT_FORMAT = "receiptd-export/1";
/** UTF-8 bytes of the first line, without its line feed. */
export const MAX_EXPORT_HEADER = 2 * 1024 * 1024;
/** The largest line, without its line feed. */
export const MAX_EXPORT_LINE = Math.max(MAX_EXPORT_HEADER, MAX_BLOB);
const QUOTE = 0x22;
/** What a line begins with that is a receipt's hash. */
const HASH_LINE_START = utf8(`"${HASH_PREFIX}`);
const HASH_LINE_BYTES = HASH_LINE_START.length + 2 * HASH_BYTES + 1;
const members = new Members("bad_export");

/** An organization's newest receipt, and its place in the `org_heads_root` of an anchor receipt (section 8.2). */
export interface ProvenHead {
  readonly orgSeq: number;
  /** Receipt hash, 32 bytes. */
  readonly hash: Uint8Array;
  /** In the order of the organizations' first receipts. */
  readonly index: number;
  /** Organizations. */
  readonly size: number;
  readonly path: readonly Uint8Array[];
}

/** Stored bytes, and their path in the tree of size `end`. */
export interface ProvenReceipt {
  readonly receipt: Uint8Array;
  readonly path: readonly Uint8Array[];
}

export interface ExportHeads {
  /** The organization's first receipt, stored bytes. */
  readonly firstReceipt: Uint8Array;
  /** By the anchor receipt at `first` − 1; null where the organization had no receipt then. */
  readonly before: ProvenHead | null;
  /** By the anchor receipt at `end` − 1. */
  readonly end: ProvenHead;
}

export interface ExportHeader {
  readonly ledger: string;
  /** Log index of the first line: 0, or the tree size of an anchor. */
  readonly first: number;
  /** Behind the last: the tree size of an anchor. */
  readonly end: number;
  /** Roots of the perfect subtrees over the first `first` leaves, largest first. */
  readonly left: readonly Uint8Array[];
  /** The signed note of size `end`. */
  readonly checkpoint: string;
  /** What was asked for, like `recorded_at`: at or after; null: from the ledger's beginning. */
  readonly from: string | null;
  /** Before; null: as far as there are anchors. */
  readonly to: string | null;
  /** null: all of them. */
  readonly organization: string | null;
  /** The anchor receipt at `first` − 1; null where `first` is 0. */
  readonly before: ProvenReceipt | null;
  /** Lines behind the header: the ledger's own receipts before that one which are neither genesis nor anchor receipts. */
  readonly ownBefore: number;
  /** null unless one organization is asked for that is not the ledger's own. */
  readonly heads: ExportHeads | null;
  readonly published: readonly PublishedAt[];
  /** Hints: the keys that whoever made the file believes. */
  readonly vkeys: readonly string[];
}

/** The first line, without its line feed. */
export function formatExportHeader(header: ExportHeader): Uint8Array {
  const { before, heads, left, ownBefore, published, vkeys, ...rest } = header;
  return utf8(canonicalize({
    ...rest,
    format: EXPORT_FORMAT,
    left: left.map(toBase64),
    before: before === null ? null : provenJson(before),
    own_before: ownBefore,
    heads: heads === null ? null : { first_receipt: toBase64(heads.firstReceipt), before: heads.before === null ? null : headJson(heads.before), end: headJson(heads.end) },
    published: published.map((one) => ({ ...one })),
    vkeys: [...vkeys],
  }));
}

/** Is this the first line of an export, of whatever version? */
export function isExport(line: Uint8Array): boolean {
  try {
    const value = parseStrictBytes(line, { maxBytes: MAX_EXPORT_HEADER });
    if (typeof value !== "object" || value === null || isArray(value)) return false;
    return typeof value["format"] === "string" && value["format"].startsWith("receiptd-export/");
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Section 16.1 steps 1 and 2. Throws the codes of strict JSON, `not_canonical` and `bad_export`. */
export function readExportHeader(line: Uint8Array): ExportHeader {
  const value = parseStrictBytes(line, { maxBytes: MAX_EXPORT_HEADER });
  if (!equal(utf8(canonicalize(value)), line)) throw new FormatError("not_canonical", "the header is not canonical JSON");
  const names = ["before", "checkpoint", "end", "first", "format", "from", "heads", "ledger", "left", "organization", "own_before", "published", "to", "vkeys"];
  const fields = members.of(value, names, "");
  if (fields["format"] !== EXPORT_FORMAT) throw members.bad(`not a file of the format ${EXPORT_FORMAT}`, "/format");
  const [first, end] = [countOf(fields["first"], "/first"), countOf(fields["end"], "/end")];
  if (first >= end) throw members.bad("the range of the log is empty", "/end");
  const [from, to] = [timeOf(fields["from"], "/from"), timeOf(fields["to"], "/to")];
  if (from !== null && to !== null && from >= to) throw members.bad("the time asked for is empty", "/to");
  const organization = organizationOf(fields["organization"]);
  const header: ExportHeader = {
    ledger: members.origin(fields["ledger"], "/ledger"), first, end, from, to, organization,
    left: hashesOf(fields["left"], "/left"),
    checkpoint: members.text(fields["checkpoint"], "/checkpoint"),
    before: fields["before"] === null ? null : provenOf(fields["before"], "/before"),
    ownBefore: countOf(fields["own_before"], "/own_before"),
    heads: fields["heads"] === null ? null : headsOf(fields["heads"]),
    published: members.published(fields["published"]),
    vkeys: members.vkeys(fields["vkeys"]),
  };
  if ((header.before === null) !== (first === 0)) throw members.bad("the anchor receipt before is there unless the range begins with the log", "/before");
  if ((header.heads === null) !== (organization === null || organization === LEDGER_ORGANIZATION)) throw members.bad("heads are those of the one organization asked for", "/heads");
  if (header.left.length !== bits(first)) throw members.bad(`the first ${first} leaves have ${bits(first)} perfect subtrees`, "/left");
  return header;
}

/** The line of one of the ledger's own receipts before the range. */
export function formatProvenLine(proven: ProvenReceipt): Uint8Array {
  return utf8(canonicalize(provenJson(proven)));
}

/** Throws the codes of strict JSON, `not_canonical` and `bad_export`. */
export function readProvenLine(line: Uint8Array): ProvenReceipt {
  const value = parseStrictBytes(line, { maxBytes: MAX_EXPORT_LINE });
  if (!equal(utf8(canonicalize(value)), line)) throw new FormatError("not_canonical", "the line is not canonical JSON");
  return provenOf(value, "");
}

/** The line of a receipt that is not asked for: its hash, as a JSON string. */
export function formatHashLine(receiptHash: Uint8Array): Uint8Array {
  const line = new Uint8Array(HASH_LINE_BYTES);
  line.set(HASH_LINE_START);
  for (let i = 0, at = HASH_LINE_START.length; i < HASH_BYTES; i++) {
    line[at++] = digitOf(receiptHash[i]! >> 4);
    line[at++] = digitOf(receiptHash[i]! & 15);
  }
  line[HASH_LINE_BYTES - 1] = QUOTE;
  return line;
}

/** The hash, or null where the line is no string, but a receipt in full. Throws `bad_export`. */
export function readHashLine(line: Uint8Array): Uint8Array | null {
  if (line[0] !== QUOTE) return null;
  const hash = new Uint8Array(HASH_BYTES);
  let isHash = line.length === HASH_LINE_BYTES && line[HASH_LINE_BYTES - 1] === QUOTE && HASH_LINE_START.every((byte, i) => line[i] === byte);
  for (let i = 0, at = HASH_LINE_START.length; i < HASH_BYTES && isHash; i++) {
    const byte = (valueOf(line[at++]!) << 4) | valueOf(line[at++]!);
    hash[i] = byte;
    isHash = byte >= 0;
  }
  if (!isHash) throw members.bad("the line is neither a receipt nor the hash of one", "");
  return hash;
}

/** The last line, without its line feed: SHA-256 over all before it. */
export function formatDigestLine(digest: Uint8Array): Uint8Array {
  return utf8(canonicalize({ digest: hashText(digest) }));
}

function headJson({ orgSeq, hash, index, size, path }: ProvenHead): Json {
  return { org_seq: orgSeq, hash: hashText(hash), index, size, path: path.map(toBase64) };
}

function headOf(value: Json | undefined, pointer: string): ProvenHead {
  const { hash, index, org_seq: orgSeq, path, size } = members.of(value, ["hash", "index", "org_seq", "path", "size"], pointer);
  return {
    orgSeq: countOf(orgSeq, `${pointer}/org_seq`), hash: hashOf(members.text(hash, `${pointer}/hash`), `${pointer}/hash`),
    index: countOf(index, `${pointer}/index`), size: countOf(size, `${pointer}/size`), path: hashesOf(path, `${pointer}/path`),
  };
}

function headsOf(value: Json | undefined): ExportHeads {
  const { before, end, first_receipt: firstReceipt } = members.of(value, ["before", "end", "first_receipt"], "/heads");
  return {
    firstReceipt: members.base64(firstReceipt, "/heads/first_receipt"),
    before: before === null ? null : headOf(before, "/heads/before"),
    end: headOf(end, "/heads/end"),
  };
}

function provenJson({ receipt, path }: ProvenReceipt): Json {
  return { receipt: toBase64(receipt), path: path.map(toBase64) };
}

function provenOf(value: Json | undefined, pointer: string): ProvenReceipt {
  const { path, receipt } = members.of(value, ["path", "receipt"], pointer);
  return { receipt: members.base64(receipt, `${pointer}/receipt`), path: hashesOf(path, `${pointer}/path`) };
}

function hashesOf(value: Json | undefined, pointer: string): readonly Uint8Array[] {
  return members.list(value, MAX_PATH, pointer).map((one, i) => {
    const hash = members.base64(one, `${pointer}/${i}`);
    if (hash.length !== HASH_BYTES) throw members.bad("not a hash of 32 bytes", `${pointer}/${i}`);
    return hash;
  });
}

function hashOf(text: string, pointer: string): Uint8Array {
  try {
    return parseHash(text);
  } catch {
    throw members.bad("not sha256: and 64 hex digits", pointer);
  }
}

/** The lower-case hex digit, as ASCII, of 0 to 15. */
function digitOf(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}

/** What a lower-case hex digit is; below 0: no such digit. */
function valueOf(digit: number): number {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  return digit >= 0x61 && digit <= 0x66 ? digit - 0x57 : -1;
}

function countOf(value: Json | undefined, pointer: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw members.bad("not an integer from 0 to 2^53-1", pointer);
  return value as number;
}

function timeOf(value: Json | undefined, pointer: string): string | null {
  if (value !== null && parseTime(value) === null) throw members.bad("neither null nor a time like 2026-06-01T10:00:05.234Z", pointer);
  return value as string | null;
}

function organizationOf(value: Json | undefined): string | null {
  if (value === null || value === LEDGER_ORGANIZATION) return value;
  if (typeof value !== "string" || !ORGANIZATION.test(value)) throw members.bad("neither null nor an organization", "/organization");
  return value;
}

/** One-bits. */
function bits(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}
