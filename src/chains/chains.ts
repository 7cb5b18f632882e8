/**
 * Chains: workflows that get one receipt when they end (docs/FORMAT.md section 19). What is asked within a moment is stored together, on the disk,
 * before it is answered; how a chain ended is stored before its receipt is, under an id chosen when it was opened: a crash at any time changes
 * nothing of it and doubles nothing.
 */
import { canonicalize } from "../format/canonical.ts";
import { hashText } from "../format/chain.ts";
import { type ChainApproval, type ChainEvent, type ChainMethod, type ChainOpen, chainSchemas } from "../format/chain-calls.ts";
import { utf8 } from "../format/bytes.ts";
import { DEFAULT_ORGANIZATION } from "../format/names.ts";
import { checkValue, refuseReservedAnywhere, type Request } from "../format/request.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Acknowledged } from "../ledger/admit.ts";
import { LedgerError } from "../ledger/errors.ts";
import { ChainError } from "./errors.ts";
import { askedOf, type ChainState, type Ending, entryOf, NEW_STATE, openOf, receiptOf, type Said } from "./open-chain.ts";
import type { ChainRow, ChainStore } from "./store.ts";

export interface ChainsOptions {
  readonly store: ChainStore;
  /** Stores the receipt, on the disk. Throws what keeps it from that. */
  readonly append: (request: Request) => Acknowledged;
  /** Why no receipt is taken now: then no chain goes on, either. */
  readonly refuse: () => void;
  /** A UUIDv7. */
  readonly newId: () => string;
  readonly newChainId: () => string;
  /** 32 hex digits that nobody can guess. */
  readonly newSalt: () => string;
  readonly now: () => number;
  readonly maxOpen: number;
  readonly maxEntries: number;
  /** ms, where the caller names none. */
  readonly timeout: number;
  /** Also of a chain that could not be ended by itself. */
  readonly onError: (error: unknown, chainId: string | null) => void;
}

/** Of `chain.complete` the receipt, of the others what is sent. */
export type ChainAnswer =
  | { readonly kind: "ended"; readonly chainId: string; readonly receipt: Acknowledged }
  | { readonly kind: "said"; readonly answer: Json };

interface Waiting {
  readonly work: () => Json;
  readonly resolve: (answer: Json) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls that are stored together, at most. */
const GROUP = 128;
/** ms between looks for chains that are open for too long, and how many one look ends. */
const SWEEP = 1000;
const SWEEP_MOST = 64;

export class Chains {
  readonly #options: ChainsOptions;
  #waiting: Waiting[] = [];
  #scheduled: NodeJS.Immediate | null = null;
  #open: number;
  readonly #timer: NodeJS.Timeout;

  constructor(options: ChainsOptions) {
    this.#options = options;
    this.#open = options.store.unfinished();
    this.#timer = setInterval(() => this.#sweep(), SWEEP).unref();
  }

