/**
 * The work on what clients sent, in rounds: one line of each connection in turn, until there is nothing more or the group is full;
 * then one commit for all appends of the round, one write per connection. The group grows by itself with the load. No client's
 * flood delays another by more than one line a turn, nor by more than one full round: who was served goes behind who was not.
 */
import { ChainError } from "../chains/errors.ts";
import { FormatError } from "../format/errors.ts";
import { readRequest, type Request } from "../format/request.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Acknowledged } from "../ledger/admit.ts";
import { Arena } from "../ledger/arena.ts";
import type { Durability } from "../ledger/writer.ts";
import { ackText, acksText } from "./answers.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import type { Connection, Slot } from "./connection.ts";
import { type Latency, newLatency } from "./latency.ts";
import { answerCall, isChainWrite } from "./methods.ts";
import type { Json } from "../format/strict-json.ts";
import { needed, only, readAck, readReceipts } from "./params.ts";
import type { DoorPolicy } from "./policy.ts";
import type { IntakePort } from "./port.ts";
import { type Call, errorLine, parseCall, resultLine, type RpcId, RpcError } from "./protocol.ts";
import { QuickAppends } from "./quick-append.ts";
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

interface Append {
  readonly connection: Connection;
  readonly slot: Slot;
  readonly id: RpcId;
  readonly many: boolean;
  readonly requests: readonly Request[];
  readonly durability: Durability;
}

/** What one round works on; its appends are committed together. */
interface Round {
  readonly group: Append[];
  readonly inGroup: Set<Connection>;
  readonly touched: Set<Connection>;
  /** Receipts to store, and other lines. */
  lines: number;
  /** Length of the messages, and of answers that were made at once. */
  bytes: number;
}

/** A round ends at this much, if not before. */
const ROUND_LINES = 256;
const ROUND_BYTES = 1024 * 1024;
/** Of one connection that are being stored at a time. */
const CHAIN_CALLS = 64;

