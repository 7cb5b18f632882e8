/**
 * The ends of chains: how one ended is stored, then its receipt, then that it is there. Whatever comes between is taken up at the next look, and
 * no chain that cannot have its receipt keeps another from having one.
 */
import { canonicalize } from "../format/canonical.ts";
import type { Request } from "../format/request.ts";
import type { Json } from "../format/strict-json.ts";
import type { Acknowledged } from "../ledger/admit.ts";
import { LedgerError } from "../ledger/errors.ts";
import { ChainError } from "./errors.ts";
import { type Ending, endingOf, receiptOf, totalsOf } from "./open-chain.ts";
import type { ChainRow, ChainStore, TallyRow } from "./store.ts";

export interface EndingsOptions {
  readonly store: ChainStore;
  /** Stores the receipt, on the disk. Throws what keeps it from that. */
  readonly append: (request: Request) => Acknowledged;
  /** Has the ledger a receipt with this id? */
  readonly has: (receiptId: string) => boolean;
  /** That receipt; null: there is none, or nobody can read it. */
  readonly find: (receiptId: string) => Json;
  /** Why no receipt is taken now: then no chain goes on, either. */
  readonly refuse: () => void;
  /** A UUIDv7. */
  readonly newId: () => string;
  readonly now: () => number;
  /** Also of a chain that could not be ended by itself. */
  readonly onError: (error: unknown, chainId: string | null) => void;
  /** Something that a person should know of, in words. */
  readonly onNotice: (text: string, chainId: string) => void;
}

/** ms between looks for chains that are open for too long, how many one look ends, and the ms behind which it ends no further one. */
const SWEEP = 1000;
const SWEEP_MOST = 64;
const SWEEP_TIME = 50;
/** Of the chains that were opened last: whose receipts are looked for at start. */
const LOOKED_FOR = 1000;

export class Endings {
  readonly #options: EndingsOptions;
  readonly #onEnded: () => void;
  /** Chains that have ended, and whose receipts are not in the ledger. */
  readonly #missing: string[];
  /** The chain at which the last look ended; "": it ended the last one. */
  #swept = "";
  /** Why a chain could not be ended, by chain_id: said once. */
  readonly #stuck = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;

  /** `onEnded`: a chain has its receipt. */
  constructor(options: EndingsOptions, onEnded: () => void) {
    this.#options = options;
    this.#onEnded = onEnded;
    this.#takeOver();
    this.#missing = this.#findMissing();
    this.#timer = setInterval(() => this.#sweep(), SWEEP).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  end(chainId: string, ending: Ending): Json {
    const row = knownChain(this.#options.store, chainId);
    if (row.status === "open") {
      this.#options.store.end(chainId, canonicalize(ending as object as Json));
      return null;
    }
    const { outcome, summary } = JSON.parse(row.ending!) as Ending;
    if (outcome !== ending.outcome || summary !== ending.summary) throw closedError(row);
    return null;
  }

  /** The receipt of a chain whose end is stored. */
  finish(chainId: string): Acknowledged {
    const { store, onError } = this.#options;
    const row = knownChain(store, chainId);
    const receipt = this.#receipt(row);
    this.#stuck.delete(chainId);
    if (row.status !== "ending") return receipt;
    try {
      store.ended(chainId);
      this.#onEnded();
    } catch (error) {
      onError(error, chainId); // its receipt is stored; the next look stores that
    }
    return receipt;
  }

  #receipt(row: ChainRow): Acknowledged {
    const { store, append, newId, onNotice } = this.#options;
    const entries = store.entries(row.chain_id);
    const totals = totalsOf(knownTally(store, row.chain_id), store.members(row.chain_id));
    try {
      return append(receiptOf(row, totals, entries));
    } catch (error) {
      if (!(error instanceof ChainError) || error.code !== "conflict") throw error;
      if (row.status === "ended") throw closedError(row);
      // whoever was told the id can have stored a receipt of his own under it: that must keep no chain from ending
      const receiptId = newId();
      store.rename(row.chain_id, receiptId);
      onNotice(`somebody has stored another receipt under the id of the chain's receipt, ${row.receipt_id}; it is ${receiptId}`, row.chain_id);
      return append(receiptOf({ ...row, receipt_id: receiptId }, totals, entries));
    }
  }

