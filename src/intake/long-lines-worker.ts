/** The thread of long-lines.ts. It has no keys, and no connection to the ledger. */
import { parentPort, workerData } from "node:worker_threads";
import { newId } from "../keys/new-id.ts";
import { Arena } from "../ledger/arena.ts";
import { type FromLongLines, LONG, type LongLineOptions } from "./long-lines.ts";
import { DoorPolicy } from "./policy.ts";
import { errorLine, isRefusal, RpcError } from "./protocol.ts";
import { LineParser } from "./read-line.ts";

const port = parentPort!;
const { maxAppendMany, policy } = workerData as LongLineOptions;
/** The other methods have nothing to say that is. */
const MAY_BE_LONG = /^(?:attest|chain\..*)$/;
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
  try {
    const done = parser.read(Buffer.from(line.buffer, line.byteOffset, line.byteLength));
    if (!("requests" in done)) {
      if (!MAY_BE_LONG.test(done.method)) throw new RpcError("bad_request", `no call of ${done.method.slice(0, 64)} is that long: at most ${LONG} bytes`);
      return { kind: "call", call: done };
    }
    return { kind: "append", append: done, doubts: doubts.map(({ receiptId, refusal }) => ({ receiptId, answer: errorLine(done.id, refusal) })) };
  } catch (error) {
    return isRefusal(error) ? { kind: "refused", id: parser.id, answer: errorLine(parser.id, error) } : { kind: "failed", id: parser.id, error };
  }
}

port.on("message", (line: Uint8Array) => {
  const answer = read(line);
  const memory = new Set(answer.kind === "append" ? answer.append.requests.map(({ json }) => json.buffer as ArrayBuffer) : []);
  port.postMessage(answer, [...memory]);
});
