/** Tampering with a copy, by whoever can write its files: plain SQL on the ledger with its triggers dropped, files in the target. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { anchorsPrefix } from "../../src/anchor/objects.ts";
import { localSigner } from "../../src/anchor/signer.ts";
import { toHex, utf8 } from "../../src/format/bytes.ts";
import { formatCheckpoint, parseCheckpoint } from "../../src/format/checkpoint.ts";
import { TEMPORARY_PREFIX } from "../../src/anchor/directory-walk.ts";
import { formatObjectName, type LedgerName, parseObjectName } from "../../src/format/names.ts";
import { formatVkey, parseNote, signNote } from "../../src/format/note.ts";
import { formatTlogProof, parseTlogProof } from "../../src/format/tlog-proof.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { markPath } from "../../src/ledger/acks.ts";
import type { Host } from "./hosts.ts";

/** Opens the ledger past its safeguards, which are there against slips, not against root. */
export function tamper(host: Host, work: (db: Database.Database) => void): void {
  const db = new Database(host.places.ledger);
  const triggers = db.prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all();
  const sql = db.prepare<[], { sql: string }>("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").all();
  db.transaction(() => {
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    work(db);
    for (const one of sql) db.exec(one.sql); // so that nobody sees that they were gone
  })();
  db.close();
}

/** Another decision in the stored bytes, and the hash in the index made right. */
export function editDecision(host: Host, logIndex: number, from: string, to: string): void {
  tamper(host, (db) => {
    const row = db.prepare<[number], { bytes: Buffer }>("SELECT bytes FROM blob WHERE log_index = ?").get(logIndex)!;
    const text = row.bytes.toString("utf8").replace(`"action":"${from}"`, `"action":"${to}"`);
    db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(Buffer.from(text), logIndex);
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(createHash("sha256").update(text).digest(), logIndex);
  });
}

export function deleteReceipt(host: Host, logIndex: number): void {
  tamper(host, (db) => {
    for (const table of ["blob", "receipt"]) db.prepare(`DELETE FROM ${table} WHERE log_index = ?`).run(logIndex);
  });
}

/** Each takes the other's place, bytes and index row. */
export function swapReceipts(host: Host, a: number, b: number): void {
  tamper(host, (db) => {
    for (const table of ["blob", "receipt"]) {
      const move = db.prepare(`UPDATE ${table} SET log_index = ? WHERE log_index = ?`);
      for (const [from, to] of [[a, -1], [b, a], [-1, b]]) move.run(to, from);
    }
  });
}

/** Back to the first `size` receipts, as an older backup would have it. */
export function cutTo(host: Host, size: number): void {
  tamper(host, (db) => {
    for (const table of ["blob", "receipt"]) db.prepare(`DELETE FROM ${table} WHERE log_index >= ?`).run(size);
    db.prepare("DELETE FROM anchor WHERE tree_size > ?").run(size);
    db.prepare("DELETE FROM tree WHERE (position + 1) << level > ?").run(size);
    db.prepare("DELETE FROM organization WHERE first_index >= ?").run(size);
  });
  rmSync(markPath(host.places.ledger), { force: true }); // it would tell the daemon, and whoever cuts can remove it
}

/** The anchor objects of a ledger in a host's target, by tree size: full names. */
export function anchorNames(host: Host, ledger: LedgerName): ReadonlyMap<number, string> {
  const prefix = anchorsPrefix(ledger);
  return new Map(readdirSync(join(host.anchors, prefix)).sort().flatMap((file) => {
    if (file.startsWith(TEMPORARY_PREFIX)) return []; // the daemon is writing one
    const name = prefix + file;
    const parsed = parseObjectName(ledger, name);
    return parsed.kind === "anchor" ? [[parsed.treeSize, name] as const] : [];
  }));
}

/** Another root for this size, well-formed, under its own right name, signed by whoever does this: without the ledger's key. */
export async function replaceAnchor(host: Host, ledger: LedgerName, treeSize: number): Promise<void> {
  const name = anchorNames(host, ledger).get(treeSize)!;
  const proof = parseTlogProof(readFileSync(join(host.anchors, name)));
  const checkpoint = parseCheckpoint(parseNote(proof.checkpoint).text);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const vkey = formatVkey(ledger.origin, publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  const text = formatCheckpoint({ ...checkpoint, root: nodeHash.sha256(checkpoint.root) });
  const bytes = utf8(formatTlogProof({ ...proof, checkpoint: await signNote(text, localSigner(vkey, privateKey)) }));
  const other = formatObjectName(ledger, { kind: "anchor", treeSize, sha256: toHex(nodeHash.sha256(bytes)) });
  rmSync(join(host.anchors, name));
  writeFileSync(join(host.anchors, other), bytes, { mode: 0o444 });
}
