/** An export as a stream: a thread makes its pieces, each when the client has taken the one before. */
import { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import { ApiError } from "./errors.ts";
import type { ExportOrder, ExportPart } from "./export-worker.ts";

/** MB of V8's heap: a page of receipts and the frontier of a tree. */
const HEAP = 256;

/** Resolves with the first piece, which is the stream's: before, what cannot be exported is an error. Throws ApiError. */
export async function exportStream(order: ExportOrder): Promise<Readable> {
  const worker = new Worker(new URL("./export-worker.ts", import.meta.url), { workerData: order, resourceLimits: { maxOldGenerationSizeMb: HEAP } });
  let waiting: { readonly resolve: (part: ExportPart) => void; readonly reject: (error: unknown) => void } | null = null;
  let ended: Error | null = null;
  const end = (error: Error): void => {
    ended ??= error;
    waiting?.reject(ended);
    waiting = null;
  };
  worker.on("message", (part: ExportPart) => {
    waiting?.resolve(part);
    waiting = null;
  });
  worker.on("error", end);
  worker.on("exit", () => end(new Error("the thread of an export ended early")));
  const part = (ask: boolean): Promise<ExportPart> => new Promise((resolve, reject) => {
    if (ended !== null) return reject(ended);
    waiting = { resolve, reject };
    if (ask) worker.postMessage({ kind: "next" }, []);
  });
  const failure = ({ code, message }: Extract<ExportPart, { kind: "failed" }>): ApiError | Error => (
    code === null ? new Error(message) : new ApiError(code, code === "no_evidence" ? "what the ledger has is not what is anchored" : message)
  );
  try {
    const first = await part(false);
    if (first.kind === "failed") throw failure(first);
    const stream = Readable.from(pieces(first), { objectMode: false, highWaterMark: 1 });
    stream.once("close", () => void worker.terminate()); // also where nobody has read of it
    return stream;
  } catch (error) {
    await worker.terminate();
    throw error;
  }

  async function* pieces(first: ExportPart): AsyncGenerator<Uint8Array, void, undefined> {
    for (let one = first; one.kind !== "end"; one = await part(true)) {
      if (one.kind === "failed") throw failure(one); // the client sees a body that breaks off
      yield one.bytes;
    }
  }
}
