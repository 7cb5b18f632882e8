/** Exports of ledgers of chance, clocks that jump included: all that was asked for is in them, and nothing can be hidden there. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTime } from "../../src/format/time.ts";
import { publishToDirectory } from "../support/publish.ts";
import { TestLedger } from "../support/ledger.ts";
import { type Asked, exported, headerOf, hidden, judged, type Lines, withLog } from "./support.ts";


const batch = fc.record({ receipts: fc.integer({ min: 0, max: 6 }), clock: fc.constantFrom(0, 1000, 60_000, 600_000, -30_000, -700_000) });
const organization = fc.constantFrom(undefined, "org-0", "org-1", "_ledger");

interface Stored {
  readonly organization: string;
  readonly recorded_at: string;
}

test("complete, by what the whole log has, and never again once a receipt is hidden", async () => {
  await fc.assert(fc.asyncProperty(fc.array(batch, { minLength: 2, maxLength: 7 }), organization, fc.nat(), fc.nat(), fc.nat(), async (batches, of, a, b, chosen) => {
    const ledger = new TestLedger({ organizations: 2 });
    try {
      ledger.append(2);
      for (const { receipts, clock } of batches) {
        ledger.append(receipts);
        ledger.anchor();
        ledger.now += clock;
      }
      await publishToDirectory(ledger, "local");
      const folder = ledger.targetPath("local");
      const log = (await exported(ledger, folder)).slice(1, -1).map((line) => JSON.parse(line) as Stored);
      const times = log.map((one) => Date.parse(one.recorded_at)).sort((x, y) => x - y);
      const [from, to] = [times[a % times.length]!, times[b % times.length]!].sort((x, y) => x - y) as [number, number];
      const asked: Asked = { from, to: to + 1, ...(of === undefined ? {} : { organization: of }) };
      const lines = await exportedOrNothing(ledger, folder, asked);
      if (lines === null) return;
      const facts = judged(lines, ledger.vkey);
      if (typeof facts === "string") throw new Error(facts);
      const wanted = log.filter((one) => (of === undefined || one.organization === of) && one.recorded_at >= formatTime(from) && one.recorded_at < formatTime(to + 1));
      expect(facts.receipts).toBe(wanted.length);
      const inFull = lines.slice(1, -1).flatMap((line, i) => (line.startsWith("{") ? [i] : []));
      const i = inFull[chosen % inFull.length]!;
      expect(judged(withLog(lines, (all) => all.with(i, hidden(all[i]!))), ledger.vkey)).toMatch(/^(org_seq_gap|bad_export|time_backwards)$/);
      expect(headerOf(lines)["from"]).toBe(formatTime(from));
    } finally {
      ledger.remove();
    }
  }), { numRuns: 40 });
}, 120_000);

/** null: nothing of the time is under an anchor that shows it, where the clock was turned back behind it. */
async function exportedOrNothing(ledger: TestLedger, folder: string, asked: Asked): Promise<Lines | null> {
  try {
    return await exported(ledger, folder, asked);
  } catch (error) {
    if (String(error).includes('"not_anchored"')) return null;
    throw error;
  }
}
