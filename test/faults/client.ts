/** One connection to a daemon that may die at any moment: calls are sent without waiting for answers, which come in order. */
import { connect, type Socket } from "node:net";

export interface Failure {
  readonly code: string;
  readonly retry: boolean;
}

/** An answer, an error, or `lost`: the connection ended before, and nobody knows what became of the call. */
export type Answer =
  | { readonly result: { readonly [name: string]: unknown } }
  | { readonly error: Failure }
  | { readonly lost: true };

export class Client {
  readonly #socket: Socket;
  readonly #due: ((answer: Answer) => void)[] = [];
  readonly closed: Promise<void>;
  #ended = false;
  #text = "";
  #ids = 0;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.setEncoding("utf8");
    this.#socket.on("data", (text: string) => {
      const lines = (this.#text + text).split("\n");
      this.#text = lines.pop()!;
      for (const line of lines) this.#due.shift()?.(answerOf(line));
    });
    this.#socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", () => {
        this.#ended = true;
        for (const answer of this.#due.splice(0)) answer({ lost: true });
        resolve();
      });
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  call(method: string, params: object = {}): Promise<Answer> {
    if (this.#ended) return Promise.resolve({ lost: true });
    return new Promise((resolve) => {
      this.#due.push(resolve);
      this.#socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: ++this.#ids, method, params })}\n`);
    });
  }

  /** The result; throws for anything else. */
  async must(method: string, params: object = {}): Promise<{ readonly [name: string]: unknown }> {
    const answer = await this.call(method, params);
    if ("result" in answer) return answer.result;
    throw new Error(`${method}: ${JSON.stringify(answer)}`);
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return this.closed;
  }
}

function answerOf(line: string): Answer {
  const message = JSON.parse(line) as { result?: { readonly [name: string]: unknown }; error?: { data: Failure } };
  if (message.result !== undefined) return { result: message.result };
  return { error: { code: message.error!.data.code, retry: message.error!.data.retry } };
}
