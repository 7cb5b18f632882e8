/**
 * The work on what clients sent, in rounds: one line of each connection in turn, until there is nothing more or the group is full;
 * then one commit for all appends of the round, one write per connection. The group grows by itself with the load. No client's
 * flood delays another by more than one line a turn, nor by more than one full round: who was served goes behind who was not.
 */
import { LedgerError } from "../ledger/errors.ts";
import type { Acknowledged } from "../ledger/admit.ts";
import { Arena } from "../ledger/arena.ts";
import type { Durability } from "../ledger/writer.ts";
import { ackText, acksText } from "./answers.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import type { Connection, Slot } from "./connection.ts";
import { free } from "../ledger/free.ts";
import { type Latency, newLatency } from "./latency.ts";
import { type Doubt, LONG, LongLines } from "./long-lines.ts";
import { type LongRead, LongReads } from "./long-reads.ts";
import { answerCall, isChainWrite } from "./methods.ts";
import type { DoorPolicy } from "./policy.ts";
import type { IntakePort } from "./port.ts";
import { type Call, errorLine, isRefusal, resultLine, type RpcId, RpcError } from "./protocol.ts";
import type { ReadAppend } from "./quick-append.ts";
import { LineParser } from "./read-line.ts";
import { type Append, type Round, Rounds } from "./round.ts";
import { Syncs } from "./syncs.ts";

export interface IntakeOptions {
  readonly port: IntakePort;
  readonly ack: Durability;
  readonly maxAppendMany: number;
  /** ms */
  readonly maxWait: number;
  readonly newId: () => string;
  readonly onInternalError: (error: unknown) => void;
  /** What receipts of decisions must have beside their form; null: nothing. */
  readonly policy?: DoorPolicy | null;
}

/** Of one connection that are being stored at a time. */
const CHAIN_CALLS = 64;

