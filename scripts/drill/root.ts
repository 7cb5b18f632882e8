/**
 * Root on a host whose daemon does not run: the ledger's own code with all keys that are there, a clock that is turned at will, and,
 * where that is wanted, receipts that say another key or epoch than the ledger is in.
 */
import { randomUUID } from "node:crypto";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { anchorObject, batchObject, checkpointText, type PublishedObject } from "../../src/anchor/objects.ts";
import { localSigner } from "../../src/anchor/signer.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import type { AnchorDetails, AnchorReason, Observed } from "../../src/format/fields.ts";
import { signNote } from "../../src/format/note.ts";
import type { Receipt } from "../../src/format/receipt.ts";
import { readRequest } from "../../src/format/request.ts";
import { type Seal, systemRequest } from "../../src/format/seal.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { formatTime } from "../../src/format/time.ts";
import { EpochKeys, ratchetAt, type RatchetState } from "../../src/keys/epoch-keys.ts";
import { type CheckpointKey, type Keyring, signingKey } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { Reader } from "../../src/ledger/reader.ts";
import type { Signer } from "../../src/ledger/stage.ts";
import { type BatchFacts, type Rotation, Writer } from "../../src/ledger/writer.ts";
import { cutTo } from "../demo/attacks.ts";
import { keysOf, receiptsOf, type Sent, sentOf, type Wish } from "../demo/forge.ts";
import type { Host } from "../demo/hosts.ts";

/** ms, a batch's promise of the next one; nothing here lasts as long. */
const PROMISE = 900_000;

export interface RootOptions {
  /** Other keys than those of the host. */
  readonly keyring?: Keyring;
  /** Another ledger file than the host's. */
  readonly ledger?: string;
  /** What receipts say that is not so. */
  readonly disguise?: Partial<Pick<Seal, "keyId" | "keyEpoch" | "recordedAt">>;
}

type Details = BatchFacts & { readonly [name: string]: Json };

export class Root {
  readonly keyring: Keyring;
  /** ms: what the host's clock shows. */
  now = Date.now();
  observed: readonly Observed[] = [];
  readonly #open: RatchetState | null;
  readonly #writer: Writer;
  readonly #disguise: RootOptions["disguise"] | undefined;
  readonly #ids: string[] = [];

  constructor(host: Host, { keyring = keysOf(host), ledger = host.places.ledger, disguise }: RootOptions = {}) {
    this.keyring = keyring;
    this.#disguise = disguise;
    this.#open = ratchetOf(host, keyring);
    this.#writer = Writer.open(ledger, {
      sha256: nodeHash.sha256, now: () => this.now, newId: () => this.#ids.shift() ?? randomUUID(), maxBatch: 65_536, maxOrganizations: 10_000, prefixOf: () => undefined,
    });
  }

  get size(): number { return this.#writer.size; }

  append(...sent: readonly Sent[]): void {
    const outcomes = this.#writer.commit(sent.map((one) => [readRequest(one, "", randomUUID)]), this.#signer(), "wal");
    if (outcomes.length !== sent.length || outcomes.some(({ ok }) => !ok)) throw new Error("the ledger refused a receipt that root had made");
  }

  /** Closes the batch; `change`: the anchor receipt says something else. Returns the tree size. */
  anchor(change: (details: Details) => Json = (details) => details, reason: AnchorReason = "schedule"): number {
    return this.#close(null, (facts, at) => change({ ...this.#common(facts), next_anchor_by: formatTime(at + PROMISE), reason }));
  }

  revoke(keyId: string, since: number): void {
    this.#writer.announce(systemRequest("key_revocation", randomUUID(), { key_id: keyId, compromised_since: formatTime(since), reason: "a backup was stolen" }), this.#signer());
  }

  /** Writes again what a receipt was, or what root wishes it to have been. Receipts of the daemon itself follow from the others. */
  replay(receipt: Receipt, wish: Wish, rotation: Rotation | null, sizeOf: (before: number) => number): number | null {
    this.now = Date.parse(receipt.recorded_at);
    if (receipt.organization !== "_ledger") {
      for (const sent of wish(receipt, sentOf(receipt))) this.append(sent);
      return null;
    }
    this.#ids.splice(0, this.#ids.length, ...(receipt.type === "clock_step" ? [] : [receipt.receipt_id]));
    if (receipt.type === "key_revocation") this.#writer.announce(systemRequest(receipt.type, receipt.receipt_id, receipt["details"]!), this.#signer());
    if (receipt.type !== "anchor") return null;
    const { observed, next_anchor_by, reason } = receipt["details"] as unknown as AnchorDetails;
    this.observed = observed.map((one) => ({ ...one, tree_size: sizeOf(one.tree_size) }));
    return this.#close(rotation, (facts) => ({ ...this.#common(facts, rotation?.keyId), next_anchor_by, reason }));
  }

  end(): void {
    this.#writer.close();
  }

  #common(facts: BatchFacts, nextKey = this.#writer.keyId!): Details {
    return { ...facts, epoch_commitment: this.#keys(nextKey, this.#writer.epoch + 1).commitment(), observed: this.observed.map((one) => ({ ...one })) };
  }

  #close(rotation: Rotation | null, details: (facts: BatchFacts, at: number) => Json): number {
    return this.#writer.closeBatch(this.#signer(), details, rotation).treeSize;
  }

  #signer(): Signer {
    const keys = this.#keys(this.#writer.keyId!, this.#writer.epoch);
    if (this.#disguise === undefined) return keys;
    const { keyId = keys.keyId, keyEpoch = keys.epoch } = this.#disguise;
    const real = this.#keys(this.keyring.hmacKeys.some((key) => key.keyId === keyId) ? keyId : keys.keyId, keyEpoch);
    return {
      keyId: keys.keyId, epoch: keys.epoch, requestMac: (json) => real.requestMac(json),
      seal: (request, seal) => real.seal(request, { ...seal, ...this.#disguise }),
    };
  }

  /** Of a closed epoch of a forward-secure key there is none on the host; the open epoch's is the next best. */
  #keys(keyId: string, epoch: number): EpochKeys {
    const key = signingKey(this.keyring, keyId);
    const open = this.#open === null ? null : { ...this.#open, key: Uint8Array.from(this.#open.key) };
    if (key.seed === null && open !== null && epoch < open.epoch) return new EpochKeys(this.keyring, { keyId, epoch, key: open.key });
    return new EpochKeys(this.keyring, ratchetAt(this.keyring.ledgerId, key, epoch, open));
  }
}

