/**
 * One client: its unread bytes, its answers in order, and the brakes. A client that sends faster than it is served is not read
 * from; one that does not read its answers is not served; neither costs the others more than its share of memory.
 */
import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import { LineReader } from "./lines.ts";
import { errorLine, RpcError } from "./protocol.ts";

export interface ConnectionLimits {
  /** Bytes of one message. */
  readonly maxMessage: number;
  /** Calls taken and not yet answered. */
  readonly maxInFlight: number;
  /** ms for an unfinished line. */
  readonly lineTimeout: number;
  /** ms without the client reading a waiting answer. */
  readonly writeTimeout: number;
}

/** The place of one answer; `fill` may be called later, the answers leave in the order of the calls. */
export interface Slot {
  text: string | null;
}

const PAUSE_ABOVE = 64 * 1024;
const UNREAD_ANSWERS = 1024 * 1024;
/** A peer that only sends rubbish is let go. */
const MAX_ERRORS_IN_A_ROW = 100;
/** ms for a connection's last answer to leave. */
const LINGER = 2000;

export class Connection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #lines: LineReader;
  readonly #onReady: (connection: Connection) => void;
  readonly #slots: Slot[] = [];
  #unfinishedSince: number | null = null;
  #unreadSince: number | null = null;
  #unreadBytes = 0;
  #ended = false;
  #closing = false;
  #errorsInARow = 0;
  readonly #gone = new AbortController();

  constructor(socket: Socket, limits: ConnectionLimits, onReady: (connection: Connection) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#lines = new LineReader(limits.maxMessage);
    this.#onReady = onReady;
    socket.on("data", (chunk: Buffer) => {
      if (this.#closing) return; // what is said after the last answer is not heard
      this.#lines.push(chunk);
      if (this.#lines.waiting > PAUSE_ABOVE) socket.pause();
      onReady(this);
    });
    socket.on("end", () => {
      this.#ended = true;
      onReady(this);
    });
    socket.on("drain", () => {
      this.#unreadSince = null;
      onReady(this);
    });
    setMaxListeners(0, this.#gone.signal);
    socket.on("close", () => this.#gone.abort());
    socket.on("error", () => socket.destroy()); // the peer is gone; what was committed stays
  }

  /** Bytes held for what it sent. */
  get held(): number {
    return this.#lines.held;
  }

  /** Aborted when the connection is closed: what it waited for is not waited for any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** The next line to work on, or null where there is none now: not finished, too many in flight, answers unread. */
  nextLine(): Buffer | null {
    if (this.#closing || this.closed) return null;
    if (this.#slots.length >= this.#limits.maxInFlight || this.#socket.writableLength > UNREAD_ANSWERS) return null;
    const line = this.#lines.next();
    if (line === "too_long") {
      this.fail(new RpcError("message_too_large", `a message is at most ${this.#limits.maxMessage} bytes; this connection is closed`));
      return null;
    }
    if (this.#lines.waiting < PAUSE_ABOVE / 2 && this.#socket.isPaused()) this.#socket.resume();
    if (line !== null) {
      this.#unfinishedSince = null;
      return line;
    }
    if (this.#ended) this.#finish();
    return null;
  }

  /** Takes the place of an answer. */
  slot(): Slot {
    const slot: Slot = { text: null };
    this.#slots.push(slot);
    return slot;
  }

  /** Counts what could not be understood; a connection of nothing but errors is closed. */
  countError(error: boolean): void {
    this.#errorsInARow = error ? this.#errorsInARow + 1 : 0;
    if (this.#errorsInARow >= MAX_ERRORS_IN_A_ROW) {
      this.fail(new RpcError("too_many_errors", `${MAX_ERRORS_IN_A_ROW} calls in a row could not be understood; this connection is closed`));
    }
  }

  /** Sends the answers that are complete, up to the first that is not. */
  flush(): void {
    let text = "";
    let sent = 0;
    while (sent < this.#slots.length && this.#slots[sent]!.text !== null) text += this.#slots[sent++]!.text;
    if (sent === 0) return;
    const full = this.#slots.length >= this.#limits.maxInFlight;
    this.#slots.splice(0, sent);
    if (this.closed) return;
    this.#socket.write(text);
    if (full || this.#ended) this.#onReady(this);
  }

  /** A last, coded error behind the answers that are due, and the end. */
  fail(error: RpcError): void {
    if (this.#closing) return;
    this.slot().text = errorLine(null, error);
    this.flush();
    this.#close();
  }

  /** Ends the connection once every answer due has been sent. */
  #finish(): void {
    if (this.#lines.unfinished) {
      this.fail(new RpcError("incomplete_line", "the connection ended within a line; it was not taken: end every message with a newline"));
    } else if (this.#slots.length === 0) {
      this.#close();
    }
  }

  #close(): void {
    this.#closing = true;
    this.#socket.resume(); // read and drop, so that the peer's unread bytes do not reset the connection before our answer is read
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), LINGER).unref();
  }

  /** Called about once a second. */
  checkTimes(now: number): void {
    if (this.closed) return;
    this.#unfinishedSince = this.#lines.unfinished && this.#lines.waiting === 0 ? this.#unfinishedSince ?? now : null;
    if (this.#unfinishedSince !== null && now - this.#unfinishedSince > this.#limits.lineTimeout) {
      this.fail(new RpcError("line_timeout", `a line was not finished within ${this.#limits.lineTimeout / 1000} s; this connection is closed`));
    }
    const unread = this.#socket.writableLength;
    if (unread === 0 || unread < this.#unreadBytes) this.#unreadSince = null;
    else this.#unreadSince ??= now;
    this.#unreadBytes = unread;
    if (this.#unreadSince !== null && now - this.#unreadSince > this.#limits.writeTimeout) this.#socket.destroy();
  }

  /** Takes nothing more; closes when the answers due have been sent. */
  end(): void {
    this.#ended = true;
    this.#socket.pause();
    this.#onReady(this);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
