/** The thread of checkpointer.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { failureOf, type FromCheckpoints, type ToCheckpoints } from "./checkpointer.ts";
import { openForCheckpoints } from "./database.ts";

/** Each leaves fewer pages: those that came meanwhile. */
const TRIES = 3;

const port = parentPort!;
const db = openForCheckpoints(workerData as string);
const checkpoint = db.prepare<[], { readonly log: number; readonly checkpointed: number }>("PRAGMA wal_checkpoint(PASSIVE)");

/** Returns how many pages the log has. */
function moveAll(): number {
  for (let i = 1; ; i++) {
    const { log, checkpointed } = checkpoint.get()!;
    if (log === checkpointed || i === TRIES) return log;
  }
}

function run(): FromCheckpoints {
  let pages = 0;
  const message = failureOf(() => { pages = moveAll(); });
  return message === null ? { kind: "done", pages } : { kind: "failed", message };
}

port.on("message", ({ kind }: ToCheckpoints) => {
  if (kind === "checkpoint") return port.postMessage(run());
  db.close();
  port.close();
});
