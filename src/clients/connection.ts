/**
 * The way to the daemon: one connection, made anew when it was lost, with many calls on the way. Each call has one span of time for all of
 * it: connecting, sending again after a lost connection or an error that passes, and the answer. What is sent again is the very same
 * text, and a receipt in it has its id, so that nothing is stored twice.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, type Result, RpcClient, RpcFailure, within } from "../door/client.ts";
import { type CallFacts, failed, ReceiptRefused, ReceiptUnavailable } from "./errors.ts";

export interface Request {
  readonly method: string;
  /** JSON text in one line. */
  readonly params: string;
  readonly receiptId?: string | undefined;
  /** Whether the daemon stores something when it carries it out. */
  readonly isWrite: boolean;
  /** ms, for all of it. */
  readonly timeoutMs: number;
  /** Where in the params the caller's own value stands: pointers are told from there. */
  readonly place?: string;
  /** An error that may pass, and is an answer all the same. */
  readonly final?: string;
}

const MAX_IN_FLIGHT = 1024;
/** Characters of one answer: a receipt has at most 1 MiB. */
const MAX_ANSWER = 8 * 1024 * 1024;
/** Bytes of one message, as the daemon takes it. */
const MAX_MESSAGE = 4 * 1024 * 1024;
/** Characters of calls that have no answer yet. */
const MAX_HELD = 64 * 1024 * 1024;
/** ms: full jitter, from nothing to a bound that doubles. */
const FIRST_WAIT = 20;
const LONGEST_WAIT = 500;

/** How long to wait before the nth try again, from 0 on. */
function jitter(tries: number): number {
  return Math.random() * Math.min(FIRST_WAIT * 2 ** tries, LONGEST_WAIT);
}

export class Connection {
  readonly #path: string;
  /** ms without any answer, while one is due, after which the connection is given up. */
  readonly #patience: number;
  readonly #calls = new Set<Call>();
  /** Calls without a place among those on the way; told whether they have got one. */
  readonly #waiting = new Map<Call, (hasPlace: boolean) => void>();
  #client: RpcClient | null = null;
  #connecting: Promise<RpcClient> | null = null;
  /** Connections in a row that came to nothing, and why the last one could not be made. */
  #failures = 0;
  #noConnection: RpcFailure | null = null;
  #inFlight = 0;
  #held = 0;
  #closed = false;

  constructor(path: string, patience: number) {
    this.#path = path;
    this.#patience = patience;
  }

