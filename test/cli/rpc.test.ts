import { afterEach, expect, test } from "vitest";
import { RpcClient, RpcFailure } from "../../src/door/client.ts";
import { errorLine, type FakeDaemon, fakeDaemon, resultLine } from "./fake-daemon.ts";

let daemon: FakeDaemon;
afterEach(() => daemon.stop());

async function failureOf(promise: Promise<unknown>): Promise<RpcFailure> {
  const error = await promise.then(() => new Error("it succeeded"), (error: unknown) => error);
  if (error instanceof RpcFailure) return error;
  throw error;
}

test("calls are sent at once, answers go to their calls", async () => {
  const held: (() => void)[] = [];
  daemon = await fakeDaemon(({ id, method }, socket) => {
    held.push(() => void socket.write(method === "bad" ? errorLine(id, "not_found") : resultLine(id, { n: id })));
    if (held.length === 3) for (const answer of held) answer();
  });
  const client = await RpcClient.connect(daemon.path, { timeout: 5000 });
  const [first, second, third] = await Promise.allSettled([client.call("a"), client.call("bad"), client.call("c")]);
  expect(first).toEqual({ status: "fulfilled", value: { n: 1 } });
  expect(second).toMatchObject({ status: "rejected", reason: { code: "not_found", lost: false, retry: false } });
  expect(third).toEqual({ status: "fulfilled", value: { n: 3 } });
  client.close();
});

test("an answer in pieces, also within a character", async () => {
  daemon = await fakeDaemon(({ id }, socket) => {
    const bytes = Buffer.from(resultLine(id, { text: "é𝄞" }));
    let at = 0;
    const next = (): void => {
      if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
    };
    next();
  });
  const client = await RpcClient.connect(daemon.path, { timeout: 5000 });
  expect(await client.call("a")).toEqual({ text: "é𝄞" });
  client.close();
});

test.each<readonly [string, string, (id: number) => string | null]>([
  ["the connection ends", "connection_lost", () => null],
  ["no answer", "no_answer", () => ""],
  ["rubbish", "bad_answer", () => "HTTP/1.1 400 Bad Request\r\n"],
  ["an answer to another call", "bad_answer", (id: number) => resultLine(id + 1, {})],
  ["the daemon's last word", "too_many_connections", () => errorLine(null, "too_many_connections", true)],
])("what is left without an answer is lost: %s", async (_, code, text) => {
  daemon = await fakeDaemon(({ id }, socket) => {
    const said = text(id);
    if (said === null) socket.destroy();
    else socket.write(said);
  });
  const client = await RpcClient.connect(daemon.path, { timeout: 200 });
  const failures = await Promise.all([failureOf(client.call("a")), failureOf(client.call("b"))]);
  for (const failure of failures) expect(failure).toMatchObject({ code, lost: true });
  expect(await failureOf(client.call("c"))).toMatchObject({ code });
});

test("no daemon", async () => {
  daemon = await fakeDaemon(() => {});
  expect(await failureOf(RpcClient.connect(`${daemon.path}-none`, { timeout: 200 }))).toMatchObject({ code: "daemon_not_running", lost: true });
});
