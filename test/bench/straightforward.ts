/**
 * Baseline: the ledger as one writes it first, from the libraries as they are: JSON.parse, a zod schema, `canonicalize`, createHmac with
 * the key's bytes, a row at a time into SQLite in WAL mode, one transaction for what came in one chunk, synchronous = NORMAL. It keeps
 * less than receiptd does (numbers may be rounded, names doubled, a power cut costs receipts) and has no Merkle tree.
 */
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:net";
import Database from "better-sqlite3";
import canonicalize from "canonicalize";
import { z } from "zod";

const schema = z.strictObject({
  receipt_id: z.uuid().optional(),
  organization: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  system_id: z.string().min(1).max(256),
  model_version: z.string().min(1).max(256).optional(),
  timestamp: z.iso.datetime().optional(),
  decision: z.json(),
  inputs: z.record(z.string(), z.json()),
  gates: z.array(z.looseObject({ name: z.string().min(1).max(256), status: z.enum(["PASS", "FAIL", "WARN", "SKIP", "ERROR"]) })).max(1000).optional(),
});
const message = z.object({ jsonrpc: z.literal("2.0"), id: z.union([z.string(), z.number()]), method: z.literal("append"), params: z.object({ receipt: schema, ack: z.string().optional() }) });

const [socketPath, file] = process.argv.slice(2);
const db = new Database(file);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = NORMAL");
db.exec(`CREATE TABLE receipt (receipt_id TEXT PRIMARY KEY, organization TEXT NOT NULL, org_seq INTEGER NOT NULL, receipt_hash TEXT NOT NULL, recorded_at TEXT NOT NULL, bytes TEXT NOT NULL, UNIQUE (organization, org_seq))`);
const insert = db.prepare("INSERT INTO receipt VALUES (?, ?, ?, ?, ?, ?)");
const key = randomBytes(32);
const heads = new Map<string, { readonly seq: number; readonly hash: string | null }>();

function append(line: string): string {
  const { id, params } = message.parse(JSON.parse(line));
  const { receipt } = params;
  const head = heads.get(receipt.organization) ?? { seq: 0, hash: null };
  const sealed = { ...receipt, receipt_id: receipt.receipt_id ?? randomUUID(), org_seq: head.seq + 1, previous_receipt_hash: head.hash, recorded_at: new Date().toISOString() };
  const signature = createHmac("sha256", key).update(canonicalize(sealed)!).digest("hex");
  const bytes = canonicalize({ ...sealed, signature })!;
  const hash = createHash("sha256").update(bytes).digest("hex");
  insert.run(sealed.receipt_id, receipt.organization, sealed.org_seq, hash, sealed.recorded_at, bytes);
  heads.set(receipt.organization, { seq: sealed.org_seq, hash });
  return JSON.stringify({ jsonrpc: "2.0", id, result: { receipt_id: sealed.receipt_id, org_seq: sealed.org_seq, receipt_hash: hash, recorded_at: sealed.recorded_at } });
}

const appendAll = db.transaction((lines: readonly string[]) => lines.map(append));

createServer((socket) => {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    if (lines.length > 0) socket.write(`${appendAll(lines).join("\n")}\n`);
  });
  socket.on("error", () => socket.destroy());
}).listen(socketPath, () => process.stdout.write("ready\n"));
