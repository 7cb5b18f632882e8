/** What an attacker's hands do, each on a copy: in files, and as root with the ledger's own code. */
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createOutbox } from "../../src/anchor/outbox.ts";
import { loadConfig } from "../../src/config.ts";
import { RatchetBreak } from "../../src/daemon/ratchet-break.ts";
import { formatVkey } from "../../src/format/note.ts";
import { LEDGER_ORGANIZATION } from "../../src/format/names.ts";
import type { Receipt } from "../../src/format/receipt.ts";
import { EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import type { CheckpointKey, Keyring } from "../../src/keys/keyring.ts";
import { newSeed, nextKeyName } from "../../src/keys/next-key.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { createLedger } from "../../src/ledger/create.ts";
import { anchorNames, tamper } from "../demo/attacks.ts";
import { keysOf, receiptsOf, type Wish } from "../demo/forge.ts";
import type { Host } from "../demo/hosts.ts";
import { targetsOf } from "./auditor.ts";
import type { Choices } from "./choices.ts";
import { decision, ORIGIN, refusalOf } from "./days.ts";
import { publish, type PublishOptions, Root, type RootOptions } from "./root.ts";
import { NotShown, onCopy } from "./trial.ts";

/** A caller's receipt between two log indexes. */
export function victimIn(pick: Choices, host: Host, from: number, end = Infinity, isOne: (receipt: Receipt) => boolean = () => true): Receipt {
  return pick.of(receiptsOf(host.places.ledger).filter((one) => one.log_index >= from && one.log_index < end && one.organization !== LEDGER_ORGANIZATION && isOne(one)));
}

function actionOf({ decision: made }: Receipt): string {
  return (made as { readonly action: string }).action;
}

/** The other decision in this receipt. */
export function turned(victim: Receipt): Wish {
  return ({ receipt_id }, sent) => (receipt_id === victim.receipt_id ? [{ ...sent, decision: { action: otherThan(victim) } }] : [sent]);
}

function otherThan(victim: Receipt): string {
  return actionOf(victim) === "DENY" ? "APPROVE" : "DENY";
}

/** Other stored bytes, and the hash in the index made right, or not. */
export function editBytes(host: Host, logIndex: number, change: (text: string) => string, what: "bytes and hash" | "bytes" = "bytes and hash"): void {
  tamper(host, (db) => {
    const row = db.prepare<[number], { bytes: Buffer }>("SELECT bytes FROM blob WHERE log_index = ?").get(logIndex)!;
    const before = row.bytes.toString();
    const text = change(before);
    if (text === before) throw new Error(`nothing was changed at log index ${logIndex}`);
    db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(Buffer.from(text), logIndex);
    if (what === "bytes and hash") db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(createHash("sha256").update(text).digest(), logIndex);
  });
}

/** The other decision in the stored bytes. */
export function turnInFile(host: Host, victim: Receipt, what?: "bytes"): void {
  editBytes(host, victim.log_index, (text) => text.replace(`"action":"${actionOf(victim)}"`, `"action":"${otherThan(victim)}"`), what);
}

/** Ratchet and outbox are taken away, and the ledger goes on with a key that the attacker has made: as `receiptd key break` does it. */
export async function breakRatchet(host: Host): Promise<void> {
  for (const path of [host.places.ratchet, ...["", "-wal", "-shm"].map((suffix) => `${host.places.outbox}${suffix}`)]) rmSync(path, { force: true });
  createOutbox(host.places.outbox, keysOf(host));
  const broken = await RatchetBreak.open(loadConfig({ path: host.config, env: {} }));
  try {
    await broken.goOn({ keyId: nextKeyName(broken.keyring), mode: "retained", firstEpoch: null, createdAt: new Date().toISOString(), reason: "request", secret: newSeed() }, "the disk with the ratchet failed");
  } finally {
    broken.close();
  }
}

/** Keys that are not the ledger's: whoever has none makes some up. */
export function madeUp(host: Host): Keyring {
  const keyring = keysOf(host);
  return { ...keyring, hmacKeys: keyring.hmacKeys.map((key) => ({ ...key, seed: randomBytes(32) })) };
}

/** A checkpoint key that nobody has pinned. */
export function secondSigner(): CheckpointKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, vkey: formatVkey(ORIGIN, publicKey.export({ format: "der", type: "spki" }).subarray(-32)) };
}

