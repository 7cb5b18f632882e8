/** Memory that is used again must not be used twice before. */
import { expect, test } from "vitest";
import { Arena } from "../../src/ledger/arena.ts";

test("what is taken is nobody else's until the reset, also beyond one chunk and for large pieces", () => {
  const arena = new Arena();
  for (let round = 0; round < 3; round++) {
    const taken = Array.from({ length: 2000 }, (_, i) => arena.take(i % 50 === 0 ? 200_000 : 1000 + i).fill(i % 251));
    for (const [i, bytes] of taken.entries()) expect(bytes.every((byte) => byte === i % 251)).toBe(true);
    arena.reset();
  }
});