  status(): Json {
    return { open: this.#open };
  }

  /** What was asked is stored or refused; nothing comes later. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#scheduled !== null) clearImmediate(this.#scheduled);
    while (this.#waiting.length > 0) this.#group();
    this.#options.store.close();
  }

  /** Errors: FormatError of the params, ChainError, LedgerError, and what `refuse` and `append` throw. */
  async call(method: ChainMethod, params: Json): Promise<ChainAnswer> {
    checkValue(chainSchemas[method], params, "/params");
    const { chain_id: chainId } = params as { readonly chain_id: string };
    switch (method) {
      case "chain.get": return said(this.#describe(this.#known(chainId)));
      case "chain.disclose": return said(this.#disclose(this.#known(chainId), (params as unknown as { readonly seq: number }).seq));
      default: this.#options.refuse();
    }
    switch (method) {
      case "chain.open": return said(await this.#store(() => this.#begin((params as unknown as { readonly chain: ChainOpen }).chain)));
      case "chain.event": {
        const { event } = params as unknown as { readonly event: ChainEvent };
        return said(await this.#store(() => this.#add(chainId, { kind: "event", entryId: event.event_id ?? this.#options.newId(), call: event })));
      }
      case "chain.approve": {
        const { approval } = params as unknown as { readonly approval: ChainApproval };
        return said(await this.#store(() => this.#add(chainId, { kind: "approval", entryId: approval.approval_id ?? this.#options.newId(), call: approval })));
      }
      case "chain.complete": {
        const { outcome = "completed", summary = null } = params as unknown as { readonly outcome?: "completed" | "failed"; readonly summary?: string };
        await this.#store(() => this.#end(chainId, { outcome, summary, completedAt: this.#options.now() }));
        return { kind: "ended", chainId, receipt: this.#finish(chainId) };
      }
    }
  }

  #store(work: () => Json): Promise<Json> {
    this.#scheduled ??= setImmediate(() => this.#group());
    return new Promise((resolve, reject) => void this.#waiting.push({ work, resolve, reject }));
  }

  /** A call that is refused writes nothing, and keeps none of the others. */
  #group(): void {
    const group = this.#waiting.splice(0, GROUP);
    this.#scheduled = this.#waiting.length > 0 ? setImmediate(() => this.#group()) : null;
    const settle: (() => void)[] = [];
    const open = this.#open;
    try {
      this.#options.store.group(() => {
        for (const { work, resolve, reject } of group) {
          try {
            const answer = work();
            settle.push(() => resolve(answer));
          } catch (error) {
            if (error instanceof LedgerError) throw error;
            settle.push(() => reject(error));
          }
        }
      });
    } catch (error) {
      this.#open = open;
      for (const { reject } of group) reject(error);
      if (error instanceof LedgerError && error.fatal) this.#options.onError(error, null);
      return;
    }
    for (const one of settle) one();
  }

  #begin(chain: ChainOpen): Json {
    const { store, now, newChainId, newId, maxOpen, timeout } = this.#options;
    refuseReservedAnywhere((chain.metadata ?? {}) as Json, "/params/chain/metadata");
    const chainId = chain.chain_id ?? newChainId();
    const opened = canonicalize({ ...chain, chain_id: chainId } as object as Json);
    const earlier = store.chain(chainId);
    if (earlier !== null && earlier.opened !== opened) throw new ChainError("conflict", `chain ${chainId} was opened with other content`, { pointer: "/params/chain" });
    if (earlier !== null) return { ...opening(earlier), duplicate: true };
    if (this.#open >= maxOpen) throw new ChainError("too_many_chains", `${maxOpen} chains are open, as many as chains.max_open allows: complete some`);
    const at = now();
    const row: Omit<ChainRow, "status" | "entries" | "ending"> = {
      chain_id: chainId, organization: chain.organization ?? DEFAULT_ORGANIZATION, receipt_id: newId(), opened,
      started_at: at, expires_at: at + (chain.timeout_s === undefined ? timeout : chain.timeout_s * 1000), state: canonicalize(NEW_STATE as object as Json),
    };
    store.open(row);
    this.#open++;
    return { ...opening(row), duplicate: false };
  }

  #add(chainId: string, said: Said): Json {
    const { store, now, newSalt, maxEntries } = this.#options;
    const row = this.#known(chainId);
    const name = said.kind === "event" ? "event" : "approval";
    const answer = (seq: number, recordedAt: Json, hash: Json, duplicate: boolean): Json => ({ chain_id: chainId, [`${name}_id`]: said.entryId, seq, hash, recorded_at: recordedAt, duplicate });
    const earlier = store.entry(chainId, said.entryId);
    if (earlier !== null) {
      if (!Buffer.from(earlier.asked).equals(askedOf(said))) throw new ChainError("conflict", `${name}_id ${said.entryId} was recorded in this chain with other content`, { pointer: `/params/${name}` });
      const { recorded_at: at, hash } = JSON.parse(earlier.summary) as { readonly recorded_at: string; readonly hash: string };
      return answer(earlier.seq, at, hash, true);
    }
    if (row.status !== "open") throw closed(row);
    if (row.entries >= maxEntries) throw new ChainError("chain_full", `the chain has ${maxEntries} events and approvals, as many as chains.max_entries allows: complete it, and open another`);
    const { entry, state } = entryOf(row, said, now(), newSalt());
    store.add(chainId, entry, canonicalize(state as object as Json));
    const { recorded_at: at, hash } = JSON.parse(entry.summary) as { readonly recorded_at: string; readonly hash: string };
    return answer(entry.seq, at, hash, false);
  }

  #end(chainId: string, ending: Ending): Json {
    const row = this.#known(chainId);
    if (row.status === "open") {
      this.#options.store.end(chainId, canonicalize(ending as object as Json));
      return null;
    }
    const { outcome, summary } = JSON.parse(row.ending!) as Ending;
    if (outcome !== ending.outcome || summary !== ending.summary) throw closed(row);
    return null;
  }

  /** The receipt of a chain whose end is stored. */
  #finish(chainId: string): Acknowledged {
    const { store, append } = this.#options;
    const row = this.#known(chainId);
    const receipt = append(receiptOf(row, store.entries(chainId)));
    if (row.status === "ending") {
      store.ended(chainId);
      this.#open--;
    }
    return receipt;
  }

  #sweep(): void {
    const { store, now, refuse, onError } = this.#options;
    let at: string | null = null;
    try {
      refuse();
      const { ending, expired } = store.due(now(), SWEEP_MOST);
      if (expired.length > 0) store.group(() => expired.forEach((id) => void this.#end(id, { outcome: "abandoned", summary: null, completedAt: now() })));
      for (const id of [...ending, ...expired]) {
        at = id;
        this.#finish(id);
      }
    } catch (error) {
      onError(error, at); // and again with the next look
    }
  }

  #known(chainId: string): ChainRow {
    const row = this.#options.store.chain(chainId);
    if (row === null) throw new ChainError("not_found", `no chain ${chainId}`, { pointer: "/params/chain_id" });
    return row;
  }

  #describe(row: ChainRow): Json {
    const { metrics, agents, actions } = JSON.parse(row.state) as ChainState;
    const ending = row.ending === null ? null : JSON.parse(row.ending) as Ending;
    return {
      ...opening(row), status: ending === null ? "open" : row.status === "ending" ? "ending" : ending.outcome,
      completed_at: ending === null ? null : formatTime(ending.completedAt),
      policy_version: openOf(row).policy_version ?? null,
      agents_involved: agents, total_actions: actions, approvals: row.entries - actions, cumulative_metrics: metrics,
    };
  }

  #disclose(row: ChainRow, seq: number): Json {
    const entry = this.#options.store.entryAt(row.chain_id, seq);
    if (entry === null) throw new ChainError("not_found", `chain ${row.chain_id} has ${row.entries} events and approvals`, { pointer: "/params/seq" });
    return { chain_id: row.chain_id, seq, hash: hashText(nodeHash.sha256(utf8(entry.record))), record: JSON.parse(entry.record) as Json };
  }
}

function said(answer: Json): ChainAnswer {
  return { kind: "said", answer };
}

function opening(row: Pick<ChainRow, "chain_id" | "organization" | "receipt_id" | "started_at" | "expires_at">): { readonly [name: string]: Json } {
  return { chain_id: row.chain_id, organization: row.organization, receipt_id: row.receipt_id, started_at: formatTime(row.started_at), expires_at: formatTime(row.expires_at) };
}

function closed(row: ChainRow): ChainError {
  const { outcome } = JSON.parse(row.ending!) as Ending;
  return new ChainError("chain_closed", `chain ${row.chain_id} has ended (${outcome}); its receipt is ${row.receipt_id}`, { pointer: "/params/chain_id", receiptId: row.receipt_id });
}
