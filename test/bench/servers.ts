/** Servers under measurement, each a process of its own in a folder of its own. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run, start } from "./processes.ts";

export const RECEIPTD = join(import.meta.dirname, "../../dist/cli/main.js");

export interface Server {
  readonly socket: string;
  readonly folder: string;
  readonly child: ChildProcess;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Resolves as soon as the socket takes connections; tries every 2 ms. */
export async function serverOf(child: ChildProcess, folder: string, socket: string): Promise<Server> {
  const patience = performance.now() + 30_000;
  while (!(await listens(socket))) {
    if (child.exitCode !== null || performance.now() > patience) throw new Error(`${child.spawnargs.join(" ")} did not start`);
    await sleep(2);
  }
  return {
    socket, folder, child,
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${child.spawnargs.join(" ")} has ended by itself`);
      const closed = once(child, "close");
      child.kill(signal);
      await closed;
    },
  };
}

function listens(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = connect(socket);
    client.on("connect", () => { client.destroy(); resolve(true); });
    client.on("error", () => resolve(false));
  });
}

export function startBaseline(folder: string, name: "echo" | "straightforward"): Promise<Server> {
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, "s");
  const child = start(process.execPath, [join(import.meta.dirname, `${name}.ts`), socket, join(folder, "ledger.db")], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  return serverOf(child, folder, socket);
}

/** Anchors are made by `anchor` and full batches only, so that no run has one that another has not. */
const CONFIG = 'origin: bench.example/receipts\nlog: {level: error}\nanchor:\n  schedule: "0 0 1 1 *"\n  heartbeat: 1d\n';

/** Makes a ledger in the folder, if there is none. */
export async function initReceiptd(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "receiptd.yaml"), CONFIG);
  if (!existsSync(ledgerIn(folder))) await run(process.execPath, [RECEIPTD, "init"], { cwd: folder });
}

/** On a new ledger where there is none. */
export async function startReceiptd(folder: string, nodeFlags: readonly string[] = []): Promise<Server> {
  await initReceiptd(folder);
  const socket = join(folder, "receiptd-data/receiptd.sock");
  rmSync(socket, { force: true }); // of one that was killed
  const child = start(process.execPath, [...nodeFlags, RECEIPTD, "serve"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  return serverOf(child, folder, socket);
}

/** A command on the ledger of a folder. */
export function receiptd(folder: string, ...args: readonly string[]): ReturnType<typeof run> {
  return run(process.execPath, [RECEIPTD, ...args], { cwd: folder });
}

export function ledgerIn(folder: string): string {
  return join(folder, "receiptd-data/ledger.db");
}
