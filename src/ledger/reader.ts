/**
 * Reading a ledger beside its writer. Every call is one short statement on a connection of its own: no read transaction stays
 * open, so the write-ahead log can always be reset. Callers say how far they want to see (`size`), so that a long walk has a fixed end.
 */
import { entryOf } from "../format/entries.ts";
import type { Sha256 } from "../format/hash.ts";
import { consistencyPath, inclusionPath, leafHash, rootFrom } from "../format/merkle.ts";
import { uuidBytes } from "../format/uuid.ts";
import { type Database, openReadOnly } from "./database.ts";
import { LedgerError, ledgerError } from "./errors.ts";
import { LeafBlocks } from "./leaf-blocks.ts";
import { receiptRow, type ReceiptRow, SELECT_RECEIPT } from "./rows.ts";
import type { StoredReceipt } from "./stage.ts";
import { lazily, prepared } from "./statements.ts";
import { STORED_LEVEL } from "./state.ts";

export interface StoredBlob extends StoredReceipt {
  /** null: the index row is there, the bytes are not. */
  readonly blob: Uint8Array | null;
}

export interface OrganizationRow {
  readonly org: number;
  readonly name: string;
  readonly prefix: string;
  readonly firstIndex: number;
}

export interface AnchorRow {
  readonly treeSize: number;
  readonly firstIndex: number;
  readonly root: Uint8Array;
}

/** A path begins in one block, and ends in that of the tree's right edge. */
const BLOCKS_OF_A_PATH = 4;

const SELECT_BLOB = SELECT_RECEIPT.replace(" FROM receipt r", ", b.bytes AS bytes FROM receipt r LEFT JOIN blob b ON b.log_index = r.log_index");

type BlobRow = ReceiptRow & { readonly bytes: Uint8Array | null };

export class Reader {
  readonly #db: Database;
  readonly #sha256: Sha256;
  readonly #s: ReturnType<typeof prepare>;
  readonly #blocks: LeafBlocks | null;

  /** `keptBlocks`: of 256 receipts, of which the tree's nodes are kept in memory, 16 KiB each; none unless said, for whoever must see each change of the file. */
  constructor(path: string, sha256: Sha256, keptBlocks = 0) {
    this.#db = openReadOnly(path);
    this.#sha256 = sha256;
    this.#blocks = keptBlocks === 0 ? null : new LeafBlocks(keptBlocks, sha256);
    this.#s = prepare(this.#db);
  }

  close(): void {
    this.#db.close();
  }

  identity(): { readonly origin: string; readonly ledgerId: string } {
    const row = this.#get(() => this.#s.identity.get()) as { origin: string; ledger_id: string } | undefined;
    if (row === undefined) throw new LedgerError("not_a_ledger", "the ledger has no identity");
    return { origin: row.origin, ledgerId: row.ledger_id };
  }

  /** Receipts in the ledger, as the newest log_index tells. */
  size(): number {
    const row = this.#get(() => this.#s.size.get()) as { size: number };
    return row.size;
  }

  byIndex(logIndex: number): StoredBlob | null {
    return this.#one(() => this.#s.byIndex.get(logIndex));
  }

  byId(receiptId: string): StoredBlob | null {
    return this.#one(() => this.#s.byId.get(uuidBytes(receiptId)));
  }

  /** By the prefix of a receipt number and the organization's sequence. */
  byNumber(prefix: string, orgSeq: number): StoredBlob | null {
    return this.#one(() => this.#s.byNumber.get(prefix, orgSeq));
  }

  byOrgSeq(organization: string, orgSeq: number): StoredBlob | null {
    return this.#one(() => this.#s.byOrgSeq.get(organization, orgSeq));
  }

  /** Index rows and blobs from `first` up to, not including, `end`: at most `limit`, in order of log_index. */
  page(first: number, end: number, limit: number): StoredBlob[] {
    return this.#get(() => this.#s.page.all(first, end, limit).map(storedBlob));
  }

