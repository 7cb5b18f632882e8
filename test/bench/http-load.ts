/**
 * Verifications over HTTP at a rate, whether or not earlier ones are answered; a request's time begins when it was due. Reads its settings as
 * JSON from the argument and prints what it measured as JSON. Every answer has to be valid.
 */
import { Agent, request } from "node:http";
import { type Measured, summary } from "./summary.ts";

export interface HttpLoadSettings {
  readonly url: string;
  /** Paths, asked for in turn. */
  readonly paths: readonly string[];
  /** Requests a second. */
  readonly rate: number;
  /** s */
  readonly seconds: number;
}

export type HttpLoadMeasured = Measured & { readonly count: number };

const { url, paths, rate, seconds } = JSON.parse(process.argv[2]!) as HttpLoadSettings;
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
const times: number[] = [];

function ask(path: string, due: number): Promise<void> {
  return new Promise((resolve, reject) => {
    request(`${url}${path}`, { agent }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => { text += chunk; });
      answer.on("end", () => {
        times.push(performance.now() - due);
        if (answer.statusCode === 200 && text.startsWith('{"valid":true,')) resolve();
        else reject(new Error(`${answer.statusCode} ${text.slice(0, 300)}`));
      });
    }).on("error", reject).end();
  });
}

const asked: Promise<void>[] = [];
const start = performance.now();
while (performance.now() < start + seconds * 1000) {
  const wanted = Math.min(rate * seconds, Math.ceil(((performance.now() - start) / 1000) * rate));
  for (; asked.length < wanted;) asked.push(ask(paths[asked.length % paths.length]!, start + (asked.length / rate) * 1000));
  await new Promise((resolve) => void setTimeout(resolve, 2));
}
await Promise.all(asked);
process.stdout.write(`${JSON.stringify({ ...summary(times), count: times.length } satisfies HttpLoadMeasured)}\n`, () => process.exit());
