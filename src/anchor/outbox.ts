/**
 * anchor.db: what was signed and how far each target has confirmed it. The signer's memory: (size, root) is stored before it is
 * signed, and another root for that size is refused for ever after (docs/FORMAT.md section 9).
 *
 * It is apart from the ledger, so that a ledger restored from a backup is noticed. Created by `receiptd init` only: a missing one
 * is not made anew by itself, since it may be the one thing that still knows what was signed. An empty one in its place
 * (`receiptd init --outbox`) is safe: the start-up comparison asks the targets first, and signing is deterministic, so the same
 * bytes are signed and stored again.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { equal } from "../format/bytes.ts";
import type { LedgerName } from "../format/names.ts";
import { isOutOfSpace } from "../ledger/errors.ts";
import { emptyLeftOver, syncLeftOver } from "../ledger/left-over.ts";
import { migrate as applyMigrations, migrationsIn } from "../ledger/migrations.ts";
import { syncPath } from "../ledger/sync-path.ts";
import { AnchorError } from "./errors.ts";

/** "rcpa", in the file's header. */
const APPLICATION_ID = 0x72637061;
const MIGRATIONS = new URL("./migrations/", import.meta.url);

export interface SignedRoot {
  readonly treeSize: number;
  readonly root: Uint8Array;
}

/** An anchor as it was read back from a target. */
export interface Confirmed {
  readonly treeSize: number;
  readonly versionId: string;
  /** ms, the target's clock. */
  readonly lastModified: number;
}

/** What a reader beside the daemon may ask. */
export type OutboxView = Pick<Outbox, "newest" | "newestConfirmed" | "signedSize" | "note" | "root" | "confirmed" | "firstConfirmed" | "close">;

interface ConfirmedRow {
  readonly tree_size: number;
  readonly version_id: string;
  readonly last_modified: number;
}

/** Creates the file; `outbox_exists` where there is one. A crash leaves a `.new` file that the next creation replaces. */
export function createOutbox(path: string, ledger: LedgerName): void {
  if (existsSync(path)) throw new AnchorError("outbox_exists", `${path} is there already; it is created once and never replaced`);
  const fresh = `${path}.new`;
  for (const suffix of ["", "-wal", "-shm"]) rmSync(fresh + suffix, { force: true });
  guard(() => {
    const db = new Database(fresh);
    db.pragma("journal_mode = WAL");
    db.pragma(`application_id = ${APPLICATION_ID}`);
    configure(db);
    migrate(db);
    db.prepare("INSERT INTO ledger (one, origin, ledger_id) VALUES (1, ?, ?)").run(ledger.origin, ledger.ledgerId);
    db.close();
    syncPath(fresh);
    renameSync(fresh, path);
    syncPath(dirname(path));
  });
}

