/** One call after the other: by the client of receiptd, or bare, where what comes back is what was sent. Reads its task as JSON from the argument, prints ms as JSON. */
import { connect } from "node:net";
import { Client } from "../../src/clients/index.ts";
import { receiptTexts } from "./receipts.ts";
import { summary } from "./summary.ts";

export interface ClientTask {
  readonly kind: "client" | "bare";
  readonly socket: string;
  readonly count: number;
  readonly warmUp: number;
}

const LF = 0x0a;
const { kind, socket, count, warmUp } = JSON.parse(process.argv[2]!) as ClientTask;
const texts = receiptTexts(512);

async function timed(call: (i: number) => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < warmUp + count; i++) {
    const began = performance.now();
    await call(i);
    if (i >= warmUp) times.push(performance.now() - began);
  }
  process.stdout.write(JSON.stringify(summary(times)));
}

if (kind === "client") {
  const client = new Client({ socket, ack: "wal" });
  const receipts = texts.map((text) => JSON.parse(text) as { readonly system_id: string });
  await timed((i) => client.append(receipts[i % receipts.length]!));
  await client.close();
} else {
  const lines = texts.map((text) => Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"append","params":{"receipt":${text},"ack":"wal"}}\n`));
  const echo = connect(socket);
  let due = (): void => undefined;
  echo.on("data", (chunk) => { if (chunk.at(-1) === LF) due(); });
  await timed((i) => new Promise<void>((resolve) => {
    due = resolve;
    echo.write(lines[i % lines.length]!);
  }));
  echo.end();
}
