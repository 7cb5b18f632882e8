/** A socket that answers as the test says: for what the real daemon does only when something goes wrong. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FakeCall {
  readonly id: number;
  readonly method: string;
  readonly params: { readonly receipt?: { readonly receipt_id: string }; readonly ack?: string };
}

export interface FakeDaemon {
  readonly path: string;
  readonly calls: FakeCall[];
  stop(): Promise<void>;
}

export function resultLine(id: number, result: object): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`;
}

export function errorLine(id: number | null, code: string, retry = false): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message: `a sentence about ${code}`, data: { code, retry } } })}\n`;
}

/** `answer` is told each call, in order; `connection` counts connections from 1. */
export async function fakeDaemon(answer: (call: FakeCall, socket: Socket, connection: number) => void): Promise<FakeDaemon> {
  const dir = mkdtempSync(join(tmpdir(), "receiptd-fake-"));
  const path = join(dir, "socket");
  const calls: FakeCall[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    const connection = ++connections;
    let text = "";
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      const all = (text + chunk.toString()).split("\n");
      text = all.pop()!;
      for (const line of all) {
        if (socket.destroyed) return;
        const call = JSON.parse(line) as FakeCall;
        calls.push(call);
        answer(call, socket, connection);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    calls,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(dir, { recursive: true });
    },
  };
}
