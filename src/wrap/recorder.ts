/**
 * The two receipts of a tool call: that it was asked for, before the server sees it, and what came of it, before the client does. Whoever
 * waits for one of these goes on only when it is acknowledged.
 */
import type { Client } from "../clients/client.ts";
import { newId, type ReceiptInput } from "../clients/receipts.ts";
import type { Json } from "../format/strict-json.ts";
import type { Call } from "./call.ts";
import { hashed, kept, redacted, sha256, textOf } from "./kept.ts";
import type { Read } from "./lax-json.ts";
import { type Id, type Members, TOOL_CALL } from "./message.ts";
import type { Session } from "./session.ts";
import { SessionChain } from "./session-chain.ts";

/** How much of a result is kept: its SHA-256; itself, too; or no second receipt at all. */
export type Results = "hash" | "full" | "off";

export interface RecorderOptions {
  readonly organization: string | undefined;
  /** Of arguments only their SHA-256. */
  readonly hashInputs: boolean;
  readonly redact: ReadonlySet<string>;
  readonly results: Results;
  readonly chain: boolean;
}

/** What came of a call: `answer` is what the client will be given, where there is one. */
export interface Outcome {
  readonly outcome: "result" | "error" | "cancelled" | "not_sent" | "no_answer" | "unreadable";
  readonly answer?: Read;
  /** The tool's own word that it failed. */
  readonly isError?: boolean;
  /** The result of a task (MCP `tasks/result`), which a call began. */
  readonly taskId?: string;
}

/** A call whose receipt is stored. `receiptId`: null for the result of a task that no call here began. */
export interface Recorded {
  readonly requestId: Id;
  readonly receiptId: string | null;
  readonly tool: string | null;
}

const OUTCOME_TYPE = "x_tool_result";
/** Bytes in a receipt; of a larger result only the hash is kept. */
const MAX_RESULT = 512 * 1024;

export class Recorder {
  readonly results: Results;
  readonly #client: Client;
  readonly #session: Session;
  readonly #options: RecorderOptions;
  readonly #chain: SessionChain | null;

  constructor(client: Client, session: Session, options: RecorderOptions) {
    this.#client = client;
    this.#session = session;
    this.#options = options;
    this.results = options.results;
    this.#chain = options.chain ? new SessionChain(client, session, options.organization) : null;
  }

  /** The session has begun. */
  async begin(): Promise<void> {
    await this.#chain?.current();
  }

  /** The receipt of what is asked is stored; its id. Rejects where it is not: then the call must not go on. */
  async asked({ id, tool, args, more, isExact }: Call): Promise<string> {
    const [inputs, params] = [args, more].map((value) => this.#kept({ value, isExact }));
    const form = inputs!.form === "value" ? "arguments" : `arguments_${inputs!.form}`;
    const metadata = {
      ...this.#metadata(id),
      inputs: form,
      ...(Object.keys(more).length === 0 ? {} : { [params!.form === "value" ? "params" : `params_${params!.form}`]: params!.value }),
      ...(this.#options.redact.size === 0 ? {} : { redacted: [...this.#options.redact] }),
    };
    const receipt = { type: "decision", decision: { action: TOOL_CALL, tool }, inputs: form === "arguments" ? (inputs!.value as Members) : { [form]: inputs!.value }, metadata };
    return await this.#append(receipt, { action: TOOL_CALL, tool });
  }

  /** The receipt of what came of it is stored; where none is wanted, at once. */
  async outcome({ requestId, receiptId, tool }: Recorded, { outcome, answer, isError, taskId }: Outcome): Promise<void> {
    if (this.results === "off") return;
    const receipt = {
      type: OUTCOME_TYPE,
      ...(receiptId === null ? {} : { x_receipt_id: receiptId }),
      ...(tool === null ? {} : { x_tool: tool }),
      ...(taskId === undefined ? {} : { x_task_id: taskId }),
      x_outcome: outcome,
      ...(isError === undefined ? {} : { x_is_error: isError }),
      ...(answer === undefined ? {} : { x_result: this.#result(answer) }),
      metadata: this.#metadata(requestId),
    };
    await this.#append(receipt, { action: "tools/result", ...(tool === null ? {} : { tool }), outcome });
  }

  /** The session has ended. */
  async end(outcome: "completed" | "failed"): Promise<void> {
    await this.#chain?.complete(outcome);
  }

  async #append(receipt: ReceiptInput, { action, ...details }: { readonly action: string; readonly [name: string]: string }): Promise<string> {
    const receiptId = newId();
    const chainId = await this.#chain?.event({ action, details: { receipt_id: receiptId, ...details } });
    const { organization } = this.#options;
    await this.#client.append({
      ...receipt,
      receipt_id: receiptId,
      system_id: this.#session.systemId,
      timestamp: new Date().toISOString(),
      ...(organization === undefined ? {} : { organization }),
      ...(chainId === undefined ? {} : { chain_id: chainId }),
    });
    return receiptId;
  }

  #metadata(requestId: Id): Members {
    return { ...this.#session.metadata, request_id: typeof requestId === "string" ? requestId.replaceAll("\0", "\ufffd").toWellFormed() : requestId };
  }

  #kept(read: Read): ReturnType<typeof kept> {
    if (this.#options.hashInputs) return hashed(read);
    return kept({ ...read, value: redacted(read.value, this.#options.redact) });
  }

  #result(answer: Read): { readonly [name: string]: Json } {
    const text = textOf(answer);
    const facts = { bytes: Buffer.byteLength(text), sha256: sha256(text) };
    if (this.results !== "full") return facts;
    const { form, value } = kept({ ...answer, value: redacted(answer.value, this.#options.redact) });
    return Buffer.byteLength(JSON.stringify(value)) > MAX_RESULT ? facts : { ...facts, [form]: value };
  }
}
