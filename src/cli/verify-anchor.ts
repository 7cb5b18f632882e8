/**
 * Is a receipt under an anchor at a target? The anchor is read back and must be signed by a pinned key. That the receipt is under
 * it is shown by the batch object beside it, for which the ledger is not needed, or by the ledger's own path to the signed root.
 */
import { anchorsPrefix, beforeAnchor } from "../anchor/objects.ts";
import { type AnchorTarget, TargetError, type TargetVersion } from "../anchor/target.ts";
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { entryOf, parseEntries } from "../format/entries.ts";
import { FormatError } from "../format/errors.ts";
import { leafHash, verifyInclusion } from "../format/merkle.ts";
import { type LedgerName, objectPrefix } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Reader } from "../ledger/reader.ts";
import { type AnchorFacts, verifyObjectName } from "../verify/anchor.ts";
import { batchRoot } from "../verify/anchors.ts";
import { VerifyError } from "../verify/errors.ts";
import { AnchorSearch, type FoundAnchor } from "./verify-search.ts";

export interface AnchorQuestion {
  readonly logIndex: number;
  /** Receipt hash. */
  readonly hash: Uint8Array;
  readonly ledger: LedgerName;
  readonly vkeys: readonly Vkey[];
  readonly reader: Reader | null;
  /** What is known of the anchor that the ledger has closed over the receipt; null: it has none, or is not at hand. */
  readonly closed: ClosedAnchor | null;
  /** ms */
  readonly now: number;
}

export interface ClosedAnchor {
  readonly treeSize: number;
  /** The newest tree size that a target, by its name, has confirmed; 0: none that is known. */
  readonly confirmed: (target: string) => number;
  /** By when it has to be at every target, ms. */
  readonly due: number;
  /** Is one of the pinned keys that with which the ledger has this anchor signed? Otherwise it may be the pins that are wrong, or too few. */
  readonly isKeyOwn: () => boolean;
}

/**
 * `waiting`: nothing at the target is about this receipt yet. `overdue`: nor is the anchor that the ledger has closed over it, though
 * it should be. `missing`: the target had an anchor over it, and has none any more.
 */
export type AtTarget =
  | { readonly state: "anchored"; readonly facts: AnchorFacts; readonly version: TargetVersion; readonly by: "batch object" | "ledger"; readonly unseen: string | null }
  | { readonly state: "waiting"; readonly why: string; readonly isClosed: boolean }
  | { readonly state: "unavailable" | "overdue"; readonly why: string }
  | { readonly state: "missing"; readonly problem: { readonly code: "anchor_missing"; readonly message: string; readonly expected: string; readonly found: string } }
  | { readonly state: "contradicted"; readonly error: VerifyError; readonly facts: AnchorFacts; readonly version: TargetVersion };

/** Bytes of an entry in a batch object. */
const ENTRY_WITH_LENGTH = 2 + 33;

/**
 * The ledger's own anchor is looked for under its own name, whatever else is there. One that the ledger does not know of would be
 * before it, or be all that there is.
 */
export async function findAnchor(target: AnchorTarget, question: AnchorQuestion): Promise<AtTarget> {
  const { ledger, logIndex, vkeys, closed } = question;
  const search = new AnchorSearch(target, ledger, vkeys);
  try {
    const own = closed === null ? null : await search.find(target.list(`${beforeAnchor(ledger, closed.treeSize)}-`), () => true);
    const before = await search.find(target.list(anchorsPrefix(ledger), beforeAnchor(ledger, logIndex + 1)), (size) => size < (closed?.treeSize ?? Infinity));
    const found = before ?? own
      ?? (closed === null ? null : await search.find(target.list(anchorsPrefix(ledger), beforeAnchor(ledger, closed.treeSize + 1)), () => true));
    return found === null ? absent(target.name, search, question) : await judge(target, found, search, question);
  } catch (error) {
    if (error instanceof TargetError) return { state: "unavailable", why: `${error.code}: ${error.message}` };
    throw error;
  }
}

