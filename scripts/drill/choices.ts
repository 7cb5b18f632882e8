/** What an attacker picks: at random, and the same again for the same seed number, whatever else is tried. Keys and ids are random besides. */
import { createHash } from "node:crypto";

export class Choices {
  #state: number;

  /** `seedNumber`: a whole number below 2^32. `what`: the attack, and the round. */
  constructor(seedNumber: number, what: string) {
    this.#state = createHash("sha256").update(`${seedNumber} ${what}`).digest().readUInt32LE();
  }

  /** At least `from`, below `end`. */
  whole(from: number, end: number): number {
    if (end <= from) throw new Error(`nothing to choose from: ${from} to ${end}`);
    return from + Math.floor(this.#next() * (end - from));
  }

  of<T>(things: readonly T[]): T {
    return things[this.whole(0, things.length)]!;
  }

  /** Mulberry32: in [0, 1). */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
