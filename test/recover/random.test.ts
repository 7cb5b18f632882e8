/** Bits, stretches and pages of a ledger's file damaged at random. RECEIPTD_LONG=1 damages more often. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../powercut/random.ts";
import { rowsAt, Victim } from "./support.ts";

const ROUNDS = process.env["RECEIPTD_LONG"] === "1" ? 600 : 20;
const PAGE = 8192;

/** Returns what was done, for the message of a test that fails. */
function damage(bytes: Buffer, random: Random): string {
  const at = random.below(bytes.length);
  switch (random.below(3)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      return `a bit at ${at}`;
    case 1: {
      const page = Math.floor(at / PAGE);
      bytes.fill(random.below(256), page * PAGE, (page + 1) * PAGE);
      return `page ${page}`;
    }
    default: {
      const end = Math.min(bytes.length, at + random.below(PAGE / 2));
      bytes.fill(0, at, end);
      return `${at} to ${end}`;
    }
  }
}

test("whatever is damaged comes back, but for bytes that no anchor covers, which are named", async () => {
  const ledger = await Victim.make({ batches: [5, 0, 90, 3], tail: 6 });
  try {
    ledger.on.ledger.checkpoint();
    const pristine = readFileSync(ledger.path);
    const random = seededRandom(11);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = Buffer.from(pristine);
      const what = damage(bytes, random);
      for (const suffix of ["-wal", "-shm"]) rmSync(ledger.path + suffix, { force: true });
      writeFileSync(ledger.path, bytes);
      const { rebuilt, unsound, kept } = await ledger.recover();
      expect([what, rebuilt.stop, unsound]).toEqual([what, null, []]);
      const lost = new Set(rebuilt.lost.named.map(({ logIndex }) => logIndex));
      expect([...lost].every((logIndex) => logIndex >= ledger.on.anchored()), what).toBe(true);
      expect(rowsAt(ledger.path), what).toEqual(ledger.before.map((row) => (lost.has(row.logIndex) ? { ...row, blob: null } : row)));
      rmSync(kept!);
    }
  } finally {
    await ledger.remove();
  }
}, ROUNDS * 10_000);
