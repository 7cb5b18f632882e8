/** The intake's view of the daemon: what a client can ask, answered from the writer's memory and a reader of its own. */
import { statfsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BatchCloser, ClosedBatch } from "../anchor/closer.ts";
import type { PublisherClient, PublisherStatus } from "../anchor/client.ts";
import type { Chains } from "../chains/chains.ts";
import { toHex } from "../format/bytes.ts";
import { formatNumber, hashText } from "../format/chain.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import type { IntakePort } from "../intake/port.ts";
import { RpcError } from "../intake/protocol.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import { LedgerError } from "../ledger/errors.ts";
import { lookUp } from "../ledger/look-up.ts";
import type { Reader } from "../ledger/reader.ts";
import type { Writer } from "../ledger/writer.ts";
import { KeyError } from "../keys/errors.ts";
import type { Attestations } from "./attestations.ts";
import type { KeyChanges } from "./key-changes.ts";
import type { CheckpointKeys } from "./checkpoint-keys.ts";
import { Overdue } from "./overdue.ts";
import type { SelfCheck } from "./self-check.ts";
import { Waiters } from "./waiters.ts";

export interface Parts {
  readonly writer: Writer;
  readonly reader: Reader;
  readonly keys: EpochKeys;
  readonly closer: BatchCloser;
  readonly changes: KeyChanges;
  readonly attestations: Attestations;
  readonly chains: Chains;
  readonly publisher: PublisherClient;
  /** null: it is turned off. */
  readonly selfCheck: SelfCheck | null;
  readonly checkpoint: Pick<CheckpointKeys, "vkey" | "status">;
  readonly dataDir: string;
  /** What decisions' receipts must have; null: nothing beside their form. */
  readonly policy: Json;
  /** Why nothing may be written at all. */
  readonly refusal: () => { readonly code: string; readonly message: string } | null;
  /** ms after which a receipt that is not anchored keeps others out, or null. */
  readonly failClosedAfter: number | null;
  /** What the intake and its socket know of themselves. */
  readonly load: () => { readonly connections: number; readonly latency: Json };
  readonly fatal: (error: Error) => void;
  readonly startedAt: number;
}

/** ms between anchors on request. */
const REQUEST_INTERVAL = 250;

