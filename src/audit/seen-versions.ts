/** The versions of anchors that count, packed: what anchor receipts say that they saw at a target is compared with them. */
import { hash } from "node:crypto";

/** tree size, time */
const NUMBERS = 2;
/** Of the SHA-256 of a version id, whose length and characters a store may choose. */
const HASH_BYTES = 16;

export class SeenVersions {
  #count = 0;
  #numbers = new Float64Array(64 * NUMBERS);
  #hashes = new Uint8Array(64 * HASH_BYTES);

  /** In order of tree size; `lastModified` in ms. */
  add(treeSize: number, versionId: string, lastModified: number): void {
    this.#grow();
    const i = this.#count++;
    this.#numbers.set([treeSize, lastModified], i * NUMBERS);
    this.#hashes.set(fingerprint(versionId), i * HASH_BYTES);
  }

  /** Is there any version of an anchor of this size? */
  has(treeSize: number): boolean {
    return this.#numbers[this.#indexFrom(treeSize) * NUMBERS] === treeSize && this.#count > 0;
  }

  /** Tree size, and when it was stored (ms), of each. */
  *times(): Generator<readonly [treeSize: number, lastModified: number], void, undefined> {
    for (let i = 0; i < this.#count; i++) yield [this.#numbers[i * NUMBERS]!, this.#numbers[i * NUMBERS + 1]!];
  }

  /** When this version was stored, ms; null where it is not there. */
  find(treeSize: number, versionId: string): number | null {
    const wanted = fingerprint(versionId);
    for (let i = this.#indexFrom(treeSize); i < this.#count && this.#numbers[i * NUMBERS] === treeSize; i++) {
      if (wanted.equals(this.#hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES))) return this.#numbers[i * NUMBERS + 1]!;
    }
    return null;
  }

  #indexFrom(treeSize: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#numbers[middle * NUMBERS]! < treeSize) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    if (this.#count * NUMBERS < this.#numbers.length) return;
    const numbers = new Float64Array(this.#numbers.length * 2);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    const hashes = new Uint8Array(this.#hashes.length * 2);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
  }
}

function fingerprint(versionId: string): Buffer {
  return hash("sha256", versionId, "buffer").subarray(0, HASH_BYTES);
}
