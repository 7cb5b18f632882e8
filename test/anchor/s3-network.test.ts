/** The S3 target against servers that cut, hang, lie and talk nonsense: every call ends, with a code, and nothing is stored twice. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { S3_TIMEOUTS, type S3Timeouts } from "../../src/anchor/s3/client.ts";
import { S3Target } from "../../src/anchor/s3/target.ts";
import type { TargetError, TargetVersion } from "../../src/anchor/target.ts";
import type { S3Config } from "../../src/anchor/targets.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { bucket, hasS3 } from "../support/s3-server.ts";

const NAME = "v1/a.example/log/anchors/1.tlog-proof";
const BYTES = utf8("an anchor\n");
const VERSION = { name: NAME, versionId: "v1" };
const SHORT: S3Timeouts = { connect: 300, idle: 150, call: 2_000 };

const closing: (() => void)[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});
afterAll(() => { for (const close of closing) close(); }); // some tests run beside others

function targetAt(server: Server, timeouts = SHORT, overrides: Partial<S3Config> = {}): S3Target {
  process.env["AWS_ACCESS_KEY_ID"] ??= "testkey";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "testsecret";
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new S3Target({ type: "s3", name: "s3", bucket: "acme-receipts", endpoint, path_style: true, retention: 86_400_000, required: true, ...overrides }, timeouts);
}

/** A server that does this with each connection. */
async function tcp(handle: (socket: Socket) => void): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    handle(socket);
  });
  closing.push(() => { server.close(); for (const socket of sockets) socket.destroy(); });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function http(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handle);
  closing.push(() => { server.close(); server.closeAllConnections(); });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function all(list: AsyncIterable<TargetVersion>): Promise<TargetVersion[]> {
  const versions: TargetVersion[] = [];
  for await (const one of list) versions.push(one);
  return versions;
}

const EMPTY_LIST = '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult><Name>acme-receipts</Name><IsTruncated>false</IsTruncated></ListVersionsResult>';