export class Intake {
  readonly #options: IntakeOptions;
  readonly latency: Latency = newLatency();
  readonly #syncs: Syncs;
  /** What a round has read, until it is committed. */
  readonly #arena = new Arena();
  readonly #parser: LineParser;
  readonly #rounds = new Rounds();
  readonly #thread: LongLines;
  readonly #long: LongReads;
  /** Did the last round leave a long line's receipts for this one? */
  #hasPutOff = false;
  #ready = new Set<Connection>();
  /** Calls that must see the appends before them: the first of the connection's next round. */
  readonly #postponed = new Map<Connection, { readonly slot: Slot; readonly call: Call }>();
  readonly #chainCalls = new CallsUnderWay();
  #scheduled: NodeJS.Immediate | null = null;
  #firstReadyAt = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#syncs = new Syncs(options.port);
    const { port, newId, maxAppendMany, policy = null } = options;
    this.#parser = new LineParser({ newId, maxAppendMany, policy, isStored: (receiptId) => port.has(receiptId) }, this.#arena);
    this.#thread = new LongLines({ maxAppendMany, policy: policy?.policy ?? null });
    this.#long = new LongReads(this.#thread, () => this.#schedule());
  }

  /** Nothing is ready any more, and no connection is open. */
  stop(): Promise<void> {
    return this.#thread.stop();
  }

  /** Something went wrong that no client caused. */
  readonly report = (error: unknown): void => this.#options.onInternalError(error);

  /** The connection has something to do: bytes, room for answers, or its end. */
  readonly ready = (connection: Connection): void => {
    this.#ready.add(connection);
    this.#schedule();
  };

  #schedule(): void {
    if (this.#scheduled !== null) return;
    this.#firstReadyAt = performance.now();
    this.#scheduled = setImmediate(() => {
      this.#scheduled = null;
      // in turn: whoever sends little waits for no more than one long line's receipts
      const isLongsTurn = !this.#long.isEmpty && (this.#hasPutOff || this.#ready.size === 0);
      if (isLongsTurn) this.ready(this.#long.takeNext((next) => this.#takeLong(next)));
      else this.#round();
      this.#hasPutOff = !isLongsTurn && !this.#long.isEmpty;
      if (this.#ready.size > 0 || !this.#long.isEmpty) this.#schedule();
    });
  }

  forget(connection: Connection): void {
    this.#ready.delete(connection);
    this.#postponed.delete(connection);
    this.#long.forget(connection);
  }

  #round(): void {
    const round = this.#rounds.next();
    const startedAt = this.#firstReadyAt;
    this.#arena.reset();
    let turn = [...this.#ready];
    while (turn.length > 0 && !round.isFull) {
      const next: Connection[] = [];
      for (const connection of turn) {
        if (round.isFull) break; // those not reached stay ready
        if (this.#oneLine(connection, round)) next.push(connection);
      }
      turn = next;
    }
    if (round.group.length > 0) this.#commit(round.group, startedAt);
    this.#rounds.ended(round);
    for (const connection of round.touched.keys()) {
      connection.flush();
      if (this.#ready.delete(connection)) this.#ready.add(connection);
    }
  }

  /** Works on one line of the connection, where it has one that need not wait for the round's commit. */
  #oneLine(connection: Connection, round: Round): boolean {
    const postponed = this.#postponed.get(connection);
    if (postponed !== undefined) {
      if (this.#mustWait(connection, postponed.call, round)) return false;
      this.#postponed.delete(connection);
      round.took(connection, 0);
      this.#answer(connection, postponed.slot, postponed.call, round);
      return true;
    }
    const line = this.#long.holds(connection) ? null : connection.nextLine(LONG);
    if (line === "later") {
      this.#ready.delete(connection);
      this.#long.add(connection);
      return false;
    }
    if (line === null) {
      this.#ready.delete(connection);
      round.hasNoMore(connection);
      return false;
    }
    round.took(connection, line.length);
    if (!isBlank(line)) this.#take(connection, line, round);
    return true;
  }

  #takeLong({ connection, slot, read, startedAt }: LongRead): void {
    switch (read.kind) {
      case "append": {
        const doubt = this.#firstDoubt(read.doubts);
        try {
          this.#requireOpen();
          if (doubt === undefined) this.#commit([this.#appendOf(connection, slot, read.append)], startedAt);
          else connection.answer(slot, doubt.answer);
        } catch (error) {
          this.#refuse(connection, slot, read.append.id, error);
        }
        for (const { json } of read.append.requests) free(json.buffer);
        break;
      }
      case "call":
        return void this.#postponed.set(connection, { slot, call: read.call });
      case "refused":
        connection.answer(slot, (this.#firstDoubt(read.doubts) ?? read).answer);
        break;
      case "failed":
        this.#refuse(connection, slot, read.id, read.error);
    }
    connection.countError(read.kind === "refused" && read.id === null);
    connection.flush();
  }

  #firstDoubt(doubts: readonly Doubt[]): Doubt | undefined {
    return doubts.find(({ receiptId }) => !this.#options.port.has(receiptId));
  }

  /** An append goes into the group, everything else gets its answer. */
  #take(connection: Connection, line: Buffer, round: Round): void {
    const slot = connection.slot();
    try {
      const read = this.#parser.read(line);
      if ("requests" in read) this.#join(round, this.#appendOf(connection, slot, read));
      else if (this.#mustWait(connection, read, round)) this.#postponed.set(connection, { slot, call: read });
      else this.#answer(connection, slot, read, round);
      connection.countError(false);
    } catch (error) {
      this.#refuse(connection, slot, this.#parser.id, error);
      connection.countError(this.#parser.id === null);
    }
  }

  /** What is asked must see what was said before it on the connection; and no client's chains go before all of another's. */
  #mustWait(connection: Connection, { method }: Call, round: Round): boolean {
    return round.inGroup.has(connection) || this.#chainCalls.of(connection) >= (isChainWrite(method) ? CHAIN_CALLS : 1);
  }

  #appendOf(connection: Connection, slot: Slot, read: ReadAppend): Append {
    return { connection, slot, ...read, durability: read.ack ?? this.#options.ack };
  }

  #join(round: Round, append: Append): void {
    this.#requireOpen();
    round.group.push(append);
    round.inGroup.add(append.connection);
    round.add(append.requests.length - 1, 0);
  }

  #requireOpen(): void {
    const refusal = this.#options.port.refusal();
    if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
  }

  #commit(group: readonly Append[], startedAt: number): void {
    const { port } = this.#options;
    const durability = group.some((append) => append.durability === "disk") ? "disk" : "wal";
    const { outcomes, error } = port.commit(group.map((append) => append.requests), durability);
    const late: { readonly append: Append; readonly receipts: readonly Acknowledged[] }[] = [];
    const synced = port.syncedSize();
    for (const [i, append] of group.entries()) {
      const outcome = outcomes[i];
      if (outcome === undefined) {
        this.#refuse(append.connection, append.slot, append.id, error);
      } else if (!outcome.ok) {
        const where = append.many ? `/params/receipts/${outcome.at}` : "/params/receipt";
        const why = outcome.code === "conflict"
          ? `receipt_id ${outcome.receiptId} was recorded with other content; ${append.many ? "nothing of this call was stored" : "nothing was stored"}`
          : "the ledger has as many organizations as limits.max_organizations allows; nothing was stored";
        this.#refuse(append.connection, append.slot, append.id, new RpcError(outcome.code, why, { pointer: where, receipt_id: outcome.receiptId }));
      } else if (append.durability === "disk" && outcome.receipts.some(({ stored }) => stored.logIndex >= synced)) {
        late.push({ append, receipts: outcome.receipts }); // duplicates of receipts that were acknowledged as `wal`
      } else {
        this.#acknowledge(append, outcome.receipts, synced);
      }
    }
    this.latency.record(performance.now() - startedAt, outcomes.length);
    if (error !== null && (!(error instanceof LedgerError) || error.fatal)) port.fatal(error);
    if (late.length > 0) void this.#acknowledgeLate(late);
  }

  async #acknowledgeLate(late: readonly { readonly append: Append; readonly receipts: readonly Acknowledged[] }[]): Promise<void> {
    try {
      const synced = await this.#syncs.sync();
      for (const { append, receipts } of late) this.#acknowledge(append, receipts, synced);
    } catch (error) {
      for (const { append } of late) this.#refuse(append.connection, append.slot, append.id, error);
    }
    for (const { append } of late) append.connection.flush();
  }

  #acknowledge(append: Append, receipts: readonly Acknowledged[], synced: number): void {
    append.connection.answer(append.slot, resultLine(append.id, append.many ? acksText(receipts, synced) : ackText(receipts[0]!, synced)));
  }

  #answer(connection: Connection, slot: Slot, call: Call, round: Round): void {
    const { port, maxWait } = this.#options;
    try {
      const answer = answerCall(call, { port, sync: this.#syncs.sync, maxWait, gone: connection.gone });
      if (typeof answer === "string") {
        connection.answer(slot, resultLine(call.id, answer));
        round.add(0, answer.length);
        return;
      }
      const end = isChainWrite(call.method) ? this.#chainCalls.begin(connection) : null;
      answer.then(
        (text) => connection.answer(slot, resultLine(call.id, text)),
        (error: unknown) => this.#refuse(connection, slot, call.id, error),
      ).finally(() => {
        end?.();
        connection.flush();
      });
    } catch (error) {
      this.#refuse(connection, slot, call.id, error);
    }
  }

  #refuse(connection: Connection, slot: Slot, id: RpcId, error: unknown): void {
    connection.answer(slot, errorLine(id, error));
    if (!isRefusal(error)) this.#options.onInternalError(error);
  }
}

/** A here-document or a CRLF client may leave empty lines between messages. */
function isBlank(line: Buffer): boolean {
  return line.length === 0 || (line.length === 1 && line[0] === 0x0d);
}
