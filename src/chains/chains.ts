/**
 * Chains: workflows that get one receipt when they end (docs/FORMAT.md section 19). What is asked within a moment is stored together, on the disk,
 * before it is answered; how a chain ended is stored before its receipt is, under an id chosen when it was opened: a crash at any time changes
 * nothing of it and doubles nothing.
 */
import { canonicalize } from "../format/canonical.ts";
import { hashText } from "../format/chain.ts";
import { type ChainApproval, type ChainEvent, type ChainLook, type ChainOpen, chainSchemas, type ChainWrite } from "../format/chain-calls.ts";
import { utf8 } from "../format/bytes.ts";
import { DEFAULT_ORGANIZATION } from "../format/names.ts";
import { checkValue, refuseReservedAnywhere } from "../format/request.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Acknowledged } from "../ledger/admit.ts";
import { LedgerError } from "../ledger/errors.ts";
import { closedError, Endings, type EndingsOptions, knownChain, knownTally } from "./endings.ts";
import { ChainError } from "./errors.ts";
import { askedOf, type Ending, entryOf, newState, openOf, type Said, totalsOf } from "./open-chain.ts";
import type { ChainRow } from "./store.ts";

export interface ChainsOptions extends EndingsOptions {
  /** May the ledger have this organization, or has it got it? */
  readonly hasRoom: (organization: string) => boolean;
  /** Throws if a policy wants more approvers than the chain has. */
  readonly requireApproved: (systemId: string | undefined, approvers: () => number) => void;
  readonly newChainId: () => string;
  /** 32 hex digits that nobody can guess. */
  readonly newSalt: () => string;
  readonly maxOpen: number;
  readonly maxEntries: number;
  /** ms, where the caller names none. */
  readonly timeout: number;
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

/** Calls that are stored together, at most, and the ms behind which no further one is taken: appends wait meanwhile. */
const GROUP = 128;
const GROUP_TIME = 10;

export class Chains {
  readonly #options: ChainsOptions;
  #waiting: Waiting[] = [];
  #scheduled: NodeJS.Immediate | null = null;
  #open: number;
  readonly #endings: Endings;

  constructor(options: ChainsOptions) {
    this.#options = options;
    this.#endings = new Endings(options, () => void this.#open--);
    this.#open = options.store.unfinished();
  }

  /** `ended` and `oldest` (of the open ones) are null where the file cannot be read: the daemon's state is asked for all the more then. */
  status(): Json {
    try {
      const { opened, oldest } = this.#options.store.survey();
      return { open: this.#open, ended: opened - this.#open, oldest: oldest === null ? null : formatTime(oldest) };
    } catch (error) {
      if (!isOfFile(error)) throw error;
      return { open: this.#open, ended: null, oldest: null };
    }
  }

  /** What was asked is stored or refused; nothing comes later. */
  stop(): void {
    this.#endings.stop();
    if (this.#scheduled !== null) clearImmediate(this.#scheduled);
    while (this.#waiting.length > 0) this.#group();
    this.#options.store.close();
  }

  /** Errors: FormatError of the params, ChainError, LedgerError. */
  look(method: ChainLook, params: Json): Json {
    checkValue(chainSchemas[method], params, "/params");
    const { chain_id: chainId, seq } = params as { readonly chain_id: string; readonly seq: number };
    return method === "chain.get" ? this.#describe(knownChain(this.#options.store, chainId)) : this.#disclose(knownChain(this.#options.store, chainId), seq);
  }

  /** Errors: also what `refuse` and `append` throw. */
  async call(method: ChainWrite, params: Json): Promise<ChainAnswer> {
    checkValue(chainSchemas[method], params, "/params");
    const { chain_id: chainId } = params as { readonly chain_id: string };
    this.#options.refuse();
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
        await this.#store(() => {
          if (outcome === "completed") this.#requireApproved(chainId);
          return this.#endings.end(chainId, { outcome, summary, completedAt: this.#options.now() });
        });
        return { kind: "ended", chainId, receipt: this.#endings.finish(chainId) };
      }
    }
  }

  #store(work: () => Json): Promise<Json> {
    this.#scheduled ??= setImmediate(() => this.#group());
    return new Promise((resolve, reject) => void this.#waiting.push({ work, resolve, reject }));
  }

  #group(): void {
    const most = this.#waiting.slice(0, GROUP);
    const taken = this.#storeTogether(most);
    this.#waiting.splice(0, taken);
    this.#scheduled = this.#waiting.length > 0 ? setImmediate(() => this.#group()) : null;
  }

