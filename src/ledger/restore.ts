/**
 * A ledger built again from what was published of it, batch by batch. It is a file under another name until it is complete, on the
 * disk and known to be what was anchored; a crash leaves a `.new` file that the next restore replaces, never half a ledger.
 *
 * A batch is one transaction that ends with its anchor, and is committed only if the log then has the root that was signed.
 *
 * A recovery makes such a file beside a ledger that is there, and puts it in its place itself (src/recover).
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { equal } from "../format/bytes.ts";
import { entryOf } from "../format/entries.ts";
import type { Sha256 } from "../format/hash.ts";
import { CompactRange, leafHash } from "../format/merkle.ts";
import { uuidBytes } from "../format/uuid.ts";
import { forgetMark } from "./acks.ts";
import { createDatabase, type Database } from "./database.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { insertStatements } from "./insert-statements.ts";
import { lockLedger, type WriterLock } from "./lock.ts";
import type { AnchorRow } from "./reader.ts";
import type { StoredReceipt } from "./stage.ts";
import { STORED_LEVEL } from "./state.ts";
import { syncPath } from "./sync-path.ts";

export class LedgerRestore {
  readonly #path: string;
  readonly #fresh: string;
  readonly #lock: WriterLock | null;
  readonly #db: Database;
  readonly #s: ReturnType<typeof insertStatements>;
  readonly #sha256: Sha256;
  /** By name. */
  readonly #organizations = new Map<string, number>();
  readonly #log: CompactRange;
  #committed = 0;

  /** Takes the ledger's lock. `ledger_exists` where there is one: it is never replaced. */
  static begin(path: string, ledger: { readonly origin: string; readonly ledgerId: string }, sha256: Sha256): LedgerRestore {
    if (existsSync(path)) throw new LedgerError("ledger_exists", `${path} is there already; a ledger is never replaced: move it away, if it is not to be used any more`);
    const lock = lockLedger(path);
    try {
      return LedgerRestore.#create(path, lock, ledger, sha256);
    } catch (error) {
      lock.release();
      throw ledgerError(error);
    }
  }

  /** Beside the ledger that is there, whose lock the caller holds; ends with `complete` or `discard`. */
  static beside(path: string, ledger: { readonly origin: string; readonly ledgerId: string }, sha256: Sha256): LedgerRestore {
    try {
      return LedgerRestore.#create(path, null, ledger, sha256);
    } catch (error) {
      throw ledgerError(error);
    }
  }

  static #create(path: string, lock: WriterLock | null, ledger: { readonly origin: string; readonly ledgerId: string }, sha256: Sha256): LedgerRestore {
    const fresh = `${path}.new`;
    removeDatabase(fresh);
    let db: Database | undefined;
    try {
      db = createDatabase(fresh);
      return new LedgerRestore(path, fresh, lock, db, ledger, sha256);
    } catch (error) { // no room
      db?.close();
      removeDatabase(fresh);
      throw error;
    }
  }

  private constructor(path: string, fresh: string, lock: WriterLock | null, db: Database, ledger: { readonly origin: string; readonly ledgerId: string }, sha256: Sha256) {
    this.#path = path;
    this.#fresh = fresh;
    this.#lock = lock;
    this.#db = db;
    this.#sha256 = sha256;
    this.#log = new CompactRange({
      sha256,
      onNode: (level, position, hash) => {
        if (level >= STORED_LEVEL) this.#s.tree.run(level, position, hash);
      },
    });
    db.pragma("synchronous = OFF"); // all is synced once, before the file gets its name
    this.#s = insertStatements(db);
    db.prepare("INSERT INTO ledger (one, format, origin, ledger_id) VALUES (1, 1, ?, ?)").run(ledger.origin, ledger.ledgerId);
  }

  /** Receipts of complete batches. */
  get size(): number {
    return this.#committed;
  }

  /** The next receipt in order of log_index, which the caller has verified; null: its bytes are lost. Throws LedgerError. */
  append(receipt: StoredReceipt, blob: Uint8Array | null): void {
    const { logIndex, organization, prefix, orgSeq, receiptId, receiptHash, recordedAt, keyEpoch, requestMac } = receipt;
    if (logIndex !== this.#log.size) throw new LedgerError("ledger_failed", `the receipt ${logIndex} cannot follow ${this.#log.size} others`);
    this.#guard(() => {
      if (!this.#db.inTransaction) this.#s.begin.run();
      let org = this.#organizations.get(organization);
      if (org === undefined) {
        org = this.#organizations.size + 1;
        this.#s.organization.run(org, organization, prefix, logIndex);
        this.#organizations.set(organization, org);
      }
      this.#s.receipt.run(logIndex, org, orgSeq, uuidBytes(receiptId), receiptHash, recordedAt, keyEpoch, requestMac);
      if (blob !== null) this.#s.blob.run(logIndex, blob);
      this.#log.append(leafHash(entryOf(receiptHash), this.#sha256));
    });
  }

  /** Ends the batch with the anchor over all receipts so far; `ledger_failed` where they do not have its root. */
  commit({ treeSize, firstIndex, root }: AnchorRow): void {
    if (treeSize !== this.#log.size || !equal(this.#log.root(), root)) {
      throw new LedgerError("ledger_failed", `the receipts up to ${treeSize} do not have the root that was signed`);
    }
    this.#guard(() => {
      this.#s.anchor.run(treeSize, firstIndex, root);
      this.#s.commit.run();
    });
    this.#committed = treeSize;
  }

  /** Gives the ledger its name, without what was appended after the last `commit`. On the disk when this returns. */
  finish(): void {
    this.#guard(() => {
      if (this.#db.inTransaction) this.#s.rollback.run();
      this.#close();
      forgetMark(this.#path); // of the ledger that was lost
      renameSync(this.#fresh, this.#path);
      syncPath(dirname(this.#path));
    });
    this.#lock?.release();
  }

  /** Keeps all that was appended, under the name that is returned. On the disk when this returns. */
  complete(): string {
    this.#guard(() => {
      if (this.#db.inTransaction) this.#s.commit.run();
      this.#close();
    });
    return this.#fresh;
  }

  /** Leaves nothing behind. */
  discard(): void {
    this.#db.close();
    removeDatabase(this.#fresh);
    this.#lock?.release();
  }

  #close(): void {
    this.#db.pragma("wal_checkpoint(TRUNCATE)");
    this.#db.close();
    syncPath(this.#fresh);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw ledgerError(error);
    }
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}
