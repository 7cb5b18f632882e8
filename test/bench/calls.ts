/**
 * What a load's clients send: JSON-RPC calls but for their ids. Ordinary receipts, and two that are meant to be in others' way:
 * messages of nearly 3 MiB, and receipts that take long to parse. All are valid, so nothing is saved by refusing them.
 */
import { receiptTexts } from "./receipts.ts";

export interface CallSettings {
  readonly kind: "append" | "huge" | "slow";
  readonly ack: "wal" | "disk";
  /** Characters more in each receipt. */
  readonly padding: number;
}

/** Below the largest receipt, 1 MiB, by what the other members need. */
const LARGE = 1_040_000;
/** Arrays in arrays: docs/FORMAT.md section 3 allows 32, two of which are the receipt and its inputs. */
const DEPTH = 29;

export function callsOf({ kind, ack, padding }: CallSettings): readonly Buffer[] {
  if (kind === "huge") return [call("append_many", "receipts", `[${receiptTexts(3, LARGE - 2000).join(",")}]`, ack)];
  if (kind === "slow") return [call("append", "receipt", slowReceipt(), ack)];
  return receiptTexts(padding > 0 ? 16 : 512, padding).map((receipt) => call("append", "receipt", receipt, ack));
}

function call(method: string, name: string, value: string, ack: string): Buffer {
  return Buffer.from(`,"method":"${method}","params":{"${name}":${value},"ack":"${ack}"}}\n`);
}

/** Nearly 1 MiB once the white space is gone, about twice that with it: small values, deep down, spaced as a pretty printer does. */
function slowReceipt(): string {
  const leaf = '[\n      0.5,\n      "\\u00e9\\n",\n      { "a": -1.25e-2 }\n      ]';
  const parts: string[] = [];
  for (let length = 0; length < LARGE; length += 2 * DEPTH + 28) parts.push(`${"[\n".repeat(DEPTH - 3)}${leaf}${"\n]".repeat(DEPTH - 3)}`);
  const spaced = `{\n  "organization": "team-slow",\n  "system_id": "loan_scorer_v1",\n  "decision": { "action": "DENY" },\n  "inputs": {\n    "tree": [\n${parts.join(",\n")}\n    ]\n  }\n}`;
  return spaced.replaceAll("\n", " "); // a message is one line
}
