/** The thread of long-lines.ts. It has no keys, and no connection to the ledger. */
import { parentPort, workerData } from "node:worker_threads";
import { newId } from "../keys/new-id.ts";
import { Arena } from "../ledger/arena.ts";
import { free } from "../ledger/free.ts";
import { requireFit } from "./long-calls.ts";
import type { Doubt, FromLongLines, LongLineOptions } from "./long-lines.ts";
import { DoorPolicy } from "./policy.ts";
import { errorLine, isRefusal, type RpcError } from "./protocol.ts";
import { LineParser } from "./read-line.ts";

const port = parentPort!;
const { maxAppendMany, policy } = workerData as LongLineOptions;
/** Of one line: what was taken of it is given away with the answer. */
let arena = new Arena();
let doubts: { readonly receiptId: string; readonly refusal: RpcError }[] = [];

const parser = new LineParser({
  newId, maxAppendMany,
  policy: policy === null ? null : new DoorPolicy(policy),
  isStored: (receiptId, refusal) => doubts.push({ receiptId, refusal }) > 0, // who has the ledger decides
}, { take: (length) => arena.take(length) });

function read(line: Uint8Array): FromLongLines {
  [arena, doubts] = [new Arena(line.length), []]; // what is read is about as long
  const answers = (): readonly Doubt[] => doubts.map(({ receiptId, refusal }) => ({ receiptId, answer: errorLine(parser.id, refusal) }));
  try {
    const done = parser.read(Buffer.from(line.buffer, line.byteOffset, line.byteLength));
    if (!("requests" in done)) {
      requireFit(done);
      return { kind: "call", call: done };
    }
    return { kind: "append", append: done, doubts: answers() };
  } catch (error) {
    return isRefusal(error) ? { kind: "refused", id: parser.id, answer: errorLine(parser.id, error), doubts: answers() } : { kind: "failed", id: parser.id, error };
  }
}

port.on("message", (line: Uint8Array) => {
  const answer = read(line);
  const memory = new Set(answer.kind === "append" ? answer.append.requests.map(({ json }) => json.buffer as ArrayBuffer) : []);
  port.postMessage(answer, [...memory]);
  free(line.buffer);
});
