/** From the server to the client. The answer to a tool call waits for the receipt of it; whatever else comes meanwhile does not. */
import type { Readable } from "node:stream";
import { isBlank, type Joint } from "./joint.ts";
import { lost, withheld } from "./answers.ts";
import { isName } from "./call.ts";
import { type Line, linesOf } from "./lines.ts";
import { type Id, isMembers, type Message, MessageError, readMessage } from "./message.ts";
import type { Outcome } from "./recorder.ts";
import type { Request } from "./requests.ts";

/** Bytes of one message: a result may hold an image. */
const MAX_LINE = 16 * 1024 * 1024;
/** Characters of answers that wait for their receipts: then no more is read. */
const MAX_HELD = 32 * 1024 * 1024;

export class FromServer {
  readonly #joint: Joint;
  readonly #held = new Set<Promise<void>>();
  #heldText = 0;

  constructor(joint: Joint) {
    this.#joint = joint;
  }

  /** Until the server ends or `output` is destroyed, and every answer of it is delivered or withheld. */
  async run(output: Readable): Promise<void> {
    try {
      for await (const line of linesOf(output, MAX_LINE)) await this.#line(line);
    } catch (error) {
      if (!output.destroyed) throw error;
    }
    await Promise.all(this.#held);
  }

  async #line(line: Line): Promise<void> {
    try {
      if ("tooLong" in line) throw new MessageError("message_too_large", `a message is at most ${MAX_LINE} bytes`, line.tooLong);
      if (isBlank(line.bytes)) return;
      const message = readMessage(line.bytes);
      if (message.answer === undefined || message.id === null || message.id === undefined) await this.#joint.toClient.write(message.text);
      else await this.#answer(message, message.id);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      await this.#unreadable(error);
    }
  }

  async #answer(message: Message, id: Id): Promise<void> {
    const { requests, session, recorder, toClient, note } = this.#joint;
    const request = requests.take(id);
    if (request === null) {
      note(`an answer of the server is not passed on: no request with the id ${JSON.stringify(id)} waits for one`);
      return;
    }
    if (request.isRecorded) return await this.#deliver(request, message);
    if (request.method === "initialize" && "result" in message.answer!) {
      session.answered(message.answer.result);
      recorder.begin().catch((error: unknown) => note(`no chain could be opened: ${String(error)}`));
    }
    await toClient.write(message.text);
  }

  /** Passes an answer on once what came of the call is recorded. */
  async #deliver(request: Request, message: Message): Promise<void> {
    const { requests, recorder, toClient, note } = this.#joint;
    const taskId = taskBegunBy(message);
    if (taskId !== undefined) requests.began(taskId, request);
    const delivery = recorder.outcome({ ...request, requestId: request.id }, outcomeOf(request, message)).then(
      () => toClient.write(message.text),
      (error: unknown) => {
        note(`the result of ${request.tool} is withheld, for no receipt of it could be had: ${String(error)}`);
        return toClient.write(withheld(request.id, error, request.receiptId));
      },
    ).finally(() => {
      this.#held.delete(delivery);
      this.#heldText -= message.text.length;
    });
    this.#held.add(delivery);
    this.#heldText += message.text.length;
    while (this.#heldText > MAX_HELD) await Promise.race(this.#held);
  }

  /** Not passed on; if it seems to answer something, the client is told that there will be no answer. */
  async #unreadable({ id, code, message }: MessageError): Promise<void> {
    const { requests, toClient, note } = this.#joint;
    note(`a line of the server is not passed on: ${message} (${code})`);
    const request = id === null ? null : requests.take(id);
    if (request === null) return;
    this.#joint.record(request, { outcome: "unreadable" });
    await toClient.write(lost(request.id, code, `the server's answer is not passed on: ${message}`));
  }
}

function outcomeOf({ taskId }: Request, { answer, isExact }: Message): Outcome {
  const task = taskId === undefined ? {} : { taskId };
  if ("error" in answer!) return { ...task, outcome: "error", answer: { value: answer.error, isExact } };
  const value = answer!.result;
  const isError = isMembers(value) ? value["isError"] : undefined;
  return { ...task, outcome: "result", answer: { value, isExact }, isError: isError === true };
}

/** MCP's tasks: the result of a call is then a promise of one. */
function taskBegunBy({ answer }: Message): string | undefined {
  const result = answer !== undefined && "result" in answer && isMembers(answer.result) ? answer.result : {};
  const task = isMembers(result["task"]) ? result["task"] : {};
  return isName(task["taskId"]) ? task["taskId"] : undefined;
}
