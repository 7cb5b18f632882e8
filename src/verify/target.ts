/**
 * All objects of a target, in memory (docs/FORMAT.md section 13.3 steps 1 to 6): for small tools and the test vectors. Freshness
 * needs a clock and is the caller's.
 */
import { equal, toHex } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { entryOf, parseEntries } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { pureHash } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import type { LedgerName } from "../format/names.ts";
import { type Vkey, vkeyText } from "../format/note.ts";
import { type AnchorFacts, verifyAnchorObject, verifyObjectName } from "./anchor.ts";
import type { VerifyOptions } from "./checkpoint.ts";
import { AnchorWalk, batchRoot, forkOf } from "./anchors.ts";
import { asVerifyError, type VerifyError } from "./errors.ts";
import { signersByRoot, SignerWalk, type VkeyRotation } from "./vkeys.ts";

export interface TargetObject {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface TargetFinding {
  readonly object: string;
  readonly error: VerifyError;
}

export interface TargetReport {
  /** In order of size; of a fork all. */
  readonly anchors: readonly AnchorFacts[];
  readonly findings: readonly TargetFinding[];
  /** Objects that do not count. */
  readonly interference: readonly TargetFinding[];
  /** Batch objects that no anchor names: published before their anchor, or nobody's. */
  readonly unanchored: readonly string[];
  readonly rootsChecked: number;
  readonly rootsNotChecked: number;
}

export interface TargetOptions extends VerifyOptions {
  /** Of a ledger that is at hand (13.4): what its `checkpoint_rotation` receipts name, and how many receipts it has. */
  readonly rotations?: readonly VkeyRotation[] | undefined;
  readonly ledgerSize?: number | undefined;
}

/** Checks the complete listing of one ledger's prefix. What is found is returned, never thrown. */
export function verifyTarget(
  objects: readonly TargetObject[], ledger: LedgerName, vkeys: readonly Vkey[], options: TargetOptions = {},
): TargetReport {
  const findings: TargetFinding[] = [];
  const interference: TargetFinding[] = [];
  const found: AnchorFacts[] = [];
  const batches = new Map<string, TargetObject[]>();
  for (const object of objects) {
    try {
      const name = verifyObjectName(object.name, object.bytes, ledger, options.hash);
      if (name.kind === "anchor") {
        const facts = attempt(findings, object.name, () => verifyAnchorObject(object.name, object.bytes, ledger, vkeys, options));
        if (facts !== null) found.push(facts);
      } else if (name.kind === "batch") { // receipts promise nothing: a missing or wrong archive is no finding
        const key = `${name.firstIndex}-${name.lastIndex}`;
        batches.set(key, [...(batches.get(key) ?? []), object]);
      }
    } catch (error) {
      interference.push({ object: object.name, error: asVerifyError(error) });
    }
  }
  found.sort((a, b) => a.treeSize - b.treeSize);
  const anchors = signedInTurn(found, new SignerWalk({ pinned: vkeys.map(vkeyText), announced: options.rotations, upTo: options.ledgerSize }), findings);
  const batchOf: HashesOf = (batch) => choose(batches.get(keyOf(batch)) ?? [], batch, options);
  const line = withoutForks(anchors, batchOf, findings);
  const walk = new AnchorWalk({ hash: options.hash });
  for (const facts of line) findings.push(...walk.step(facts, batchOf).map((error) => ({ object: facts.name, error })));
  for (const { details } of anchors) batches.delete(keyOf(details.batch));
  return {
    anchors, findings, interference, unanchored: [...batches.values()].flat().map((object) => object.name),
    rootsChecked: walk.rootsChecked, rootsNotChecked: walk.rootsNotChecked,
  };
}

type HashesOf = (batch: AnchorDetails["batch"]) => readonly Uint8Array[] | null;

const keyOf = ({ first_index, count }: AnchorDetails["batch"]): string => `${first_index}-${first_index + count - 1}`;

/** Without those that a key has signed whose time was over, or had not come. */
function signedInTurn(found: readonly AnchorFacts[], signers: SignerWalk, findings: TargetFinding[]): AnchorFacts[] {
  return [...Map.groupBy(found, ({ treeSize }) => treeSize)].flatMap(([treeSize, same]) => {
    const roots = signersByRoot(same);
    const verdicts = signers.step(treeSize, [...roots.values()]);
    const byRoot = new Map([...roots.keys()].map((root, i) => [root, verdicts[i]!]));
    for (const [root, { error }] of byRoot) if (error !== null) findings.push({ object: same.find((facts) => toHex(facts.root) === root)!.name, error });
    return same.filter(({ root }) => byRoot.get(toHex(root))!.counts);
  });
}

/** One anchor of each size. Of a fork (step 3) it is the first whose batch is there: which one is the log's nobody can tell. */
function withoutForks(anchors: readonly AnchorFacts[], batchOf: HashesOf, findings: TargetFinding[]): AnchorFacts[] {
  const bySize = new Map<number, AnchorFacts[]>();
  for (const facts of anchors) {
    const same = bySize.get(facts.treeSize) ?? [];
    if (!same.some(({ root }) => equal(root, facts.root))) bySize.set(facts.treeSize, [...same, facts]);
  }
  return [...bySize.values()].map((same) => {
    const [first] = same as [AnchorFacts];
    const chosen = same.length === 1 ? first : (same.find((facts) => fits(facts, batchOf)) ?? first);
    for (const facts of same) {
      if (facts !== chosen) findings.push({ object: facts.name, error: forkOf(chosen, facts) });
    }
    return chosen;
  });
}

function fits({ details: { batch } }: AnchorFacts, batchOf: HashesOf): boolean {
  try {
    const hashes = batch.count === 0 ? [] : batchOf(batch);
    return hashes !== null && hashText(batchRoot(hashes.map((hash) => leafHash(entryOf(hash))))) === batch.root;
  } catch (error) {
    asVerifyError(error);
    return false;
  }
}

/** The receipt hashes of the batch: of several objects the one that fits, since anybody who can write can add others. */
function choose(candidates: readonly TargetObject[], batch: AnchorDetails["batch"], options: VerifyOptions): Uint8Array[] | null {
  const { sha256 } = options.hash ?? pureHash;
  for (const { bytes } of candidates.length > 1 ? candidates : []) {
    try {
      const hashes = parseEntries(bytes);
      const root = batchRoot(hashes.map((hash) => leafHash(entryOf(hash), sha256)), options.hash);
      if (hashText(root) === batch.root) return hashes;
    } catch (error) {
      asVerifyError(error); // not entries: the next one
    }
  }
  const [only] = candidates;
  return only === undefined ? null : parseEntries(only.bytes);
}

function attempt<T>(findings: TargetFinding[], object: string, check: () => T): T | null {
  try {
    return check();
  } catch (error) {
    findings.push({ object, error: asVerifyError(error) });
    return null;
  }
}
