/** A provider of models on this machine: it answers each request with the next of the answers that it was given, as JSON or as server-sent events. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface Provider {
  readonly url: string;
  /** Bodies of the requests so far. */
  readonly asked: readonly { readonly [name: string]: unknown }[];
  close(): Promise<void>;
}

/** An answer: a body; or events, as text; `cut` breaks the connection off after them. */
export type Answer = { readonly body: object } | { readonly events: string; readonly cut?: boolean };

/** Closed when the test has ended. */
export async function provider(answers: readonly Answer[]): Promise<Provider> {
  const left = [...answers];
  const asked: { readonly [name: string]: unknown }[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => { text += part; }).on("end", () => {
      asked.push(JSON.parse(text) as { readonly [name: string]: unknown });
      const answer = left.shift();
      if (answer === undefined) return void response.writeHead(400, { "content-type": "application/json" }).end('{"error":{"message":"no more answers"}}');
      response.setHeader("x-request-id", "req_1").setHeader("request-id", "req_1");
      if ("body" in answer) return void response.setHeader("content-type", "application/json").end(JSON.stringify(answer.body));
      response.setHeader("content-type", "text/event-stream").write(answer.events);
      if (answer.cut === true) setImmediate(() => response.destroy());
      else response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> => new Promise((resolve) => { server.close(() => resolve()); server.closeAllConnections(); });
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, close };
}

/** Events as OpenAI's chat completions send them: data alone. */
export function unnamed(events: readonly object[]): string {
  return `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`;
}

/** Events named by their type, as of OpenAI's responses and of Anthropic. */
export function named(events: readonly { readonly type: string }[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
}
