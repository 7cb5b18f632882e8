/**
 * chains.db: chains that are open, and the records of those that have ended. Apart from the ledger: nothing in it is signed, and what a chain's
 * receipt says is what was here when it ended.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import type { LedgerName } from "../format/names.ts";
import { ledgerError } from "../ledger/errors.ts";
import { emptyLeftOver, syncLeftOver } from "../ledger/left-over.ts";
import { migrate, migrationsIn } from "../ledger/migrations.ts";
import { syncPath } from "../ledger/sync-path.ts";
import { walDamage } from "../ledger/wal.ts";
import { ChainError } from "./errors.ts";

/** "rcpc", in the file's header. */
const APPLICATION_ID = 0x72637063;
/** Bytes; SQLite's own choice. */
const PAGE_SIZE = 4096;
const MIGRATIONS = new URL("./migrations/", import.meta.url);

export interface ChainRow {
  readonly chain_id: string;
  readonly organization: string;
  readonly receipt_id: string;
  readonly status: "open" | "ending" | "ended";
  /** JCS of the call that opened it. */
  readonly opened: string;
  /** ms since 1970 */
  readonly started_at: number;
  readonly expires_at: number;
  /** JSON: how it ended. */
  readonly ending: string | null;
}

/** What an event needs of its chain: never more than a few kilobytes. */
export interface TallyRow extends Pick<ChainRow, "chain_id" | "status"> {
  /** How many entries it has. */
  readonly entries: number;
  /** JSON: what they have added up to, but for the members of sets. */
  readonly state: string;
}

/** Of a set, or of the agents. */
export interface MemberRow {
  /** A metric's; AGENTS. */
  readonly name: string;
  readonly member: string;
  readonly place: number;
}

/** No metric has this name. */
export const AGENTS = "";

export interface EntryRow {
  readonly seq: number;
  readonly entry_id: string;
  readonly asked: Uint8Array;
  readonly kind: "event" | "approval";
  /** JSON: what the receipt says of it. */
  readonly summary: string;
  /** JCS: what its hash covers. */
  readonly record: string;
}