/** Anchors of these sizes, and the batches that end below them, are gone from the folder. */
export function hideAnchors(host: Host, isHidden: (treeSize: number) => boolean): void {
  for (const [size, name] of anchorNames(host, keysOf(host))) if (isHidden(size)) rmSync(join(host.anchors, name));
}

export function hideBatches(host: Host, from: number): void {
  const { origin, ledgerId } = keysOf(host);
  const folder = join(host.anchors, "v1", origin, ledgerId, "batches");
  for (const file of readdirSync(folder)) if (Number(file.slice(0, 20)) >= from) rmSync(join(folder, file));
}

/** Two more receipts, with what a host that is not honest makes of them. Returns the ledger's size. */
export function appendAs(copy: Host, options: RootOptions, now = Date.now()): { readonly size: number } {
  const root = new Root(copy, options);
  root.now = now;
  root.append(decision(1), decision(3));
  const { size } = root;
  root.end();
  return { size };
}

/** Publishes what the ledger has anchored and the target does not have. */
export async function publishAfter(host: Host, after: number, options: Omit<PublishOptions, "after"> = {}): Promise<void> {
  await publish(host.places.ledger, keysOf(host), targetsOf(host)[0]!, { after, ...options });
}

const taken = new WeakMap<Host, Promise<string | null>>();

/** The control: a daemon that is started on an untouched copy takes a receipt. */
export async function requireTaken(host: Host): Promise<void> {
  const refusal = taken.get(host) ?? onCopy(host, refusalOf);
  taken.set(host, refusal);
  if (await refusal !== null) throw new NotShown(`a daemon started on an untouched copy refused: ${await refusal}`);
}

/** What a daemon refuses with, started on the copy. */
export async function refusedWith(copy: Host, code: string): Promise<string> {
  const refusal = await refusalOf(copy);
  if (refusal === null || !refusal.includes(code)) throw new NotShown(`a daemon started on it did not refuse with ${code}: ${refusal ?? "it took a receipt"}`);
  return `a daemon that is started on it refuses (${code})`;
}

/** Another past of the same origin under another id, signed with the same checkpoint key, in the ledger's place; its anchors beside the old ones. */
export async function replaceLedger(copy: Host): Promise<void> {
  const keyring = { ...keysOf(copy), ledgerId: randomBytes(16).toString("hex") };
  const [first] = keyring.hmacKeys;
  const path = `${copy.places.ledger}.other`;
  const keys = new EpochKeys(keyring, ratchetAt(keyring.ledgerId, first!, 0, null));
  const vkeys = keyring.checkpointKeys.map(({ vkey }) => vkey);
  createLedger(path, {
    origin: keyring.origin, ledgerId: keyring.ledgerId,
    details: { format: 1, ledger_id: keyring.ledgerId, key_id: first!.keyId, mode: first!.mode, epoch_commitment: keys.commitment(), vkeys },
  }, keys, { sha256: nodeHash.sha256, now: Date.now, newId: randomUUID, maxBatch: 65_536, maxOrganizations: 10, prefixOf: () => undefined });
  const root = new Root(copy, { keyring, ledger: path });
  root.append(decision(1), decision(3), decision(5));
  root.anchor();
  root.end();
  await publish(path, keyring, targetsOf(copy)[0]!);
  for (const suffix of ["-wal", "-shm"]) rmSync(copy.places.ledger + suffix, { force: true });
  renameSync(path, copy.places.ledger);
}
