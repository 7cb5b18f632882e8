/**
 * A program's end of a socket of the daemon (docs/PROTOCOL.md): JSON-RPC, one message a line, calls sent without waiting for answers,
 * answers in the order of the calls. One connection; whoever wants another one after a failure makes it.
 */
import { connect, type Socket } from "node:net";

/** What came instead of a result: the daemon's own error, by its `data.code`, or one of the connection (`lost`). */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure";
  readonly code: string;
  /** Pointer into the message as it was sent. */
  readonly pointer: string | undefined;
  /** May the very same call succeed later? */
  readonly retry: boolean;
  /** Nobody knows whether the call was carried out. */
  readonly lost: boolean;
  /** What to do about it, where that is known here. */
  readonly next: string | undefined;

  constructor(code: string, message: string, more: { readonly pointer?: string | undefined; readonly retry?: boolean; readonly lost?: boolean; readonly next?: string } = {}) {
    super(message);
    this.code = code;
    this.pointer = more.pointer;
    this.retry = more.retry ?? false;
    this.lost = more.lost ?? false;
    this.next = more.next;
  }
}

export type Result = { readonly [name: string]: unknown };
export type Answer = { readonly result: Result } | { readonly failure: RpcFailure };

export interface ClientOptions {
  /** ms without any answer while one is due. */
  readonly timeout: number;
  /** Characters of one answer, at most; left out, 64 Mi. */
  readonly maxAnswer?: number;
}

interface Due {
  readonly id: number;
  readonly timeout: number;
  readonly done: (answer: Answer) => void;
}

const MAX_ANSWER = 64 * 1024 * 1024;

export class RpcClient {
  readonly #socket: Socket;
  readonly #timeout: number;
  readonly #maxAnswer: number;
  readonly #due: Due[] = [];
  #nextId = 1;
  #out = "";
  #in = "";
  #timer: NodeJS.Timeout | undefined;
  #end: RpcFailure | null = null;

