/** What every integration can be told, and the words in which they all speak of a model's call, whoever's the model is. */
import type { Acknowledgement, Ack, Client, Gate, Queued, ReceiptInput } from "../clients/index.ts";

/** What a model was asked. */
export interface Asked {
  /** The package whose call it was, such as `openai`. */
  readonly sdk: string;
  readonly provider: string;
  readonly model: string;
  /** The conversation, in the shape of that package; a system prompt that stands apart comes first, with role `system`. */
  readonly messages: readonly unknown[];
  /** Names of the tools that it may call. */
  readonly tools: readonly string[];
  /** All that was asked, without headers and signals. */
  readonly request: object;
}

export interface ToolCall {
  readonly id?: string | undefined;
  readonly name: string;
  /** JSON text as the model wrote it, or the value. */
  readonly arguments: unknown;
}

/** What it answered. */
export interface Answered {
  readonly finishReason: string | null;
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  /** What is neither: reasoning, files, sources, further choices. Recorded as hashes. */
  readonly other: readonly { readonly type: string; readonly value: unknown }[];
  /** The model that answered, which may be another name than was asked for. */
  readonly model?: string | undefined;
  readonly id?: string | undefined;
  readonly usage?: unknown;
  /** The stream broke off, or nobody read it to its end, after text had been handed out (`stream: "after"`). */
  readonly interrupted?: boolean;
}

export interface IntegrationOptions {
  /** Left out, one for all of the process, set up by the environment. */
  readonly client?: Client;
  readonly systemId?: string;
  readonly organization?: string;
  /** What is recorded of the request: hashes, counts and settings (`hashed`, the default), all of it (`full`), or what the function returns. */
  readonly inputs?: "hashed" | "full" | ((asked: Asked) => object);
  /** Of the text of the answer: its hash and length (the default), or the text. */
  readonly text?: "hashed" | "full";
  /** Of what tools are called with: the arguments (the default), or their hash. */
  readonly toolArguments?: "full" | "hashed";
  /** HMAC-SHA256 with this key in place of SHA-256, so that nobody without it can try what a short text was. At least 16 bytes. */
  readonly hashKey?: string | Uint8Array;
  /** `before` (the default): nothing of a stream is handed out before the receipt. `after`: text is, tool calls and the end are not. */
  readonly stream?: "before" | "after";
  /** The gates that the answer went through, and how. */
  readonly gates?: (answered: Answered, asked: Asked) => readonly Gate[];
  /** Further members of the receipt (docs/FORMAT.md section 4.1), such as `policy_version` or `metadata`. */
  readonly more?: ReceiptInput | ((answered: Answered, asked: Asked) => ReceiptInput);
  /** A gate with status FAIL or ERROR blocks the answer here, whatever the daemon's policy is. */
  readonly blockOnFailedGate?: boolean;
  readonly ack?: Ack;
  readonly timeoutMs?: number;
  /** Told before the answer is handed out. */
  readonly onReceipt?: (receipt: Acknowledgement | Queued, answered: Answered) => void;
}

/** Of a tool's call there is no text and no stream. */
export interface ToolOptions extends Pick<IntegrationOptions, "client" | "systemId" | "organization" | "toolArguments" | "hashKey" | "ack" | "timeoutMs" | "blockOnFailedGate"> {
  /** What is recorded as inputs; left out, the tool's name, the call's id and the hash of the arguments. */
  readonly inputs?: (call: ToolCall) => object;
  readonly gates?: (call: ToolCall) => readonly Gate[];
  readonly more?: ReceiptInput;
}
