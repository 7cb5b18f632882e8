/**
 * Baseline of the audit: two threads that read the blobs of a ledger, half each, and make SHA-256 and HMAC of them, by the fastest
 * way that Node has: two one-shot hashes for an HMAC. Reads `{ledger}` as JSON from the argument.
 */
import { hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import Database from "better-sqlite3";

const THREADS = 2;
/** Bytes of RFC 2104's padded key. */
const BLOCK = 64;

interface Half {
  readonly ledger: string;
  readonly first: number;
  readonly end: number;
}

function hashBlobs({ ledger, first, end }: Half): void {
  const db = new Database(ledger, { readonly: true });
  const key = randomBytes(BLOCK);
  const inner = Buffer.alloc(BLOCK + 2 * 1024 * 1024);
  const outer = Buffer.alloc(BLOCK + 32);
  key.copy(inner);
  key.copy(outer);
  for (const bytes of db.prepare<[number, number], Buffer>("SELECT bytes FROM blob WHERE log_index >= ? AND log_index < ? ORDER BY log_index").pluck().iterate(first, end)) {
    hash("sha256", bytes, "binary");
    bytes.copy(inner, BLOCK);
    outer.write(hash("sha256", inner.subarray(0, BLOCK + bytes.length), "binary"), BLOCK, "binary");
    hash("sha256", outer, "binary");
  }
  db.close();
}

if (isMainThread) {
  const { ledger } = JSON.parse(process.argv[2]!) as { readonly ledger: string };
  const db = new Database(ledger, { readonly: true });
  const size = db.prepare<[], number>("SELECT max(log_index) + 1 FROM blob").pluck().get()!;
  db.close();
  const at = (i: number): number => Math.floor((size * i) / THREADS);
  await Promise.all(Array.from({ length: THREADS }, (_, i) => (
    once(new Worker(import.meta.filename, { workerData: { ledger, first: at(i), end: at(i + 1) } satisfies Half }), "exit")
  )));
} else {
  hashBlobs(workerData as Half);
}
