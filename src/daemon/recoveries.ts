/**
 * What `receiptd recover` has left in the data folder (src/recover/order.ts), made receipts by the daemon when it starts. A crash leaves the
 * file there, and the next start goes on: each order has the id of its receipt with it.
 */
import { rmSync } from "node:fs";
import type { Logger } from "pino";
import type { BatchCloser } from "../anchor/closer.ts";
import type { RecoveryDetails } from "../format/fields.ts";
import type { Json } from "../format/strict-json.ts";
import { KeyError } from "../keys/errors.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Writer } from "../ledger/writer.ts";
import { recoveryOrders } from "../recover/order.ts";
import type { Places } from "./places.ts";

/** What cannot be recorded now, for want of room or because the file is none of these, is left where it is. Throws what is fatal. */
export function recordRecoveries({ places, writer, closer, log }: {
  readonly places: Places; readonly writer: Writer; readonly closer: BatchCloser; readonly log: Logger;
}): void {
  try {
    for (const { receipt_id, details } of recoveryOrders(places.recovery, places.ledger)) {
      if (writer.find(receipt_id) !== undefined) continue;
      const { logIndex } = closer.announce("recovery", receipt_id, { ...details, replaced: plain(details.replaced), lost: plain(details.lost) });
      log.warn({ log_index: logIndex, log_size: details.log_size, replaced: details.replaced_count, lost: details.lost_count }, "a recovery of the ledger is recorded");
    }
    rmSync(places.recovery, { force: true });
  } catch (error) {
    if (!(error instanceof KeyError) && (!(error instanceof LedgerError) || error.fatal)) throw error;
    log.error({ err: error }, "a recovery of the ledger could not be recorded; trying again at the next start");
  }
}

function plain(spots: RecoveryDetails["lost"]): Json {
  return spots.map((spot) => ({ ...spot }));
}
