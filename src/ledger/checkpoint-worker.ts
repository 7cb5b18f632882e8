/** The thread of checkpointer.ts. */
import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import type { FromCheckpoints, ToCheckpoints } from "./checkpointer.ts";
import { openForCheckpoints } from "./database.ts";

/** The log begins anew only where nothing was written while its last pages were moved. */
const TRIES = 3;

const port = parentPort!;
const db = openForCheckpoints(workerData as string);
const checkpoint = db.prepare<[], { readonly log: number; readonly checkpointed: number }>("PRAGMA wal_checkpoint(PASSIVE)");

function moveAll(): void {
  for (let i = 0; i < TRIES; i++) {
    const { log, checkpointed } = checkpoint.get()!;
    if (log === checkpointed) return;
  }
}

function run(): FromCheckpoints {
  try {
    moveAll();
    return { kind: "done" };
  } catch (error) {
    // no room, or the writer at the same work: what is in the log stays there until another time
    if (error instanceof Database.SqliteError && /^SQLITE_(?:FULL|BUSY|LOCKED)/.test(error.code)) return { kind: "done" };
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

port.on("message", ({ kind }: ToCheckpoints) => {
  if (kind === "checkpoint") return port.postMessage(run());
  db.close();
  port.close();
});
