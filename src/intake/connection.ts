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

/** The place of one answer, which may come later; the answers leave in the order of the calls. */
export interface Slot {
  text: string | null;
}

const PAUSE_ABOVE = 64 * 1024;
const UNREAD_ANSWERS = 1024 * 1024;
/** A peer that only sends rubbish is let go. */
const MAX_ERRORS_IN_A_ROW = 100;
/** ms for the peer to close, once it has been sent everything. */
const LINGER = 2000;

export class Connection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #lines: LineReader;
  readonly #onReady: (connection: Connection) => void;
  readonly #slots: Slot[] = [];
  /** Length of the answers in the slots: they may have to wait for one before them. */
  #due = 0;
  /** A limit keeps it from its next line. */
  #heldBack = false;
  #unfinishedSince: number | null = null;
  #unreadSince: number | null = null;
  #unreadBytes = 0;
  #ended = false;
  #stopping = false;
  /** Nothing that it says is heard any more. */
  #closing = false;
  #errorsInARow = 0;
  /** Bytes of a line that was taken and is not read yet. */
  beingRead = 0;
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
      if (this.#heldBack) onReady(this);
    });
    setMaxListeners(0, this.#gone.signal);
    socket.on("close", () => this.#gone.abort(new RpcError("timeout", "the client is gone")));
    socket.on("error", () => socket.destroy()); // the peer is gone; what was committed stays
  }

  /** Bytes held for what it sent. */
  get held(): number {
    return this.closed ? 0 : this.unread + this.beingRead;
  }

  /** Those of them that it gives back when it is let go: a line that is being read stays until it is. */
  get unread(): number {
    return this.#lines.held;
  }

  /** Aborted, with an RpcError, when what it waits for is not to be waited for any more: it is closed, or the daemon stops. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** The next line to work on; null where there is none now: not finished, too many in flight, answers unread; "later": longer than `longest`. */
  nextLine(): Buffer | null;
  nextLine(longest: number): Buffer | null | "later";
  nextLine(longest?: number): Buffer | null | "later" {
    if (this.#closing || this.closed) return null;
    this.#heldBack = this.#slots.length >= this.#limits.maxInFlight || this.#due + this.#socket.writableLength > UNREAD_ANSWERS;
    if (this.#heldBack) return null;
    const line = this.#lines.next(longest);
    if (line === "too_long") {
      this.fail(new RpcError("message_too_large", `a message is at most ${this.#limits.maxMessage} bytes; this connection is closed`));
      return null;
    }
    if (this.#lines.waiting < PAUSE_ABOVE / 2 && this.#socket.isPaused() && !this.#stopping) this.#socket.resume();
    if (line === "later") return line;
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

  /** Fills the place of an answer with its line. */
  answer(slot: Slot, text: string): void {
    slot.text = text;
    this.#due += text.length;
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
    this.#slots.splice(0, sent);
    this.#due -= text.length;
    if (this.closed) return;
    this.#socket.write(text);
    if (this.#closing && this.#slots.length === 0) this.#close();
    else if (this.#heldBack || this.#ended) this.#onReady(this);
  }

  /** A last, coded error behind the answers that are due, and the end. */
  fail(error: RpcError): void {
    if (this.#closing || this.closed) return;
    this.#hearNoMore();
    this.answer(this.slot(), errorLine(null, error));
    this.flush();
  }

  /** Ends the connection once every answer due has been sent. */
  #finish(): void {
    if (this.#lines.unfinished && this.#stopping) {
      this.fail(new RpcError("shutting_down", "receiptd is stopping; the line that was not finished was not taken"));
    } else if (this.#lines.unfinished) {
      this.fail(new RpcError("incomplete_line", "the connection ended within a line; it was not taken: end every message with a newline"));
    } else if (this.#slots.length === 0) {
      this.#hearNoMore();
      this.#close();
    }
  }

  #hearNoMore(): void {
    this.#closing = true;
    this.#lines.drop();
    this.#socket.resume(); // read and drop, so that the peer's unread bytes do not reset the connection before our answer is read
  }

  #close(): void {
    this.#socket.end(() => setTimeout(() => this.#socket.destroy(), LINGER).unref());
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
    // Whoever has closed looks like one that has only finished sending, until something is written; of no bytes the kernel tells too.
    if (this.#ended && unread === 0 && !this.#socket.writableEnded) this.#socket.write("");
    if (this.#unreadSince !== null && now - this.#unreadSince > this.#limits.writeTimeout) this.#socket.destroy();
  }

  /** The daemon stops: reads nothing more, waits for nothing, closes when the answers due have been sent; then it resolves. */
  end(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#gone.abort(new RpcError("shutting_down", "receiptd is stopping; the receipt is stored and will be anchored: wait again"));
    if (this.#closing) return closed;
    this.#stopping = true;
    this.#ended = true;
    this.#socket.pause();
    this.#onReady(this);
    return closed;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