/** What is in the file `ratchet`, where a key is forward-secure. */
export function ratchetOf({ places }: Host, keyring: Keyring): RatchetState | null {
  if (keyring.hmacKeys.every(({ seed }) => seed !== null)) return null;
  return new RatchetFile(places.ratchet, openRootKeyFile(places.rootKey), keyring.ledgerId).load();
}

/** The ledger from log index `from` on, which is not 0, written anew as root wishes it; all that follows from that is right. Returns tree sizes of anchors, before and after. */
export function rewriteFrom(host: Host, from: number, wish: Wish, options: RootOptions = {}): ReadonlyMap<number, number> {
  const receipts = receiptsOf(host.places.ledger).slice(from);
  cutTo(host, from);
  const root = new Root(host, options);
  const sizes = new Map<number, number>();
  let rotation: Rotation | null = null;
  for (const receipt of receipts) {
    if (receipt.type === "key_rotation") {
      const details = receipt["details"] as { readonly key_id: string };
      rotation = { receipt: systemRequest("key_rotation", receipt.receipt_id, details), keyId: details.key_id };
      continue;
    }
    const size = root.replay(receipt, wish, rotation, (before) => sizes.get(before) ?? before);
    if (size === null) continue;
    rotation = null;
    sizes.set(receipt.log_index + 1, size);
  }
  root.end();
  return sizes;
}

export interface PublishOptions {
  /** Anchors of trees that are larger; default all. */
  readonly after?: number;
  readonly signedBy?: CheckpointKey;
  /** Where the target is a directory: its folder. The files get the times of the host's clock then. */
  readonly folder?: string;
  /** Puts an object in another way than the target does. */
  readonly put?: (object: PublishedObject) => Promise<unknown>;
}

/** Signs and publishes the ledger's anchors, as its daemon would have done. Returns the newest as the next anchor would see it. */
export async function publish(ledger: string, keyring: Keyring, target: AnchorTarget, { after = 0, signedBy = keyring.checkpointKeys.at(-1)!, folder, put }: PublishOptions = {}): Promise<Observed | null> {
  const reader = new Reader(ledger, nodeHash.sha256);
  const signer = localSigner(signedBy.vkey, signedBy.privateKey!);
  try {
    let newest: Observed | null = null;
    for (let row = reader.anchors(after, 1)[0]; row !== undefined; row = reader.anchors(row.treeSize, 1)[0]) {
      const anchor = anchorObject(reader, row.treeSize, await signNote(checkpointText(reader, row.treeSize), signer));
      const batch = batchObject(reader, row);
      const at = reader.byIndex(row.treeSize - 1)!.recordedAt;
      for (const object of batch === null ? [anchor] : [batch, anchor]) {
        await (put === undefined ? target.put(object.name, object.bytes) : put(object));
        if (folder !== undefined) utimesSync(join(folder, object.name), at / 1000, at / 1000);
      }
      newest = put === undefined ? await seenAt(target, anchor, row.treeSize) : null;
    }
    return newest;
  } finally {
    reader.close();
  }
}

async function seenAt(target: AnchorTarget, anchor: PublishedObject, treeSize: number): Promise<Observed> {
  const { versionId } = await target.put(anchor.name, anchor.bytes);
  const { lastModified } = await target.get({ name: anchor.name, versionId }, anchor.bytes.length);
  return { target: target.name, tree_size: treeSize, version_id: versionId, last_modified: formatTime(lastModified) };
}
