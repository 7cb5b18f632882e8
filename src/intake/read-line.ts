/** From a line to an append that is ready to be stored, or to another call. Nothing of it needs the ledger, so it can be done by a thread. */
import { readRequest, type Request } from "../format/request.ts";
import type { Json } from "../format/strict-json.ts";
import type { Arena } from "../ledger/arena.ts";
import { needed, only, readAck, readReceipts } from "./params.ts";
import type { DoorPolicy } from "./policy.ts";
import { type Call, parseCall, RpcError, type RpcId } from "./protocol.ts";
import { QuickAppends, type ReadAppend } from "./quick-append.ts";

export interface LineOptions {
  readonly newId: () => string;
  readonly maxAppendMany: number;
  /** What receipts of decisions must have beside their form; null: nothing. */
  readonly policy: DoorPolicy | null;
  /** The policy refuses the receipt. One that is stored already, from before this policy, is a duplicate or a conflict, as ever. */
  readonly isStored: (receiptId: string, refusal: RpcError) => boolean;
}

export class LineParser {
  /** Of the call that was read last, as far as it has one. */
  id: RpcId = null;
  readonly #options: LineOptions;
  readonly #quick: QuickAppends;

  /** What is read lies in `memory`. */
  constructor(options: LineOptions, memory: Pick<Arena, "take">) {
    this.#options = options;
    this.#quick = new QuickAppends(options.newId, memory, options.maxAppendMany);
  }

  /** Throws RpcError and FormatError. */
  read(line: Buffer): ReadAppend | Call {
    this.id = null;
    const quick = this.#options.policy === null ? this.#quick.read(line) : null; // which reads no more than it has to
    if (quick !== null) {
      this.id = quick.id;
      return quick;
    }
    const call = this.#readCall(line);
    return call.method === "append" || call.method === "append_many" ? this.#readAppend(call) : call;
  }

  #readCall(line: Buffer): Call {
    try {
      const call = parseCall(line);
      this.id = call.id;
      return call;
    } catch (error) {
      if (error instanceof RpcError) this.id = error.id;
      throw error;
    }
  }

  #readAppend({ id, method, params }: Call): ReadAppend {
    const many = method === "append_many";
    only(params, many ? "receipts" : "receipt", "ack");
    const ack = readAck(params);
    const requests = many
      ? readReceipts(params, this.#options.maxAppendMany).map((receipt, at) => this.#readReceipt(receipt, `/params/receipts/${at}`))
      : [this.#readReceipt(needed(params, "receipt"), "/params/receipt")];
    return { id, many, requests, ack };
  }

  #readReceipt(receipt: Json, pointer: string): Request {
    const { newId, policy, isStored } = this.#options;
    const request = readRequest(receipt, pointer, newId);
    try {
      policy?.check(receipt, pointer);
    } catch (error) {
      if (!(error instanceof RpcError) || !request.chosenId || !isStored(request.receiptId, error)) throw error;
    }
    return request;
  }
}
