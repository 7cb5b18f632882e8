/**
 * Memory for the receipts of one group, used again for the next: a buffer for each receipt would be most of what the garbage collector
 * has to do. What was taken is only good until `reset`.
 */

import { free } from "./free.ts";

/** Bytes. */
const CHUNK = 512 * 1024;

export class Arena {
  #chunk: Buffer = Buffer.alloc(0);
  #used = 0;
  /** What is too large for a chunk. */
  #large: Buffer[] = [];
  readonly #size: number;

  /** In chunks of `size` bytes. */
  constructor(size = CHUNK) {
    this.#size = size;
  }

  /** `length` bytes of any content. */
  readonly take = (length: number): Buffer => {
    if (length > this.#size / 4) {
      const large = Buffer.allocUnsafeSlow(length);
      this.#large.push(large);
      return large;
    }
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(this.#size); // whoever has bytes of the one before keeps it
      this.#used = 0;
    }
    this.#used += length;
    return this.#chunk.subarray(this.#used - length, this.#used);
  };

  /** Everything that was taken may be written over, or is empty. */
  reset(): void {
    this.#used = 0;
    for (const { buffer } of this.#large) free(buffer);
    this.#large = [];
  }
}
