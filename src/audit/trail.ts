/**
 * The anchors of a ledger as the audit found them, packed: what the targets are compared with. About 100 bytes an anchor, so that
 * years of them fit.
 */

export interface TrailAnchor {
  readonly firstIndex: number;
  readonly treeSize: number;
  /** The log's root as rebuilt from the receipts, 32 bytes. */
  readonly root: Uint8Array;
  /** SHA-256 of the batch object, or null where that is not known. */
  readonly entries: Uint8Array | null;
  /** The latest `recorded_at` in the batch or its anchor receipt, ms; NaN where it is not known. */
  readonly latest: number;
  readonly latestIndex: number;
}

/** When and where an anchor was seen first. */
export interface Published {
  readonly treeSize: number;
  /** ms */
  readonly time: number;
  readonly target: string;
}

/** sizes, first index, latest, its index, published time, target, the same by a clock that is not the host's */
const NUMBERS = 7;
const HASHES = 2;

export class Trail {
  #count = 0;
  #numbers = new Float64Array(64 * NUMBERS);
  #hashes = new Uint8Array(64 * HASHES * 32);
  readonly #targets: string[] = [];

  get length(): number {
    return this.#count;
  }

  /** In order of tree size. */
  push(anchor: TrailAnchor): void {
    this.#grow();
    const i = this.#count++;
    this.#numbers.set([anchor.treeSize, anchor.firstIndex, anchor.latest, anchor.latestIndex, Number.NaN, -1, Number.NaN], i * NUMBERS);
    this.#hashes.set(anchor.root, i * HASHES * 32);
    if (anchor.entries !== null) this.#hashes.set(anchor.entries, (i * HASHES + 1) * 32);
  }

  at(i: number): TrailAnchor {
    const [treeSize, firstIndex, latest, latestIndex] = this.#numbers.subarray(i * NUMBERS) as unknown as [number, number, number, number];
    const root = this.#hashes.subarray(i * HASHES * 32, (i * HASHES + 1) * 32);
    const entries = this.#hashes.subarray((i * HASHES + 1) * 32, (i * HASHES + 2) * 32);
    return { treeSize, firstIndex, latest, latestIndex, root, entries: entries.some((byte) => byte !== 0) ? entries : null };
  }

  /** The place of the first anchor with at least this tree size; `length` if there is none. */
  indexFrom(treeSize: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#numbers[middle * NUMBERS]! < treeSize) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The place of the anchor of exactly this tree size, or -1. */
  indexOf(treeSize: number): number {
    const i = this.indexFrom(treeSize);
    return i < this.#count && this.#numbers[i * NUMBERS] === treeSize ? i : -1;
  }

  /** The anchor was found at a target, published at `time` (ms, by the target's clock). The earliest is kept. `hasClock`: that clock is its own. */
  publish(i: number, time: number, target: string, hasClock: boolean): void {
    if (hasClock && !(this.#numbers[i * NUMBERS + 6]! <= time)) this.#numbers[i * NUMBERS + 6] = time;
    const known = this.#numbers[i * NUMBERS + 4]!;
    if (known <= time) return;
    let place = this.#targets.indexOf(target);
    if (place === -1) place = this.#targets.push(target) - 1;
    this.#numbers[i * NUMBERS + 4] = time;
    this.#numbers[i * NUMBERS + 5] = place;
  }

  /** The first published anchor whose tree holds the receipt, or null. */
  coverOf(logIndex: number): Published | null {
    for (let i = this.indexFrom(logIndex + 1); i < this.#count; i++) {
      const target = this.#targets[this.#numbers[i * NUMBERS + 5]!];
      if (target !== undefined) return { treeSize: this.#numbers[i * NUMBERS]!, time: this.#numbers[i * NUMBERS + 4]!, target };
    }
    return null;
  }

  /** Tree size of the newest anchor that was published before `time` (ms) at a target with a clock of its own; 0 where there is none. */
  coveredBefore(time: number): number {
    for (let i = this.#count - 1; i >= 0; i--) if (this.#numbers[i * NUMBERS + 6]! < time) return this.#numbers[i * NUMBERS]!;
    return 0;
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
