/**
 * Many 32-byte hashes in one array. A hash of its own costs some 350 bytes in Node (a Buffer, an ArrayBuffer, its store), which for
 * a batch of 65,536 receipts and the trees over it would be 100 MB.
 */

export const HASH_BYTES = 32;

export class HashList {
  #bytes = Buffer.alloc(64 * HASH_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The hash is copied. */
  push(hash: Uint8Array): void {
    const at = this.#length * HASH_BYTES;
    if (at === this.#bytes.length) {
      const longer = Buffer.alloc(2 * at);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes.set(hash, at);
    this.#length++;
  }

  set(index: number, hash: Uint8Array): void {
    this.#bytes.set(hash, index * HASH_BYTES);
  }

  /** A view, which changes with the list. */
  at(index: number): Buffer {
    return this.#bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  /** All of them, one after the other: a view. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length * HASH_BYTES);
  }

  /** Views of all. */
  *[Symbol.iterator](): IterableIterator<Buffer> {
    for (let i = 0; i < this.#length; i++) yield this.at(i);
  }
}