  /** The bytes of receipts `first`, `first` + 1 … below `end`: as many as `maxBytes` hold, and at least one. */
  blobs(first: number, end: number, maxBytes: number): Uint8Array[] {
    return this.#get(() => {
      const blobs: Uint8Array[] = [];
      let bytes = 0;
      for (const row of this.#s.blobs.iterate(first, end)) {
        bytes += row.bytes.length;
        if (row.log_index !== first + blobs.length || (blobs.length > 0 && bytes > maxBytes)) break;
        blobs.push(row.bytes);
      }
      if (blobs.length === 0) throw new LedgerError("ledger_corrupt", `the receipt ${first} is missing; run: receiptd audit`);
      return blobs;
    });
  }

  /** One organization's receipts with first <= org_seq, at most `limit`, in order. */
  organizationPage(organization: string, firstSeq: number, limit: number): StoredBlob[] {
    return this.#get(() => this.#s.organizationPage.all(organization, firstSeq, limit).map(storedBlob));
  }

  /** Receipts in the order of (recorded_at, log_index), behind this place and before the time `to` (ms), at most `limit`. */
  timePage(after: { readonly recordedAt: number; readonly logIndex: number }, to: number, limit: number): StoredBlob[] {
    return this.#get(() => this.#s.timePage.all(after.recordedAt, after.logIndex, to, limit).map(storedBlob));
  }

  /** One organization's receipts with org_seq < before that are no anchor receipts by the index, at most `limit`, the newest first. */
  organizationPageBack(organization: string, before: number, limit: number): StoredBlob[] {
    return this.#get(() => this.#s.organizationPageBack.all(organization, before, limit).map(storedBlob));
  }

  /** The first log_index recorded at or after `from` and the last recorded before `to` (ms), or null where there is none. */
  indexRange(from: number, to: number): { readonly first: number; readonly last: number } | null {
    const row = this.#get(() => this.#s.timeRange.get(from, to)) as { first: number | null; last: number | null };
    return row.first === null || row.last === null ? null : { first: row.first, last: row.last };
  }

  organizations(): OrganizationRow[] {
    return this.#get(() => this.#s.organizations.all() as { org: number; name: string; prefix: string; first_index: number }[])
      .map((row) => ({ org: row.org, name: row.name, prefix: row.prefix, firstIndex: row.first_index }));
  }

  organizationSize(org: number): number {
    return (this.#get(() => this.#s.organizationSize.get(org)) as { size: number }).size;
  }

  /** How many receipts an organization has, and when the last was recorded (ms); null: none. */
  organizationEnd(org: number): { readonly size: number; readonly recordedAt: number } | null {
    const row = this.#get(() => this.#s.organizationEnd.get(org)) as { org_seq: number; recorded_at: number } | undefined;
    return row === undefined ? null : { size: row.org_seq, recordedAt: row.recorded_at };
  }

  /** How many of an organization's receipts are among the ledger's first `size`: by halving, since both counts rise together. */
  organizationSizeAt(org: number, size: number): number {
    let [low, high] = [0, this.organizationSize(org)];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const { log_index } = (this.#get(() => this.#s.placeInChain.get(org, middle)) ?? { log_index: 0 }) as { log_index: number };
      if (log_index < size) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Anchors with tree_size > after, in order, at most `limit`. */
  anchors(after: number, limit: number): AnchorRow[] {
    return this.#get(() => this.#s.anchors.all(after, limit) as { tree_size: number; first_index: number; root: Uint8Array }[]).map(anchorRow);
  }

  /** Where a receipt of this organization that is no anchor receipt stands right before one: org_seq < before, at most `limit`, the newest first. By indexes alone. */
  closingPageBack(organization: string, before: number, limit: number): { readonly orgSeq: number; readonly treeSize: number }[] {
    return (this.#get(() => this.#s.closingPageBack.all(organization, before, limit)) as { org_seq: number; tree_size: number }[]).map((row) => ({ orgSeq: row.org_seq, treeSize: row.tree_size }));
  }

  newestAnchor(): AnchorRow | null {
    const row = this.#get(() => this.#s.newestAnchor.get()) as Parameters<typeof anchorRow>[0] | undefined;
    return row === undefined ? null : anchorRow(row);
  }

  /** The first anchor whose tree holds this receipt, or null while it is pending. */
  coveringAnchor(logIndex: number): AnchorRow | null {
    return this.anchors(logIndex, 1)[0] ?? null;
  }

  /** Receipt hashes of [first, end), 32 bytes each, as the index has them. */
  receiptHashes(first: number, end: number): Uint8Array {
    const out = new Uint8Array((end - first) * 32);
    for (let at = first; at < end; at += 4096) {
      const next = Math.min(end, at + 4096);
      // one string, not 4096 Buffers with memory of their own: a batch would cost 20 MB of heap that is slow to come back
      const { hashes } = this.#get(() => this.#s.joinedHashes.get(at, next)) as { hashes: string | null };
      if (hashes?.length !== (next - at) * 64) throw new LedgerError("ledger_corrupt", `receipts are missing between ${at} and ${next}; run: receiptd audit`);
      out.set(Buffer.from(hashes, "hex"), (at - first) * 32);
    }
    return out;
  }

  /** RFC 6962 root of the first `size` receipts: O(log n) stored nodes and at most 255 leaves. */
  rootAt(size: number): Uint8Array {
    return rootFrom(size, this.#nodeAt(), this.#sha256);
  }

  /** Inclusion path of a receipt in the tree of `size` receipts. */
  inclusionPath(logIndex: number, size: number): Uint8Array[] {
    return inclusionPath(logIndex, size, this.#nodeAt(), this.#sha256);
  }

  /** What shows that the tree of `second` receipts goes on from that of `first`, which is at least 1. */
  consistencyPath(first: number, second: number): Uint8Array[] {
    return consistencyPath(first, second, this.#nodeAt(), this.#sha256);
  }

  /** Roots of the perfect subtrees over the first `size` receipts, largest first: what a CompactRange goes on from. */
  frontier(size: number): Uint8Array[] {
    const nodeAt = this.#nodeAt();
    const nodes: Uint8Array[] = [];
    for (let level = 52, at = 0; level >= 0; level--) {
      if (Math.floor(size / 2 ** level) % 2 === 0) continue;
      nodes.push(nodeAt(level, at / 2 ** level));
      at += 2 ** level;
    }
    return nodes;
  }

  /** What is kept of the tree's lower nodes is read anew; see LeafBlocks. */
  forgetNodes(): void {
    this.#blocks?.forget();
  }

  #nodeAt(): (level: number, position: number) => Uint8Array {
    const blocks = this.#blocks ?? new LeafBlocks(BLOCKS_OF_A_PATH, this.#sha256);
    const read = (first: number, limit: number): readonly Uint8Array[] => {
      const rows = this.#get(() => this.#s.hashes.all(first, first + limit) as { receipt_hash: Uint8Array }[]);
      return rows.map((row) => leafHash(entryOf(row.receipt_hash), this.#sha256));
    };
    return (level, position) => {
      if (level >= STORED_LEVEL) {
        const row = this.#get(() => this.#s.treeNode.get(level, position)) as { hash: Uint8Array } | undefined;
        if (row === undefined) throw new LedgerError("ledger_corrupt", `subtree ${level}/${position} is missing; run: receiptd audit`);
        return row.hash;
      }
      const node = blocks.nodeAt(level, position, read);
      if (node === undefined) throw new LedgerError("ledger_corrupt", `receipts are missing after ${position * 2 ** level}; run: receiptd audit`);
      return node;
    };
  }

  #one(query: () => unknown): StoredBlob | null {
    const row = this.#get(query) as BlobRow | undefined;
    return row === undefined ? null : storedBlob(row);
  }

  #get<T>(query: () => T): T {
    try {
      return query();
    } catch (error) {
      throw ledgerError(error);
    }
  }
}

function storedBlob(row: BlobRow): StoredBlob {
  return { ...receiptRow(row), blob: row.bytes };
}

function anchorRow(row: { tree_size: number; first_index: number; root: Uint8Array }): AnchorRow {
  return { treeSize: row.tree_size, firstIndex: row.first_index, root: row.root };
}

function prepare(db: Database) {
  return lazily({
    identity: () => prepared(db, "SELECT origin, ledger_id FROM ledger"),
    size: () => prepared(db, "SELECT coalesce(max(log_index) + 1, 0) AS size FROM receipt"),
    byIndex: () => prepared(db, `${SELECT_BLOB} WHERE r.log_index = ?`),
    byId: () => prepared(db, `${SELECT_BLOB} WHERE r.receipt_id = ?`),
    byNumber: () => prepared(db, `${SELECT_BLOB} WHERE r.org = (SELECT org FROM organization WHERE prefix = ?) AND r.org_seq = ?`),
    byOrgSeq: () => prepared(db, `${SELECT_BLOB} WHERE r.org = (SELECT org FROM organization WHERE name = ?) AND r.org_seq = ?`),
    page: () => prepared<[number, number, number], BlobRow>(db, `${SELECT_BLOB} WHERE r.log_index >= ? AND r.log_index < ? ORDER BY r.log_index LIMIT ?`),
    blobs: () => prepared<[number, number], { readonly log_index: number; readonly bytes: Uint8Array }>(db,
      "SELECT log_index, bytes FROM blob WHERE log_index >= ? AND log_index < ? ORDER BY log_index"),
    organizationPage: () => prepared<[string, number, number], BlobRow>(db,
      `${SELECT_BLOB} WHERE r.org = (SELECT org FROM organization WHERE name = ?) AND r.org_seq >= ? ORDER BY r.org_seq LIMIT ?`),
    timePage: () => prepared<[number, number, number, number], BlobRow>(db,
      `${SELECT_BLOB.replace("receipt r", "receipt r INDEXED BY receipt_by_time")} WHERE (r.recorded_at, r.log_index) > (?, ?) AND r.recorded_at < ? ORDER BY r.recorded_at, r.log_index LIMIT ?`),
    organizationPageBack: () => prepared<[string, number, number], BlobRow>(db,
      `${SELECT_BLOB} WHERE r.org = (SELECT org FROM organization WHERE name = ?) AND r.org_seq < ? AND NOT EXISTS (SELECT 1 FROM anchor a WHERE a.tree_size = r.log_index + 1) ORDER BY r.org_seq DESC LIMIT ?`),
    closingPageBack: () => prepared(db,
      "SELECT r.org_seq AS org_seq, r.log_index + 2 AS tree_size FROM receipt r WHERE r.org = (SELECT org FROM organization WHERE name = ?) AND r.org_seq < ? AND EXISTS (SELECT 1 FROM anchor a WHERE a.tree_size = r.log_index + 2) AND NOT EXISTS (SELECT 1 FROM anchor a WHERE a.tree_size = r.log_index + 1) ORDER BY r.org_seq DESC LIMIT ?"),
    timeRange: () => prepared(db, "SELECT min(log_index) AS first, max(log_index) AS last FROM receipt INDEXED BY receipt_by_time WHERE recorded_at >= ? AND recorded_at < ?"),
    organizations: () => prepared(db, "SELECT org, name, prefix, first_index FROM organization ORDER BY org"),
    organizationSize: () => prepared(db, "SELECT coalesce(max(org_seq), 0) AS size FROM receipt WHERE org = ?"),
    organizationEnd: () => prepared(db, "SELECT org_seq, recorded_at FROM receipt WHERE org = ? ORDER BY org_seq DESC LIMIT 1"),
    placeInChain: () => prepared(db, "SELECT log_index FROM receipt WHERE org = ? AND org_seq = ?"),
    anchors: () => prepared(db, "SELECT tree_size, first_index, root FROM anchor WHERE tree_size > ? ORDER BY tree_size LIMIT ?"),
    newestAnchor: () => prepared(db, "SELECT tree_size, first_index, root FROM anchor ORDER BY tree_size DESC LIMIT 1"),
    hashes: () => prepared(db, "SELECT log_index, receipt_hash FROM receipt WHERE log_index >= ? AND log_index < ? ORDER BY log_index"),
    joinedHashes: () => prepared(db, "SELECT group_concat(hex(receipt_hash), '' ORDER BY log_index) AS hashes FROM receipt WHERE log_index >= ? AND log_index < ?"),
    treeNode: () => prepared(db, "SELECT hash FROM tree WHERE level = ? AND position = ?"),
  });
}
