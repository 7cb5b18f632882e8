/** Section `memory`: what the daemon holds while it is saturated for long. */
import { type Bench, newFolder, saturate } from "./bench.ts";
import { memoryOf } from "./processes.ts";
import { absolute, atMost, type Row } from "./report.ts";
import { startReceiptd } from "./servers.ts";
import { median } from "./summary.ts";

export async function memory(bench: Bench): Promise<readonly Row[]> {
  const seconds = bench.quick ? 10 : 600;
  bench.progress(`memory: ${seconds} s of saturation`);
  const server = await startReceiptd(newFolder(bench, "memory"));
  const pid = server.child.pid!;
  const load = saturate(bench, server, { seconds, warmUp: 0 });
  const resident: number[] = [];
  const timer = setInterval(() => resident.push(memoryOf(pid).now), 100);
  const { count } = await load;
  clearInterval(timer);
  const { peak } = memoryOf(pid);
  await server.stop();
  const third = Math.floor(resident.length / 3);
  const middle = median(resident.slice(third, 2 * third));
  const last = median(resident.slice(2 * third));
  return [
    absolute("memory/growth", { what: `last third of ${seconds} s to the middle one`, unit: "×", values: [last / middle] }, atMost(1.1),
      `${count.toLocaleString("en")} receipts were taken; medians of the thirds: ${[median(resident.slice(0, third)), middle, last].map(Math.round).join(", ")} MiB`),
    absolute("memory/peak", { what: "highest resident set", unit: "MB", values: [peak * 1.048_576] }, atMost(200)),
  ];
}
