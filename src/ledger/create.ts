/**
 * A new ledger: identity and genesis in a file under another name, which gets its own name when it is complete and on the disk.
 * A crash leaves a `.new` file that the next creation replaces, never half a ledger.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { systemRequest } from "../format/seal.ts";
import type { Json } from "../format/strict-json.ts";
import { createDatabase } from "./database.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { lockLedger } from "./lock.ts";
import type { Signer } from "./stage.ts";
import { loadState } from "./state.ts";
import { syncPath } from "./sync-path.ts";
import { Writer } from "./writer.ts";
import type { WriterOptions } from "./writer-options.ts";

export interface Genesis {
  readonly origin: string;
  readonly ledgerId: string;
  /** docs/FORMAT.md section 7. */
  readonly details: Json;
}

/** Creates the ledger with its genesis receipt at log_index 0; `ledger_exists` where there is one. */
export function createLedger(path: string, genesis: Genesis, signer: Signer, options: WriterOptions): void {
  if (existsSync(path)) throw new LedgerError("ledger_exists", `${path} is there already; a ledger is created once and never replaced`);
  const lock = lockLedger(path);
  const fresh = `${path}.new`;
  for (const suffix of ["", "-wal", "-shm"]) rmSync(fresh + suffix, { force: true });
  try {
    const db = createDatabase(fresh);
    db.prepare("INSERT INTO ledger (one, format, origin, ledger_id) VALUES (1, 1, ?, ?)").run(genesis.origin, genesis.ledgerId);
    const writer = new Writer(fresh, db, lock, options, loadState(db, options.sha256), null);
    writer.begin(systemRequest("genesis", options.newId(), genesis.details), signer);
    writer.close();
    syncPath(fresh);
    renameSync(fresh, path);
    syncPath(dirname(path));
  } catch (error) {
    lock.release();
    throw ledgerError(error);
  }
}
