/** The receipts that a running daemon has, its own left out. */
import type { Host } from "../cli/host.ts";
import { talk } from "../cli/talk.ts";

export interface Receipt {
  readonly receipt_id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly organization: string;
  readonly inputs?: unknown;
  readonly [name: string]: unknown;
}

export async function receiptsOf(host: Host): Promise<readonly Receipt[]> {
  return await talk(host, async (client) => {
    const { size } = await client.must("head");
    const all = await Promise.all(Array.from({ length: Number(size) }, (_, log_index) => client.must("get", { log_index })));
    return all.map(({ receipt }) => receipt as Receipt).filter(({ organization }) => organization !== "_ledger");
  });
}