const bad: readonly (readonly [string, (socket: Socket) => void])[] = [
  ["never answers", () => undefined],
  ["closes at once", (socket) => socket.destroy()],
  ["resets the connection when it is asked", (socket) => socket.on("data", () => socket.resetAndDestroy())],
  ["answers with nonsense", (socket) => socket.on("data", () => socket.end("SSH-2.0-OpenSSH_9.2\r\n"))],
  ["stops within the headers", (socket) => socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Le"))],
  ["stops within the body", (socket) => socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 50\r\nx-amz-version-id: v1\r\n\r\n<List"))],
  ["cuts the body", (socket) => socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 50\r\nx-amz-version-id: v1\r\n\r\n<List"))],
  ["answers 200 with a web page", (socket) => socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n<html><body>Please log in.</body></html>\n"))],
  ["answers 200 with something else", (socket) => socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\": [1]}"))],
  ["answers 404 with a web page", (socket) => socket.on("data", () => socket.write("HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n<html>ha</html>"))],
  ["answers 405 with nothing", (socket) => socket.on("data", () => socket.write("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"))],
  ["answers 302 to a login", (socket) => socket.on("data", () => socket.write("HTTP/1.1 302 Found\r\nLocation: https://login.example.com/\r\nContent-Length: 0\r\n\r\n"))],
  ["answers 403 with a web page", (socket) => socket.on("data", () => socket.write("HTTP/1.1 403 No\r\nContent-Length: 15\r\n\r\n<html>ha</html>"))],
  ["answers 502 with a web page", (socket) => socket.on("data", () => socket.write("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 15\r\n\r\n<html>ha</html>"))],
  ["answers 503 with nothing", (socket) => socket.on("data", () => socket.write("HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"))],
];

describe.concurrent("unavailable, to a put, a get and a listing, is", () => {
  test.each(bad)("a server that %s", async (_what, handle) => {
    const target = targetAt(await tcp(handle));
    const calls = [target.put(NAME, BYTES), target.get(VERSION, 100), all(target.list(""))];
    const answers = await Promise.allSettled(calls);
    expect(answers.map((answer) => answer.status === "rejected" && (answer.reason as TargetError).code)).toEqual(calls.map(() => "target_unavailable"));
  });
});

test("a server that is not there is unavailable", async () => {
  const server = await tcp(() => undefined);
  const target = targetAt(server);
  server.close();
  await once(server, "close");
  await expect(target.put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unavailable", message: expect.stringContaining("nothing accepts connections at http://127.0.0.1") });
});

test("a server that lists and never answers a PUT does not hold it for ever", async () => {
  let puts = 0;
  const server = await http((request, response) => {
    if (request.method === "PUT") puts++;
    else response.end(EMPTY_LIST);
  });
  await expect(targetAt(server).put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unavailable", message: expect.stringContaining("does not answer in time") });
  expect(puts).toBe(3);
});

test("a body that drips for ever ends with the call", async () => {
  const server = await http((_request, response) => {
    response.writeHead(200, { "content-length": 1_000, "x-amz-version-id": "v1" });
    const timer = setInterval(() => response.write("."), 20);
    response.on("close", () => clearInterval(timer));
  });
  const target = targetAt(server, { ...SHORT, idle: 5_000, call: 500 });
  await expect(target.get(VERSION, 1_000)).rejects.toMatchObject({ code: "target_unavailable" });
  await expect(all(target.list(""))).rejects.toMatchObject({ code: "target_unavailable" });
});

test("credentials that never come do not hold a call for ever", async () => {
  const folder = mkdtempSync(join(tmpdir(), "receiptd-test-"));
  writeFileSync(join(folder, "config"), "[profile hangs]\ncredential_process = sleep 3\n");
  vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "credentials"));
  const server = await http((_request, response) => response.end(EMPTY_LIST));
  const target = targetAt(server, { ...SHORT, call: 300 }, { profile: "hangs" });
  await expect(all(target.list(""))).rejects.toMatchObject({ code: "target_unavailable", message: expect.stringContaining("in time") });
  rmSync(folder, { recursive: true });
});

test("what goes over the wire is locked, checked and conditional", async () => {
  let headers: IncomingMessage["headers"] = {};
  const server = await http((request, response) => {
    if (request.method !== "PUT") return void response.end(EMPTY_LIST);
    headers = request.headers;
    response.writeHead(200, { "x-amz-version-id": "v1" }).end();
  });
  expect(await targetAt(server).put(NAME, BYTES)).toEqual(VERSION);
  expect(headers).toMatchObject({
    "if-none-match": "*",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-checksum-sha256": expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
    "content-length": String(BYTES.length),
  });
  expect(headers).not.toHaveProperty("x-amz-server-side-encryption");
  expect(headers).not.toHaveProperty("transfer-encoding");
});

test("the lock is by the server's clock, not by this host's", async () => {
  const day = 86_400_000;
  const serverTime = Date.now() + 40 * day;
  let until = "";
  const server = await http((request, response) => {
    response.setHeader("date", new Date(serverTime).toUTCString());
    if (request.method !== "PUT") return void response.end(EMPTY_LIST);
    until = String(request.headers["x-amz-object-lock-retain-until-date"]);
    response.writeHead(200, { "x-amz-version-id": "v1" }).end();
  });
  await targetAt(server).put(NAME, BYTES);
  expect(Date.parse(until)).toBeGreaterThan(serverTime + day);
  expect(Date.parse(until)).toBeLessThan(serverTime + 2 * day);
});

test("a clock that the server goes on refusing is named, with how far it is off", async () => {
  const server = await http((_request, response) => {
    response.setHeader("date", new Date(Date.now() + 3 * 3_600_000).toUTCString());
    response.writeHead(403).end("<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>");
  });
  await expect(targetAt(server).put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unavailable", message: expect.stringContaining("this host's clock is off by 3 h (it is behind); fix NTP") });
});

describe.skipIf(!hasS3())("between the target and a real server", () => {
  /** Passes everything on, but for the first PUT: `cut` decides. */
  async function proxy(endpoint: string, cut: (client: Socket, upstream: Socket, data: Buffer) => void): Promise<Server> {
    const { hostname, port } = new URL(endpoint);
    let isDone = false;
    return tcp((client) => {
      const upstream = connect(Number(port), hostname);
      closing.push(() => upstream.destroy());
      upstream.on("error", () => client.destroy());
      upstream.on("close", () => client.destroy());
      client.on("close", () => upstream.end());
      upstream.on("data", (data) => { if (!client.destroyed) client.write(data); });
      client.on("data", (data) => {
        if (isDone || !data.toString("latin1").startsWith("PUT ")) return void upstream.write(data);
        isDone = true;
        cut(client, upstream, data);
      });
    });
  }

  test("a PUT that is cut in its middle is made again, once", async () => {
    const config = await bucket();
    const server = await proxy(config.endpoint!, (client, upstream, data) => {
      upstream.write(data.subarray(0, data.length / 2));
      client.resetAndDestroy();
    });
    const { endpoint: _, ...rest } = config;
    const version = await targetAt(server, S3_TIMEOUTS, rest).put(NAME, BYTES);
    expect(await all(new S3Target(config).list(""))).toMatchObject([version]);
  });

  test("a PUT that is carried out and loses its answer is not made again", async () => {
    const config = await bucket();
    const server = await proxy(config.endpoint!, (client, upstream, data) => {
      upstream.removeAllListeners("data");
      upstream.once("data", () => client.resetAndDestroy());
      upstream.write(data);
    });
    const { endpoint: _, ...rest } = config;
    const version = await targetAt(server, S3_TIMEOUTS, rest).put(NAME, BYTES);
    expect(await all(new S3Target(config).list(""))).toMatchObject([version]);
  });

  test("a host whose clock is a day off signs by the server's", async () => {
    const config = await bucket();
    const target = new S3Target(config);
    const real = Date.now.bind(Date);
    const day = 86_400_000;
    vi.spyOn(Date, "now").mockImplementation(() => real() - day);
    const version = await target.put(NAME, BYTES);
    const { lastModified, retention } = await target.get(version, 100);
    expect(Math.abs(lastModified - real())).toBeLessThan(60_000);
    expect(retention!.until).toBeGreaterThanOrEqual(lastModified + day);
  });
});
