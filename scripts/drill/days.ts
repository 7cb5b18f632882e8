/** The ledgers that are attacked, each made by a real daemon that was then killed: files and folders as a power cut leaves them. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { loadConfig } from "../../src/config.ts";
import { initLedger, newForwardSecure } from "../../src/daemon/init.ts";
import { FIRST_KEY } from "../../src/keys/keyring.ts";
import type { Seed } from "../../src/keys/seed.ts";
import { anchorNames } from "../demo/attacks.ts";
import { keysOf, type Sent } from "../demo/forge.ts";
import { type Host, makeHost } from "../demo/hosts.ts";
import { Daemon, json, until } from "../demo/processes.ts";
import { ratchetOf } from "./root.ts";

export const ORIGIN = "drill.example/loans";
const ORGANIZATIONS = ["loans", "cards", "hr"] as const;

/** A host whose vkeys the auditor has pinned when its ledger was made. */
export interface Pinned extends Host {
  readonly pins: readonly string[];
}

export interface Acknowledged {
  readonly receipt_id: string;
  readonly receipt_hash: string;
  readonly receipt_number: string;
}

/** What the daemon answered to somebody at its socket. */
export type Reply = { readonly result: Readonly<Record<string, unknown>> } | { readonly error: { readonly message: string; readonly data: { readonly code: string } } };

/** Two batches of key_v1, one of key_v2, all anchored; and a tail that is not. */
export interface Day {
  readonly host: Pinned;
  /** Tree sizes of the anchors. */
  readonly anchors: readonly number[];
  /** Of the newest. */
  readonly anchored: number;
  /** What writers have kept, of all of their receipts. */
  readonly acknowledged: readonly Acknowledged[];
  /** ms, between the first anchor and the second. */
  readonly stolen: number;
  /** What the daemon said to attackers at its socket, by the attack. */
  readonly door: ReadonlyMap<string, readonly Reply[]>;
}

/** Of a forward-secure key: a batch is anchored; then the target was away while three were closed, and one is open. */
export interface Sealed {
  readonly host: Pinned;
  readonly seed: Seed;
  readonly anchored: number;
  /** Log index from which the open epoch has the receipts. */
  readonly open: number;
  /** The open one. */
  readonly epoch: number;
}

interface Status {
  readonly key_epoch: number;
  readonly open_batch: { readonly first_index: number; readonly count: number };
}

/** Receipts of the open epoch. */
const OPEN = 2;

export function decision(n: number, organization: string = ORGANIZATIONS[n % ORGANIZATIONS.length]!): Sent {
  return { system_id: "loan-scorer", organization, decision: { action: n % 2 === 0 ? "DENY" : "APPROVE" }, inputs: { applicant: `applicant-${n}`, amount: 1000 + n } };
}

/** Sends lines as they are and waits for as many answers. */
async function ask(host: Host, ...lines: readonly (string | Uint8Array)[]): Promise<readonly Reply[]> {
  const socket = connect(host.socket);
  await once(socket, "connect");
  for (const line of lines) {
    socket.write(line);
    socket.write("\n");
  }
  const replies: Reply[] = [];
  let text = "";
  for await (const chunk of socket.setEncoding("utf8") as AsyncIterable<string>) {
    const parts = (text + chunk).split("\n");
    text = parts.pop()!;
    for (const part of parts) replies.push(JSON.parse(part) as Reply);
    if (replies.length >= lines.length) break;
  }
  socket.destroy();
  if (replies.length < lines.length) throw new Error(`the daemon answered ${replies.length} of ${lines.length} calls`);
  return replies;
}

export function call(method: string, params: object = {}): string {
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
}

async function must(host: Host, ...lines: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return (await ask(host, ...lines)).map((reply) => {
    if ("result" in reply) return reply.result;
    throw new Error(`the daemon refused what it should take: ${reply.error.message}`);
  });
}

async function append(host: Host, first: number, count: number): Promise<readonly Acknowledged[]> {
  return (await must(host, ...Array.from({ length: count }, (_, n) => call("append", { receipt: decision(first + n) })))) as unknown as readonly Acknowledged[];
}

