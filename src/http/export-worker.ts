/**
 * One export, in a thread of its own: what it reads before its first byte can be years of the ledger's own receipts, and its pieces are
 * checked as they are made. It makes the next piece when it is asked for one.
 */
import { parentPort, workerData } from "node:worker_threads";
import { readOutbox } from "../anchor/outbox.ts";
import { BundleError } from "../bundle/errors.ts";
import { type AskedExport, exportHeader, exportPieces } from "../bundle/export.ts";
import { parseVkey } from "../format/note.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Reader } from "../ledger/reader.ts";
import { OutboxAnchors } from "./outbox-anchors.ts";

export interface ExportOrder {
  readonly ledger: string;
  readonly outbox: string;
  readonly targets: readonly { readonly name: string }[];
  readonly vkeys: readonly string[];
  readonly asked: AskedExport;
}

/** `end`: the file is whole. */
export type ExportPart =
  | { readonly kind: "piece"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly code: BundleError["code"] | null; readonly message: string };

const port = parentPort!;
const send = (part: ExportPart): void => port.postMessage(part, []);

function failed(error: unknown): void {
  send({ kind: "failed", code: error instanceof BundleError ? error.code : null, message: error instanceof Error ? error.message : String(error) });
  port.close();
}

try {
  const { ledger, outbox: outboxPath, targets, vkeys, asked } = workerData as ExportOrder;
  const reader = new Reader(ledger, nodeHash.sha256);
  const outbox = readOutbox(outboxPath, reader.identity());
  const anchors = new OutboxAnchors({ reader, outbox, targets, vkeys: vkeys.map(parseVkey) });
  const pieces = exportPieces(reader, await exportHeader(reader, ledger, asked, anchors, vkeys));
  const next = (): void => {
    try {
      const { done, value } = pieces.next();
      if (done !== true) return send({ kind: "piece", bytes: value });
      send({ kind: "end" });
      reader.close();
      outbox.close();
      port.close();
    } catch (error) {
      failed(error);
    }
  };
  port.on("message", next);
  next();
} catch (error) {
  failed(error);
}
