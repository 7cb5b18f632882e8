/**
 * Where the audit of a ledger begins that an earlier audit has read up to an anchor. Unlike the beginning of a time range
 * (range.ts) it takes nothing from the index as it is: the tree, the chains' heads and the organizations must be those of the anchor,
 * which was read from a target and verified. Whoever owns the ledger's file may have changed all that is read here.
 */
import { equal } from "../format/bytes.ts";
import { hashText, parseNumber } from "../format/chain.ts";
import { entryOf } from "../format/entries.ts";
import type { Hash } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { AnchorFacts } from "../verify/anchor.ts";
import type { ChainEnd } from "../verify/chain.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { Heads } from "./heads.ts";
import { headsBefore, type KnownHead } from "./known-heads.ts";
import { LogTree } from "./log-tree.ts";
import { frontier, logAt, type Part } from "./range.ts";
import { BLOCK } from "./segment-tree.ts";

/**
 * The receipts from the anchor's tree size up to, not including, `end`. Throws LedgerError, VerifyError or FormatError where the ledger
 * is not what was anchored, or cannot be read: then all of it is to be audited.
 */
export function partSince(inspector: Inspector, anchor: AnchorFacts, end: number, hash: Hash): Part {
  const { treeSize: first, receipt, details, receiptHash, root } = anchor;
  if (end < first) throw different(`it has ${end} receipts, and the anchor ${first}`);
  const stored = blobAt(inspector, first - 1);
  if (!equal(hash.sha256(stored), receiptHash)) throw different(`receipt ${first - 1} is not the anchor receipt that was published`);
  const blocks = Math.floor(first / BLOCK);
  const start = {
    frontier: frontier(inspector, blocks),
    openLeaves: inspector.rows(blocks * BLOCK, first, BLOCK).map((row) => leafHash(entryOf(row.receiptHash), hash.sha256)),
  };
  const tree = new LogTree(hash.sha256, () => undefined, { blocks, frontier: start.frontier });
  for (const leaf of start.openLeaves) tree.append(leaf);
  if (tree.size !== first || !equal(tree.root(), root)) throw different(`its first ${first} receipts have another root`);
  const heads = headsAt(inspector, anchor, hash);
  return {
    first,
    end,
    epoch: receipt.key_epoch + 1,
    commitment: details.epoch_commitment,
    start: {
      ...start,
      size: first,
      ends: new Map(heads.map(({ organization, orgSeq, hash: newest, prefix }): [string, ChainEnd] => [organization, { orgSeq, hash: newest, prefix }])),
      log: logAt(inspector, verifyReceipt(stored, hash), hash),
      heads,
      anchor: { root, details },
    },
  };
}

/** Every organization's newest receipt up to the anchor; `org_heads_root` is over what was before its own receipt. */
function headsAt(inspector: Inspector, { treeSize, receipt, details, receiptHash }: AnchorFacts, hash: Hash): readonly KnownHead[] {
  const own = treeSize - 1;
  const heads = headsBefore(inspector, own, hash);
  const tree = new Heads(hash.sha256);
  for (const head of heads) tree.move(head, () => ({ logIndex: head.firstIndex, hash: head.firstHash }));
  if (hashText(tree.root()) !== details.org_heads_root) throw different("its organizations' newest receipts up to the anchor are others");
  const moved = { organization: LEDGER_ORGANIZATION, orgSeq: receipt.org_seq, hash: receiptHash };
  if (heads.some(({ organization }) => organization === LEDGER_ORGANIZATION)) {
    return heads.map((head) => (head.organization === LEDGER_ORGANIZATION ? { ...head, ...moved } : head));
  }
  return [...heads, { ...moved, prefix: parseNumber(receipt.receipt_number)!.prefix, firstIndex: own, firstHash: receiptHash }];
}

function blobAt(inspector: Inspector, logIndex: number): Uint8Array {
  const bytes = inspector.blobs(logIndex, logIndex + 1, 1).blobs[0]?.bytes;
  if (bytes === undefined) throw different(`receipt ${logIndex} is not there`);
  return bytes;
}

function different(why: string): LedgerError {
  return new LedgerError("ledger_corrupt", `it is not what was anchored: ${why}`);
}
