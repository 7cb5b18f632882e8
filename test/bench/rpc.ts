/** A client for what is not measured by itself: filling a ledger, asking the daemon how it is, closing a batch. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { receiptTexts } from "./receipts.ts";
import type { Server } from "./servers.ts";

interface Answer {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: unknown;
}

interface Open {
  readonly resolve: (result: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: Error) => void;
}

export class Rpc {
  readonly #socket: Socket;
  readonly #open: Open[] = [];
  #rest = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => this.#take(text));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  static async connect(path: string): Promise<Rpc> {
    const socket = connect(path);
    await once(socket, "connect");
    return new Rpc(socket);
  }

  /** `params` is JSON. */
  call(method: string, params = "{}"): Promise<Readonly<Record<string, unknown>>> {
    this.#socket.write(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}\n`);
    return new Promise((resolve, reject) => void this.#open.push({ resolve, reject }));
  }

  end(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const { result, error } = JSON.parse(line) as Answer;
      const { resolve, reject } = this.#open.shift()!;
      if (result === undefined) reject(new Error(JSON.stringify(error)));
      else resolve(result);
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#open.splice(0)) reject(error);
  }
}

/** Of `append_many`. */
const GROUP = 1000;

/** Appends until the ledger holds `size` receipts; `progress` hears how many it has. */
export async function fill({ socket }: Server, size: number, progress: (size: number) => void = () => undefined): Promise<void> {
  const rpc = await Rpc.connect(socket);
  const texts = receiptTexts(8 * GROUP);
  const groups = Array.from({ length: 8 }, (_, i) => texts.slice(i * GROUP, (i + 1) * GROUP));
  let sent = Number((await rpc.call("status"))["size"]);
  const worker = async (): Promise<void> => {
    while (sent < size) {
      const group = groups[Math.floor(sent / GROUP) % groups.length]!.slice(0, size - sent);
      sent += group.length;
      await rpc.call("append_many", `{"ack":"wal","receipts":[${group.join(",")}]}`);
      progress(sent);
    }
  };
  await Promise.all([worker(), worker()]);
  rpc.end();
}

/** Closes the open batch and resolves when it is published. */
export async function anchor({ socket }: Server): Promise<void> {
  const rpc = await Rpc.connect(socket);
  const { tree_size } = await rpc.call("anchor");
  await rpc.call("wait", `{"log_index":${Number(tree_size) - 1},"for":"anchored"}`);
  rpc.end();
}
