/** Setting up a host without a process for each step: what `init`, `append` and `anchor` print has tests of its own. */
import { loadConfig } from "../../src/config.ts";
import { initLedger } from "../../src/daemon/init.ts";
import { Client } from "../faults/client.ts";
import { type Host, receipt } from "./host.ts";

/** Creates the ledger that the host's configuration names. */
export async function init(host: Host): Promise<{ readonly vkey: string }> {
  return await initLedger(loadConfig({ path: host.path("receiptd.yaml"), env: {} }));
}

/** One connection to the host's daemon. */
export async function talk<T>(host: Host, say: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(host.path("receiptd-data/receiptd.sock"));
  try {
    return await say(client);
  } finally {
    await client.close();
  }
}

/** The parameters of `append` for a receipt of host.ts. */
export function appending(n: number, more: object = {}): object {
  return { receipt: JSON.parse(receipt(n, more)) as object };
}