  /** Chains that are open here, and have their receipt: the file is an older copy that was put back. What came behind it is in the receipt. */
  #takeOver(): void {
    const { store, find, onNotice } = this.#options;
    const ended = store.open().flatMap(({ chain_id: chainId, receipt_id: receiptId }) => {
      const ending = endingOf(chainId, find(receiptId));
      return ending === null ? [] : [{ chainId, receiptId, ending }];
    });
    if (ended.length === 0) return;
    store.group(() => {
      for (const { chainId, ending } of ended) {
        store.end(chainId, canonicalize(ending as object as Json));
        store.ended(chainId);
      }
    });
    for (const { chainId, receiptId } of ended) onNotice(`the chain was open in chains.db, and has its receipt, ${receiptId}: an older copy of the file was put back; its later records are not in it`, chainId);
  }

  /** The ledger is an older copy that was put back: what it has lost is here. */
  #findMissing(): string[] {
    const { store, has, onNotice } = this.#options;
    const missing = store.lastEnded(LOOKED_FOR).filter(({ receipt_id: receiptId }) => !has(receiptId)).map((row) => row.chain_id);
    for (const chainId of missing) onNotice("the chain has ended, and its receipt is not in the ledger, of which an older copy was put back: it is stored again", chainId);
    return missing;
  }

  #sweep(): void {
    const { store, now, refuse, onError } = this.#options;
    const until = performance.now() + SWEEP_TIME;
    try {
      refuse();
      const expired = store.expired(now(), SWEEP_MOST);
      if (expired.length > 0) store.group(() => expired.forEach((id) => void this.end(id, { outcome: "abandoned", summary: null, completedAt: now() })));
      for (let id = this.#missing.at(-1); id !== undefined; id = this.#missing.at(-1)) {
        if (!this.#tryToFinish(id)) return;
        this.#missing.pop();
        if (performance.now() > until) return;
      }
      const ending = store.ending(this.#swept, SWEEP_MOST);
      for (const id of ending) {
        if (!this.#tryToFinish(id)) return;
        this.#swept = id;
        if (performance.now() > until) return;
      }
      if (ending.length < SWEEP_MOST) this.#swept = "";
    } catch (error) {
      onError(error, null); // and again with the next look
    }
  }

  /** False: no other will fare better now. */
  #tryToFinish(chainId: string): boolean {
    try {
      this.finish(chainId);
      return true;
    } catch (error) {
      const why = String(error);
      if (this.#stuck.get(chainId) !== why) this.#options.onError(error, chainId);
      this.#stuck.set(chainId, why);
      return !(error instanceof LedgerError);
    }
  }
}

/** Throws ChainError `not_found`. */
export function knownChain(store: ChainStore, chainId: string): ChainRow {
  const row = store.chain(chainId);
  if (row === null) throw new ChainError("not_found", `no chain ${chainId}`, { pointer: "/params/chain_id" });
  return row;
}

/** Throws ChainError `not_found`, `chains_unreadable`. */
export function knownTally(store: ChainStore, chainId: string): TallyRow {
  const row = store.tally(chainId);
  if (row !== null) return row;
  knownChain(store, chainId);
  throw new ChainError("chains_unreadable", `chains.db has lost what chain ${chainId} adds up to`);
}

export function closedError(row: ChainRow): ChainError {
  const { outcome } = JSON.parse(row.ending!) as Ending;
  return new ChainError("chain_closed", `chain ${row.chain_id} has ended (${outcome}); its receipt is ${row.receipt_id}`, { pointer: "/params/chain_id", receiptId: row.receipt_id });
}
