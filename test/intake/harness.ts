/** The intake on a real socket and a real ledger, without anchoring; and clients that speak raw bytes. */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Intake, type IntakeOptions } from "../../src/intake/intake.ts";
import type { IntakePort } from "../../src/intake/port.ts";
import { type IntakeServer, listen, type SocketOptions } from "../../src/intake/server.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import type { Writer } from "../../src/ledger/writer.ts";
import { fixture, type Fixture } from "../support/fixture.ts";

export interface Harness {
  readonly f: Fixture;
  readonly path: string;
  readonly writer: Writer;
  readonly server: IntakeServer;
  readonly internal: unknown[];
  /** Tests may wrap its methods. */
  readonly port: IntakePort;
  readonly fatal: Error[];
  /** Tests turn these. */
  readonly knobs: { refusal: { code: string; message: string } | null; commitError: Error | null; anchored: number };
  stop(): Promise<void>;
}

const LIMITS: SocketOptions["limits"] = { maxMessage: 4_194_304, maxInFlight: 1024, lineTimeout: 30_000, writeTimeout: 60_000 };

export async function harness(
  overrides: { readonly limits?: Partial<SocketOptions["limits"]>; readonly socket?: Partial<SocketOptions>; readonly intake?: Partial<IntakeOptions> } = {},
): Promise<Harness> {
  const f = fixture();
  const writer = f.open();
  const reader = new Reader(f.path, nodeHash.sha256);
  const knobs: Harness["knobs"] = { refusal: null, commitError: null, anchored: 0 };
  const internal: unknown[] = [];
  const fatal: Error[] = [];
  const port: IntakePort = {
    refusal: () => knobs.refusal,
    commit(requests, durability) {
      if (knobs.commitError !== null) return { outcomes: [], error: knobs.commitError };
      return { outcomes: writer.commit(requests, f.keys, durability), error: null };
    },
    syncedSize: () => writer.syncedSize,
    sync: () => writer.sync(),
    size: () => writer.size,
    has: (receiptId) => writer.find(receiptId) !== undefined,
    find: (which) => (which.by === "id" ? reader.byId(which.receiptId) : which.by === "index" ? reader.byIndex(which.logIndex)
      : which.by === "number" ? reader.byNumber(which.number.prefix, which.number.orgSeq) : reader.byOrgSeq(which.organization, which.orgSeq)),
    anchoredSize: () => knobs.anchored,
    onAnchored(size, done) {
      const look = (): void => {
        if (knobs.anchored < size) return;
        clearInterval(timer);
        done();
      };
      const timer = setInterval(look, 5);
      look(); // as the daemon does
      return () => clearInterval(timer);
    },
    attest: () => ({}),
    chain: () => Promise.reject(new Error("no chains here")),
    chainAt: () => ({}),
    changeKeys: async () => ({ rotated: null, revoked: null }),
    anchorNow: async () => ({ treeSize: writer.size, root: "sha256:00" }),
    head: () => ({ size: writer.size }),
    status: () => ({ size: writer.size }),
    fatal: (error) => void fatal.push(error),
  };
  const intake = new Intake({
    port, ack: "disk", maxAppendMany: 1000, maxWait: 300_000, newId: f.options.newId, onInternalError: (error) => void internal.push(error), ...overrides.intake,
  });
  const path = join(f.dir, "receiptd.sock");
  const server = await listen({
    path, mode: 0o660, group: null, maxConnections: 64, maxBuffered: 64 * 1024 * 1024, ...overrides.socket, limits: { ...LIMITS, ...overrides.limits },
  }, intake);
  return {
    f, path, writer, server, internal, port, fatal, knobs,
    async stop() {
      await server.drain(0);
      await intake.stop();
      reader.close();
      writer.close();
      f.remove();
    },
  };
}

export type Answer = { readonly id: string | number | null; readonly result?: Record<string, unknown>; readonly error?: { readonly code: number; readonly message: string; readonly data: Record<string, unknown> } };

export class Client {
  readonly socket: Socket;
  readonly answers: Answer[] = [];
  ended = false;
  #text = "";
  #wake: (() => void)[] = [];

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.setEncoding("utf8");
    this.socket.on("data", (text: string) => {
      const lines = (this.#text + text).split("\n");
      this.#text = lines.pop()!;
      for (const line of lines) this.answers.push(JSON.parse(line) as Answer);
      this.#notify();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.ended = true;
      this.#notify();
    });
  }

  send(...lines: readonly (string | object | Uint8Array)[]): this {
    for (const line of lines) this.socket.write(line instanceof Uint8Array || typeof line === "string" ? line : `${JSON.stringify(line)}\n`);
    return this;
  }

  /** Waits until there are `n` answers, or the connection is closed. */
  async wait(n: number): Promise<readonly Answer[]> {
    while (this.answers.length < n && !this.ended) await new Promise<void>((resolve) => void this.#wake.push(resolve));
    return this.answers;
  }

  async closed(): Promise<readonly Answer[]> {
    while (!this.ended) await new Promise<void>((resolve) => void this.#wake.push(resolve));
    return this.answers;
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export const RECEIPT = { system_id: "scorer", decision: "APPROVE", inputs: { credit_score: 742 } };

export function append(id: string | number, fields: object = {}, params: object = {}): object {
  return { jsonrpc: "2.0", id, method: "append", params: { receipt: { ...RECEIPT, ...fields }, ...params } };
}

export function call(id: string | number, method: string, params: object = {}): object {
  return { jsonrpc: "2.0", id, method, params };
}
