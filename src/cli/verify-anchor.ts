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
import { MAX_TLOG_PROOF_BYTES } from "../format/tlog-proof.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Reader } from "../ledger/reader.ts";
import { type AnchorFacts, verifyAnchorObject, verifyObjectName } from "../verify/anchor.ts";
import { batchRoot } from "../verify/anchors.ts";
import { VerifyError } from "../verify/errors.ts";

export interface AnchorQuestion {
  readonly logIndex: number;
  /** Receipt hash. */
  readonly hash: Uint8Array;
  readonly ledger: LedgerName;
  readonly vkeys: readonly Vkey[];
  readonly reader: Reader | null;
}

/** `waiting`: nothing at the target is about this receipt yet. */
export type AtTarget =
  | { readonly state: "anchored"; readonly facts: AnchorFacts; readonly version: TargetVersion; readonly by: "batch object" | "ledger" }
  | { readonly state: "waiting" | "unavailable"; readonly why: string }
  | { readonly state: "contradicted"; readonly error: VerifyError; readonly facts: AnchorFacts; readonly version: TargetVersion };

/** Objects that claim to be the anchor; anybody who can write there can add some. */
const MAX_TRIES = 32;
/** Bytes of an entry in a batch object. */
const ENTRY_WITH_LENGTH = 2 + 33;

export async function findAnchor(target: AnchorTarget, question: AnchorQuestion): Promise<AtTarget> {
  try {
    const { ledger, logIndex } = question;
    let tries = 0;
    let first: VerifyError | null = null;
    for await (const version of target.list(anchorsPrefix(ledger), beforeAnchor(ledger, logIndex + 1))) {
      if (version.kind !== "object" || version.isMultipart) continue; // a delete marker hides nothing from a listing of versions
      if (tries++ === MAX_TRIES) break;
      const facts = await readAnchor(target, version, question);
      if (!(facts instanceof VerifyError)) return await judge(target, facts, version, question);
      first ??= facts;
    }
    if (first === null) return { state: "waiting", why: `${target.name} has no anchor over this receipt yet` };
    return { state: "unavailable", why: `what ${target.name} has over this receipt are no anchors that can be believed: ${first.code}: ${first.message}` };
  } catch (error) {
    if (error instanceof TargetError) return { state: "unavailable", why: `${error.code}: ${error.message}` };
    throw error;
  }
}

async function readAnchor(target: AnchorTarget, version: TargetVersion, { ledger, vkeys }: AnchorQuestion): Promise<AnchorFacts | VerifyError> {
  try {
    const { bytes } = await target.get(version, MAX_TLOG_PROOF_BYTES);
    return verifyAnchorObject(version.name, bytes, ledger, vkeys, { hash: nodeHash });
  } catch (error) {
    if (error instanceof VerifyError) return error;
    // one version among others that cannot be read, whosever it is
    if (error instanceof TargetError && error.code !== "target_unavailable") return new VerifyError("bad_tlog_proof", error.message);
    throw error;
  }
}

async function judge(target: AnchorTarget, facts: AnchorFacts, version: TargetVersion, question: AnchorQuestion): Promise<AtTarget> {
  const { logIndex, hash, reader } = question;
  const anchored = await hashInBatch(target, facts, question);
  if (anchored !== null) {
    if (equal(anchored, hash)) return { state: "anchored", facts, version, by: "batch object" };
    const error = new VerifyError("inclusion_mismatch", "another receipt is anchored in this place", { expected: hashText(anchored), found: hashText(hash) });
    return { state: "contradicted", error, facts, version };
  }
  const path = reader === null ? null : pathOf(reader, logIndex, facts.treeSize);
  if (path === null) return { state: "unavailable", why: `${target.name} has an anchor over this receipt, but neither its batch object nor the ledger can show that the receipt is under it` };
  const leaf = leafHash(entryOf(hash), nodeHash.sha256);
  if (verifyInclusion({ leafHash: leaf, index: logIndex, size: facts.treeSize, path, root: facts.root }, nodeHash.sha256)) {
    return { state: "anchored", facts, version, by: "ledger" };
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