export class Intake {
  readonly #options: IntakeOptions;
  readonly latency: Latency = newLatency();
  readonly #syncs: Syncs;
  /** What a round has read, until it is committed. */
  readonly #arena = new Arena();
  readonly #quick: QuickAppends;
  #ready = new Set<Connection>();
  /** Calls that must see the appends before them: the first of the connection's next round. */
  readonly #postponed = new Map<Connection, { readonly slot: Slot; readonly call: Call }>();
  readonly #chainCalls = new CallsUnderWay();
  #scheduled: NodeJS.Immediate | null = null;
  #firstReadyAt = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#syncs = new Syncs(options.port);
    this.#quick = new QuickAppends(options.newId, this.#arena, options.maxAppendMany);
  }

  /** Something went wrong that no client caused. */
  readonly report = (error: unknown): void => this.#options.onInternalError(error);

  /** The connection has something to do: bytes, room for answers, or its end. */
  readonly ready = (connection: Connection): void => {
    this.#ready.add(connection);
    if (this.#scheduled !== null) return;
    this.#firstReadyAt = performance.now();
    this.#scheduled = setImmediate(() => {
      this.#scheduled = null;
      this.#round();
    });
  };

  forget(connection: Connection): void {
    this.#ready.delete(connection);
    this.#postponed.delete(connection);
  }

  #round(): void {
    const round: Round = { group: [], inGroup: new Set(), touched: new Set(), lines: 0, bytes: 0 };
    const startedAt = this.#firstReadyAt;
    this.#arena.reset();
    let turn = [...this.#ready];
    while (turn.length > 0 && !isFull(round)) {
      const next: Connection[] = [];
      for (const connection of turn) {
        if (isFull(round)) break; // those not reached stay ready
        if (this.#oneLine(connection, round)) next.push(connection);
      }
      turn = next;
    }
    if (round.group.length > 0) this.#commit(round.group, startedAt);
    for (const connection of round.touched) {
      connection.flush();
      if (this.#ready.delete(connection)) this.#ready.add(connection);
    }
    if (this.#ready.size > 0) this.#again();
  }

  /** Works on one line of the connection, where it has one that need not wait for the round's commit. */
  #oneLine(connection: Connection, round: Round): boolean {
    const postponed = this.#postponed.get(connection);
    if (postponed !== undefined) {
      if (this.#mustWait(connection, postponed.call, round)) return false;
      this.#postponed.delete(connection);
      round.touched.add(connection);
      this.#answer(connection, postponed.slot, postponed.call, round);
      return true;
    }
    const line = connection.nextLine();
    if (line === null) {
      this.#ready.delete(connection);
      return false;
    }
    round.touched.add(connection);
    round.lines++;
    round.bytes += line.length;
    if (!isBlank(line)) this.#take(connection, line, round);
    return true;
  }

  #again(): void {
    const [connection] = this.#ready;
    this.ready(connection!);
  }

  /** An append goes into the group, everything else gets its answer. */
  #take(connection: Connection, line: Buffer, round: Round): void {
    const slot = connection.slot();
    let id: RpcId = null;
    try {
      const quick = this.#options.policy ? null : this.#quick.read(line); // which reads no more than it has to
      if (quick !== null) {
        id = quick.id;
        this.#join(round, { connection, slot, ...quick, durability: quick.ack ?? this.#options.ack });
        connection.countError(false);
        return;
      }
      const call = parseCall(line);
      id = call.id;
      if (call.method === "append" || call.method === "append_many") {
        this.#join(round, this.#readAppend(connection, slot, call));
      } else if (this.#mustWait(connection, call, round)) {
        this.#postponed.set(connection, { slot, call });
      } else {
        this.#answer(connection, slot, call, round);
      }
      connection.countError(false);
    } catch (error) {
      if (error instanceof RpcError && error.id !== null) id = error.id;
      this.#refuse(connection, slot, id, error);
      connection.countError(id === null);
    }
  }

  /** What is asked must see what was said before it on the connection; and no client's chains go before all of another's. */
  #mustWait(connection: Connection, { method }: Call, round: Round): boolean {
    return round.inGroup.has(connection) || this.#chainCalls.of(connection) >= (isChainWrite(method) ? CHAIN_CALLS : 1);
  }

  #readAppend(connection: Connection, slot: Slot, call: Call): Append {
    const { ack, maxAppendMany } = this.#options;
    const many = call.method === "append_many";
    only(call.params, many ? "receipts" : "receipt", "ack");
    const durability = readAck(call.params, ack);
    const requests = many
      ? readReceipts(call.params, maxAppendMany).map((receipt, at) => this.#readReceipt(receipt, `/params/receipts/${at}`))
      : [this.#readReceipt(needed(call.params, "receipt"), "/params/receipt")];
    return { connection, slot, id: call.id, many, requests, durability };
  }

  #readReceipt(receipt: Json, pointer: string): Request {
    const { port, newId, policy } = this.#options;
    const request = readRequest(receipt, pointer, newId);
    try {
      policy?.check(receipt, pointer);
    } catch (error) {
      // one that is stored already, from before this policy, is a duplicate or a conflict, as ever
      if (!request.chosenId || !port.has(request.receiptId)) throw error;
    }
    return request;
  }

  #join(round: Round, append: Append): void {
    const refusal = this.#options.port.refusal();
    if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
    round.group.push(append);
    round.inGroup.add(append.connection);
    round.lines += append.requests.length - 1;
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
        round.bytes += answer.length;
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
    if (!(error instanceof RpcError || error instanceof FormatError || error instanceof LedgerError || error instanceof ChainError)) this.#options.onInternalError(error);
  }
}

function isFull(round: Round): boolean {
  return round.lines >= ROUND_LINES || round.bytes >= ROUND_BYTES;
}

/** A here-document or a CRLF client may leave empty lines between messages. */
function isBlank(line: Buffer): boolean {
  return line.length === 0 || (line.length === 1 && line[0] === 0x0d);
}
