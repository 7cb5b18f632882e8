/**
 * The contents of one file after a power cut: what was synced, and as much of the rest as luck allows.
 *
 * See disk.ts for the model.
 */
import type { Random } from "./random.ts";
import type { Event } from "./tree.ts";

export type FileChange = Extract<Event, { readonly kind: "write" | "truncate" }>;

const SECTOR = 512;
/** How often a write is torn, and a length is not the one that belongs to the data. */
const ODD = 0.25;

/**
 * `changes` are those of one file before the cut, in order. Those that had returned before the tick `durableBefore` are
 * there; each of the others is with probability `share`, where 0 is never and 1 is always, whole.
 */
export function fileContents(
  changes: readonly FileChange[],
  durableBefore: number,
  share: number,
  random: Random,
): Uint8Array {
  const file = new Contents(changes);
  const cached = changes.filter((change) => change.end >= durableBefore);
  for (const change of changes) if (change.end < durableBefore) file.apply(change);
  if (share === 1) for (const change of cached) file.apply(change);
  else if (share > 0) file.applySome(cached, share, random);
  return file.bytes();
}

class Contents {
  readonly #data: Uint8Array;
  #length = 0;

  constructor(changes: readonly FileChange[]) {
    const ends = changes.map((change) => (change.kind === "write" ? change.offset + change.data.length : change.length));
    this.#data = new Uint8Array(ends.reduce((a, b) => Math.max(a, b), 0));
  }

  bytes(): Uint8Array {
    return this.#data.slice(0, this.#length);
  }

  apply(change: FileChange): void {
    if (change.kind === "truncate") this.#resize(change.length);
    else this.#put(change.offset, change.data);
  }

  applySome(changes: readonly FileChange[], share: number, random: Random): void {
    /** Sectors that reached the disk for the last time before a write that was lost. */
    const stale = new Set<number>();
    /** From this sector on, the file has the blocks it had before a truncation that was lost. */
    let oldBlocks = Infinity;
    const lengths = [this.#length];
    for (const change of changes) {
      if (change.kind === "truncate") {
        if (oldBlocks === Infinity && random.chance(share)) {
          this.#resize(change.length);
          lengths.push(change.length);
        } else if (change.length < this.#length) {
          oldBlocks = Math.min(oldBlocks, Math.floor(change.length / SECTOR));
        }
        continue;
      }
      const torn = random.chance(ODD);
      const whole = random.chance(share);
      for (const part of sectors(change.offset, change.data)) {
        if (part.sector >= oldBlocks || stale.has(part.sector)) continue;
        if (torn ? random.chance(0.5) : whole) this.#put(part.offset, part.data);
        else stale.add(part.sector);
      }
      // The new length alone, without the data: the file ends in zeros.
      const end = change.offset + change.data.length;
      if (end > this.#length && oldBlocks === Infinity && random.chance(ODD)) this.#resize(end);
      lengths.push(this.#length);
    }
    // The data alone, without the new length.
    if (random.chance(ODD)) this.#length = Math.min(this.#length, lengths[random.below(lengths.length)] ?? 0);
  }

  #put(offset: number, data: Uint8Array): void {
    this.#data.set(data, offset);
    this.#length = Math.max(this.#length, offset + data.length);
  }

  #resize(length: number): void {
    if (length < this.#length) this.#data.fill(0, length, this.#length);
    this.#length = length;
  }
}

interface Part {
  readonly sector: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

function* sectors(offset: number, data: Uint8Array): Generator<Part> {
  const end = offset + data.length;
  for (let start = offset; start < end; ) {
    const sector = Math.floor(start / SECTOR);
    const next = Math.min(end, (sector + 1) * SECTOR);
    yield { sector, offset: start, data: data.subarray(start - offset, next - offset) };
    start = next;
  }
}
