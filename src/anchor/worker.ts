/**
 * The publisher's thread: its own read-only connection to the ledger, its own outbox, its own targets. The writer's thread never
 * waits for a disk or a network here. Whatever is fatal ends the thread, and client.ts then ends the daemon.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { LedgerName } from "../format/names.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Reader } from "../ledger/reader.ts";
import { Archive, type ArchiveOptions } from "./archive.ts";
import { checkRecipients } from "./archive-object.ts";
import type { Comparison } from "./compare.ts";
import { openOutbox } from "./outbox.ts";
import { type Progress, Publisher, type PublisherTiming } from "./publisher.ts";
import { openSigner } from "./signer.ts";
import { Signers, type SigningPeriod } from "./signers.ts";
import { openTarget, type TargetConfig } from "./targets.ts";

/** Everything here can be cloned into a thread, the private key as a KeyObject. */
export interface WorkerOptions {
  readonly ledgerPath: string;
  readonly outboxPath: string;
  readonly ledger: LedgerName;
  readonly targets: readonly TargetConfig[];
  /** null: receipts are not archived. */
  readonly archive: ArchiveOptions | null;
  /** Every key that this ledger's checkpoints were ever signed with, in order. */
  readonly checkpointKeys: readonly SigningPeriod[];
  /** Anchors up to this tree size are on the disk, and their epochs closed. */
  readonly signableSize: number;
  readonly timing: PublisherTiming;
}

export type ToWorker =
  | { readonly kind: "closed"; readonly treeSize: number }
  | { readonly kind: "rotated"; readonly to: SigningPeriod }
  | { readonly kind: "stop"; readonly timeoutMs: number };

export type FromWorker =
  | { readonly kind: "compared"; readonly comparison: Comparison }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "fatal"; readonly code: string; readonly message: string };

async function run(port: MessagePort, options: WorkerOptions): Promise<void> {
  const tell = (message: FromWorker): void => port.postMessage(message);
  const fail = (error: unknown): never => {
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "publisher_failed";
    tell({ kind: "fatal", code, message: error instanceof Error ? error.message : String(error) });
    process.exit(1); // of this thread, like the one below
  };
  try {
    await checkRecipients(options.archive?.recipients ?? []);
    const reader = new Reader(options.ledgerPath, nodeHash.sha256);
    const outbox = openOutbox(options.outboxPath, options.ledger);
    const signers = new Signers(options.checkpointKeys);
    const publisher = new Publisher({
      ...options,
      reader,
      outbox,
      targets: options.targets.map((config) => ({ target: openTarget(config), required: config.required })),
      archive: options.archive === null ? null : new Archive(reader, options.archive),
      signers,
      onProgress: (progress) => tell({ kind: "progress", progress }),
      onFatal: fail,
    });
    const obey = async (message: ToWorker): Promise<void> => {
      if (message.kind === "closed") return publisher.closed(message.treeSize);
      if (message.kind === "rotated") return signers.add({ ...message.to, signer: message.to.key === null ? null : openSigner(message.to.key) });
      await publisher.stop(message.timeoutMs);
      reader.close();
      outbox.close();
      process.exit(); // also where a target has not answered yet
    };
    port.on("message", (message: ToWorker) => void obey(message).catch(fail));
    tell({ kind: "progress", progress: publisher.status() });
    const comparison = await publisher.start();
    tell({ kind: "progress", progress: publisher.status() }); // first, so that who waits for the other sees the same
    tell({ kind: "compared", comparison });
  } catch (error) {
    fail(error);
  }
}

if (parentPort !== null) await run(parentPort, workerData as WorkerOptions);
