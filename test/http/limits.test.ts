/** What nobody may exceed, without a daemon: the form of requests, how many they are, and how slowly they come. */
import { once } from "node:events";
import { connect } from "node:net";
import { chmodSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpHost, type Members } from "./support.ts";

const hosts: HttpHost[] = [];
async function started(http: ConstructorParameters<typeof HttpHost>[1] = {}): Promise<HttpHost> {
  const h = await new HttpHost("", http).init();
  hosts.push(h);
  await h.startHttp([{ path: "/", type: "text/html; charset=utf-8", bytes: Buffer.from("<!doctype html>"), policy: "default-src 'none'; style-src 'unsafe-inline'" }]);
  return h;
}
afterAll(() => Promise.all(hosts.map((h) => h.remove())));

let h: HttpHost;
beforeAll(async () => { h = await started(); });

/** Everything that comes back for these bytes, until the server closes. */
async function raw(bytes: string, host = h): Promise<string> {
  const socket = connect(Number(new URL(host.http!.url).port), "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => { text += chunk; });
  socket.on("error", () => undefined);
  socket.write(bytes);
  await once(socket, "close");
  return text;
}

const get = (path: string, headers = ""): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}\r\n`;
const codeIn = (text: string): unknown => ((JSON.parse(text.slice(text.indexOf("{"))) as Members)["error"] as Members)["code"];

describe("form", () => {
  test.each<readonly [status: number, code: string, bytes: string]>([
    [414, "url_too_long", get(`/${"a".repeat(2048)}`)],
    [431, "headers_too_large", get("/v1/health", `x: ${"a".repeat(9000)}\r\n`)],
    [400, "body_not_allowed", get("/v1/health", "content-length: 3\r\n").concat("abc")],
    [400, "body_not_allowed", get("/v1/health", "transfer-encoding: chunked\r\n").concat("0\r\n\r\n")],
    [405, "method_not_allowed", get("/v1/health").replace("GET", "POST")],
    [405, "method_not_allowed", get("/v1/health").replace("GET", "PROPFIND")],
    [405, "method_not_allowed", get("/v1/health").replace("GET", "OPTIONS")],
    [400, "bad_request", get("/v1/receipts/%/verify")],
    [400, "bad_request", get("/v1/receipts/%ff/verify")],
    [400, "bad_request", "hello\r\n\r\n"],
    [400, "bad_request", get("/v1/health", "content-length: 1\r\ntransfer-encoding: chunked\r\n")],
    [400, "bad_request", get(`/v1/receipts/${"a".repeat(200)}/verify`)],
    [404, "not_found", get("/V1/health")],
    [404, "not_found", get("//v1/health")],
    [404, "not_found", get("/v1/../v1/health")],
    [400, "bad_request", get("/v1/health?a=1")],
    [421, "host_not_served", get("/v1/overview").replace("localhost", "evil.example:7463")],
  ])("%i %s", async (status, code, bytes) => {
    const text = await raw(bytes);
    expect([text.slice(0, 12), codeIn(text)]).toEqual([`HTTP/1.1 ${status}`, code]);
    expect(text).not.toMatch(/\.(ts|js):\d/);
  });

  test("a HEAD request is refused as well", async () => {
    expect(await raw(get("/v1/health").replace("GET", "HEAD"))).toMatch(/^HTTP\/1\.1 405 /);
  });

  test("a request that comes too slowly ends", async () => {
    const text = await raw("GET /v1/health HTTP/1.1\r\nhost: x\r\n");
    expect([text.slice(0, 12), codeIn(text)]).toEqual(["HTTP/1.1 408", "request_timeout"]);
  });
});

test("a page is served with its own policy, and nothing else is", async () => {
  const { status, text, headers } = await h.get("/");
  expect([status, text, headers.get("content-security-policy")]).toEqual([200, "<!doctype html>", "default-src 'none'; style-src 'unsafe-inline'"]);
  expect(await h.code("/index.html")).toBe("not_found");
});

describe("rate", () => {
  test("of one client; those behind a trusted proxy are told apart, others cannot claim it", async () => {
    const rate = { per_client: 3, overall: 100_000 };
    const direct = await started({ rate });
    const asked = async (host: HttpHost, address: string): Promise<readonly number[]> => (
      (await Promise.all(Array.from({ length: 4 }, () => host.get("/v1/keys", undefined, { "x-forwarded-for": address })))).map(({ status }) => status).toSorted()
    );
    expect([await asked(direct, "192.0.2.1"), await asked(direct, "192.0.2.2")]).toEqual([[200, 200, 200, 429], [429, 429, 429, 429]]);
    const limited = await direct.get("/v1/nothing");
    expect([limited.status, Number(limited.headers.get("retry-after")) > 0]).toEqual([429, true]);
    expect((await direct.get("/v1/health")).status).toBe(200);
    const { token } = await direct.token();
    expect((await direct.get("/v1/keys", token)).status).toBe(200); // a token is not counted
    expect(await direct.code("/v1/receipts", `${token}x`)).toBe("too_many_requests"); // a wrong one is
    const behind = await started({ rate, trust_proxy: ["127.0.0.1"] });
    expect([await asked(behind, "192.0.2.1"), await asked(behind, "192.0.2.2"), await asked(behind, "2001:db8::1"), await asked(behind, "2001:db8::2")])
      .toEqual([[200, 200, 200, 429], [200, 200, 200, 429], [200, 200, 200, 429], [429, 429, 429, 429]]);
    expect(await behind.get("/v1/keys", undefined, { "x-forwarded-for": "junk" })).toMatchObject({ status: 400 }); // or each would be a client of its own
    for (const odd of ["", "unknown", "<x>", "1.2.3.4.5, 6", "::ffff:::1", "a".repeat(500)]) expect([200, 400, 429]).toContain((await behind.get("/v1/keys", undefined, { "x-forwarded-for": odd })).status);
  });

  test("whoever is over his own takes nothing from the others", async () => {
    const host = await started({ rate: { per_client: 3, overall: 10 }, trust_proxy: ["127.0.0.1"] });
    const asking = (address: string): Promise<number> => host.get("/v1/keys", undefined, { "x-forwarded-for": address }).then(({ status }) => status);
    await Promise.all(Array.from({ length: 200 }, () => asking("192.0.2.1")));
    expect([await asking("192.0.2.2"), await asking("192.0.2.3")]).toEqual([200, 200]);
  });

  test("of one token", async () => {
    const host = await started({ rate: { per_client: 100_000, overall: 100_000 } });
    const { token } = await host.token();
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) statuses.push(...(await Promise.all(Array.from({ length: 12 }, () => host.get("/v1/receipts/LEDGER-1970-00001", token)))).map(({ status }) => status));
    expect([statuses.includes(404), statuses.includes(429)]).toEqual([true, true]);
  });

  test("of the connections of one address", async () => {
    const host = await started({ max_connections: 8 });
    const open = Array.from({ length: 8 }, () => connect(Number(new URL(host.http!.url).port), "127.0.0.1").on("error", () => undefined));
    await expect.poll(() => open.filter(({ closed }) => closed).length).toBe(6);
    for (const socket of open) socket.destroy();
  });

  test("of all together", async () => {
    const all = await started({ rate: { per_client: 1_000_000, overall: 2 } });
    const statuses = (await Promise.all(Array.from({ length: 6 }, () => all.get("/v1/keys")))).map(({ status }) => status);
    expect([statuses.includes(200), statuses.filter((status) => status === 429).length >= 3]).toEqual([true, true]);
  });
});

test("receipts by their id only, where numbers are turned off", async () => {
  const closed = await started({ public_numbers: false });
  expect([await closed.code(`/v1/receipts/LEDGER-${new Date().getUTCFullYear()}-00001/verify`), await closed.code("/v1/receipts/00000000-0000-4000-8000-000000000000/verify")]).toEqual(["bad_request", "not_found"]);
});

test("a file of tokens that others can read lets nobody in, and anybody verify", async () => {
  const { token } = await h.token();
  chmodSync(h.places.tokens, 0o644);
  expect([await h.code("/v1/receipts", token), (await h.get("/v1/keys", token)).status]).toEqual(["tokens_unusable", 200]);
});
