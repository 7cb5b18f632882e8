/**
 * One line that turns a function that decides into one whose every decision has a receipt: it runs, the receipt is stored, and only then
 * does the caller get the decision. No receipt, no decision.
 */
import { Client } from "./client.ts";
import { badSetting, DecisionBlocked, isFailed, ReceiptError, ReceiptRefused } from "./errors.ts";
import type { Acknowledgement, Gate, Queued, ReceiptInput } from "./receipts.ts";
import type { Ack } from "./settings.ts";
import { jsonText } from "./values.ts";

export interface ReceiptedOptions<Arguments extends unknown[], Decision> {
  /** Left out, one for all of the process, set up by the environment. */
  readonly client?: Client;
  readonly systemId?: string;
  readonly organization?: string;
  /** What is recorded of the arguments, an object; left out, the one argument, which has to be a plain object then. */
  readonly inputs?: (...args: Arguments) => object;
  /** What is recorded as the decision; left out, what the function returned. Asked again before that is handed out: it has to say the same. */
  readonly decision?: (result: Decision, ...args: Arguments) => unknown;
  /** The gates that the decision went through, and how. */
  readonly gates?: (result: Decision, ...args: Arguments) => readonly Gate[];
  /** Further members of the receipt (docs/FORMAT.md section 4.1), such as `model_version` or `metadata`. */
  readonly more?: ReceiptInput | ((result: Decision, ...args: Arguments) => ReceiptInput);
  /** A gate with status FAIL or ERROR blocks the decision here, whatever the daemon's policy is. */
  readonly blockOnFailedGate?: boolean;
  readonly ack?: Ack;
  readonly timeoutMs?: number;
  /** Told before the decision is handed out. */
  readonly onReceipt?: (receipt: Acknowledgement | Queued, result: Decision) => void;
}

/** The code of a receipt that the daemon's policy refuses because a gate failed. */
const POLICY_REFUSAL = "policy_gate_failed";
const FUNCTIONS = ["inputs", "decision", "gates", "onReceipt"] as const;

let shared: Client | undefined;

/**
 * A function like `decide`, which returns the decision once its receipt is stored. Throws what `decide` throws (then nothing is recorded),
 * ReceiptUnavailable within the bounded time, ReceiptRefused, DecisionBlocked, or ReceiptError `decision_changed`.
 */
export function receipted<This, Arguments extends unknown[], Result>(
  decide: (this: This, ...args: Arguments) => Result,
  options: ReceiptedOptions<Arguments, Awaited<Result>> = {},
): (this: This, ...args: Arguments) => Promise<Awaited<Result>> {
  for (const name of FUNCTIONS) if (options[name] !== undefined && typeof options[name] !== "function") throw badSetting(name, "a function"); // and not after it has decided
  return async function (this: This, ...args: Arguments): Promise<Awaited<Result>> {
    const client = options.client ?? (shared ??= new Client());
    const inputs = copyOf(options.inputs === undefined ? onlyObject(args) : options.inputs(...args)); // before `decide` can change them
    const result = await decide.apply(this, args);
    const receipt = receiptOf(options, inputs, result, args);
    const recorded = jsonText({ decision: receipt.decision });
    const gates = receipt.gates ?? [];
    const call = { ...(options.ack === undefined ? {} : { ack: options.ack }), ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }) };
    if (options.blockOnFailedGate === true && gates.some(isFailed)) throw await blocked();
    let stored: Acknowledgement | Queued;
    try {
      stored = await client.append(receipt, call);
    } catch (error) {
      if (error instanceof ReceiptRefused && error.code === POLICY_REFUSAL) throw await blocked();
      throw error;
    }
    options.onReceipt?.(stored, result);
    if (jsonText({ decision: decided(options.decision, result, args) }) !== recorded) { // by somebody else who has the same object
      throw new ReceiptError("decision_changed", "the decision is not what was recorded any more: it was changed meanwhile, or `decision` does not say the same of it twice", { receiptId: stored.receiptId });
    }
    return result;

    /** Records that the decision is not executed; no decision is handed out if that fails, either. */
    async function blocked(): Promise<DecisionBlocked> {
      const refusal = await client.append({ ...receipt, decision: notExecuted((JSON.parse(recorded) as ReceiptInput).decision) }, call);
      return new DecisionBlocked(gates, refusal);
    }
  };
}

function receiptOf<Arguments extends unknown[], Decision>(
  { systemId, organization, gates, more, decision }: ReceiptedOptions<Arguments, Decision>, inputs: object, result: Decision, args: Arguments,
): ReceiptInput {
  if (Object.prototype.toString.call(result).endsWith("Generator]")) throw new ReceiptRefused("bad_value", "/decision: a generator decides only later", { pointer: "/decision" });
  const others = typeof more === "function" ? more(result, ...args) : more;
  if (others !== undefined) jsonText(others); // a promise of some would have none
  return {
    ...others,
    ...(systemId === undefined ? {} : { system_id: systemId }),
    ...(organization === undefined ? {} : { organization }),
    ...(gates === undefined ? {} : { gates: gates(result, ...args) }),
    inputs,
    decision: decided(decision, result, args),
  };
}

function decided<Arguments extends unknown[], Decision>(decision: ReceiptedOptions<Arguments, Decision>["decision"], result: Decision, args: Arguments): unknown {
  return decision === undefined ? result : decision(result, ...args);
}

function onlyObject(args: readonly unknown[]): object {
  const [only] = args;
  if (args.length === 1 && typeof only === "object" && only !== null && !Array.isArray(only)) return only;
  throw new ReceiptRefused("bad_value", "/inputs: the function does not have one object as its argument: say with `inputs` what is recorded", { pointer: "/inputs" });
}

function copyOf(inputs: object): object {
  return (JSON.parse(jsonText({ inputs })) as { readonly inputs: object }).inputs;
}

function notExecuted(decision: unknown): object {
  const isObject = typeof decision === "object" && decision !== null && !Array.isArray(decision);
  return isObject ? { ...decision, executed: false } : { value: decision, executed: false };
}
