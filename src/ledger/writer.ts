/**
 * The one writer of a ledger. A group of receipts is staged, committed in one transaction, and only then acknowledged and adopted.
 *
 * A crash before the commit leaves nothing, after it everything: SQLite's WAL decides, and recovery is opening the file.
 */
import { open as openFile } from "node:fs/promises";
import { hashText } from "../format/chain.ts";
import { CompactRange, leafHash } from "../format/merkle.ts";
import { concat, uint64 } from "../format/bytes.ts";
import type { Request } from "../format/request.ts";
import { systemRequest } from "../format/seal.ts";
import type { Json } from "../format/strict-json.ts";
import { uuidBytes } from "../format/uuid.ts";
import { MarkFile } from "./acks.ts";
import { Admission, type Outcome } from "./admit.ts";
import { Arena } from "./arena.ts";
import { type Checkpointer, INLINE_PAGES } from "./checkpointer.ts";
import { type Database, openDatabase } from "./database.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { insertRows, insertStatements } from "./insert-statements.ts";
import { checkLeftOver, emptyLeftOver, warnOfTorn } from "./left-over.ts";
import { lockLedger, type WriterLock } from "./lock.ts";
import { receiptRow, SELECT_RECEIPT, type ReceiptRow } from "./rows.ts";
import { pagesOf, type Signer, Stage, type StoredReceipt } from "./stage.ts";
import { type LedgerState, loadState, nextTime, type TreeHead } from "./state.ts";
import type { WriterOptions } from "./writer-options.ts";

/** What a commit must survive: `wal` the end of the process, `disk` the end of the power. */
export type Durability = "wal" | "disk";

/** A `key_rotation` receipt, and the key that it names; or a `ratchet_break`, which that key signs, and the anchor receipt too. */
export interface Rotation {
  readonly receipt: Request;
  readonly keyId: string;
}

/** What an anchor receipt says of the tree that it ends (docs/FORMAT.md section 7). */
export interface BatchFacts {
  readonly batch: { readonly first_index: number; readonly count: number; readonly root: string };
  readonly previous_anchor: { readonly tree_size: number; readonly root: string } | null;
  readonly org_heads_root: string;
}

export class Writer {
  readonly #path: string;
  readonly #db: Database;
  readonly #lock: WriterLock;
  readonly #options: WriterOptions;
  readonly #state: LedgerState;
  readonly #statements: ReturnType<typeof prepare>;
  #checkpointer: Checkpointer | null = null;
  readonly #arena = new Arena();
  readonly #mark: MarkFile | null;
  #durability: Durability = "disk";
  #syncedSize: number;

  /** Locks and opens; `ledger_locked`, `ledger_missing`, `ledger_corrupt`, `wal_damaged`. */
  static open(path: string, options: WriterOptions): Writer {
    const lock = lockLedger(path);
    let db: Database | undefined;
    try {
      checkLeftOver(path, options.now(), options.onTorn ?? warnOfTorn);
      db = openDatabase(path);
      emptyLeftOver(db);
      const state = loadState(db, options.sha256);
      return new Writer(path, db, lock, options, state, new MarkFile(path, state.ledgerId, state.log.size, options.onMarkLost));
    } catch (error) {
      db?.close();
      lock.release();
      throw ledgerError(error);
    }
  }