async function anchor(host: Host): Promise<number> {
  const [closed] = await must(host, call("anchor"));
  const size = closed!["tree_size"] as number;
  await must(host, call("wait", { log_index: size - 1, for: "anchored" }));
  return size;
}

/** `batch`: receipts of a batch. `atDoor`: lines that are sent to the daemon while it works. */
export async function dayOf(folder: string, batch: number, atDoor: ReadonlyMap<string, readonly (string | Uint8Array)[]>): Promise<Day> {
  const host = makeHost(folder, ORIGIN, 65_536);
  const { vkey } = await initLedger(loadConfig({ path: host.config, env: {} }));
  const daemon = await Daemon.serve(host);
  const acknowledged = [...await append(host, 0, batch)];
  const anchors = [await anchor(host)];
  const stolen = Date.now();
  acknowledged.push(...await append(host, batch, batch));
  anchors.push(await anchor(host));
  await json(host, "key", "rotate");
  acknowledged.push(...await append(host, 2 * batch, batch));
  const door = new Map<string, readonly Reply[]>();
  for (const [attack, lines] of atDoor) door.set(attack, await ask(host, ...lines));
  anchors.push(await anchor(host));
  acknowledged.push(...await append(host, 3 * batch, batch));
  await daemon.kill();
  return { host: { ...host, pins: [vkey] }, anchors, anchored: anchors.at(-1)!, acknowledged, stolen, door };
}

export async function sealedDayOf(folder: string, batch: number): Promise<Sealed> {
  const host = makeHost(folder, ORIGIN, batch);
  const { ledgerId, seed } = newForwardSecure();
  const kept = { origin: ORIGIN, ledgerId, keyId: FIRST_KEY, firstEpoch: 0, seed: Uint8Array.from(seed) };
  const { vkey } = await initLedger(loadConfig({ path: host.config, env: {} }), { ledgerId, seed, sealed: null });
  const daemon = await Daemon.serve(host);
  await append(host, 0, 3);
  await anchor(host);
  const away = `${host.anchors}.away`;
  renameSync(host.anchors, away);
  writeFileSync(host.anchors, "");
  await append(host, 3, 3 * batch + OPEN);
  let status!: Status;
  await until(async () => {
    [status] = (await must(host, call("status"))) as unknown as readonly [Status];
    // what was closed is the attacker's until the ratchet's file has gone on, a few syncs later
    return status.open_batch.count === OPEN && ratchetOf(host, keysOf(host))?.epoch === status.key_epoch;
  });
  await daemon.kill();
  rmSync(host.anchors);
  renameSync(away, host.anchors);
  return { host: { ...host, pins: [vkey] }, seed: kept, anchored: Math.max(...anchorNames(host, keysOf(host)).keys()), open: status.open_batch.first_index, epoch: status.key_epoch };
}

/** The host's daemon rotates its checkpoint key, and anchors three receipts with the new one. `treeSize`: of the anchor that both keys sign. */
export async function handedOver(host: Host): Promise<{ readonly vkey: string; readonly treeSize: number }> {
  const daemon = await Daemon.serve(host);
  try {
    const { checkpoint: { vkey, tree_size: treeSize } } = await json<{ readonly checkpoint: { readonly vkey: string; readonly tree_size: number } }>(host, "key", "rotate", "--checkpoint");
    await append(host, 0, 3);
    await anchor(host);
    return { vkey, treeSize };
  } finally {
    await daemon.kill();
  }
}

/** A daemon started on this host says this to a receipt: null where it takes it. `start`: where it does not even start. */
export async function refusalOf(host: Host): Promise<string | null> {
  let daemon: Daemon;
  try {
    daemon = await Daemon.serve(host);
  } catch (error) {
    return `start: ${error instanceof Error ? error.message : String(error)}`;
  }
  try {
    const [reply] = await ask(host, call("append", { receipt: decision(0) }));
    return "error" in reply! ? reply.error.data.code : null;
  } finally {
    await daemon.kill();
  }
}

