/** A proxy in the test's process: the test is the client and the server, line by line, and the daemon whichever it names. */
import { PassThrough } from "node:stream";
import { Client } from "../../src/clients/index.ts";
import { FromClient } from "../../src/wrap/from-client.ts";
import { FromServer } from "../../src/wrap/from-server.ts";
import { Joint } from "../../src/wrap/joint.ts";
import { Out } from "../../src/wrap/out.ts";
import { Recorder, type RecorderOptions } from "../../src/wrap/recorder.ts";
import { Requests } from "../../src/wrap/requests.ts";
import { Session } from "../../src/wrap/session.ts";

export interface Line {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: { readonly [name: string]: unknown };
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data: { readonly code: string; readonly executed: boolean | null; readonly receipt_id?: string } };
}

/** One end: what it says, and what it has been told. */
class End {
  readonly says = new PassThrough();
  readonly hears = new PassThrough();
  readonly lines: string[] = [];
  #rest = "";
  #heard: (() => void) | null = null;

  constructor() {
    this.hears.setEncoding("utf8").on("data", (text: string) => {
      const all = (this.#rest + text).split("\n");
      this.#rest = all.pop()!;
      this.lines.push(...all);
      this.#heard?.();
    });
  }

  say(...messages: readonly (object | string)[]): void {
    for (const message of messages) this.says.write(`${typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  /** The first `count` lines, once there are that many. */
  async heard(count: number): Promise<readonly Line[]> {
    while (this.lines.length < count) await new Promise<void>((resolve) => { this.#heard = resolve; });
    return this.lines.map((line) => JSON.parse(line) as Line);
  }
}

export class Between {
  readonly client = new End();
  readonly server = new End();
  readonly notes: string[] = [];
  readonly #daemon: Client;
  readonly #joint: Joint;
  readonly #ended: Promise<unknown>;

  constructor(socket: string, options: Partial<RecorderOptions> & { readonly timeoutMs?: number } = {}) {
    const { timeoutMs = 10_000, ...more } = options;
    this.#daemon = new Client({ socket, timeoutMs });
    const session = new Session("program", undefined);
    const recorder = new Recorder(this.#daemon, session, { organization: undefined, hashInputs: false, redact: new Set(), results: "hash", chain: false, ...more });
    this.#joint = new Joint({ requests: new Requests(), session, recorder, toClient: new Out(this.client.hears), toServer: new Out(this.server.hears), note: (text) => void this.notes.push(text) });
    this.#ended = Promise.all([new FromClient(this.#joint).run(this.client.says), new FromServer(this.#joint).run(this.server.says)]);
  }

  /** Both have hung up, and all that this means is done. */
  async end(): Promise<void> {
    this.client.says.end();
    this.server.says.end();
    await this.#ended;
    await this.#joint.end("completed");
    await this.#daemon.close();
  }

  /** As it stands: nothing waits for the daemon any more. */
  async abandon(): Promise<void> {
    await this.#daemon.close();
    await this.end();
  }

  async initialize(): Promise<void> {
    const { client, server } = this;
    const [before, told] = [server.lines.length, client.lines.length];
    client.say({ id: "init", method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "agent", version: "7" } } });
    await server.heard(before + 1);
    server.say({ id: "init", result: { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "files", version: "3" } } });
    await client.heard(told + 1);
  }
}

export function toolCall(id: string | number, args: object = {}, more: object = {}): object {
  return { id, method: "tools/call", params: { name: "write", arguments: args, ...more } };
}