/** Opens the outbox of this ledger: `outbox_missing`, `not_an_outbox`, `newer_outbox`, `wrong_ledger`. */
export function openOutbox(path: string, ledger: LedgerName): Outbox {
  if (!existsSync(path)) throw missing(path);
  return guard(() => {
    syncLeftOver(path);
    const db = new Database(path, { fileMustExist: true, timeout: 5000 });
    try {
      if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) throw new AnchorError("not_an_outbox", `${path} is not a receiptd outbox`);
      configure(db);
      emptyLeftOver(db); // a signed root that a power cut takes would be forgotten
      migrate(db);
      requireLedger(db, path, ledger);
      return new Outbox(db);
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/** The outbox beside its daemon, to read only: nothing in it is changed, and it is not migrated. Errors as `openOutbox`. */
export function readOutbox(path: string, ledger: LedgerName): OutboxView {
  if (!existsSync(path)) throw missing(path);
  return guard(() => {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
    try {
      if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) throw new AnchorError("not_an_outbox", `${path} is not a receiptd outbox`);
      db.pragma("trusted_schema = OFF");
      requireLedger(db, path, ledger);
      return new Outbox(db);
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

function missing(path: string): AnchorError {
  return new AnchorError("outbox_missing", `${path} is missing: it knows what was signed. Restore it; if it is lost for good, make an empty one with: receiptd init --outbox`);
}

function requireLedger(db: Database.Database, path: string, ledger: LedgerName): void {
  const row = db.prepare("SELECT origin, ledger_id FROM ledger").get() as { origin: string; ledger_id: string } | undefined;
  if (row?.origin === ledger.origin && row.ledger_id === ledger.ledgerId) return;
  throw new AnchorError("wrong_ledger", `${path} is the outbox of ${row?.origin ?? "no ledger"} (${row?.ledger_id ?? "-"}), not of ${ledger.origin} (${ledger.ledgerId})`);
}

export class Outbox {
  readonly #db: Database.Database;
  readonly #s: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#s = prepare(db);
  }

  close(): void {
    this.#db.close();
  }

  /** The largest tree whose root was ever stored here, signed or about to be. */
  newest(): SignedRoot | null {
    const row = guard(() => this.#s.newest.get());
    return row === undefined ? null : { treeSize: row.tree_size, root: row.root };
  }

  /** Every anchor up to this tree size has its note; 0 before the first. */
  signedSize(): number {
    return guard(() => this.#s.signedSize.get())?.tree_size ?? 0;
  }

  /** The signed note of a size, or null. */
  note(treeSize: number): string | null {
    return guard(() => this.#s.note.get(treeSize))?.note ?? null;
  }

  /** The root on record for a size, or null. */
  root(treeSize: number): Uint8Array | null {
    return guard(() => this.#s.root.get(treeSize))?.root ?? null;
  }

  /** The newest anchor that any target has confirmed, with the target's name, or null. */
  newestConfirmed(): { readonly target: string; readonly treeSize: number } | null {
    const row = guard(() => this.#s.newestConfirmed.get());
    return row === undefined ? null : { target: row.target, treeSize: row.tree_size };
  }

  /** Stores what is about to be signed, durably; `equivocation` if another root is on record for one of the sizes. */
  reserve(roots: readonly SignedRoot[]): void {
    this.#transaction(() => {
      for (const { treeSize, root } of roots) {
        this.#s.reserve.run(treeSize, root);
        if (!equal(this.#s.root.get(treeSize)!.root, root)) {
          throw new AnchorError("equivocation", `refused to sign a second root for ${treeSize} receipts: the ledger was changed after it was signed`);
        }
      }
    });
  }

  /** Stores the notes of reserved sizes; `equivocation` if a size has another one, or was never reserved. */
  saveNotes(notes: readonly { readonly treeSize: number; readonly note: string }[]): void {
    this.#transaction(() => {
      for (const { treeSize, note } of notes) {
        const { changes } = this.#s.saveNote.run(note, treeSize);
        if (changes !== 1 && this.#s.note.get(treeSize)?.note !== note) {
          throw new AnchorError("equivocation", `a note for ${treeSize} receipts that is not the one on record`);
        }
      }
    });
  }

  /** The newest anchor that this target has confirmed, or null. */
  confirmed(target: string): Confirmed | null {
    const row = guard(() => this.#s.confirmed.get(target));
    return row === undefined ? null : { treeSize: row.tree_size, versionId: row.version_id, lastModified: row.last_modified };
  }

  /** The smallest anchor of this size or a larger one that this target has confirmed, or null. */
  firstConfirmed(target: string, treeSize: number): Confirmed | null {
    const row = guard(() => this.#s.firstConfirmed.get(target, treeSize));
    return row === undefined ? null : { treeSize: row.tree_size, versionId: row.version_id, lastModified: row.last_modified };
  }

  /** Stores that a target has an anchor; a second time changes nothing. */
  confirm(target: string, { treeSize, versionId, lastModified }: Confirmed): void {
    guard(() => this.#s.confirm.run(target, treeSize, versionId, lastModified));
  }

  #transaction(work: () => void): void {
    guard(() => this.#db.transaction(work).immediate());
  }
}

function prepare(db: Database.Database) {
  return {
    newest: db.prepare<[], { tree_size: number; root: Uint8Array }>("SELECT tree_size, root FROM signed ORDER BY tree_size DESC LIMIT 1"),
    // notes are made in order of size: only a crash leaves rows without one, and only at the end
    signedSize: db.prepare<[], { tree_size: number }>("SELECT tree_size FROM signed WHERE note IS NOT NULL ORDER BY tree_size DESC LIMIT 1"),
    note: db.prepare<[number], { note: string | null }>("SELECT note FROM signed WHERE tree_size = ?"),
    root: db.prepare<[number], { root: Uint8Array }>("SELECT root FROM signed WHERE tree_size = ?"),
    reserve: db.prepare("INSERT INTO signed (tree_size, root) VALUES (?, ?) ON CONFLICT DO NOTHING"),
    saveNote: db.prepare("UPDATE signed SET note = ? WHERE tree_size = ? AND note IS NULL"),
    confirmed: db.prepare<[string], ConfirmedRow>("SELECT tree_size, version_id, last_modified FROM confirmed WHERE target = ? ORDER BY tree_size DESC LIMIT 1"),
    firstConfirmed: db.prepare<[string, number], ConfirmedRow>("SELECT tree_size, version_id, last_modified FROM confirmed WHERE target = ? AND tree_size >= ? ORDER BY tree_size LIMIT 1"),
    newestConfirmed: db.prepare<[], { target: string; tree_size: number }>("SELECT target, tree_size FROM confirmed ORDER BY tree_size DESC LIMIT 1"),
    confirm: db.prepare("INSERT INTO confirmed (target, tree_size, version_id, last_modified) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"),
  };
}

function configure(db: Database.Database): void {
  db.pragma("cache_size = -1024"); // 1 MiB: objects of megabytes pass through once
  db.pragma("synchronous = FULL");
  db.pragma("trusted_schema = OFF");
  db.pragma("cell_size_check = ON");
}

function migrate(db: Database.Database): void {
  const flaw = applyMigrations(db, migrationsIn(MIGRATIONS));
  if (flaw !== null) throw new AnchorError("newer_outbox", `the outbox ${flaw}`);
}

function guard<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AnchorError) throw error;
    const code = error instanceof Database.SqliteError ? error.code : "";
    const text = `the outbox: ${error instanceof Error ? error.message : String(error)} ${code}`.trimEnd();
    if (code === "SQLITE_NOTADB") throw new AnchorError("not_an_outbox", text, { cause: error });
    if (code === "SQLITE_FULL" || isOutOfSpace(error)) throw new AnchorError("outbox_full", text, { cause: error });
    throw new AnchorError(code.startsWith("SQLITE_BUSY") ? "outbox_busy" : "outbox_failed", text, { cause: error });
  }
}
