/** Section `fairness`: what a client that sends 500 receipts a second notices of one that behaves badly. */
import { type Bench, atRate, eachRun, newFolder, saturate } from "./bench.ts";
import { atMost, compared, type Row } from "./report.ts";
import { startReceiptd } from "./servers.ts";

/** Calls a second. */
const RATE = 500;
/** One client each. It sends as much as it is let. */
const OTHERS = [
  { name: "flood", what: "one with 1,000 receipts in flight", load: { kind: "append", inFlight: 1000 } },
  { name: "huge", what: "one that sends messages of 3 MiB", load: { kind: "huge", inFlight: 2 } },
  { name: "slow-parse", what: "one that sends deep, spaced receipts of 1 MiB", load: { kind: "slow", inFlight: 2 } },
] as const;

export async function fairness(bench: Bench): Promise<readonly Row[]> {
  const seconds = bench.quick ? 1 : 5;
  const runs = await eachRun(bench, "fairness", async () => {
    const server = await startReceiptd(newFolder(bench, "fairness"));
    const victim = () => atRate(bench, server, RATE, { clients: 1, yields: false, seconds, warmUp: 0.5 });
    const alone = (await victim()).p99;
    const beside: number[] = [];
    for (const { load } of OTHERS) {
      const other = saturate(bench, server, { ...load, clients: 1, warmUp: 0.2, seconds: seconds + 0.8 });
      beside.push((await victim()).p99);
      await other;
    }
    await server.stop();
    return { alone, beside };
  });
  const alone = { what: "p99 alone", unit: "ms", values: runs.map(({ alone }) => alone) };
  return OTHERS.map(({ name, what }, i) => (
    compared(`fairness/${name}`, { what: `p99 at 500/s beside ${what}`, unit: "ms", values: runs.map(({ beside }) => beside[i]!) }, alone, atMost(2))
  ));
}
