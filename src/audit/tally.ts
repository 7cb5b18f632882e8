/**
 * What receipts of a time are about, counted while they are audited: by organization, system and type, gates that failed, and what the ledger
 * says of itself. Names are the callers' own, so of each kind so many are kept apart and no more.
 */
import type { AnchorDetails, KeyRevocationDetails, KeyRotationDetails } from "../format/fields.ts";
import type { Receipt } from "../format/receipt.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { isArray, type Json } from "../format/strict-json.ts";
import { actionOf, failedGates, type Outcome, outcomeOf } from "./gates.ts";

/** Names of one kind that are counted apart. */
const MAX_NAMES = 10_000;
/** Receipts of one kind that are listed. */
const MAX_LISTED = 100;
/** Characters of a caller's text that are kept of it. */
const MAX_TEXT = 256;
/** Gates of a receipt that are named. */
const MAX_GATES = 10;

/** Counts by name; `others`: of names beyond those. Crosses threads. */
export interface Counted {
  readonly names: Map<string, number>;
  others: number;
}

/** A decision that was not refused although a gate had failed. */
export interface PassedGate {
  readonly logIndex: number;
  readonly receiptNumber: string;
  readonly recordedAt: string;
  readonly organization: string;
  readonly systemId: string;
  readonly action: string | null;
  /** The first ones that failed, by name. */
  readonly gates: readonly string[];
}

/** A receipt of the ledger's own that a reader is told of. */
export interface OwnEvent {
  readonly type: string;
  readonly logIndex: number;
  readonly receiptNumber: string;
  readonly recordedAt: string;
  /** One sentence without its full stop. */
  readonly says: string;
}

/** Crosses threads. */
export interface TallyData {
  receipts: number;
  decisions: number;
  readonly organizations: Counted;
  readonly systems: Counted;
  readonly types: Counted;
  /** By status, of all decisions' gates. */
  readonly gates: Counted;
  /** Decisions without any gate. */
  ungated: number;
  /** Decisions of which a gate had failed, by what became of them. */
  readonly failed: Record<Outcome, number>;
  readonly executed: PassedGate[];
  /** `recorded_at` of the first and the last of them, by log index. */
  firstAt: string | null;
  lastAt: string | null;
  readonly events: OwnEvent[];
}

/** Types of the ledger's own that are told of one by one. */
export const EVENTS: Readonly<Record<string, (details: Json) => string>> = {
  clock_step: (details) => `the host's clock was turned back from ${textOf(details, "from")} to ${textOf(details, "to")}`,
  recovery: (details) => `the ledger's file was made anew from what was left: ${textOf(details, "reason")}`,
  key_rotation: (details) => rotation(details as unknown as KeyRotationDetails),
  ratchet_break: (details) => `the key ${textOf(details, "key_id")} begins without a word of the one before, ${textOf(details, "previous_key_id")}: ${textOf(details, "reason")}`,
  checkpoint_rotation: (details) => `the key that signs anchors was changed from ${textOf(details, "previous_vkey")} to ${textOf(details, "vkey")}`,
  key_revocation: (details) => revocation(details as unknown as KeyRevocationDetails),
};

function emptyTally(): TallyData {
  const none = (): Counted => ({ names: new Map(), others: 0 });
  return {
    receipts: 0, decisions: 0, organizations: none(), systems: none(), types: none(), gates: none(), ungated: 0,
    failed: { refused: 0, executed: 0, unsaid: 0 }, executed: [], firstAt: null, lastAt: null, events: [],
  };
}

export class Tally {
  readonly data = emptyTally();
  readonly #refused: ReadonlySet<string>;

  constructor(refused: ReadonlySet<string>) {
    this.#refused = refused;
  }

  /** `receipt` with all its members. */
  take(receipt: Receipt): void {
    const { data } = this;
    data.receipts++;
    data.firstAt ??= receipt.recorded_at;
    data.lastAt = receipt.recorded_at;
    increase(data.organizations, receipt.organization);
    increase(data.types, receipt.type);
    if (receipt.organization === LEDGER_ORGANIZATION) {
      this.#own(receipt);
      return;
    }
    if (typeof receipt["system_id"] === "string") increase(data.systems, receipt["system_id"]);
    if (receipt.type === "decision") this.#decision(receipt);
  }

