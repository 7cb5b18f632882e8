/**
 * The best that root on the daemon's host can do: the ledger written anew from its first receipt on, with the ledger's own code and
 * its own live keys. Every MAC, link, number, index, batch root, tree node and anchor row of the result is right; where nothing is
 * changed every byte is the old one. Only what was published before can contradict it.
 */
import { renameSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { createDirectoryTarget, DirectoryTarget } from "../../src/anchor/directory.ts";
import { anchorObject, anchorsPrefix, batchObject, checkpointText } from "../../src/anchor/objects.ts";
import { createOutbox } from "../../src/anchor/outbox.ts";
import { localSigner } from "../../src/anchor/signer.ts";
import type { AnchorDetails } from "../../src/format/fields.ts";
import { RESERVED_FIELDS } from "../../src/format/fields.ts";
import { parseObjectName } from "../../src/format/names.ts";
import { signNote } from "../../src/format/note.ts";
import { readReceipt, type Receipt } from "../../src/format/receipt.ts";
import { readRequest, type Request } from "../../src/format/request.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import { type Keyring, openKeyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { createLedger } from "../../src/ledger/create.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { Writer } from "../../src/ledger/writer.ts";
import type { WriterOptions } from "../../src/ledger/writer-options.ts";
import type { Host } from "./hosts.ts";

/** A receipt as its writer sent it. */
export type Sent = { readonly [name: string]: Json };

/** What root wants to have been sent in place of a receipt: itself, another one, several, or nothing. */
export type Wish = (receipt: Receipt, sent: Sent) => readonly Sent[];

/** Tree sizes of the anchors, before and after. */
type Sizes = ReadonlyMap<number, number>;

/** Root can read the root key, so all keys. */
export function keysOf({ places }: Host): Keyring {
  return openKeyring(places.keyring, openRootKeyFile(places.rootKey));
}

/** Replaces the ledger, and the outbox, which would remember what was signed. */
export function rewriteLedger(host: Host, wish: Wish): Sizes {
  const { ledger, outbox } = host.places;
  const keyring = keysOf(host);
  const forged = `${ledger}.forged`;
  const sizes = replay(receiptsOf(ledger), forged, keyring, wish);
  replaceDatabase(ledger, () => renameSync(forged, ledger));
  forgetSigned(outbox, keyring);
  return sizes;
}

/** An empty outbox in place of the old one. */
export function forgetSigned(outbox: string, keyring: Keyring): void {
  replaceDatabase(outbox, () => createOutbox(outbox, keyring));
}

/** Replaces the anchors by those of the rewritten ledger, signed with the live checkpoint key, with the old files' times. */
export async function rewriteAnchors(host: Host, sizes: Sizes): Promise<void> {
  const keyring = keysOf(host);
  const { vkey, privateKey } = keyring.checkpointKeys.at(-1)!;
  const signer = localSigner(vkey, privateKey!);
  const times = await timesOf(host, keyring);
  rmSync(host.anchors, { recursive: true });
  createDirectoryTarget(host.anchors);
  const target = new DirectoryTarget({ name: "archive", path: host.anchors });
  const reader = new Reader(host.places.ledger, nodeHash.sha256);
  for (const [before, treeSize] of sizes) {
    const row = reader.anchors(treeSize - 1, 1)[0]!;
    const anchor = anchorObject(reader, treeSize, await signNote(checkpointText(reader, treeSize), signer));
    const batch = batchObject(reader, row);
    const seconds = (times.get(before)! + 0.5) / 1000;
    for (const { name, bytes } of batch === null ? [anchor] : [batch, anchor]) {
      await target.put(name, bytes);
      utimesSync(join(host.anchors, name), seconds, seconds);
    }
  }
  reader.close();
}

export function receiptsOf(ledger: string): readonly Receipt[] {
  const reader = new Reader(ledger, nodeHash.sha256);
  const receipts = reader.page(0, reader.size(), reader.size()).map(({ blob }) => readReceipt(blob!).receipt as Receipt);
  reader.close();
  return receipts;
}

function replay([genesis, ...receipts]: readonly Receipt[], path: string, keyring: Keyring, wish: Wish): Sizes {
  const ids: string[] = [genesis!.receipt_id];
  let now = Date.parse(genesis!.recorded_at);
  const options: WriterOptions = {
    sha256: nodeHash.sha256,
    now: () => now,
    newId: () => ids.shift()!, // of the receipts that the daemon itself wrote
    maxBatch: 65_536,
    maxOrganizations: 10_000,
    prefixOf: () => undefined,
  };
  const keys = new EpochKeys(keyring, ratchetAt(keyring.ledgerId, keyring.hmacKeys[0]!, 0, null));
  createLedger(path, { ...keyring, details: genesis!["details"]! }, keys, options);
  const writer = Writer.open(path, options);
  const sizes = new Map<number, number>();
  let group: Request[] = [];
  const flush = (): void => {
    if (group.length > 0) writer.commit(group.map((request) => [request]), keys, "wal");
    group = [];
  };
  for (const receipt of receipts) {
    const at = Date.parse(receipt.recorded_at);
    if (at !== now) flush(); // receipts of one transaction have one time
    now = at;
    if (receipt.organization !== "_ledger") {
      group.push(...wish(receipt, sentOf(receipt)).map((sent) => readRequest(sent, "", options.newId)));
      continue;
    }
    ids.push(receipt.receipt_id);
    if (receipt.type !== "anchor") continue; // the writer makes the clock step itself
    flush();
    const { observed, next_anchor_by, reason } = receipt["details"] as unknown as AnchorDetails;
    const { treeSize } = writer.closeBatch(keys, (facts) => ({
      ...facts,
      epoch_commitment: keys.nextCommitment(),
      observed: observed.map((one) => ({ ...one, tree_size: sizes.get(one.tree_size)! })),
      next_anchor_by, reason,
    }));
    keys.advance();
    sizes.set(receipt.log_index + 1, treeSize);
  }
  flush();
  writer.close();
  return sizes;
}

export function sentOf(receipt: Receipt): Sent {
  return Object.fromEntries(Object.entries(receipt).filter(([name]) => !RESERVED_FIELDS.has(name)));
}

async function timesOf(host: Host, keyring: Keyring): Promise<ReadonlyMap<number, number>> {
  const times = new Map<number, number>();
  for await (const { name, lastModified } of new DirectoryTarget({ name: "archive", path: host.anchors }).list(anchorsPrefix(keyring))) {
    const parsed = parseObjectName(keyring, name);
    if (parsed.kind === "anchor") times.set(parsed.treeSize, lastModified);
  }
  return times;
}

function replaceDatabase(path: string, put: () => void): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  put();
}
