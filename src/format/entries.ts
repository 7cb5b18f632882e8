/**
 * Log entries and their bundles: https://c2sp.org/tlog-tiles, "Log entries". Each entry of a bundle follows its length as a
 * big-endian uint16. An entry of this log is 33 bytes: 0x01 ‖ receipt hash (SHA-256 of the receipt's stored bytes).
 */
import { concat } from "./bytes.ts";
import { FormatError } from "./errors.ts";
import type { Sha256 } from "./hash.ts";
import { HASH_BYTES } from "./merkle.ts";

const RECEIPT_ENTRY = 0x01;

/** Bytes of one entry, without its length prefix. */
const ENTRY_BYTES = 1 + HASH_BYTES;

/** Bytes of one entry in a bundle. */
export const FRAME_BYTES = 2 + ENTRY_BYTES;

/** The entry of a receipt; its RFC 6962 leaf hash is `leafHash(entryOf(receiptHash))`. Throws `bad_hash` unless 32 bytes. */
export function entryOf(receiptHash: Uint8Array): Uint8Array {
  if (receiptHash.length !== HASH_BYTES) throw new FormatError("bad_hash", "a receipt hash has 32 bytes");
  const entry = new Uint8Array(ENTRY_BYTES);
  entry[0] = RECEIPT_ENTRY;
  entry.set(receiptHash, 1);
  return entry;
}

/** 0x00, which begins what a leaf hash is taken of, and the entry of one receipt at a time. */
const leaf = new Uint8Array(1 + ENTRY_BYTES);
leaf[1] = RECEIPT_ENTRY;

/** `leafHash(entryOf(receiptHash))`, without an entry of its own. */
export function receiptLeaf(receiptHash: Uint8Array, sha256: Sha256): Uint8Array {
  if (receiptHash.length !== HASH_BYTES) throw new FormatError("bad_hash", "a receipt hash has 32 bytes");
  leaf.set(receiptHash, 2);
  return sha256(leaf);
}

/** The bundle of these receipts, from a list of hashes or from all hashes in one array. No receipts make no bytes. */
export function formatEntries(receiptHashes: Uint8Array | readonly Uint8Array[]): Uint8Array {
  const hashes = receiptHashes instanceof Uint8Array ? receiptHashes : concat(...receiptHashes.map(entryOf).map((entry) => entry.subarray(1)));
  if (hashes.length % HASH_BYTES !== 0) throw new FormatError("bad_hash", "not a whole number of 32-byte hashes");
  const out = new Uint8Array((hashes.length / HASH_BYTES) * FRAME_BYTES);
  for (let from = 0, at = 0; from < hashes.length; from += HASH_BYTES, at += FRAME_BYTES) {
    out[at + 1] = ENTRY_BYTES; // of two bytes, the other is 0
    out[at + 2] = RECEIPT_ENTRY;
    for (let i = 0; i < HASH_BYTES; i++) out[at + 3 + i] = hashes[from + i]!;
  }
  return out;
}

/**
 * The receipt hashes of a bundle, which a stranger may have written. Throws `bad_entries`, naming the byte offset, unless every
 * entry is whole, 33 bytes long and of type 0x01. The caller limits how many bytes it reads.
 */
export function parseEntries(bytes: Uint8Array): Uint8Array[] {
  return Array.from(readEntries(bytes), (hash) => hash.slice());
}

/** The same one after the other, as views: `bad_entries` is thrown when it is come to. */
export function* readEntries(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    if (at + FRAME_BYTES > bytes.length) throw bad("the entry is cut short", at);
    if (bytes[at] !== 0 || bytes[at + 1] !== ENTRY_BYTES) throw bad(`the entry is not ${ENTRY_BYTES} bytes long`, at);
    if (bytes[at + 2] !== RECEIPT_ENTRY) throw bad("the entry is not of type 0x01", at + 2);
    yield bytes.subarray(at + 3, at + FRAME_BYTES);
  }
}

/** Is there a whole entry of type 0x01 at this offset, behind its length? */
export function isEntryFrame(bytes: Uint8Array, at: number): boolean {
  return at + FRAME_BYTES <= bytes.length && bytes[at] === 0 && bytes[at + 1] === ENTRY_BYTES && bytes[at + 2] === RECEIPT_ENTRY;
}

/** Entries in a bundle that `formatEntries` made. */
export function countEntries(entries: Uint8Array): number {
  return entries.length / FRAME_BYTES;
}

/** The receipt hash of entry `i` of a bundle that `formatEntries` made: a view. */
export function receiptHashIn(entries: Uint8Array, i: number): Uint8Array {
  return entries.subarray(i * FRAME_BYTES + 3, (i + 1) * FRAME_BYTES);
}

/** The bundle of entries [first, end) of one that `formatEntries` made: a view. */
export function entriesBetween(entries: Uint8Array, first: number, end: number): Uint8Array {
  return entries.subarray(first * FRAME_BYTES, end * FRAME_BYTES);
}

function bad(message: string, offset: number): FormatError {
  return new FormatError("bad_entries", `${message}, at byte ${offset}`);
}