  /** Of receipts behind those. */
  add(other: TallyData): void {
    const { data } = this;
    data.receipts += other.receipts;
    data.decisions += other.decisions;
    data.ungated += other.ungated;
    data.firstAt ??= other.firstAt;
    data.lastAt = other.lastAt ?? data.lastAt;
    for (const name of ["organizations", "systems", "types", "gates"] as const) {
      for (const [key, count] of other[name].names) increase(data[name], key, count);
      data[name].others += other[name].others;
    }
    for (const outcome of ["refused", "executed", "unsaid"] as const) data.failed[outcome] += other.failed[outcome];
    for (const one of other.executed) this.#list(one);
    for (const one of other.events) this.#event(one);
  }

  #decision(receipt: Receipt): void {
    const { data } = this;
    data.decisions++;
    const gates = receipt["gates"];
    if (gates === undefined || !isArray(gates) || gates.length === 0) {
      data.ungated++;
      return;
    }
    for (const gate of gates) increase(data.gates, textOf(gate, "status"));
    const failed = failedGates(gates);
    if (failed.length === 0) return;
    const outcome = outcomeOf(receipt["decision"], this.#refused);
    data.failed[outcome]++;
    if (outcome !== "executed") return;
    const { log_index: logIndex, receipt_number: receiptNumber, recorded_at: recordedAt, organization } = receipt;
    const action = actionOf(receipt["decision"]);
    this.#list({
      logIndex, receiptNumber, recordedAt, organization, systemId: cut(receipt["system_id"]), action: action === null ? null : cut(action), gates: failed.slice(0, MAX_GATES),
    });
  }

  #own({ type, log_index: logIndex, receipt_number: receiptNumber, recorded_at: recordedAt, details }: Receipt): void {
    const says = EVENTS[type];
    if (says !== undefined) this.#event({ type, logIndex, receiptNumber, recordedAt, says: says(details ?? null) });
  }

  #list(one: PassedGate): void {
    if (this.data.executed.length < MAX_LISTED) this.data.executed.push(one);
  }

  #event(one: OwnEvent): void {
    if (this.data.events.filter(({ type }) => type === one.type).length < MAX_LISTED) this.data.events.push(one);
  }
}

/** Anchor receipts of a time, and whether each came when the one before had promised it. */
export class Promises {
  count = 0;
  /** Anchors that came later than promised, by the host's own clock. */
  late = 0;
  readonly lateOnes: { readonly treeSize: number; readonly promised: string; readonly recordedAt: string }[] = [];
  readonly #grace: number;
  #promised: string | null = null;

  /** ms that one may be late. */
  constructor(grace: number) {
    this.#grace = grace;
  }

  /** The anchor receipt before the first one that is read; the promise binds the first. */
  begin({ next_anchor_by: promised }: AnchorDetails): void {
    this.#promised = promised;
  }

  /** The next one; `isAsked`: is it of the time that is asked for? */
  step(treeSize: number, recordedAt: string, { next_anchor_by: next }: AnchorDetails, isAsked: boolean): void {
    const promised = this.#promised;
    this.#promised = next;
    if (!isAsked) return;
    this.count++;
    if (promised === null || Date.parse(recordedAt) <= Date.parse(promised) + this.#grace) return;
    this.late++;
    if (this.lateOnes.length < MAX_LISTED) this.lateOnes.push({ treeSize, promised, recordedAt });
  }
}

function rotation({ previous_key_id: before, key_id: next, reason }: KeyRotationDetails): string {
  return `the key ${before} was replaced by ${next} (${reason})`;
}

function revocation({ key_id: key, compromised_since: since, reason }: KeyRevocationDetails): string {
  return `the key ${key} is not to be believed since ${since}: ${cut(reason)}`;
}

function textOf(value: Json, name: string): string {
  const member = typeof value === "object" && value !== null && !isArray(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return cut(member);
}

function cut(value: Json | undefined): string {
  return typeof value === "string" ? value.slice(0, MAX_TEXT).toWellFormed() : "";
}

function increase(counted: Counted, name: string, by = 1): void {
  const known = counted.names.get(name);
  if (known !== undefined || counted.names.size < MAX_NAMES) counted.names.set(name, (known ?? 0) + by);
  else counted.others += by;
}
