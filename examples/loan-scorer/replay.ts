/**
 * Makes decisions again for an auditor: `receiptd audit --replay 'node replay.ts'`. A line of JSON for each receipt comes in, one with the decision
 * goes out. What it cannot answer it says, and guesses nothing: a receipt of another model, or one without the inputs that this one needs.
 */
import { createInterface } from "node:readline";
import { decideOn, type Inputs, SYSTEM } from "./scorer.ts";

interface Question {
  readonly receipt_id: string;
  readonly system_id: string;
  readonly model_version: string | null;
  readonly inputs: Partial<Inputs>;
}

const NEEDED = [
  "credit_score", "annual_income", "income_verified", "debt_to_income", "employment_years", "recent_delinquencies", "amount", "on_blacklist",
] as const satisfies readonly (keyof Inputs)[];

function answer({ receipt_id, system_id, model_version, inputs }: Question): object {
  if (system_id !== SYSTEM.system_id || model_version !== SYSTEM.model_version) return { receipt_id, error: `this is ${SYSTEM.system_id} ${SYSTEM.model_version}` };
  const missing = NEEDED.filter((name) => inputs[name] === undefined);
  if (missing.length > 0) return { receipt_id, error: `the inputs lack ${missing.join(", ")}` };
  return { receipt_id, decision: decideOn(inputs as Inputs).decision };
}

for await (const line of createInterface(process.stdin)) process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as Question))}\n`);
