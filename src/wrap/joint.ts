/** What the two directions share. */
import { lost } from "./answers.ts";
import type { Out } from "./out.ts";
import type { Outcome, Recorder } from "./recorder.ts";
import type { Request, Requests } from "./requests.ts";
import type { Session } from "./session.ts";

export class Joint {
  readonly requests: Requests;
  readonly session: Session;
  readonly recorder: Recorder;
  readonly toClient: Out;
  readonly toServer: Out;
  /** Says something to whoever reads the log. */
  readonly note: (text: string) => void;
  readonly #recording = new Set<Promise<void>>();

  constructor(parts: Pick<Joint, "requests" | "session" | "recorder" | "toClient" | "toServer" | "note">) {
    this.requests = parts.requests;
    this.session = parts.session;
    this.recorder = parts.recorder;
    this.toClient = parts.toClient;
    this.toServer = parts.toServer;
    this.note = parts.note;
  }

  /** Records what came of a request that nobody is given an answer of: nothing waits for it but the end. */
  record(request: Request, outcome: Outcome): void {
    if (!request.isRecorded) return;
    const recording = this.recorder.outcome({ ...request, requestId: request.id }, outcome)
      .catch((error: unknown) => this.note(`what came of ${request.tool} (${outcome.outcome}) is not recorded: ${String(error)}`))
      .finally(() => this.#recording.delete(recording));
    this.#recording.add(recording);
  }

  /** The server has ended: what it has not answered it never will. */
  async end(outcome: "completed" | "failed"): Promise<void> {
    for (const request of this.requests.all) {
      this.requests.remove(request);
      this.record(request, { outcome: "no_answer" });
      await this.toClient.write(lost(request.id, "server_ended", "the server ended without an answer"));
    }
    await Promise.all(this.#recording);
    await this.recorder.end(outcome).catch((error: unknown) => this.note(`the chain of the session has no receipt yet: ${String(error)}`));
  }
}

/** Nothing but white space. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