  /** Rejects with ReceiptUnavailable within the request's time, or what the daemon said against it. */
  call(request: Request): Promise<Result> {
    const { params, receiptId } = request;
    if (this.#closed) return Promise.reject(closed({ receiptId, maybeStored: false }));
    if (params.length > MAX_MESSAGE / 3 && Buffer.byteLength(params) > MAX_MESSAGE) {
      return Promise.reject(new ReceiptRefused("message_too_large", `a message is at most ${MAX_MESSAGE} bytes`, { receiptId }));
    }
    if (this.#held + params.length > MAX_HELD) {
      return Promise.reject(new ReceiptUnavailable("overloaded", "too many calls wait for the daemon in this process", { receiptId }));
    }
    const call = new Call(request);
    this.#calls.add(call);
    this.#held += params.length;
    void this.#carry(call);
    return call.promise.finally(() => {
      this.#calls.delete(call);
      this.#waiting.get(call)?.(false);
      this.#waiting.delete(call);
      this.#held -= params.length;
    });
  }

  /** Calls without an answer end with `closed`. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) call.end(closed);
    this.#client?.close();
  }

  async #carry(call: Call): Promise<void> {
    for (let tries = 0; !call.isSettled; tries++) {
      if (!(await this.#slot(call))) return;
      const answer = await this.#attempt(call);
      this.#release();
      if (answer === null) continue;
      if ("result" in answer) call.resolve(answer.result);
      else if (answer.failure.lost) call.trouble = answer.failure;
      else if (answer.failure.retry && answer.failure.code !== call.request.final) {
        call.trouble = answer.failure;
        call.said = answer.failure.code;
        await sleep(jitter(tries));
      } else call.end((facts) => failed(within(call.request.place ?? "/params", answer.failure), facts));
    }
  }

  /** Sends it once; null: there was no connection to send it over. */
  async #attempt(call: Call): Promise<Answer | null> {
    if (this.#client?.isOpen !== true) call.trouble ??= this.#noConnection ?? new RpcFailure("connection_lost", `no connection to ${this.#path}`, { lost: true });
    let client: RpcClient;
    try {
      client = await this.#open();
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error;
      call.trouble = this.#noConnection = error;
      return null;
    }
    this.#noConnection = null;
    if (call.isSettled || !client.isOpen) return null;
    call.isOnTheWay = true;
    call.trouble = null;
    const answer = await new Promise<Answer>((resolve) => client.send(call.request.method, call.request.params, resolve));
    call.isOnTheWay = false;
    if ("failure" in answer && answer.failure.lost) call.maybeStored ||= call.request.isWrite;
    else this.#failures = 0;
    return answer;
  }

  /** One try at a time, for all who wait; the more have failed, the longer it waits first. */
  async #open(): Promise<RpcClient> {
    if (this.#client?.isOpen === true) return this.#client;
    this.#connecting ??= this.#connect().finally(() => { this.#connecting = null; });
    return await this.#connecting;
  }

  async #connect(): Promise<RpcClient> {
    if (this.#failures > 0) await sleep(jitter(this.#failures - 1));
    if (this.#closed) throw new RpcFailure("closed", "the client is closed", { lost: true });
    this.#failures++; // until something was answered
    const client = await RpcClient.connect(this.#path, { timeout: this.#patience, maxAnswer: MAX_ANSWER });
    if (this.#closed) client.close();
    return (this.#client = client);
  }

  async #slot(call: Call): Promise<boolean> {
    if (this.#inFlight >= MAX_IN_FLIGHT) return await new Promise((resolve) => this.#waiting.set(call, resolve));
    this.#inFlight++;
    return true;
  }

  /** The place goes to whoever has waited longest. */
  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#inFlight--;
    else {
      this.#waiting.delete(next[0]);
      next[1](true);
    }
  }
}

/** A call, however often it is sent. */
class Call {
  readonly request: Request;
  readonly promise: Promise<Result>;
  /** Why it has no answer yet. */
  trouble: RpcFailure | null = null;
  /** The daemon's word, when it last had one. */
  said: string | undefined;
  maybeStored = false;
  isOnTheWay = false;
  isSettled = false;
  readonly #timer: NodeJS.Timeout;
  readonly #settle: PromiseWithResolvers<Result>;

  constructor(request: Request) {
    this.request = request;
    this.#settle = Promise.withResolvers();
    this.promise = this.#settle.promise;
    this.#timer = setTimeout(() => this.end((facts) => late(this.trouble, request.timeoutMs, facts)), request.timeoutMs);
  }

  resolve(result: Result): void {
    this.#done();
    this.#settle.resolve(result);
  }

  end(why: (facts: CallFacts) => Error): void {
    this.#done();
    const { receiptId, isWrite } = this.request;
    this.#settle.reject(why({ receiptId, because: this.said, maybeStored: this.maybeStored || (this.isOnTheWay && isWrite) }));
  }

  #done(): void {
    this.isSettled = true;
    clearTimeout(this.#timer);
  }
}

function closed(facts: CallFacts): ReceiptUnavailable {
  return new ReceiptUnavailable("closed", "the client is closed", facts);
}

/** The daemon's own word, where it was there to say one; else `unreachable`, or `timeout` where a call was sent. */
function late(trouble: RpcFailure | null, timeoutMs: number, facts: CallFacts): ReceiptUnavailable {
  const within = `within ${timeoutMs} ms`;
  if (trouble === null || trouble.code === "no_answer") return new ReceiptUnavailable("timeout", `the daemon did not answer ${within}`, facts);
  if (trouble.code === "bad_answer") return new ReceiptUnavailable("bad_answer", trouble.message, { ...facts, cause: trouble });
  if (trouble.lost || trouble.code === "socket_not_allowed") return new ReceiptUnavailable("unreachable", `${trouble.message}; tried again ${within}`, { ...facts, cause: trouble });
  return new ReceiptUnavailable(trouble.code, trouble.message, { ...facts, because: undefined, cause: trouble });
}