/** Makes the file where there is none, or an empty one: `isNew` then. Throws ChainError `chains_unreadable`, LedgerError. */
export function openChainStore(path: string, ledger: LedgerName): { readonly store: ChainStore; readonly isNew: boolean } {
  const isMissing = !existsSync(path);
  return guard(() => {
    if (!isMissing) {
      requireWholeLog(path);
      syncLeftOver(path);
    }
    const db = new Database(path, { timeout: 5000 });
    try {
      if (isMissing) db.pragma(`page_size = ${PAGE_SIZE}`);
      if (isMissing) db.pragma("journal_mode = WAL");
      const isNew = configure(db, path);
      emptyLeftOver(db);
      const flaw = migrate(db, migrationsIn(MIGRATIONS));
      if (flaw !== null) throw new ChainError("chains_unreadable", `${path} ${flaw}`);
      db.prepare("INSERT INTO ledger (one, origin, ledger_id) VALUES (1, ?, ?) ON CONFLICT DO NOTHING").run(ledger.origin, ledger.ledgerId);
      const row = db.prepare<[], { ledger_id: string }>("SELECT ledger_id FROM ledger").get()!;
      if (row.ledger_id !== ledger.ledgerId) throw new ChainError("chains_unreadable", `${path} has the chains of ledger ${row.ledger_id}, this is ${ledger.ledgerId}: move the file away`);
      if (isMissing) syncPath(dirname(path));
      return { store: new ChainStore(db), isNew };
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/** Each commit is on the disk before the next begins: a power cut tears one of them, the last. What else SQLite would drop was acknowledged. */
function requireWholeLog(path: string): void {
  const damage = walDamage(`${path}-wal`, PAGE_SIZE);
  if (damage === null || (damage.frame >= 0 && damage.transactions <= 1)) return;
  throw new ChainError("chains_unreadable", `the write-ahead log ${path}-wal is damaged (${damage.frame < 0 ? "its header" : `frame ${damage.frame} of ${damage.frames}`}): commits behind it are whole, and SQLite would drop them. Nothing was changed`);
}

/** True: there is nothing in it yet. */
function configure(db: Database.Database, path: string): boolean {
  const id = db.pragma("application_id", { simple: true });
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined; // a crash may have left it so
  if (id !== APPLICATION_ID && !(id === 0 && isEmpty)) throw new ChainError("chains_unreadable", `${path} is no file of chains`);
  if (isEmpty) db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma("synchronous = FULL");
  db.pragma("cache_size = -2048"); // 2 MiB
  db.pragma("trusted_schema = OFF");
  db.pragma("cell_size_check = ON");
  return isEmpty;
}

/** Methods throw LedgerError, ChainError `chains_unreadable`. */
export class ChainStore {
  readonly #db: Database.Database;
  readonly #s: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#s = prepare(db);
  }

  close(): void {
    this.#db.close();
  }

  /** All that `work` does is stored, on the disk, or none of it. */
  group(work: () => void): void {
    guard(() => this.#db.transaction(work).immediate());
  }

  chain(chainId: string): ChainRow | null {
    return guard(() => this.#s.chain.get(chainId)) ?? null;
  }

  tally(chainId: string): TallyRow | null {
    return guard(() => this.#s.tally.get(chainId)) ?? null;
  }

  /** In the order of first appearance, set by set. */
  members(chainId: string): readonly MemberRow[] {
    return guard(() => this.#s.members.all(chainId));
  }

  hasMember(chainId: string, name: string, member: string): boolean {
    return guard(() => this.#s.member.get(chainId, name, member)) !== undefined;
  }

  /** People, by the names that were given. */
  approvers(chainId: string): number {
    return guard(() => this.#s.approvers.get(chainId))!.count;
  }

  unfinished(): number {
    return guard(() => this.#s.unfinished.get())!.count;
  }

  /** How many were ever opened, and when the oldest began that has not ended (ms since 1970). */
  survey(): { readonly opened: number; readonly oldest: number | null } {
    return guard(() => this.#s.survey.get())!;
  }

  /** Ids of chains that are ending, in order, behind this one. */
  ending(after: string, most: number): readonly string[] {
    return guard(() => this.#s.ending.all(after, most).map((row) => row.chain_id));
  }

  /** Ids of chains that are open for too long. */
  expired(now: number, most: number): readonly string[] {
    return guard(() => this.#s.expired.all(now, most).map((row) => row.chain_id));
  }

  open(): readonly Pick<ChainRow, "chain_id" | "receipt_id">[] {
    return guard(() => this.#s.open.all());
  }

  /** Of those that were opened last. */
  lastEnded(most: number): readonly Pick<ChainRow, "chain_id" | "receipt_id">[] {
    return guard(() => this.#s.lastEnded.all(most));
  }

  begin(row: Omit<ChainRow, "status" | "ending">, state: string): void {
    guard(() => {
      this.#s.begin.run(row.chain_id, row.organization, row.receipt_id, row.opened, row.started_at, row.expires_at);
      this.#s.sums.run(row.chain_id, state);
    });
  }

  entry(chainId: string, entryId: string): EntryRow | null {
    return guard(() => this.#s.entry.get(chainId, entryId)) ?? null;
  }

  entryAt(chainId: string, seq: number): EntryRow | null {
    return guard(() => this.#s.entryAt.get(chainId, seq)) ?? null;
  }

  entries(chainId: string): readonly Pick<EntryRow, "kind" | "summary">[] {
    return guard(() => this.#s.entries.all(chainId));
  }

  add(chainId: string, { seq, entry_id, asked, kind, summary, record }: EntryRow, state: string, members: readonly MemberRow[]): void {
    guard(() => {
      this.#s.add.run(chainId, seq, entry_id, asked, kind, summary, record);
      for (const { name, member, place } of members) this.#s.addMember.run(chainId, name, member, place);
      this.#s.added.run(seq, state, chainId);
    });
  }

  end(chainId: string, ending: string): void {
    guard(() => this.#s.end.run(ending, chainId));
  }

  /** Its receipt will have another id. */
  rename(chainId: string, receiptId: string): void {
    guard(() => this.#s.rename.run(receiptId, chainId));
  }

  /** Its receipt is in the ledger. */
  ended(chainId: string): void {
    guard(() => this.#s.ended.run(chainId));
  }
}

function prepare(db: Database.Database) {
  return {
    chain: db.prepare<[string], ChainRow>("SELECT * FROM chains WHERE chain_id = ?"),
    tally: db.prepare<[string], TallyRow>("SELECT chain_id, status, entries, state FROM chains JOIN sums USING (chain_id) WHERE chain_id = ?"),
    members: db.prepare<[string], MemberRow>("SELECT name, member, place FROM members WHERE chain_id = ? ORDER BY name, place"),
    member: db.prepare<[string, string, string], { one: number }>("SELECT 1 AS one FROM members WHERE chain_id = ? AND name = ? AND member = ?"),
    approvers: db.prepare<[string], { count: number }>("SELECT count(DISTINCT summary ->> '$.approver') AS count FROM entries WHERE chain_id = ? AND kind = 'approval'"),
    unfinished: db.prepare<[], { count: number }>("SELECT count(*) AS count FROM chains WHERE status <> 'ended'"),
    survey: db.prepare<[], { opened: number; oldest: number | null }>("SELECT (SELECT ifnull(max(rowid), 0) FROM chains) AS opened, (SELECT min(started_at) FROM chains WHERE status <> 'ended') AS oldest"),
    ending: db.prepare<[string, number], { chain_id: string }>("SELECT chain_id FROM chains WHERE status <> 'ended' AND status = 'ending' AND chain_id > ? ORDER BY chain_id LIMIT ?"),
    open: db.prepare<[], Pick<ChainRow, "chain_id" | "receipt_id">>("SELECT chain_id, receipt_id FROM chains WHERE status <> 'ended' AND status = 'open'"),
    expired: db.prepare<[number, number], { chain_id: string }>("SELECT chain_id FROM chains WHERE status <> 'ended' AND status = 'open' AND expires_at <= ? LIMIT ?"),
    lastEnded: db.prepare<[number], Pick<ChainRow, "chain_id" | "receipt_id">>("SELECT chain_id, receipt_id FROM (SELECT * FROM chains ORDER BY rowid DESC LIMIT ?) WHERE status = 'ended'"),
    begin: db.prepare("INSERT INTO chains (chain_id, organization, receipt_id, status, opened, started_at, expires_at) VALUES (?, ?, ?, 'open', ?, ?, ?)"),
    sums: db.prepare("INSERT INTO sums (chain_id, entries, state) VALUES (?, 0, ?)"),
    entry: db.prepare<[string, string], EntryRow>("SELECT * FROM entries WHERE chain_id = ? AND entry_id = ?"),
    entryAt: db.prepare<[string, number], EntryRow>("SELECT * FROM entries WHERE chain_id = ? AND seq = ?"),
    entries: db.prepare<[string], Pick<EntryRow, "kind" | "summary">>("SELECT kind, summary FROM entries WHERE chain_id = ? ORDER BY seq"),
    add: db.prepare("INSERT INTO entries (chain_id, seq, entry_id, asked, kind, summary, record) VALUES (?, ?, ?, ?, ?, ?, ?)"),
    addMember: db.prepare("INSERT INTO members (chain_id, name, member, place) VALUES (?, ?, ?, ?)"),
    added: db.prepare("UPDATE sums SET entries = ?, state = ? WHERE chain_id = ?"),
    end: db.prepare("UPDATE chains SET status = 'ending', ending = ? WHERE chain_id = ?"),
    rename: db.prepare("UPDATE chains SET receipt_id = ? WHERE chain_id = ?"),
    ended: db.prepare("UPDATE chains SET status = 'ended' WHERE chain_id = ?"),
  };
}

function guard<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ChainError) throw error;
    const found = ledgerError(error);
    if (found.code !== "ledger_corrupt" && found.code !== "ledger_missing") throw found;
    throw new ChainError("chains_unreadable", `chains.db: ${found.message}`);
  }
}