function absent(name: string, { isStopped, reads, denied, first }: AnchorSearch, { closed, now }: AnchorQuestion): AtTarget {
  if (isStopped) return { state: "unavailable", why: `${name}: ${stoppedAfter(reads)}, none of which is an anchor that can be believed: ${reasonOf(first ?? denied)}` };
  if (denied !== null) return { state: "unavailable", why: reasonOf(denied) };
  if (closed !== null && closed.confirmed(name) >= closed.treeSize && (first === null || closed.isKeyOwn())) {
    const expected = `the anchor of ${closed.treeSize} receipts, or a later one`;
    const message = `${name} had confirmed an anchor over this receipt and does not have it any more`;
    return { state: "missing", problem: { code: "anchor_missing", message, expected, found: first === null ? "no anchor" : "nothing that counts" } };
  }
  if (first !== null) return { state: "unavailable", why: `what ${name} has over this receipt are no anchors that can be believed: ${reasonOf(first)}` };
  if (closed === null) return { state: "waiting", why: `${name} has no anchor over this receipt yet`, isClosed: false };
  if (now <= closed.due) return { state: "waiting", why: `the anchor of ${closed.treeSize} receipts is closed, not seen at ${name} yet`, isClosed: true };
  return { state: "overdue", why: `the anchor of ${closed.treeSize} receipts is closed and not at ${name}, where it was due by ${formatTime(closed.due)}` };
}

function stoppedAfter(reads: number): string {
  return `stopped looking after ${reads} objects`;
}

function reasonOf(error: VerifyError | TargetError | null): string {
  return error === null ? "" : `${error.code}: ${error.message}`;
}

async function judge(target: AnchorTarget, { facts, version, isFork }: FoundAnchor, search: AnchorSearch, question: AnchorQuestion): Promise<AtTarget> {
  const { logIndex, hash, reader } = question;
  if (isFork) return { state: "contradicted", error: new VerifyError("fork", `two roots are signed for the tree of ${facts.treeSize} receipts`), facts, version };
  const unseen = search.isStopped ? `what else ${target.name} has over this receipt: ${stoppedAfter(search.reads)}` : null;
  const anchored = await hashInBatch(target, facts, question);
  if (anchored !== null) {
    if (equal(anchored, hash)) return { state: "anchored", facts, version, by: "batch object", unseen };
    const error = new VerifyError("inclusion_mismatch", "another receipt is anchored in this place", { expected: hashText(anchored), found: hashText(hash) });
    return { state: "contradicted", error, facts, version };
  }
  const path = reader === null ? null : pathOf(reader, logIndex, facts.treeSize);
  if (path === null) return { state: "unavailable", why: `${target.name} has an anchor over this receipt, but neither its batch object nor the ledger can show that the receipt is under it` };
  const leaf = leafHash(entryOf(hash), nodeHash.sha256);
  if (verifyInclusion({ leafHash: leaf, index: logIndex, size: facts.treeSize, path, root: facts.root }, nodeHash.sha256)) {
    return { state: "anchored", facts, version, by: "ledger", unseen };
  }
  const error = new VerifyError("inclusion_mismatch", "the ledger's path does not lead from the receipt to the anchored root: it, or another receipt below that anchor, was changed");
  return { state: "contradicted", error, facts, version };
}

/** The receipt hash that is anchored in this place, by the anchor itself or its batch object; null where neither says so. */
async function hashInBatch(target: AnchorTarget, { treeSize, receiptHash, details: { batch } }: AnchorFacts, { logIndex, ledger }: AnchorQuestion): Promise<Uint8Array | null> {
  if (logIndex === treeSize - 1) return receiptHash;
  if (logIndex < batch.first_index || logIndex >= batch.first_index + batch.count) return null;
  const digits = (n: number): string => String(n).padStart(20, "0");
  const prefix = `${objectPrefix(ledger)}batches/${digits(batch.first_index)}-${digits(batch.first_index + batch.count - 1)}-`;
  for await (const version of target.list(prefix)) {
    const entries = version.kind === "object" ? await readBatch(target, version, batch.count, ledger) : null;
    const leaves = entries?.map((one) => leafHash(entryOf(one), nodeHash.sha256));
    if (leaves !== undefined && hashText(batchRoot(leaves, nodeHash)) === batch.root) return entries![logIndex - batch.first_index]!;
  }
  return null;
}

async function readBatch(target: AnchorTarget, version: TargetVersion, count: number, ledger: LedgerName): Promise<readonly Uint8Array[] | null> {
  try {
    const { bytes } = await target.get(version, count * ENTRY_WITH_LENGTH);
    verifyObjectName(version.name, bytes, ledger, nodeHash);
    const entries = parseEntries(bytes);
    return entries.length === count ? entries : null;
  } catch (error) {
    if (error instanceof VerifyError || error instanceof FormatError || (error instanceof TargetError && error.code !== "target_unavailable")) return null;
    throw error;
  }
}

/** Null where the ledger does not reach so far, or is damaged. */
function pathOf(reader: Reader, logIndex: number, treeSize: number): readonly Uint8Array[] | null {
  if (reader.size() < treeSize) return null;
  try {
    return reader.inclusionPath(logIndex, treeSize);
  } catch (error) {
    if (error instanceof LedgerError) return null;
    throw error;
  }
}