export class Port implements IntakePort {
  readonly #parts: Parts;
  readonly #waiters = new Waiters();
  readonly #overdue: Overdue;
  #requested: Promise<ClosedBatch> | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#overdue = new Overdue({
      reader: parts.reader, now: Date.now, limit: parts.failClosedAfter, size: () => this.size(), anchoredSize: () => this.anchoredSize(),
    });
    parts.publisher.onProgress(() => this.#waiters.reached(this.anchoredSize()));
  }

  refusal(): { readonly code: string; readonly message: string } | null {
    return this.#parts.refusal() ?? this.#overdue.refusal();
  }

  commit(...group: Parameters<IntakePort["commit"]>): ReturnType<IntakePort["commit"]> {
    return this.#parts.closer.commit(...group);
  }

  syncedSize(): number {
    return this.#parts.writer.syncedSize;
  }

  sync(): Promise<number> {
    return this.#parts.writer.sync();
  }

  size(): number {
    return this.#parts.writer.size;
  }

  has(receiptId: string): boolean {
    return this.#parts.writer.find(receiptId) !== undefined;
  }

  find(which: Parameters<IntakePort["find"]>[0]): ReturnType<IntakePort["find"]> {
    return lookUp(this.#parts.reader, which);
  }

  anchoredSize(): number {
    return this.#parts.publisher.status().anchoredSize;
  }

  onAnchored(size: number, done: () => void): () => void {
    if (this.anchoredSize() < size) return this.#waiters.add(size, done);
    done();
    return () => undefined;
  }

  async anchorNow(): Promise<{ readonly treeSize: number; readonly root: string }> {
    const { writer, closer } = this.#parts;
    const refusal = this.#parts.refusal(); // an overdue anchor is no reason against another
    if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
    const previous = writer.previousAnchor;
    // whoever asks in a loop gets the same anchor, or waits: an anchor costs more than a receipt
    const since = Date.now() - writer.previousAnchorAt;
    if (previous !== null && writer.openBatch.count === 0 && since >= 0 && since < 1000) {
      return { treeSize: previous.treeSize, root: hashText(previous.root) };
    }
    if (since < 0 || since >= REQUEST_INTERVAL) return closer.close("request");
    this.#requested ??= sleep(REQUEST_INTERVAL - since).then(() => {
      this.#requested = null;
      return closer.close("request");
    });
    return this.#requested;
  }

  async changeKeys(): Promise<Json> {
    const refusal = this.#parts.refusal();
    if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
    try {
      const changed = await this.#parts.changes.takeUp();
      return { ...changed, checkpoint: changed.checkpoint === null ? null : { ...changed.checkpoint } };
    } catch (error) {
      if (error instanceof KeyError) throw new RpcError(error.code, error.message);
      throw error;
    }
  }

  attest(attestation: Json): Json {
    const refusal = this.#parts.refusal();
    if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
    try {
      return this.#parts.attestations.take(attestation);
    } catch (error) {
      if (error instanceof LedgerError && error.fatal) this.#parts.fatal(error);
      throw error;
    }
  }

  chain(...call: Parameters<IntakePort["chain"]>): ReturnType<IntakePort["chain"]> {
    return this.#parts.chains.call(...call);
  }

  chainAt(...look: Parameters<IntakePort["chainAt"]>): Json {
    return this.#parts.chains.look(...look);
  }

  head(organization: string | null): Json {
    const { writer } = this.#parts;
    const log = { size: writer.size, root: hashText(writer.logRoot()), recorded_at: formatTime(writer.lastRecordedAt) };
    if (organization === null) return { ledger: writer.origin, ledger_id: writer.ledgerId, ...log };
    const head = writer.head(organization);
    if (head === null) throw new RpcError("not_found", `no receipts of organization ${organization} yet`);
    const stored = this.#parts.reader.byOrgSeq(organization, head.orgSeq);
    return {
      ledger: writer.origin, ledger_id: writer.ledgerId, ...log, organization, org_seq: head.orgSeq, receipt_hash: hashText(head.hash),
      receipt_number: stored === null ? null : formatNumber(head.prefix, formatTime(stored.recordedAt), head.orgSeq),
    };
  }

  /** `ok`; `refusing`, and the code of why; `damaged`: receipts are taken, and the self-check has found damage. */
  state(): { readonly state: "ok" | "refusing" | "damaged"; readonly reason: string | null } {
    const refusal = this.refusal();
    return { state: refusal !== null ? "refusing" : this.#parts.selfCheck?.isDamaged === true ? "damaged" : "ok", reason: refusal?.code ?? null };
  }

  status(): Json {
    const { writer, keys, changes, attestations, chains, publisher, checkpoint, selfCheck, dataDir, policy, startedAt, load } = this.#parts;
    const refusal = this.refusal();
    const { targets, anchoredSize, signerError } = publisher.status();
    const disk = statfsSync(dataDir);
    const since = this.#overdue.since();
    return {
      state: this.state().state,
      reason: refusal === null ? null : { ...refusal },
      ledger: writer.origin,
      ledger_id: writer.ledgerId,
      size: writer.size,
      synced: writer.syncedSize,
      anchored: anchoredSize,
      pending: Math.max(0, writer.size - anchoredSize),
      pending_since: since === null ? null : formatTime(since),
      open_batch: { first_index: writer.openBatch.firstIndex, count: writer.openBatch.count },
      key_id: keys.keyId,
      key_epoch: keys.epoch,
      key_change_waiting: changes.isWaiting(),
      vkey: checkpoint.vkey,
      key_fingerprint: fingerprint(checkpoint.vkey),
      checkpoint_keys: checkpoint.status(),
      signer: { state: signerError === null ? "ok" : "unavailable", last_error: signerError },
      targets: targets.map(targetStatus),
      policy,
      chains: chains.status(),
      attested: attestations.status(),
      self_check: selfCheck?.status() ?? { enabled: false },
      free_bytes: disk.bavail * disk.bsize,
      started_at: formatTime(startedAt),
      pid: process.pid,
      ...load(),
    };
  }

  fatal(error: Error): void {
    this.#parts.fatal(error);
  }
}

function targetStatus(target: PublisherStatus["targets"][number]): Json {
  const { confirmed } = target;
  return {
    name: target.name,
    required: target.required,
    state: target.state,
    confirmed: confirmed === null ? null : {
      tree_size: confirmed.treeSize, version_id: confirmed.versionId, last_modified: formatTime(confirmed.lastModified),
    },
    pending: target.pending,
    last_error: target.lastError === null ? null : { ...target.lastError, at: formatTime(target.lastError.at) },
    interference: target.interference,
    warning: target.warning,
  };
}

/** What a person compares: SHA-256 of the vkey's text. */
export function fingerprint(vkey: string): string {
  return `sha256:${toHex(nodeHash.sha256(Buffer.from(vkey, "utf8")))}`;
}
