/** An MCP server over stdio, started here, whose every tool call has a receipt before it is made. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { basename } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ClientOptions } from "../clients/index.ts";
import { FromClient } from "./from-client.ts";
import { FromServer } from "./from-server.ts";
import { Joint } from "./joint.ts";
import { Out } from "./out.ts";
import { Recorder, type RecorderOptions } from "./recorder.ts";
import { Requests } from "./requests.ts";
import { Session } from "./session.ts";

export interface WrapOptions extends RecorderOptions {
  readonly command: readonly [program: string, ...args: readonly string[]];
  readonly systemId: string | undefined;
  readonly client: ClientOptions;
  /** The client's end. */
  readonly input: Readable;
  readonly output: Writable;
  readonly note: (text: string) => void;
}

const PASSED_ON = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
/** ms of silence after which the output of a server that has ended is closed: another process may hold it. */
const DRAIN = 2000;
/** The exit code of a process that a signal ended, as shells have it. */
const SIGNALLED = 128;

/** Until the server has ended and all that it answered is recorded; returns its exit code. Throws where it cannot be started. */
export async function wrap({ command: [program, ...args], systemId, input, output, note, ...options }: WrapOptions): Promise<number> {
  await using client = new Client(options.client);
  const server = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(server, "spawn"); // rejects with its error
  const ended = once(server, "exit") as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const passOn = PASSED_ON.map((signal) => [signal, () => void server.kill(signal)] as const);
  for (const [signal, kill] of passOn) process.on(signal, kill);
  const session = new Session(basename(program), systemId);
  const joint = new Joint({ requests: new Requests(), session, recorder: new Recorder(client, session, options), toClient: new Out(output), toServer: new Out(server.stdin), note });
  const fromServer = new FromServer(joint).run(server.stdout);
  const fromClient = new FromClient(joint).run(input);
  const [code, signal] = await Promise.race([ended, failureOf(fromServer), failureOf(fromClient)]).catch((error: unknown) => {
    server.kill();
    throw error;
  });
  input.destroy();
  await drained(server.stdout);
  await Promise.all([fromClient, fromServer]);
  await joint.end(code === 0 || signal !== null ? "completed" : "failed");
  for (const [name, kill] of passOn) process.off(name, kill);
  return code ?? SIGNALLED + constants.signals[signal!];
}

/** What an ended server wrote is read to its end; another process that has its output, and writes nothing, is not waited for. */
async function drained(output: Readable): Promise<void> {
  const end = once(output, "close").catch(() => undefined);
  for (let before = -1; !output.destroyed; ) {
    const { bytesRead } = output as unknown as Socket;
    if (bytesRead === before && output.readableLength === 0) output.destroy();
    before = bytesRead;
    await Promise.race([end, sleep(DRAIN, undefined, { ref: false })]);
  }
}

/** Never resolves. */
async function failureOf(work: Promise<void>): Promise<never> {
  await work;
  return await new Promise<never>(() => {});
}
