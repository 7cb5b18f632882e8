/**
 * What was promised of receipts that may be in the write-ahead log without having been synced: a file beside the ledger, there as long as the
 * log has commits that nobody waited for. After a power cut it says whether a commit that is missing there can be missed by anybody.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { syncPath } from "./sync-path.ts";

/** `disk`: every commit was synced before the next one began. `wal`: the power could take what was acknowledged. `both`. */
export type Acks = "disk" | "wal" | "both";

export function acksSaid(ledgerPath: string): Acks {
  const path = pathOf(ledgerPath);
  if (!existsSync(path)) return "disk";
  return readFileSync(path, "latin1") === "wal" ? "wal" : "both";
}

/** The log is empty, and all that it had is in the ledger's file. */
export function forgetAcks(ledgerPath: string): void {
  rmSync(pathOf(ledgerPath), { force: true });
}

export class AckFile {
  readonly #path: string;
  #said: Acks;

  constructor(ledgerPath: string) {
    this.#path = pathOf(ledgerPath);
    this.#said = acksSaid(ledgerPath);
  }

  /** Before anything is acknowledged so. On the disk when this returns; twice at most for a log. */
  promise(ack: "disk" | "wal"): void {
    if (this.#said === "both" || this.#said === ack) return;
    const next = ack === "wal" ? "wal" : "both";
    const fd = openSync(this.#path, "w", 0o600);
    try {
      writeSync(fd, next);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncPath(dirname(this.#path));
    this.#said = next;
  }
}

function pathOf(ledgerPath: string): string {
  return `${ledgerPath}-acks`;
}
