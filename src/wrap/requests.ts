/** The client's requests that have no answer yet, each under an id of its own: whose answer a line of the server is must be beyond doubt. */
import type { Id } from "./message.ts";

export interface Request {
  readonly id: Id;
  readonly method: string;
  /** Its answer is recorded: a tool call, or the result of a task that one began. */
  readonly isRecorded: boolean;
  readonly tool: string | null;
  readonly taskId?: string;
  /** Of the call; null: not stored yet, or of a task that no call here began. */
  receiptId: string | null;
  /** The server has it. */
  isSent: boolean;
  isCancelled: boolean;
}

interface Task {
  readonly receiptId: string | null;
  readonly tool: string | null;
}

const MAX_OPEN = 4096;
const MAX_TASKS = 4096;
const MAX_ABANDONED = 4096;

export class Requests {
  /** "1" and 1 are one id to some servers. */
  readonly #open = new Map<string, Request>();
  readonly #tasks = new Map<string, Task>();
  /** Ids of what was cancelled, and may be answered all the same: of another request under such an id that would be the answer. */
  readonly #abandoned = new Set<string>();

  get isFull(): boolean {
    return this.#open.size >= MAX_OPEN;
  }

  get all(): readonly Request[] {
    return [...this.#open.values()];
  }

  add(request: Pick<Request, "id" | "method"> & Partial<Request>): Request {
    const whole: Request = { isRecorded: false, tool: null, receiptId: null, isSent: true, isCancelled: false, ...request };
    this.#open.set(String(request.id), whole);
    return whole;
  }

  get(id: Id): Request | undefined {
    return this.#open.get(String(id));
  }

  /** Whether an answer with this id would be that of another request. */
  isInUse(id: Id): boolean {
    return this.#open.has(String(id)) || this.#abandoned.has(String(id));
  }

  /** What the server may answer, and nobody has yet: it is asked no more. */
  take(id: Id): Request | null {
    const request = this.#open.get(String(id));
    if (request === undefined) this.#abandoned.delete(String(id));
    if (request?.isSent !== true || request.id !== id) return null;
    this.#open.delete(String(id));
    return request;
  }

  remove({ id }: Request): void {
    this.#open.delete(String(id));
  }

  /** Nobody waits for its answer any more; the oldest of such is forgotten for it if need be. */
  abandon(request: Request): void {
    this.remove(request);
    if (this.#abandoned.size >= MAX_ABANDONED) this.#abandoned.delete(this.#abandoned.values().next().value!);
    this.#abandoned.add(String(request.id));
  }

  /** The call that began a task; the oldest is forgotten for it if need be. */
  began(taskId: string, { receiptId, tool }: Task): void {
    if (this.#tasks.size >= MAX_TASKS) this.#tasks.delete(this.#tasks.keys().next().value!);
    this.#tasks.set(taskId, { receiptId, tool });
  }

  task(taskId: string): Task {
    return this.#tasks.get(taskId) ?? { receiptId: null, tool: null };
  }
}
