/**
 * Looks receipts up, one at a time. Over the socket: by id and by number, of receipts that it chose by chance and learned of by their
 * index. In this process: inclusion proofs in the newest anchor's tree. Reads its task as JSON from the argument.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { type Measured, summary } from "./summary.ts";

export interface GetsTask {
  readonly socket: string;
  readonly echo: string;
  readonly ledger: string;
  readonly count: number;
}

export interface GetsMeasured {
  readonly id: Measured;
  readonly number: Measured;
  /** The same calls to a server that sends them back. */
  readonly echo: Measured;
  readonly proof: Measured;
}

interface Found {
  readonly result: { readonly receipt_id: string; readonly receipt_number: string };
}

/** Calls that nobody times, so that the code is compiled. */
const WARM_UP = 500;

/** Makes each call when the one before is answered; resolves with the answers and their times in ms. */
async function oneByOne(path: string, params: readonly string[]): Promise<{ readonly answers: readonly string[]; readonly times: readonly number[] }> {
  const socket = connect(path);
  await once(socket, "connect");
  const answers: string[] = [];
  const times: number[] = [];
  let rest = "";
  let began = 0;
  const done = Promise.withResolvers<void>();
  const next = (): void => {
    const call = params[answers.length];
    if (call === undefined) return done.resolve();
    began = performance.now();
    socket.write(`{"jsonrpc":"2.0","id":1,"method":"get","params":${call}}\n`);
  };
  socket.on("error", done.reject).setEncoding("utf8").on("data", (text: string) => {
    rest += text;
    if (!rest.endsWith("\n")) return;
    times.push(performance.now() - began);
    answers.push(rest);
    rest = "";
    next();
  });
  next();
  await done.promise;
  socket.destroy();
  const refused = answers.find((answer) => answer.includes('"error":'));
  if (refused !== undefined) throw new Error(refused);
  return { answers, times };
}

async function timed(path: string, params: readonly string[]): Promise<Measured> {
  return summary((await oneByOne(path, [...params.slice(0, WARM_UP), ...params])).times.slice(WARM_UP));
}

const { socket, echo, ledger, count } = JSON.parse(process.argv[2]!) as GetsTask;
const reader = new Reader(ledger, nodeHash.sha256);
const size = reader.newestAnchor()!.treeSize;
const indexes = Array.from({ length: count }, () => Math.floor(Math.random() * size));
const known = (await oneByOne(socket, indexes.map((index) => `{"log_index":${index}}`))).answers.map((answer) => (JSON.parse(answer) as Found).result);
const byId = known.map(({ receipt_id }) => `{"receipt_id":"${receipt_id}"}`);
const byNumber = known.map(({ receipt_number }) => `{"receipt_number":"${receipt_number}"}`);
const measured = { id: await timed(socket, byId), number: await timed(socket, byNumber), echo: await timed(echo, byId) };
const proofTimes = [...indexes.slice(0, WARM_UP), ...indexes].map((index) => {
  const began = performance.now();
  reader.inclusionPath(index, size);
  return performance.now() - began;
});
reader.close();
process.stdout.write(`${JSON.stringify({ ...measured, proof: summary(proofTimes.slice(WARM_UP)) } satisfies GetsMeasured)}\n`, () => process.exit());
