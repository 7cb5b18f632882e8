/** Ledgers that hold many receipts before anything is measured on them. */
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { anchor, fill } from "./rpc.ts";
import { startReceiptd } from "./servers.ts";

/** Fills a ledger until it holds `size` receipts, all of them anchored, and stops the daemon in order. */
export async function fillLedger(bench: Bench, folder: string, size: number): Promise<void> {
  const server = await startReceiptd(folder);
  let said = 0;
  await fill(server, size, (at) => {
    if (at < said + 100_000) return;
    said = at;
    bench.progress(`filling: ${at.toLocaleString("en")} of ${size.toLocaleString("en")} receipts`);
  });
  await anchor(server);
  await server.stop();
}

/** The folder of a ledger of at least `size` receipts: one for all sections, since filling takes long. It grows with its users. */
export async function largeLedger(bench: Bench, size: number): Promise<string> {
  const large = join(bench.shared, "large-ledger");
  await fillLedger(bench, large, size);
  return large;
}
