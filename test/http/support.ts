/** A ledger with its daemon and its HTTP API, all in the test's process, and a client that checks every answer's form. */
import { pino } from "pino";
import { expect } from "vitest";
import { type Config, loadConfig } from "../../src/config.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import { initLedger } from "../../src/daemon/init.ts";
import { placesOf } from "../../src/daemon/places.ts";
import type { StaticPage } from "../../src/http/app.ts";
import { error as errorSchema } from "../../src/http/schemas.ts";
import { type HttpServer, startHttp } from "../../src/http/server.ts";
import { createToken, type NewToken } from "../../src/http/tokens.ts";
import { Client } from "../faults/client.ts";
import { Host } from "../cli/host.ts";

const silent = pino({ level: "silent" });

/** No anchor but those that a test asks for, and no limit that a test does not look for. */
const CONFIG = `origin: test.example/receipts
organizations:
  loans: {prefix: LN}
anchor:
  schedule: "0 0 1 1 *"
  heartbeat: 1h
self_check: {enabled: false}
http:
  listen: 127.0.0.1:0
  rate: {per_client: 1000000, overall: 100000}
  idle_timeout: 5s
  request_timeout: 1s
`;

export type Members = { readonly [name: string]: unknown };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Empty: it is no JSON object. */
  readonly json: Members;
}

export class HttpHost {
  readonly host: Host;
  readonly config: Config;
  daemon: Daemon | null = null;
  http: HttpServer | null = null;
  vkey = "";

  constructor(more = "", http: Partial<Config["http"]> = {}) {
    this.host = new Host(CONFIG + more);
    const config = loadConfig({ path: this.host.path("receiptd.yaml"), env: {} });
    this.config = { ...config, http: { ...config.http, ...http } };
  }

  get places(): ReturnType<typeof placesOf> {
    return placesOf(this.config);
  }

  async init(): Promise<this> {
    ({ vkey: this.vkey } = await initLedger(this.config));
    return this;
  }

  async startDaemon(): Promise<void> {
    this.daemon = await startDaemon(this.config, silent, (error) => { throw error; });
  }

  async stopDaemon(): Promise<void> {
    await this.daemon?.stop();
    this.daemon = null;
  }

  async startHttp(pages: readonly StaticPage[] = []): Promise<void> {
    this.http = await startHttp(this.config, this.places, "1.2.3", silent, pages);
  }

  /** With a daemon, an API, and these receipts of which `anchored` are under an anchor. */
  async start(): Promise<this> {
    await this.init();
    await this.startDaemon();
    await this.startHttp();
    return this;
  }

  async talk<T>(say: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client(this.config.socket.path);
    try {
      return await say(client);
    } finally {
      await client.close();
    }
  }

  append(receipt: object): Promise<Members> {
    return this.talk((client) => client.must("append", { receipt: { system_id: "scorer", organization: "loans", decision: { action: "APPROVE" }, inputs: {}, ...receipt } }));
  }

  async anchor(): Promise<number> {
    return await this.talk(async (client) => {
      const { tree_size } = await client.must("anchor");
      await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
      return Number(tree_size);
    });
  }

  async token(more: Partial<NewToken> = {}): Promise<{ readonly token: string; readonly id: string }> {
    const { token, record } = await createToken(this.places.tokens, { scopes: ["read", "evidence", "export"], organizations: null, ledger: true, label: "", expiresAt: Date.now() + 3_600_000, ...more }, Date.now());
    return { token, id: record.id };
  }

  async get(path: string, token?: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = await fetch(`${this.http!.url}${path}`, { headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) } });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json") === true;
    const json = isJson ? (JSON.parse(text) as Members) : {};
    if (answer.status >= 400 && !(answer.status === 503 && path === "/v1/ready")) expect(errorSchema.safeParse(json).error, text).toBeUndefined();
    return { status: answer.status, headers: answer.headers, text, json };
  }

  /** Of an answer that is an error. */
  async code(path: string, token?: string): Promise<string> {
    const { error } = (await this.get(path, token)).json as { readonly error?: { readonly code: string } };
    return error?.code ?? "no error";
  }

  async remove(): Promise<void> {
    await this.http?.stop();
    await this.stopDaemon();
    await this.host.remove();
  }
}
