/**
 * From the client to the server. A tool call waits for its receipt, and calls keep their order; whatever else comes meanwhile does not wait
 * for them.
 */
import type { Readable } from "node:stream";
import { isBlank, type Joint } from "./joint.ts";
import { busy, notExecuted, reasonOf, refused } from "./answers.ts";
import { type Call, callOf, taskOf } from "./call.ts";
import { type Line, linesOf } from "./lines.ts";
import { DUPLICATE_ID, type Id, isMembers, type Message, MessageError, readMessage, TASK_RESULT, TOOL_CALL } from "./message.ts";
import type { Request } from "./requests.ts";

/** Bytes of one message. */
const MAX_LINE = 4 * 1024 * 1024;
/** Calls that wait for their receipts, and the characters of them. */
const MAX_WAITING = 1024;
const MAX_WAITING_TEXT = 32 * 1024 * 1024;

type Stored = { readonly receiptId: string } | { readonly error: unknown };

export class FromClient {
  readonly #joint: Joint;
  /** Settles when every call so far is sent or refused. */
  #calls: Promise<void> = Promise.resolve();
  #waiting = 0;
  #waitingText = 0;

  constructor(joint: Joint) {
    this.#joint = joint;
  }

  /** Until the client ends or `input` is destroyed; then the server gets what has a receipt, and its end. */
  async run(input: Readable): Promise<void> {
    try {
      for await (const line of linesOf(input, MAX_LINE)) await this.#line(line);
    } catch (error) {
      if (!input.destroyed) throw error;
    }
    await this.#calls;
    this.#joint.toServer.end();
  }

  async #line(line: Line): Promise<void> {
    const { toClient, toServer } = this.#joint;
    try {
      if ("tooLong" in line) throw new MessageError("message_too_large", `a message is at most ${MAX_LINE} bytes`, line.tooLong);
      if (isBlank(line.bytes)) return;
      const message = readMessage(line.bytes);
      const { id, method, text } = message;
      if (method === undefined) await toServer.write(text);
      else if (id === undefined || id === null) await this.#notification(message);
      else await this.#request(message, id, method);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      if (error.id === null) this.#joint.note(`a message of the client is not passed on: ${error.message} (${error.code})`);
      await toClient.write(refused(error));
    }
  }

  async #notification({ method, params, text }: Message): Promise<void> {
    const { requests, toServer, note } = this.#joint;
    if (method === TOOL_CALL) {
      note(`a ${TOOL_CALL} without an id is not passed on: nobody could be told that it was refused`);
      return;
    }
    const id = method === "notifications/cancelled" && isMembers(params) ? params["requestId"] : undefined;
    const request = typeof id === "string" || typeof id === "number" ? requests.get(id) : undefined;
    if (request === undefined || request.id !== id) return await toServer.write(text);
    if (!request.isSent) {
      request.isCancelled = true; // the server does not know of it, and never will
      return;
    }
    requests.abandon(request);
    this.#joint.record(request, { outcome: "cancelled" });
    await toServer.write(text);
  }

  async #request(message: Message, id: Id, method: string): Promise<void> {
    const { requests, session, toClient, toServer } = this.#joint;
    if (requests.isInUse(id)) throw new MessageError(DUPLICATE_ID, "a request with this id has no answer yet", id);
    if (requests.isFull) return await toClient.write(busy(id));
    if (method === TOOL_CALL) return await this.#call(callOf(message, id));
    const taskId = method === TASK_RESULT ? taskOf(message, id) : undefined;
    if (taskId === undefined) requests.add({ id, method });
    else requests.add({ id, method, isRecorded: true, taskId, ...requests.task(taskId) });
    if (method === "initialize") session.asked(message.params);
    await toServer.write(message.text);
  }

  async #call(call: Call): Promise<void> {
    const { requests, recorder, toClient } = this.#joint;
    const { id, tool, text } = call;
    if (this.#waiting >= MAX_WAITING || this.#waitingText + text.length > MAX_WAITING_TEXT) return await toClient.write(busy(id));
    const request = requests.add({ id, method: TOOL_CALL, isRecorded: true, tool, isSent: false });
    this.#waiting++;
    this.#waitingText += text.length;
    const storing = recorder.asked(call).then((receiptId): Stored => ({ receiptId }), (error: unknown): Stored => ({ error }));
    this.#calls = this.#calls.then(async () => {
      const stored = await storing;
      this.#waiting--;
      this.#waitingText -= text.length;
      await this.#send(text, request, stored);
    });
  }

  /** The one place where a tool call goes to the server. */
  async #send(text: string, request: Request, stored: Stored): Promise<void> {
    const { requests, toClient, toServer, note } = this.#joint;
    if ("error" in stored) {
      requests.remove(request);
      const { code, message } = reasonOf(stored.error);
      note(`the tool ${request.tool} was not called, for no receipt could be had: ${message} (${code})`);
      if (!request.isCancelled) await toClient.write(notExecuted(request.id, stored.error));
      return;
    }
    request.receiptId = stored.receiptId;
    if (request.isCancelled || toServer.isGone) {
      requests.remove(request);
      this.#joint.record(request, { outcome: "not_sent" });
      if (!request.isCancelled) await toClient.write(notExecuted(request.id, new Error("the server has ended")));
      return;
    }
    request.isSent = true;
    await toServer.write(text);
  }
}
