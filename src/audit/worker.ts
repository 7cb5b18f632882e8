/** A thread that checks segments, one at a time, through its own connection to the ledger. */
import { parentPort, workerData } from "node:worker_threads";
import { Inspector } from "../ledger/inspect.ts";
import { auditHash } from "./hash.ts";
import type { SegmentOptions, SegmentResult, SegmentTask } from "./segment-result.ts";
import { SegmentAudit } from "./segment.ts";

export interface WorkerOptions extends SegmentOptions {
  readonly ledgerPath: string;
}

export type FromWorker =
  | { readonly kind: "progress"; readonly receipts: number }
  | { readonly kind: "result"; readonly result: SegmentResult };

const port = parentPort;
if (port === null) throw new Error("audit/worker.ts is the main file of a worker thread");
const { ledgerPath, ...options } = workerData as WorkerOptions;
const inspector = new Inspector(ledgerPath);
const send = (message: FromWorker): void => port.postMessage(message, []);

port.on("message", (task: SegmentTask) => {
  const segment = new SegmentAudit(inspector, task, options, auditHash);
  const result = segment.run((receipts) => send({ kind: "progress", receipts }));
  send({ kind: "result", result });
});
