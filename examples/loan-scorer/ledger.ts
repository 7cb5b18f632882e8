/** A client of receiptd's socket (docs/PROTOCOL.md): JSON-RPC, one message a line, many calls at once. */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** As far as it is used here. With `receipt_hash` one can show later that the receipt was there. */
export interface Acknowledgement {
  readonly receipt_id: string;
  readonly receipt_number: string;
  readonly log_index: number;
  readonly receipt_hash: string;
}

export class NotRecorded extends Error {
  override readonly name = "NotRecorded";
  readonly code: string;
  /** May the very same call succeed later? */
  readonly retry: boolean;

  constructor(code: string, message: string, retry: boolean) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}

interface Answer {
  readonly id: number;
  readonly result?: Acknowledgement;
  readonly error?: { readonly message: string; readonly data: { readonly code: string; readonly retry: boolean } };
}

type Settle = (answer: Acknowledgement | NotRecorded) => void;

const ATTEMPTS = 6;

export class Ledger {
  readonly #path: string;
  readonly #due = new Map<number, Settle>();
  #socket: Socket | null = null;
  #calls = 0;

  constructor(socketPath: string) {
    this.#path = socketPath;
  }

  /**
   * Resolves when the receipt is on the ledger's disk. A lost connection leaves open whether it is, so the same receipt is sent
   * again: its `receipt_id` keeps it from being stored twice. Throws NotRecorded.
   */
  async append(receipt: { readonly receipt_id: string }): Promise<Acknowledgement> {
    for (let attempt = 1; ; attempt++) {
      const answer = await new Promise<Acknowledgement | NotRecorded>((settle) => this.#send(receipt, settle));
      if (!(answer instanceof NotRecorded)) return answer;
      if (!answer.retry || attempt === ATTEMPTS) throw answer;
      await sleep(50 * 2 ** attempt);
    }
  }

  close(): void {
    this.#socket?.end();
  }

  #send(receipt: object, settle: Settle): void {
    const id = ++this.#calls;
    this.#due.set(id, settle);
    this.#socket ??= this.#open();
    this.#socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, method: "append", params: { receipt, ack: "disk" } })}\n`);
  }

  #open(): Socket {
    const socket = connect(this.#path);
    let why = "the daemon closed the connection";
    socket.on("error", (error) => { why = error.message; });
    socket.on("close", () => {
      this.#socket = null;
      const open = [...this.#due.values()];
      this.#due.clear();
      for (const settle of open) settle(new NotRecorded("connection_lost", why, true));
    });
    createInterface(socket).on("line", (line) => this.#take(JSON.parse(line) as Answer)).on("error", () => undefined); // told by "close"
    return socket;
  }

  #take({ id, result, error }: Answer): void {
    const settle = this.#due.get(id);
    this.#due.delete(id);
    settle?.(result ?? new NotRecorded(error!.data.code, error!.message, error!.data.retry));
  }
}
