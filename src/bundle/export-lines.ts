/** The lines of an export (docs/FORMAT.md section 16), from the ledger, in the memory of a few pages. */
import { concat, uint64 } from "../format/bytes.ts";
import { type ExportHeader, type ExportHeads, formatHashLine, formatProvenLine, type ProvenHead } from "../format/export.ts";
import { inclusionProof, leafHash } from "../format/merkle.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { headsBefore, type KnownHead } from "../audit/known-heads.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Inspector } from "../ledger/inspect.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import { BundleError } from "./errors.ts";

/** Hashes that are read at once. */
const HASHES = 4096;
const HASH_BYTES = 32;
/** Bytes of receipts that are read at once, and receipts of one organization: of these each may be 1 MiB. */
const PAGE_BYTES = 1024 * 1024;
const PAGE = 32;

/** Where an organization stood before the two anchor receipts, with the paths that show it. */
export function headsOf(reader: Reader, path: string, organization: string, { first, end }: Pick<ExportHeader, "first" | "end">): ExportHeads {
  const inspector = new Inspector(path);
  try {
    const atEnd = provenHead(headsBefore(inspector, end - 1, nodeHash), organization);
    const firstReceipt = reader.byOrgSeq(organization, 1)?.blob ?? null;
    if (atEnd === null || firstReceipt === null) throw noReceipts(organization, ` up to log index ${end - 1}`);
    return { firstReceipt, before: first === 0 ? null : provenHead(headsBefore(inspector, first - 1, nodeHash), organization), end: atEnd };
  } finally {
    inspector.close();
  }
}

function provenHead(heads: readonly KnownHead[], organization: string): ProvenHead | null {
  const index = heads.findIndex((head) => head.organization === organization);
  if (index < 0) return null;
  const leaves = heads.map((head) => leafHash(concat(head.firstHash, uint64(head.orgSeq), head.hash), nodeHash.sha256));
  const { orgSeq, hash } = heads[index]!;
  return { orgSeq, hash, index, size: heads.length, path: inclusionProof(leaves, index, leaves.length, nodeHash.sha256) };
}

export function noReceipts(organization: string, where: string): BundleError {
  return new BundleError("not_found", `the ledger has no receipts of an organization ${organization.slice(0, 80)}${where}`, "an export of all organizations shows that it has none: leave out --organization");
}

/** How many of the ledger's own receipts before the anchor receipt at `first` − 1 are neither genesis nor anchor receipts: of these there is one for each epoch. */
export function ownBefore(reader: Reader, first: number): number {
  const before = first === 0 ? null : reader.byIndex(first - 1);
  return before === null ? 0 : Math.max(0, before.orgSeq - before.keyEpoch - 2);
}

/** A line for each of them, without its line feed. */
function* ownLines(reader: Reader, { first, end, ownBefore: all }: Pick<ExportHeader, "first" | "end" | "ownBefore">): Generator<Uint8Array, void, undefined> {
  let left = all;
  if (left === 0) return;
  for (const { logIndex, blob } of pages(reader, LEDGER_ORGANIZATION, 2)) {
    if (logIndex >= first - 1) return;
    if (reader.anchors(logIndex, 1)[0]?.treeSize === logIndex + 1) continue;
    if (blob === null) throw new BundleError("not_found", `the receipt at log index ${logIndex} is in the index of the ledger, but its bytes are missing`, "see what can be done with: receiptd recover");
    yield formatProvenLine({ receipt: blob, path: reader.inclusionPath(logIndex, end) });
    if (--left === 0) return;
  }
}

/** A line for each of the ledger's own before the range, then for each place of the log, without its line feed. */
export function* exportLines(reader: Reader, header: ExportHeader, ownSeq: number): Generator<Uint8Array, void, undefined> {
  const { first, end, organization, heads } = header;
  yield* ownLines(reader, header);
  if (organization === null) {
    for (let at = first; at < end;) {
      const blobs = reader.blobs(at, end, PAGE_BYTES);
      yield* blobs;
      at += blobs.length;
    }
    return;
  }
  const wanted = [new Receipts(reader, LEDGER_ORGANIZATION, ownSeq)];
  if (heads !== null) wanted.push(new Receipts(reader, organization, (heads.before?.orgSeq ?? 0) + 1));
  for (let from = first; from < end; from += HASHES) {
    const to = Math.min(end, from + HASHES);
    const hashes = reader.receiptHashes(from, to);
    for (let at = from; at < to; at++) {
      const found = wanted.find((one) => one.next?.logIndex === at);
      yield found?.take() ?? formatHashLine(hashes.subarray((at - from) * HASH_BYTES, (at - from + 1) * HASH_BYTES));
    }
  }
}

/** One organization's receipts, in order. */
class Receipts {
  readonly #pages: Generator<StoredBlob, void, undefined>;
  next: StoredBlob | null;

  constructor(reader: Reader, organization: string, firstSeq: number) {
    this.#pages = pages(reader, organization, firstSeq);
    this.next = this.#pages.next().value ?? null;
  }

  take(): Uint8Array {
    const { blob, logIndex } = this.next!;
    if (blob === null) throw new BundleError("not_found", `the receipt at log index ${logIndex} is in the index of the ledger, but its bytes are missing`, "see what can be done with: receiptd recover");
    this.next = this.#pages.next().value ?? null;
    return blob;
  }
}

function* pages(reader: Reader, organization: string, firstSeq: number): Generator<StoredBlob, void, undefined> {
  for (let from = firstSeq; ;) {
    const rows = reader.organizationPage(organization, from, PAGE);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    from = last.orgSeq + 1;
  }
}