  private constructor(socket: Socket, { timeout, maxAnswer = MAX_ANSWER }: ClientOptions) {
    this.#socket = socket;
    this.#timeout = timeout;
    this.#maxAnswer = maxAnswer;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#read(text));
    socket.on("error", (error) => this.#fail(lost(error.message)));
    socket.on("close", () => this.#fail(lost("the daemon closed the connection")));
  }

  /** `daemon_not_running`, `socket_not_allowed`, `no_answer`. */
  static connect(path: string, options: ClientOptions): Promise<RpcClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const onError = (error: NodeJS.ErrnoException): void => reject(notConnected(path, error));
      socket.once("error", onError);
      socket.once("connect", () => {
        socket.off("error", onError);
        resolve(new RpcClient(socket, options));
      });
    });
  }

  /** Calls that have no answer yet. */
  get due(): number {
    return this.#due.length;
  }

  get isOpen(): boolean {
    return this.#end === null;
  }

  /** Sends a call, `params` being JSON text in one line; `done` gets its answer, or what became of the connection. */
  send(method: string, params: string, done: (answer: Answer) => void, timeout = this.#timeout): void {
    if (this.#end !== null) {
      done({ failure: this.#end });
      return;
    }
    const id = this.#nextId++;
    this.#due.push({ id, timeout, done });
    if (this.#due.length === 1) {
      this.#socket.ref();
      this.#arm();
    }
    if (this.#out === "") queueMicrotask(() => this.#flush()); // one write for all calls of this turn
    this.#out += `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}\n`;
  }

  /** Sends a call and waits for its result; throws RpcFailure. */
  call(method: string, params: object = {}, timeout?: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.send(method, JSON.stringify(params), (answer) => {
        if ("result" in answer) resolve(answer.result);
        else reject(answer.failure);
      }, timeout);
    });
  }

  /** Calls without an answer get `connection_lost`. */
  close(): void {
    this.#settle(lost("the connection was closed"));
    this.#socket.end();
    this.#socket.unref();
  }

  #flush(): void {
    const text = this.#out;
    this.#out = "";
    if (this.#end === null) this.#socket.write(text);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const first = this.#due[0];
    if (first === undefined) {
      this.#socket.unref(); // a connection on which nothing is due keeps no process from its end
      return;
    }
    this.#timer = setTimeout(() => {
      this.#fail(new RpcFailure("no_answer", `the daemon did not answer within ${first.timeout / 1000} s`, { lost: true }));
    }, first.timeout);
  }

  #read(text: string): void {
    const isLine = text.includes("\n"); // else a long answer would be searched from its beginning for each piece of it
    this.#in += text;
    let at = 0;
    for (let end = isLine ? this.#in.indexOf("\n") : -1; end !== -1; end = this.#in.indexOf("\n", at)) {
      this.#take(this.#in.slice(at, end));
      at = end + 1;
    }
    if (at > 0) this.#in = this.#in.slice(at);
    if (this.#in.length > this.#maxAnswer) this.#fail(new RpcFailure("bad_answer", "an answer without an end: is this socket receiptd's?", { lost: true }));
    if (at > 0) this.#arm();
  }

  #take(line: string): void {
    const { id, answer } = parseAnswer(line);
    const first = this.#due[0];
    if (first !== undefined && first.id === id) {
      this.#due.shift();
      first.done(answer);
    } else if (id === null && "failure" in answer) {
      if (answer.failure.code === "message_too_large") this.#due.shift()?.done(answer); // of the first call that has no answer, and so not stored
      this.#fail(new RpcFailure(answer.failure.code, answer.failure.message, { lost: true, retry: answer.failure.retry })); // the daemon's last word
    } else {
      this.#fail(new RpcFailure("bad_answer", "an answer that belongs to no call: is this socket receiptd's?", { lost: true }));
    }
  }

  #fail(failure: RpcFailure): void {
    this.#settle(failure);
    this.#socket.destroy();
  }

  #settle(failure: RpcFailure): void {
    this.#end ??= failure;
    clearTimeout(this.#timer);
    for (const { done } of this.#due.splice(0)) done({ failure: this.#end });
  }
}

/** A failure with its pointer into what was sent at `place` (RFC 6901), not into the message around it. */
export function within(place: string, failure: RpcFailure): RpcFailure {
  const { code, message, pointer, retry, lost } = failure;
  if (pointer?.startsWith(place) !== true) return failure;
  const text = message.startsWith(`${pointer}: `) ? message.slice(`${pointer}: `.length) : message;
  return new RpcFailure(code, text, { pointer: pointer.slice(place.length), retry, lost });
}

function lost(why: string): RpcFailure {
  return new RpcFailure("connection_lost", why, { lost: true });
}

function notConnected(path: string, error: NodeJS.ErrnoException): RpcFailure {
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return new RpcFailure("daemon_not_running", `no daemon is listening on ${path}`, { lost: true });
  if (error.code === "EACCES" || error.code === "EPERM") return new RpcFailure("socket_not_allowed", `this user may not open ${path}`);
  return new RpcFailure("connection_lost", `cannot connect to ${path}: ${error.message}`, { lost: true });
}

function parseAnswer(line: string): { readonly id: unknown; readonly answer: Answer } {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    message = null;
  }
  if (isObject(message)) {
    const { id, result, error } = message;
    if (isObject(result)) return { id, answer: { result } };
    if (isObject(error) && isObject(error["data"]) && typeof error["data"]["code"] === "string") {
      const { code, pointer, retry } = error["data"];
      const more = { retry: retry === true, pointer: typeof pointer === "string" ? pointer : undefined };
      return { id, answer: { failure: new RpcFailure(code, String(error["message"]), more) } };
    }
  }
  return { id: undefined, answer: { failure: new RpcFailure("bad_answer", "not an answer of receiptd", { lost: true }) } };
}

function isObject(value: unknown): value is Result {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
