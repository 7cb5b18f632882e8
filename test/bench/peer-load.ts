/**
 * The load for peers: rows of 1,000 bytes into PostgreSQL or Redis over its Unix socket, each a transaction of its own with an answer of its own,
 * `inFlight` of each client always open. Speaks as much of the protocols as that takes: PostgreSQL's extended query with one prepared
 * statement and a Sync behind each row; Redis's RESP. Reads its settings as JSON from the argument and prints its measurements as JSON.
 */
import { connect, type Socket } from "node:net";
import { receiptTexts } from "./receipts.ts";
import { type Measured, summary } from "./summary.ts";

export interface PeerLoad {
  readonly peer: "postgresql" | "redis";
  readonly socket: string;
  readonly user: string;
  readonly clients: number;
  readonly inFlight: number;
  /** s, behind `warmUp` s that are not measured. */
  readonly seconds: number;
  readonly warmUp: number;
}

export type PeerMeasured = Measured & { readonly perSecond: number };

interface Protocol {
  /** What has to be said first, and how many answers it has. */
  readonly hello: Buffer;
  readonly rows: readonly Buffer[];
  /** Answers that end in this chunk; throws at an error. */
  readonly answers: (chunk: Buffer) => number;
}

function message(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const head = Buffer.alloc(type.length + 4);
  head.write(type);
  head.writeInt32BE(body.length + 4, type.length);
  return Buffer.concat([head, body]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function postgresql(user: string, values: readonly string[]): Protocol {
  const sync = message("S");
  const execute = message("E", "\0", int32(0));
  let rest: Buffer = Buffer.alloc(0);
  return {
    hello: Buffer.concat([
      message("", int32(196_608), `user\0${user}\0database\0postgres\0\0`),
      message("P", "row\0INSERT INTO receipt (bytes) VALUES ($1)\0", int16(0)), sync,
    ]),
    rows: values.map((value) => Buffer.concat([message("B", "\0row\0", int16(0), int16(1), int32(Buffer.byteLength(value)), value, int16(0)), execute, sync])),
    answers: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let [at, ready] = [0, 0];
      while (at + 5 <= bytes.length) {
        const end = at + 1 + bytes.readInt32BE(at + 1);
        if (end > bytes.length) break;
        const type = bytes[at];
        if (type === 0x45) throw new Error(`PostgreSQL: ${bytes.toString("utf8", at + 5, end)}`); // E
        if (type === 0x5a) ready++; // Z, ReadyForQuery
        at = end;
      }
      rest = bytes.subarray(at);
      return ready;
    },
  };
}

function redis(values: readonly string[]): Protocol {
  const DOLLAR = 0x24;
  return {
    hello: Buffer.alloc(0),
    rows: values.map((value) => Buffer.from(`*5\r\n$4\r\nXADD\r\n$7\r\nreceipt\r\n$1\r\n*\r\n$1\r\nb\r\n$${Buffer.byteLength(value)}\r\n${value}\r\n`)),
    answers: (chunk) => {
      if (chunk[0] === 0x2d) throw new Error(`Redis: ${chunk.toString("utf8", 0, 200)}`);
      let answered = 0;
      for (let at = chunk.indexOf(DOLLAR); at !== -1; at = chunk.indexOf(DOLLAR, at + 1)) answered++;
      return answered;
    },
  };
}

const { peer, socket: path, user, clients, inFlight, seconds, warmUp } = JSON.parse(process.argv[2]!) as PeerLoad;
const values = receiptTexts(512, 250);
const times: number[] = [];
const begin = performance.now() + warmUp * 1000;
const end = begin + seconds * 1000;

for (let i = 0; i < clients; i++) {
  const { hello, rows, answers } = peer === "postgresql" ? postgresql(user, values) : redis(values);
  const socket: Socket = connect(path);
  const due: number[] = [];
  let sent = 0;
  /** PostgreSQL is ready twice before the first row: behind the start, and behind the statement. */
  let greetings = peer === "postgresql" ? 2 : 0;
  const send = (count: number): void => {
    const now = performance.now();
    const parts: Buffer[] = [];
    for (let n = 0; n < count; n++) {
      parts.push(rows[sent++ % rows.length]!);
      due.push(now);
    }
    if (count > 0) socket.write(Buffer.concat(parts));
  };
  socket.on("error", (error) => { throw error; });
  socket.on("data", (chunk: Buffer) => {
    let answered = answers(chunk);
    const greeted = Math.min(greetings, answered);
    greetings -= greeted;
    answered -= greeted;
    if (greeted > 0 && greetings === 0) send(inFlight);
    const now = performance.now();
    const answeredDue = due.splice(0, answered);
    if (now >= begin && now < end) for (const at of answeredDue) times.push(now - at);
    if (now < end) send(answered);
  });
  if (hello.length > 0) socket.write(hello);
  else send(inFlight);
}

setTimeout(() => {
  process.stdout.write(`${JSON.stringify({ ...summary(times), perSecond: times.length / seconds } satisfies PeerMeasured)}\n`, () => process.exit());
}, end - performance.now());
