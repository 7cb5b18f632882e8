/** A seeded generator (mulberry32), so that a failed cut can be run again from its seed. Not for anything secret. */

export interface Random {
  /** At least 0, less than 1. */
  next(): number;
  /** True with the given probability; 0 is never and 1 is always. */
  chance(probability: number): boolean;
  /** An integer of at least 0, less than `limit` (at most 2^32). */
  below(limit: number): number;
  pick(choices: readonly [number, ...number[]]): number;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (choices) => choices[below(choices.length)] ?? choices[0],
  };
}
