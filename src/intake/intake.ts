/**
 * The work on what clients sent, in rounds: one line of each connection in turn, until there is nothing more or the group is full;
 * then one commit for all appends of the round, one write per connection. The group grows by itself with the load, and no client's
 * flood delays another by more than one line a round.
 */
import { FormatError } from "../format/errors.ts";
import { readRequest, type Request } from "../format/request.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Acknowledged, Durability } from "../ledger/writer.ts";
import { ackText, acksText } from "./answers.ts";
import type { Connection, Slot } from "./connection.ts";
import { type Latency, newLatency } from "./latency.ts";
import { answerCall } from "./methods.ts";
import { needed, only, readAck, readReceipts } from "./params.ts";
import type { IntakePort } from "./port.ts";
import { type Call, errorLine, parseCall, resultLine, type RpcId, RpcError } from "./protocol.ts";

export interface IntakeOptions {
  readonly port: IntakePort;
  readonly ack: Durability;
  readonly maxAppendMany: number;
  /** ms */
  readonly maxWait: number;
  readonly newId: () => string;
  readonly onInternalError: (error: unknown) => void;
}

interface Append {
  readonly connection: Connection;
  readonly slot: Slot;
  readonly id: RpcId;
  readonly many: boolean;
  readonly requests: readonly Request[];
  readonly durability: Durability;
}

/** A group is committed at this many receipts or bytes of messages, if not before. */
const GROUP_RECEIPTS = 256;
const GROUP_BYTES = 1024 * 1024;

export class Intake {
  readonly #options: IntakeOptions;
  readonly latency: Latency = newLatency();
  #ready = new Set<Connection>();
  /** Calls that must see the appends before them: the first of the connection's next round. */
  readonly #postponed = new Map<Connection, { readonly slot: Slot; readonly call: Call }>();
  #scheduled: NodeJS.Immediate | null = null;
  #firstReadyAt = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

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
    const group: Append[] = [];
    const inGroup = new Set<Connection>();
    const touched = new Set<Connection>();
    const startedAt = this.#firstReadyAt;
    let receipts = 0;
    let bytes = 0;
    let turn = [...this.#ready];
    while (turn.length > 0 && receipts < GROUP_RECEIPTS && bytes < GROUP_BYTES) {
      const next: Connection[] = [];
      for (const connection of turn) {
        if (receipts >= GROUP_RECEIPTS || bytes >= GROUP_BYTES) break; // those not reached stay ready
        const postponed = this.#postponed.get(connection);
        if (postponed !== undefined) {
          if (inGroup.has(connection)) continue;
          this.#postponed.delete(connection);
          touched.add(connection);
          this.#answer(connection, postponed.slot, postponed.call);
          next.push(connection);
          continue;
        }
        const line = connection.nextLine();
        if (line === null) {
          this.#ready.delete(connection);
          continue;
        }
        bytes += line.length;
        touched.add(connection);
        if (isBlank(line)) {
          next.push(connection);
          continue;
        }
        const append = this.#take(connection, line, inGroup);
        if (append !== null) {
          group.push(append);
          inGroup.add(connection);
          receipts += append.requests.length;
        }
        next.push(connection);
      }
      turn = next;
    }
    if (group.length > 0) this.#commit(group, startedAt);
    for (const connection of touched) connection.flush();
    if (this.#ready.size > 0) this.#again();
  }

  #again(): void {
    const [connection] = this.#ready;
    this.ready(connection!);
  }

  /** Works on one line; an append is returned for the group, everything else gets its answer. */
  #take(connection: Connection, line: Buffer, inGroup: ReadonlySet<Connection>): Append | null {
    const slot = connection.slot();
    let id: RpcId = null;
    try {
      const call = parseCall(line);
      id = call.id;
      if (call.method === "append" || call.method === "append_many") {
        const append = this.#readAppend(connection, slot, call);
        connection.countError(false);
        return append;
      }
      connection.countError(false);
      if (inGroup.has(connection)) this.#postponed.set(connection, { slot, call });
      else this.#answer(connection, slot, call);
    } catch (error) {
      if (error instanceof RpcError && error.id !== null) id = error.id;
      this.#refuse(slot, id, error);
      connection.countError(id === null);
    }
    return null;
  }

  #readAppend(connection: Connection, slot: Slot, call: Call): Append {
    const { port, ack, maxAppendMany, newId } = this.#options;
    const many = call.method === "append_many";
    only(call.params, many ? "receipts" : "receipt", "ack");
    const durability = readAck(call.params, ack);
    const requests = many
      ? readReceipts(call.params, maxAppendMany).map((receipt, at) => readRequest(receipt, `/params/receipts/${at}`, newId))
      : [readRequest(needed(call.params, "receipt"), "/params/receipt", newId)];
    const refusal = port.refusal();
    if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
    return { connection, slot, id: call.id, many, requests, durability };
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
        this.#refuse(append.slot, append.id, error);
      } else if (!outcome.ok) {
        const where = append.many ? `/params/receipts/${outcome.at}` : "/params/receipt";
        const why = outcome.code === "conflict"
          ? `receipt_id ${outcome.receiptId} was recorded with other content; ${append.many ? "nothing of this call was stored" : "nothing was stored"}`
          : "the ledger has as many organizations as limits.max_organizations allows; nothing was stored";
        this.#refuse(append.slot, append.id, new RpcError(outcome.code, why, { pointer: where, receipt_id: outcome.receiptId }));
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
      const synced = await this.#options.port.sync();
      for (const { append, receipts } of late) this.#acknowledge(append, receipts, synced);
    } catch (error) {
      for (const { append } of late) this.#refuse(append.slot, append.id, error);
      this.#options.port.fatal(error as Error);
    }
    for (const { append } of late) append.connection.flush();
  }

  #acknowledge(append: Append, receipts: readonly Acknowledged[], synced: number): void {
    append.slot.text = resultLine(append.id, append.many ? acksText(receipts, synced) : ackText(receipts[0]!, synced));
  }

  #answer(connection: Connection, slot: Slot, call: Call): void {
    const { port, maxWait } = this.#options;
    try {
      const answer = answerCall(call, port, maxWait, connection.gone);
      if (typeof answer === "string") {
        slot.text = resultLine(call.id, answer);
        return;
      }
      answer.then(
        (text) => { slot.text = resultLine(call.id, text); },
        (error: unknown) => this.#refuse(slot, call.id, error),
      ).finally(() => connection.flush());
    } catch (error) {
      this.#refuse(slot, call.id, error);
    }
  }

  #refuse(slot: Slot, id: RpcId, error: unknown): void {
    slot.text = errorLine(id, error);
    if (!(error instanceof RpcError || error instanceof FormatError || error instanceof LedgerError)) this.#options.onInternalError(error);
  }
}

/** A here-document or a CRLF client may leave empty lines between messages. */
function isBlank(line: Buffer): boolean {
  return line.length === 0 || (line.length === 1 && line[0] === 0x0d);
}
