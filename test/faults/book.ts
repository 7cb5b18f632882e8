/**
 * What the clients of a daemon know: every receipt that they sent, and every acknowledgement that they got. What they know must
 * be in the ledger for ever; it is all that a client has to go by.
 */
import { randomUUID } from "node:crypto";
import { type Answer, Client } from "./client.ts";

export interface Acknowledged {
  readonly logIndex: number;
  readonly hash: string;
  readonly ack: string;
}

export function acknowledged(result: { readonly [name: string]: unknown }): Acknowledged {
  return { logIndex: result["log_index"] as number, hash: result["receipt_hash"] as string, ack: result["ack"] as string };
}

const ORGANIZATIONS = ["default", "loans", "cards"];

export class Book {
  /** The receipts by receipt_id, as they were sent. */
  readonly sent = new Map<string, object>();
  readonly acknowledged = new Map<string, Acknowledged>();
  /** Refused each time so far. */
  readonly refused = new Map<string, string>();
  /** Two acknowledgements of one receipt that do not agree, or a first one that calls itself a duplicate. */
  readonly contradictions: string[] = [];
  #sequence = 0;

  /** A book that knows of the same receipts, and of these acknowledgements only: that of an earlier moment. */
  before(acknowledged: ReadonlyMap<string, Acknowledged>): Book {
    const book = new Book();
    for (const [id, receipt] of this.sent) book.sent.set(id, receipt);
    for (const [id, one] of acknowledged) book.acknowledged.set(id, one);
    return book;
  }

  /** A new receipt; no two are alike. */
  receipt(): object {
    const receipt = {
      receipt_id: randomUUID(),
      organization: ORGANIZATIONS[this.#sequence % ORGANIZATIONS.length],
      system_id: "scorer",
      decision: { action: this.#sequence % 3 === 0 ? "DECLINE" : "APPROVE" },
      inputs: { credit_score: 500 + (this.#sequence % 300), sequence: this.#sequence },
    };
    this.#sequence++;
    this.sent.set(receipt.receipt_id, receipt);
    return receipt;
  }

  /** Sends a receipt and keeps what comes back; true for an acknowledgement. */
  async send(client: Client, receipt: object, ack?: "disk" | "wal"): Promise<boolean> {
    const { receipt_id: id } = receipt as { readonly receipt_id: string };
    const answer = await client.call("append", { receipt, ...(ack === undefined ? {} : { ack }) });
    return this.#note(id, answer);
  }

  /** Sent, and not known to be stored: the daemon ended, or refused. */
  open(): readonly object[] {
    return [...this.sent].filter(([id]) => !this.acknowledged.has(id)).map(([, receipt]) => receipt);
  }

  #note(id: string, answer: Answer): boolean {
    if ("error" in answer) this.refused.set(id, answer.error.code);
    if (!("result" in answer)) return false;
    const { result } = answer;
    this.refused.delete(id);
    const now = acknowledged(result);
    const before = this.acknowledged.get(id);
    if (before === undefined) {
      this.acknowledged.set(id, now);
    } else if (before.hash !== now.hash || before.logIndex !== now.logIndex || result["duplicate"] !== true) {
      this.contradictions.push(`${id}: ${JSON.stringify(before)}, then ${JSON.stringify(result)}`);
    }
    return true;
  }
}

export interface LoadOptions {
  readonly clients: number;
  /** Calls of each client that have no answer yet. */
  readonly depth: number;
  readonly ack?: "disk" | "wal";
  /** No more than this many receipts in all; without it until the connections end or `stop` is called. */
  readonly receipts?: number;
}

/** Clients that send receipts as fast as they are answered. */
export class Load {
  /** Resolves when no call is without its answer any more. */
  readonly over: Promise<void>;
  #left: number;

  constructor(socket: string, book: Book, { clients, depth, ack, receipts = Number.POSITIVE_INFINITY }: LoadOptions) {
    this.#left = receipts;
    const connections = Array.from({ length: clients }, () => new Client(socket));
    const one = async (client: Client): Promise<void> => {
      while (this.#left > 0 && !client.ended) {
        this.#left--;
        await book.send(client, book.receipt(), ack);
      }
    };
    const all = connections.flatMap((client) => Array.from({ length: depth }, () => one(client)));
    this.over = Promise.all(all).then(async () => void await Promise.all(connections.map((client) => client.close())));
  }

  stop(): Promise<void> {
    this.#left = 0;
    return this.over;
  }
}

/** Sends receipts of the book again, those without an acknowledgement or all of them. */
export async function sendAgain(socket: string, book: Book, which: "open" | "all" = "open"): Promise<void> {
  const client = new Client(socket);
  const receipts = which === "open" ? book.open() : [...book.sent.values()];
  await Promise.all(receipts.map((receipt) => book.send(client, receipt)));
  await client.close();
}

/** Waits until something is so, looking every `pause` ms; gives up after a while that only a broken daemon takes. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, ms = 15_000, pause = 10): Promise<void> {
  const end = Date.now() + ms;
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
