/**
 * A client that knows nothing but /v1/openapi.json, and asks for what is described and for what is not: odd names, numbers, headers, bodies.
 * Never an error of the server's own, and every answer is of the form that the document has for its status.
 */
import { request } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { HttpHost, type Members } from "./support.ts";

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required: boolean;
  readonly schema: { readonly pattern?: string; readonly enum?: readonly string[]; readonly maxLength?: number };
}

interface Operation {
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** By status; null: it is no JSON. */
  readonly answers: ReadonlyMap<number, z.ZodType | null>;
}

let h: HttpHost;
let token: string;
let known: readonly string[];
let operations: readonly Operation[];
beforeAll(async () => {
  h = await new HttpHost().start();
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push(String((await h.append({ inputs: { n }, organization: n % 2 === 0 ? "loans" : "cards" }))["receipt_id"]));
  const size = await h.anchor();
  ids.push(String((await h.append({}))["receipt_id"]));
  ({ token } = await h.token());
  const year = new Date().getUTCFullYear();
  known = [...ids, `LN-${year}-00001`, `CARDS-${year}-00002`, `LEDGER-${year}-00001`, String(size), "0", "1", "2", "loans", "cards", "_ledger", "APPROVE", "PASS", "2026-01-01", "s-1", "t-1-1", "100"];
  operations = operationsIn((await h.get("/v1/openapi.json")).json);
});
afterAll(() => h.remove());

function operationsIn(document: Members): readonly Operation[] {
  const paths = document["paths"] as Readonly<Record<string, { readonly get: { readonly parameters: readonly Parameter[]; readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, { readonly schema: object }>> }>> } }>>;
  const components = document["components"] as { readonly schemas: Readonly<Record<string, object>> };
  const schemaOf = (schema: object): z.ZodType => z.fromJSONSchema(("$ref" in schema ? components.schemas["Error"]! : schema) as Parameters<typeof z.fromJSONSchema>[0]);
  return Object.entries(paths).map(([path, { get }]) => ({
    path, parameters: get.parameters,
    answers: new Map(Object.entries(get.responses).map(([status, { content }]) => {
      const json = content["application/json"];
      return [Number(status), json === undefined || ("type" in json.schema && json.schema.type === "string") ? null : schemaOf(json.schema)];
    })),
  }));
}

interface Asked {
  /** Which of `operations`. */
  readonly operation: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const odd = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }), fc.integer().map(String), fc.double().map(String), fc.stringMatching(/^[A-Z]{1,3}-\d{4}-\d{1,20}$/), fc.uuid(), fc.uuid().map((id) => id.toUpperCase()),
  fc.constantFrom("", "..", "%00", "%2e%2e%2f", "null", "9007199254740993", "999999999999999", "-1", "1e3", "0x10", "01", "2026-02-30", "0000-01-01", "9999-12-31T23:59:59.999Z", "t-999999999999999-999999999999999", "s-999999999999999", "' OR 1=1 --", "\u0000", "\ud800", "ａ"),
  fc.string({ minLength: 60, maxLength: 300 }), fc.constant("a".repeat(3000)),
);

/** Without what cannot be in a URL at all. */
function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

const value = ({ schema }: Parameter): fc.Arbitrary<string> => fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...known, ...(schema.enum ?? [])) },
  ...(schema.pattern === undefined ? [] : [{ weight: 4, arbitrary: fc.stringMatching(new RegExp(schema.pattern)) }]),
  { weight: 2, arbitrary: odd },
);

const header = fc.oneof(
  fc.record({ authorization: fc.oneof(fc.constantFrom("Bearer", "Bearer x", "Basic eDp5", `Bearer rcpt_${"A".repeat(43)}`), fc.string({ maxLength: 60 }).map((text) => `Bearer ${text.replaceAll(/[^\x21-\x7e]/g, "")}`)) }),
  fc.record({ "x-forwarded-for": fc.string({ maxLength: 40 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, "")) }),
  fc.constantFrom({ accept: "text/html" }, { "if-none-match": "*" }, { range: "bytes=0-1" }, { expect: "100-continue" }, { origin: "null" }, { "accept-encoding": "gzip" }, { cookie: "a=b" }, { "content-type": "application/json" }, { "x-http-method-override": "DELETE" }),
  fc.constant({}),
);

/** null so many times more often. */
function seldom<T>(one: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: times, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: one });
}

function asking(): fc.Arbitrary<Asked> {
  return fc.oneof(...operations.map((_, operation) => fc.record({
    operation: fc.constant(operation),
    values: fc.tuple(...operations[operation]!.parameters.map((one) => (one.required ? value(one) : seldom(value(one), 1)))),
    more: seldom(fc.tuple(fc.constantFrom("x", "token", "__proto__", "constructor", ...operations[operation]!.parameters.map(({ name }) => name)), odd), 4),
    headers: header,
    withToken: fc.boolean(),
    body: seldom(fc.constantFrom("{}", "x".repeat(10)), 12),
  }))).map(({ operation, values, more, headers, withToken, body }) => {
    const query: string[] = more === null ? [] : [`${more[0]}=${escaped(more[1])}`];
    const { parameters, path: template } = operations[operation]!;
    let path = template;
    for (const [i, { name, in: at }] of parameters.entries()) {
      const text = values[i];
      if (text === null || text === undefined) continue;
      if (at === "path") path = path.replace(`{${name}}`, () => escaped(text));
      else query.push(`${name}=${escaped(text)}`);
    }
    return { operation, url: `${path}${query.length === 0 ? "" : `?${query.join("&")}`}`, headers: { ...headers, ...(withToken ? { authorization: `Bearer ${token}` } : {}) }, body };
  });
}

/** With a body where one is wanted, which fetch does not send. */
function ask({ url, headers, body }: Asked): Promise<{ readonly status: number; readonly type: string; readonly text: string }> {
  const { port } = new URL(h.http!.url);
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path: url, method: "GET", headers: { ...headers, ...(body === null ? {} : { "content-length": String(body.length) }) } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => { text += chunk; });
      answer.on("end", () => resolve({ status: answer.statusCode!, type: String(answer.headers["content-type"]), text }));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body ?? undefined);
  });
}

/** Of paths that a strange name has made another one, and of what is too long for any. */
const ELSEWHERE: ReadonlySet<number> = new Set([400, 404, 414, 431]);

test("every answer is of the form that is described, and none is an error of the server's own", async () => {
  const statuses = new Map<number, number>();
  await fc.assert(fc.asyncProperty(asking(), async (asked) => {
    const { status, type, text } = await ask(asked);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    expect(status, text).not.toBe(500);
    const { answers } = operations[asked.operation]!;
    const schema = answers.get(status);
    if (schema === null) return;
    expect(type).toMatch(/^application\/json/);
    if (schema === undefined) return expect(ELSEWHERE.has(status), `${status} ${text}`).toBe(true);
    expect(schema.safeParse(JSON.parse(text)).error, text).toBeUndefined();
    expect(text).not.toMatch(/node_modules|\.ts:\d|\.js:\d|receiptd-data/);
  }), { numRuns: 400 });
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 401, 404])); // it got past the first check
}, 60_000);
