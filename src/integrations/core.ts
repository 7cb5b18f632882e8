/**
 * What the integrations share: the receipt of a model's call, stored before the answer is handed out, and streams that are held back
 * until it is. No receipt, no answer, and so no tool call.
 */
import { DecisionBlocked, type Gate, type ReceiptInput, ReceiptRefused, receipted, type ReceiptedOptions } from "../clients/index.ts";
import { copyOf } from "./copy.ts";
import type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";
import { argumentsOf, hashOf, plain } from "./values.ts";

/**
 * Stores the receipt of an answer, which is read once more when it is stored. Throws what the client throws, also that the answer is not
 * what was recorded any more; then it must not be handed out.
 */
export type Recorder = (read: () => Answered) => Promise<void>;

/** Of a request, those members that say how and not about what, whichever package's names they are. */
const SETTINGS: ReadonlySet<string> = new Set([
  "temperature", "top_p", "topP", "top_k", "topK", "seed", "n", "max_tokens", "maxTokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens",
  "presence_penalty", "presencePenalty", "frequency_penalty", "frequencyPenalty", "reasoning_effort", "reasoning", "thinking", "tool_choice", "toolChoice",
  "parallel_tool_calls", "service_tier",
]);
/** Characters of `model_version`, at most. */
const MAX_MODEL = 256;

/** Before a model is asked: what cannot be recorded is refused now, and the model is not asked. */
export function recorder(asked: Asked, options: IntegrationOptions): Recorder {
  return recorderOf({
    inputs: inputsOf(asked, options),
    decision: (answered) => decisionOf(answered, options),
    more: (answered) => modelCall(asked, answered),
    gates: options.gates === undefined ? undefined : (answered) => options.gates!(answered, asked),
    moreOf: (answered) => (typeof options.more === "function" ? options.more(answered, asked) : options.more),
  }, options);
}

export interface Recipe<Decided> {
  readonly inputs: object;
  readonly decision: (decided: Decided) => object;
  readonly more: (decided: Decided) => ReceiptInput;
  readonly gates?: ((decided: Decided) => readonly Gate[]) | undefined;
  readonly moreOf: (decided: Decided) => ReceiptInput | undefined;
}

/** One that is not about a model's answer. */
export function recorderOf<Decided>(recipe: Recipe<Decided>, options: Pick<IntegrationOptions, "client" | "systemId" | "organization" | "ack" | "timeoutMs" | "blockOnFailedGate"> & {
  readonly onReceipt?: ReceiptedOptions<[], Decided>["onReceipt"];
}): (read: () => Decided) => Promise<void> {
  const { client, systemId, organization, ack, timeoutMs, blockOnFailedGate, onReceipt } = options;
  const given = Object.fromEntries(Object.entries({ client, systemId, organization, ack, timeoutMs, blockOnFailedGate, onReceipt }).filter(([, value]) => value !== undefined));
  const { gates } = recipe;
  return async (read) => {
    await receipted<void, [], Decided>(() => copyOf(read()), { // whoever is told of it cannot change it
      ...given,
      inputs: () => recipe.inputs,
      decision: () => recipe.decision(read()),
      more: (told) => merged(recipe.more(told), recipe.moreOf(told)),
      ...(gates === undefined ? {} : { gates }),
    })();
  };
}

/** The caller's members win, but for what is in `metadata`, which is put together. */
function merged(own: ReceiptInput, given: ReceiptInput = {}): ReceiptInput {
  return { ...own, ...given, metadata: { ...given.metadata, ...own.metadata } };
}

function inputsOf(asked: Asked, { inputs = "hashed", hashKey }: IntegrationOptions): object {
  if (typeof inputs === "function") return inputs(copyOf(asked));
  if (inputs === "full") return plain(asked.request) as object;
  const settings = Object.entries(asked.request).filter(([name, value]) => SETTINGS.has(name) && value !== undefined);
  return {
    messages_hash: hashOf(asked.messages, hashKey, "messages"),
    message_count: asked.messages.length,
    request_hash: hashOf(asked.request, hashKey, "request"),
    ...(asked.tools.length === 0 ? {} : { tools: asked.tools }),
    ...(settings.length === 0 ? {} : { settings: plain(Object.fromEntries(settings)) }),
  };
}

function decisionOf({ finishReason, text, toolCalls, other, interrupted }: Answered, options: IntegrationOptions): object {
  const { hashKey } = options;
  return {
    action: toolCalls.length > 0 ? "call_tools" : "respond",
    finish_reason: finishReason,
    ...(text === "" ? {} : options.text === "full" ? { text } : { text_hash: hashOf(text, hashKey), text_length: text.length }),
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map((call) => toolCallOf(call, options)) }),
    ...(other.length === 0 ? {} : { other: other.map(({ type, value }) => ({ type, hash: hashOf(value, hashKey) })) }),
    ...(interrupted === true ? { interrupted } : {}),
  };
}

export function toolCallOf({ id, name, arguments: value }: ToolCall, { toolArguments = "full", hashKey }: Pick<IntegrationOptions, "toolArguments" | "hashKey">): object {
  const said = argumentsOf(value);
  const recorded = toolArguments === "full" ? said : { arguments_hash: hashOf("arguments" in said ? said.arguments : said.arguments_text, hashKey, "arguments") };
  return { ...(id === undefined ? {} : { id }), name, ...recorded };
}

function modelCall({ sdk, provider, model }: Asked, answered: Answered): ReceiptInput {
  const version = answered.model || model; // servers of OpenAI's format may leave it empty
  const more = { response_model: answered.model, response_id: answered.id, usage: answered.usage };
  return {
    ...(version.length >= 1 && version.length <= MAX_MODEL ? { model_version: version } : {}),
    metadata: { model_call: plain({ sdk, provider, model, ...more }) },
  };
}

export interface Withholding<Part> {
  readonly mode: IntegrationOptions["stream"];
  /** Neither part of a tool call nor an end. */
  readonly isFree: (part: Part) => boolean;
  /** Whether a stream that ended did so because the caller broke it off. */
  readonly isAborted: () => boolean;
  readonly record: (all: readonly Part[], interrupted: boolean) => Promise<void>;
  readonly copy?: (part: Part) => Part;
}

/**
 * A stream that is handed out once its receipt is stored. With `after`, the parts that are free go out at once, up to the first that is
 * not: so text flows, and no tool call and no end comes before the receipt. A stream that fails before anything went out has no receipt.
 */
export async function* withheld<Part>(parts: AsyncIterable<Part>, { mode, isFree, isAborted, record, copy = copyOf }: Withholding<Part>): AsyncGenerator<Part, void, undefined> {
  const all: Part[] = []; // nobody else's, until they are handed out
  const held: Part[] = [];
  let out = 0;
  let isWhole = false;
  const shown = (): Promise<void> => record(all.slice(0, out), true); // what is held nobody gets
  try {
    for await (const part of parts) {
      const own = copy(part);
      const goesOut = mode === "after" && held.length === 0 && isFree(own);
      all.push(own);
      if (goesOut) {
        out++;
        yield copy(own);
      } else {
        held.push(own);
      }
    }
    isWhole = true;
  } finally {
    if (!isWhole && out > 0) await shown();
  }
  try {
    await record(all, isAborted());
  } catch (error) {
    if (out > 0 && error instanceof ReceiptRefused && !(error instanceof DecisionBlocked)) await shown(); // what came last cannot be recorded
    throw error;
  }
  yield* held;
}
