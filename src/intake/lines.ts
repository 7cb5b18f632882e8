/**
 * Lines out of a byte stream (NDJSON: one message, one LF; a CR before it is JSON white space), pulled one at a time, so that what
 * has not been worked on stays the few chunks that it came in. What arrives is under the control of whoever may open the socket: an
 * unfinished line is copied into one buffer, so that neither its length nor the number of its pieces costs more than `maxLine` bytes.
 */
import { free } from "../ledger/free.ts";

const NOTHING = Buffer.allocUnsafeSlow(0);
const LF = 0x0a;
const FIRST_CAPACITY = 4096;
/** Bytes: a longer line shares its memory with nothing else, and can be given away. What Node reads from a socket at once is not longer. */
export const SHARED = 64 * 1024;
/** Bytes that a chunk costs beside its own: of a client that sends byte by byte, the chunks are what fills the memory. */
const CHUNK_COST = 1024;

export class LineReader {
  readonly #maxLine: number;
  readonly #chunks: Buffer[] = [];
  #at = 0;
  #waiting = 0;
  #partial: Buffer = NOTHING;
  #length = 0;
  /** A whole line that was left for later. */
  #left: Buffer | null = null;

  /** `maxLine` in bytes, the LF not counted. */
  constructor(maxLine: number) {
    this.#maxLine = maxLine;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
  }

  /** What `next` has not looked at, in bytes of memory. */
  get waiting(): number {
    return this.#waiting + this.#chunks.length * CHUNK_COST;
  }

  /** Is a line begun and not finished, as far as `next` has looked? */
  get unfinished(): boolean {
    return this.#length > 0;
  }

  /** Memory held, in bytes. */
  get held(): number {
    return this.waiting + this.#partial.length; // a line that was left is in it, or in a chunk that was small
  }

  /**
   * The next line, good until the next is asked for, or for good if it was left for later; null: it is not finished yet; "later": it is longer
   * than `longest`, and left; "too_long": the reader is of no further use.
   */
  next(longest = Number.POSITIVE_INFINITY): Buffer | null | "later" | "too_long" {
    const left = this.#left;
    const line = left ?? this.#whole();
    if (line instanceof Buffer && line.length > longest) {
      this.#left = line;
      return "later";
    }
    if (left !== null) {
      this.#left = null;
      if (left.buffer === this.#partial.buffer) this.#partial = NOTHING;
    }
    return line;
  }

  #whole(): Buffer | null | "too_long" {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) {
        if (this.#length === 0) this.#forgetPartial();
        return null;
      }
      const end = chunk.indexOf(LF, this.#at);
      const part = chunk.subarray(this.#at, end === -1 ? chunk.length : end);
      if (this.#length + part.length > this.#maxLine) return "too_long";
      this.#advance(chunk, part.length + (end === -1 ? 0 : 1));
      if (end !== -1 && this.#length === 0 && part.length <= SHARED) return part;
      this.#keep(part);
      if (end === -1) {
        if (part.length === part.buffer.byteLength) free(part.buffer); // nothing else is in it
        continue;
      }
      const line = this.#partial.subarray(0, this.#length);
      this.#length = 0; // the next unfinished line takes the same memory
      return line;
    }
  }

  /** Forgets everything; the reader is of no further use. */
  drop(): void {
    this.#chunks.length = 0;
    this.#waiting = 0;
    this.#length = 0;
    this.#left = null;
    this.#forgetPartial();
  }

  #forgetPartial(): void {
    free(this.#partial.buffer);
    this.#partial = NOTHING;
  }

  #advance(chunk: Buffer, by: number): void {
    this.#at += by;
    this.#waiting -= by;
    if (this.#at === chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
  }

  #keep(part: Buffer): void {
    const needed = this.#length + part.length;
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#maxLine, Math.max(FIRST_CAPACITY, needed * 2)));
      if (this.#length > 0) this.#partial.copy(grown, 0, 0, this.#length);
      free(this.#partial.buffer);
      this.#partial = grown;
    }
    part.copy(this.#partial, this.#length);
    this.#length = needed;
  }
}
