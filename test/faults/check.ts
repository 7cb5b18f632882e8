/**
 * Is everything as it should be? The whole ledger with its keys, its indexes and its tree, everything at the target, both against
 * each other, and what the clients know against the ledger. Nothing of it may depend on what happened to the daemon.
 */
import { createPublicKey, verify } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { toHex } from "../../src/format/bytes.ts";
import { hashText } from "../../src/format/chain.ts";
import type { AnchorDetails } from "../../src/format/fields.ts";
import { parseVkey } from "../../src/format/note.ts";
import type { Receipt } from "../../src/format/receipt.ts";
import { openKeyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { compareWithLedger } from "../../src/verify/anchors.ts";
import { RatchetKeys } from "../../src/verify/keys.ts";
import { LedgerWalk } from "../../src/verify/ledger.ts";
import { verifyTarget } from "../../src/verify/target.ts";
import type { Book } from "./book.ts";
import { seedsBeside } from "./ground.ts";

export interface Places {
  /** The daemon's data_dir. */
  readonly data: string;
  /** The target's folder. */
  readonly target: string;
}

export interface Found {
  /** Empty when all is well. */
  readonly findings: readonly string[];
  /** Receipts in the ledger. */
  readonly size: number;
  /** receipt_hash by receipt_id. */
  readonly hashes: ReadonlyMap<string, string>;
  /** The ledger's anchor receipts, in order. */
  readonly anchors: readonly { readonly treeSize: number; readonly details: AnchorDetails }[];
  /** Tree sizes of the anchors at the target that count, in order: one of each. */
  readonly published: readonly number[];
}

const PAGE = 1000;

export function check({ data, target }: Places): Found {
  const keyring = openKeyring(join(data, "keyring.json"), openRootKeyFile(join(data, "root.key")));
  const reader = new Reader(join(data, "ledger.db"), nodeHash.sha256);
  try {
    const findings: string[] = [];
    const starts = startsOf(keyring, null, seedsBeside(data));
    const walk = new LedgerWalk({
      origin: keyring.origin, ledgerId: keyring.ledgerId, keys: new RatchetKeys(starts, { hash: nodeHash }), hash: nodeHash,
    });
    const hashes = new Map<string, string>();
    const anchors: Found["anchors"][number][] = [];
    const size = reader.size();
    for (let at = 0; at < size; at += PAGE) {
      const page = reader.page(at, Math.min(size, at + PAGE), PAGE);
      if (page.length !== Math.min(size, at + PAGE) - at) findings.push(`rows are missing after ${at}`);
      for (const row of page) {
        if (row.blob === null) {
          findings.push(`${row.logIndex}: no blob`);
          continue;
        }
        for (const { code, message } of walk.step(row.blob)) findings.push(`${row.logIndex}: ${code}: ${message}`);
        const receipt = JSON.parse(new TextDecoder().decode(row.blob)) as Receipt;
        if (row.receiptId !== receipt.receipt_id || row.orgSeq !== receipt.org_seq || row.logIndex !== receipt.log_index || row.keyEpoch !== receipt.key_epoch) {
          findings.push(`${row.logIndex}: the index says something else than the receipt`);
        }
        if (hashes.has(row.receiptId)) findings.push(`${row.logIndex}: ${row.receiptId} is there twice`);
        hashes.set(row.receiptId, hashText(row.receiptHash));
        if (receipt.type === "anchor") anchors.push({ treeSize: row.logIndex + 1, details: receipt["details"] as AnchorDetails });
      }
    }
    if (walk.notChecked.size > 0) findings.push(`not checked: ${[...walk.notChecked].join(" ")}`);
    if (toHex(reader.rootAt(size)) !== toHex(walk.root())) findings.push("the stored tree is not that of the receipts");
    for (const anchor of walk.anchors) {
      const row = reader.anchors(anchor.logIndex, 1)[0];
      if (row?.treeSize !== anchor.logIndex + 1 || toHex(row.root) !== toHex(anchor.root)) findings.push(`${anchor.logIndex}: the row of the anchor is wrong`);
    }
    const report = verifyTarget(objects(target), keyring, keyring.checkpointKeys.map((key) => parseVkey(key.vkey)), {
      hash: nodeHash, verify: verifyEd25519, rotations: walk.rotations, ledgerSize: size,
    });
    for (const { object, error } of [...report.findings, ...report.interference]) findings.push(`${object}: ${error.code}: ${error.message}`);
    const published = report.anchors.map((anchor) => anchor.treeSize);
    for (const [i, anchor] of report.anchors.entries()) {
      const wrong = compareWithLedger(anchor, { size, rootAt: (at) => reader.rootAt(at) });
      if (wrong !== null) findings.push(`${anchor.name}: ${wrong.code}: ${wrong.message}`);
      if (published[i + 1] === anchor.treeSize) findings.push(`two anchors of ${anchor.treeSize} receipts are published`);
      if (anchors[i]?.treeSize !== anchor.treeSize) findings.push(`the published anchor of ${anchor.treeSize} receipts is not the ledger's next`);
    }
    return { findings, size, hashes, anchors, published };
  } finally {
    reader.close();
  }
}

/** What the clients know and the ledger does not have, or has in another form; of one kind of acknowledgement, or of all. */
export function lost(book: Book, { hashes }: Pick<Found, "hashes">): readonly string[] {
  return [...book.acknowledged].filter(([id, { hash }]) => hashes.get(id) !== hash).map(([id]) => id);
}

/** DER before the 32 bytes of an Ed25519 public key (RFC 8410 section 4). */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

/** Node's, which is much faster than the portable one. */
function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, message, createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }), signature);
}

/** All files under a folder; those that were never finished have no name that counts. */
function objects(folder: string): { readonly name: string; readonly bytes: Uint8Array }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith(".tmp-"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: relative(folder, path), bytes: new Uint8Array(readFileSync(path)) }));
}