  /** As many as there is time for, from the first on. A call that is refused writes nothing, and keeps none of the others. */
  #storeTogether(group: readonly Waiting[]): number {
    const settle: (() => void)[] = [];
    const open = this.#open;
    const until = performance.now() + GROUP_TIME;
    try {
      this.#options.store.group(() => {
        for (const { work, resolve, reject } of group) {
          if (settle.length > 0 && performance.now() > until) break;
          try {
            const answer = work();
            settle.push(() => resolve(answer));
          } catch (error) {
            if (isOfFile(error)) throw error;
            settle.push(() => reject(error));
          }
        }
      });
    } catch (error) {
      this.#open = open;
      if (error instanceof ChainError && group.length > 1) { // what is damaged may be one chain's
        for (const one of group) this.#storeTogether([one]);
        return group.length;
      }
      for (const { reject } of group) reject(error);
      this.#options.onError(error, null);
      return group.length;
    }
    for (const one of settle) one();
    return settle.length;
  }

  #begin(chain: ChainOpen): Json {
    const { store, now, newChainId, newId, hasRoom, maxOpen, timeout } = this.#options;
    const { organization = DEFAULT_ORGANIZATION } = chain;
    refuseReservedAnywhere((chain.metadata ?? {}) as Json, "/params/chain/metadata");
    const chainId = chain.chain_id ?? newChainId();
    const opened = canonicalize({ ...chain, chain_id: chainId } as object as Json);
    const earlier = store.chain(chainId);
    if (earlier !== null && earlier.opened !== opened) throw new ChainError("conflict", `chain ${chainId} was opened with other content`, { pointer: "/params/chain" });
    if (earlier !== null) return { ...opening(earlier), duplicate: true };
    if (this.#open >= maxOpen) throw new ChainError("too_many_chains", `${maxOpen} chains are open, as many as chains.max_open allows: complete some`);
    if (!hasRoom(organization)) throw new ChainError("too_many_organizations", "the ledger has as many organizations as limits.max_organizations allows: the chain would have no receipt", { pointer: "/params/chain/organization" });
    const state = newState(chain, opened);
    const at = now();
    const row = { chain_id: chainId, organization, receipt_id: newId(), opened, started_at: at, expires_at: at + (chain.timeout_s === undefined ? timeout : chain.timeout_s * 1000) };
    store.begin(row, canonicalize(state as object as Json));
    this.#open++;
    return { ...opening(row), duplicate: false };
  }

  #add(chainId: string, said: Said): Json {
    const { store, now, newSalt, maxEntries } = this.#options;
    const row = knownTally(store, chainId);
    const name = said.kind === "event" ? "event" : "approval";
    const answer = (seq: number, recordedAt: Json, hash: Json, duplicate: boolean): Json => ({ chain_id: chainId, [`${name}_id`]: said.entryId, seq, hash, recorded_at: recordedAt, duplicate });
    const earlier = store.entry(chainId, said.entryId);
    if (earlier !== null) {
      if (!Buffer.from(earlier.asked).equals(askedOf(said))) throw new ChainError("conflict", `${name}_id ${said.entryId} was recorded in this chain with other content`, { pointer: `/params/${name}` });
      const { recorded_at: at, hash } = JSON.parse(earlier.summary) as { readonly recorded_at: string; readonly hash: string };
      return answer(earlier.seq, at, hash, true);
    }
    if (row.status !== "open") throw closedError(knownChain(store, chainId));
    if (row.entries >= maxEntries) throw new ChainError("chain_full", `the chain has ${maxEntries} events and approvals, as many as chains.max_entries allows: complete it, and open another`);
    const { entry, state, members } = entryOf(row, said, (set, member) => store.hasMember(chainId, set, member), now(), newSalt());
    store.add(chainId, entry, canonicalize(state as object as Json), members);
    const { recorded_at: at, hash } = JSON.parse(entry.summary) as { readonly recorded_at: string; readonly hash: string };
    return answer(entry.seq, at, hash, false);
  }

  /** One that was completed before there was such a rule is sent again as ever. */
  #requireApproved(chainId: string): void {
    const { store, requireApproved } = this.#options;
    const row = knownChain(store, chainId);
    if (row.status === "open") requireApproved(openOf(row).system_id, () => store.approvers(chainId));
  }

  #describe(row: ChainRow): Json {
    const { store } = this.#options;
    const tally = knownTally(store, row.chain_id);
    const { metrics, agents, actions } = totalsOf(tally, store.members(row.chain_id));
    const ending = row.ending === null ? null : JSON.parse(row.ending) as Ending;
    return {
      ...opening(row), status: ending === null ? "open" : row.status === "ending" ? "ending" : ending.outcome,
      completed_at: ending === null ? null : formatTime(ending.completedAt),
      policy_version: openOf(row).policy_version ?? null,
      agents_involved: agents, total_actions: actions, approvals: tally.entries - actions, cumulative_metrics: metrics,
    };
  }

  #disclose(row: ChainRow, seq: number): Json {
    const entry = this.#options.store.entryAt(row.chain_id, seq);
    if (entry === null) throw new ChainError("not_found", `chain ${row.chain_id} has ${knownTally(this.#options.store, row.chain_id).entries} events and approvals`, { pointer: "/params/seq" });
    return { chain_id: row.chain_id, seq, hash: hashText(nodeHash.sha256(utf8(entry.record))), record: JSON.parse(entry.record) as Json };
  }
}

function said(answer: Json): ChainAnswer {
  return { kind: "said", answer };
}

function opening(row: Pick<ChainRow, "chain_id" | "organization" | "receipt_id" | "started_at" | "expires_at">): { readonly [name: string]: Json } {
  return { chain_id: row.chain_id, organization: row.organization, receipt_id: row.receipt_id, started_at: formatTime(row.started_at), expires_at: formatTime(row.expires_at) };
}

/** Is it the file that failed, and not the call? */
function isOfFile(error: unknown): boolean {
  return error instanceof LedgerError || (error instanceof ChainError && error.code === "chains_unreadable");
}