  constructor(path: string, db: Database, lock: WriterLock, options: WriterOptions, state: LedgerState, mark: MarkFile | null) {
    this.#path = path;
    this.#db = db;
    this.#lock = lock;
    this.#options = options;
    this.#state = state;
    this.#statements = prepare(db);
    [this.#syncedSize, this.#mark] = [state.log.size, mark];
  }

  get origin(): string { return this.#state.origin; }
  get ledgerId(): string { return this.#state.ledgerId; }
  get size(): number { return this.#state.log.size; }
  /** Receipts that a power cut cannot take. */
  get syncedSize(): number { return this.#syncedSize; }
  get openBatch(): { readonly firstIndex: number; readonly count: number } {
    return { firstIndex: this.#state.batchFirst, count: this.#state.batch.size };
  }
  get epoch(): number { return this.#state.epoch; }
  /** Key of the next receipt; null where nothing says which. */
  get keyId(): string | null { return this.#state.keyId; }
  get previousAnchor(): TreeHead | null { return this.#state.previousAnchor; }
  /** ms; 0: none yet */
  get previousAnchorAt(): number { return this.#state.previousAnchorAt; }
  get lastRecordedAt(): number { return this.#state.lastRecordedAt; }

  logRoot(): Uint8Array { return this.#state.log.root(); }

  head(organization: string): { readonly orgSeq: number; readonly hash: Uint8Array; readonly prefix: string } | null {
    return this.#state.heads.get(organization) ?? null;
  }

  /** Is the organization one of the ledger's, or may it become one? */
  hasRoomFor(organization: string): boolean {
    const { heads } = this.#state;
    return heads.has(organization) || heads.size < this.#options.maxOrganizations;
  }

  /**
   * Stores as many of the requests, from the first on, as the open batch has room for, in one transaction, and returns their
   * outcomes in order. A LedgerError means that none of them was stored.
   */
  commit(requests: readonly (readonly Request[])[], signer: Signer, durability: Durability): Outcome[] {
    this.#requireEpoch(signer);
    const stage = this.#stage(signer);
    const time = nextTime(this.#state, this.#options.now());
    const admission = new Admission({ ...this.#options, stage, signer, time, find: (receiptId) => this.find(receiptId) });
    const outcomes: Outcome[] = [];
    for (const request of requests) {
      if (stage.batch.size + admission.room(request) > this.#options.maxBatch) break;
      outcomes.push(admission.admit(request));
    }
    if (stage.rows.length > 0) this.#write(stage, durability, null);
    return outcomes;
  }

  /** Stores a system receipt, for which the open batch must have room. Survives power loss. */
  announce(receipt: Request, signer: Signer): StoredReceipt {
    this.#requireEpoch(signer);
    const stage = this.#stage(signer);
    const stored = stage.add(receipt, this.#stepIn(stage, 1), undefined, null);
    this.#write(stage, "disk", null);
    return stored;
  }

  /**
   * Closes the open batch with an anchor receipt; the caller then moves the signer to the next epoch. Survives power loss. `rotation`: stored
   * before it, with the key that it names; the batch must have room for it.
   */
  closeBatch(signer: Signer, details: (facts: BatchFacts, recordedAt: number) => Json, rotation: Rotation | null = null): { readonly treeSize: number; readonly root: Uint8Array; readonly count: number } {
    const isBreak = rotation?.receipt.type === "ratchet_break"; // nothing stands before it that its key has signed
    this.#requireEpoch(signer, isBreak ? rotation.keyId : this.#state.keyId);
    const stage = this.#stage(signer);
    const at = isBreak ? Math.max(this.#state.lastRecordedAt, this.#options.now()) : this.#stepIn(stage, rotation === null ? 0 : 1);
    if (rotation !== null) stage.add(rotation.receipt, at, undefined, null);
    const count = stage.batch.size;
    const previous = this.#state.previousAnchor;
    const facts: BatchFacts = {
      batch: { first_index: this.#state.batchFirst, count, root: hashText(stage.batch.root()) },
      previous_anchor: previous === null ? null : { tree_size: previous.treeSize, root: hashText(previous.root) },
      org_heads_root: hashText(this.#headsRoot(stage)),
    };
    stage.add(systemRequest("anchor", this.#options.newId(), details(facts, at)), at, undefined, null);
    const anchor = { treeSize: stage.log.size, root: stage.log.root() };
    this.#write(stage, "disk", anchor);
    if (rotation !== null) this.#state.keyId = rotation.keyId;
    return { ...anchor, count };
  }

  /** Writes the first receipt of a ledger that has none. */
  begin(genesis: Request, signer: Signer): void {
    const stage = this.#stage(signer);
    stage.add(genesis, this.#options.now(), undefined, null);
    this.#write(stage, "disk", null);
    this.#state.keyId = signer.keyId;
  }

  /** Makes everything committed so far survive power loss; returns the size that now does. A failure is fatal. */
  async sync(): Promise<number> {
    const size = this.size;
    if (size <= this.#syncedSize) return this.#syncedSize;
    const file = await openFile(`${this.#path}-wal`, "r+");
    try {
      await file.datasync();
    } catch (error) {
      throw new LedgerError("ledger_io", "the write-ahead log could not be synced", { cause: error });
    } finally {
      await file.close();
    }
    this.#syncedSize = Math.max(this.#syncedSize, size);
    this.#mark?.note(this.size, this.#syncedSize);
    return this.#syncedSize;
  }

  /** Leaves it to another thread to keep the log short; stop that one before this is closed. */
  leaveCheckpointsTo(checkpointer: Checkpointer): void {
    this.#db.pragma(`wal_autocheckpoint = ${INLINE_PAGES}`);
    checkpointer.endWith(() => this.#db.pragma("wal_checkpoint(PASSIVE)"));
    this.#checkpointer = checkpointer;
  }

  close(): void {
    this.#db.close(); // the last connection takes the log with it
    this.#mark?.close();
    this.#lock.release();
  }

  #requireEpoch(signer: Signer, keyId = this.#state.keyId): void {
    if (signer.epoch !== this.#state.epoch) {
      throw new LedgerError("ledger_failed", `the signer is in epoch ${signer.epoch}, the ledger in ${this.#state.epoch}`);
    }
    if (keyId !== null && signer.keyId !== keyId) {
      throw new LedgerError("ledger_failed", `the signer has the key ${signer.keyId}, the ledger goes on with ${keyId}`);
    }
  }

  #stage(signer: Signer): Stage {
    this.#arena.reset();
    return new Stage(this.#state, signer, this.#options.sha256, this.#arena.take);
  }

  /** The receipt with this id, whether or not it survives power loss yet. */
  find(receiptId: string): StoredReceipt | undefined {
    const known = this.#statements.indexOfId.get(uuidBytes(receiptId)); // almost always none: the index alone tells
    const row = known === undefined ? undefined : this.#statements.byIndex.get(known.log_index);
    return row === undefined ? undefined : receiptRow(row);
  }

  /**
   * The time of what is stored next, with a `clock_step` before it where one is due and the batch has room for it and `others`: else that
   * keeps the last time, and the next receipt takes the step.
   */
  #stepIn(stage: Stage, others: number): number {
    const { at, step } = nextTime(this.#state, this.#options.now());
    if (step === null) return at;
    if (stage.batch.size + others >= this.#options.maxBatch) return this.#state.lastRecordedAt;
    stage.add(systemRequest("clock_step", this.#options.newId(), step), at, undefined, null);
    return at;
  }

  #headsRoot(stage: Stage): Uint8Array {
    const range = new CompactRange({ sha256: this.#options.sha256 });
    const add = (head: { readonly firstHash: Uint8Array; readonly orgSeq: number; readonly hash: Uint8Array }): void =>
      range.append(leafHash(concat(head.firstHash, uint64(head.orgSeq), head.hash), this.#options.sha256));
    for (const [name, head] of this.#state.heads) add(stage.heads.get(name) ?? head);
    for (const head of stage.newOrganizations) add(stage.heads.get(head.name)!);
    return range.root();
  }

  #write(stage: Stage, durability: Durability, anchor: TreeHead | null): void {
    const s = this.#statements;
    try {
      if (durability !== this.#durability) {
        this.#db.pragma(`synchronous = ${durability === "disk" ? "FULL" : "NORMAL"}`);
        this.#durability = durability;
      }
      if (durability === "wal") this.#mark?.allowUnsynced(this.size, this.#syncedSize);
      s.begin.run();
      for (const head of stage.newOrganizations) s.organization.run(head.org, head.name, head.prefix, this.#firstIndex(stage, head.org));
      insertRows(s, stage.rows);
      for (const node of stage.nodes) s.tree.run(node.level, node.position, node.hash);
      if (anchor !== null) s.anchor.run(anchor.treeSize, this.#state.batchFirst, anchor.root);
      s.commit.run();
    } catch (error) {
      if (this.#db.inTransaction) s.rollback.run();
      throw ledgerError(error);
    }
    this.#adopt(stage, durability, anchor);
    this.#mark?.note(this.size, this.#syncedSize);
    this.#checkpointer?.wrote(pagesOf(stage)); // what is committed is committed, whatever becomes of this
  }

  #firstIndex(stage: Stage, org: number): number {
    return stage.rows.find((row) => row.org === org)!.stored.logIndex;
  }

  #adopt(stage: Stage, durability: Durability, anchor: TreeHead | null): void {
    const state = this.#state;
    for (const [name, head] of stage.heads) {
      state.heads.set(name, head);
      state.prefixes.add(head.prefix);
    }
    state.log = stage.log;
    state.batch = anchor === null ? stage.batch : new CompactRange({ sha256: this.#options.sha256 });
    state.lastRecordedAt = stage.rows.at(-1)!.stored.recordedAt;
    if (anchor !== null) {
      state.batchFirst = anchor.treeSize;
      state.previousAnchor = anchor;
      state.previousAnchorAt = state.lastRecordedAt;
      state.epoch++;
    }
    if (durability === "disk") this.#syncedSize = state.log.size;
  }
}

function prepare(db: Database) {
  return {
    ...insertStatements(db),
    indexOfId: db.prepare<[Uint8Array], { readonly log_index: number }>("SELECT log_index FROM receipt WHERE receipt_id = ?"),
    byIndex: db.prepare<[number], ReceiptRow>(`${SELECT_RECEIPT} WHERE r.log_index = ?`),
  };
}
