/**
 * Ids for lines that have none, such that the same file gives the same ids again: a line that was stored by an earlier run is then
 * a duplicate, not a second receipt.
 *
 * UUIDv8 (RFC 9562 section 5.8): 48 bits of the receipt's own `timestamp` in ms (ids in the order of time cost the ledger's index
 * far less than random ones), else of the hash; the rest is of
 * SHA-256("receiptd/1 line" ‖ 00 ‖ ledger_id ‖ SHA-256(line) ‖ uint64 occurrence), the occurrence counting identical lines from 0.
 * JSON white space around a line does not count as part of it.
 */
import { concat, toHex, uint64, utf8 } from "../format/bytes.ts";
import { isTimestamp } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";

const FIRST_SLOTS = 1 << 12;

export class LineIds {
  readonly #prefix: Uint8Array;
  readonly #seen = new Occurrences();

  constructor(ledgerId: string) {
    this.#prefix = utf8(`receiptd/1 line\0${ledgerId}`);
  }

  /** The id of the next line. `timestamp` is the receipt's, if it has one. */
  next(line: string, timestamp: unknown): string {
    const lineHash = nodeHash.sha256(utf8(line.trim()));
    const hash = nodeHash.sha256(concat(this.#prefix, lineHash, uint64(this.#seen.next(lineHash))));
    return uuidV8(hash, isTimestamp(timestamp) ? Date.parse(timestamp) : null);
  }
}

/** UUIDv8 of 16 bytes of a hash, the first six being those of `ms` where it is given. */
export function uuidV8(hash: Uint8Array, ms: number | null): string {
  const hex = toHex(hash.subarray(0, 16));
  const head = ms === null || ms < 0 ? hex.slice(0, 12) : ms.toString(16).padStart(12, "0");
  const variant = (8 | (Number.parseInt(hex[16]!, 16) & 3)).toString(16);
  return `${head.slice(0, 8)}-${head.slice(8)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * How often each hash was seen: open addressing over 64 bits of it, 12 bytes a slot, so a million lines take 25 MB. Two lines with
 * the same 64 bits would share a count, which harms nobody: their ids differ by their hashes.
 */
class Occurrences {
  #keys = new Uint32Array(FIRST_SLOTS * 2);
  #counts = new Uint32Array(FIRST_SLOTS);
  #used = 0;

  /** How often it was seen before this time. */
  next(hash: Uint8Array): number {
    const view = new DataView(hash.buffer, hash.byteOffset, 8);
    const slot = this.#slot(view.getUint32(0), view.getUint32(4));
    const seen = this.#counts[slot]!++;
    if (seen === 0 && ++this.#used * 2 > this.#counts.length) this.#grow();
    return seen;
  }

  #slot(high: number, low: number): number {
    const mask = this.#counts.length - 1;
    let slot = low & mask;
    while (this.#counts[slot] !== 0 && (this.#keys[slot * 2] !== high || this.#keys[slot * 2 + 1] !== low)) slot = (slot + 1) & mask;
    this.#keys[slot * 2] = high;
    this.#keys[slot * 2 + 1] = low;
    return slot;
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    this.#keys = new Uint32Array(keys.length * 2);
    this.#counts = new Uint32Array(counts.length * 2);
    for (let slot = 0; slot < counts.length; slot++) {
      if (counts[slot] !== 0) this.#counts[this.#slot(keys[slot * 2]!, keys[slot * 2 + 1]!)] = counts[slot]!;
    }
  }
}
