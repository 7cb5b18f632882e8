/**
 * All objects of a target, in memory (docs/FORMAT.md section 13.3 steps 1 to 6): for small tools and the test vectors. Freshness
 * needs a clock and is the caller's.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { entryOf, parseEntries } from "../format/entries.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { pureHash } from "../format/hash.ts";
import { leafHash } from "../format/merkle.ts";
import type { LedgerName } from "../format/names.ts";
import type { Vkey } from "../format/note.ts";
import { type AnchorFacts, verifyAnchorObject, verifyObjectName } from "./anchor.ts";
import type { VerifyOptions } from "./checkpoint.ts";
import { AnchorWalk, batchRoot, forkOf } from "./anchors.ts";
import { asVerifyError, type VerifyError } from "./errors.ts";

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

/** Checks the complete listing of one ledger's prefix. What is found is returned, never thrown. */
export function verifyTarget(
  objects: readonly TargetObject[], ledger: LedgerName, vkeys: readonly Vkey[], options: VerifyOptions = {},
): TargetReport {
  const findings: TargetFinding[] = [];
  const interference: TargetFinding[] = [];
  const anchors: AnchorFacts[] = [];
  const batches = new Map<string, TargetObject[]>();
  for (const object of objects) {
    try {
      const name = verifyObjectName(object.name, object.bytes, ledger, options.hash);
      if (name.kind === "anchor") {
        const facts = attempt(findings, object.name, () => verifyAnchorObject(object.name, object.bytes, ledger, vkeys, options));
        if (facts !== null) anchors.push(facts);
      } else if (name.kind === "batch") { // receipts promise nothing: a missing or wrong archive is no finding
        const key = `${name.firstIndex}-${name.lastIndex}`;
        batches.set(key, [...(batches.get(key) ?? []), object]);
      }
    } catch (error) {
      interference.push({ object: object.name, error: asVerifyError(error) });
    }
  }
  anchors.sort((a, b) => a.treeSize - b.treeSize);
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
