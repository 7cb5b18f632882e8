/**
 * Receipts of a batch that are not as they should be, and what else they may have been. The anchored root of their batch decides:
 * with the right hash in each place the tree has that root, whatever was done to the file since.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import type { Sha256 } from "../format/hash.ts";
import { entryOf } from "../format/entries.ts";
import { leafHash } from "../format/merkle.ts";
import { EditableTree } from "./editable-tree.ts";
import type { Identity } from "./receipt-check.ts";
import type { AuditCode, Findings, OpenFinding } from "./report.ts";

export interface Problem {
  readonly code: AuditCode;
  readonly message: string;
  readonly at?: string | undefined;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
}

/** What stands in for the hash of a receipt of which nothing is left. */
export const UNKNOWN_HASH: Uint8Array = new Uint8Array(32);

/** Trials for one batch: each costs a few hashes. */
const MAX_TRIALS = 4096;

/** What the finding on a suspect rests on. */
export interface Basis {
  /** The hash with which the batch has its anchored root; null where there is none. */
  readonly proven: Uint8Array | null;
  /**
   * `open`: no anchor covers it. `anchor`: it is itself an anchor receipt, which the batch's root does not cover. `closed`: it is in
   * a batch that was anchored.
   */
  readonly state: "open" | "anchor" | "closed";
}

/** These say nothing of the receipt itself. */
const ABOUT_INDEX: ReadonlySet<AuditCode> = new Set(["index_mismatch", "index_lookup", "request_mac_mismatch", "duplicate_receipt_id"]);

export function isAboutReceipt({ code }: Problem): boolean {
  return !ABOUT_INDEX.has(code);
}

export interface SuspectPlace {
  readonly logIndex: number;
  readonly identity: Identity;
  /** SHA-256 of the blob; null where there is none. */
  readonly blobHash: Uint8Array | null;
  readonly row: { readonly receiptHash: Uint8Array } | null;
  /** What the walks go on with. */
  readonly hash: Uint8Array;
  /** What is wrong with it; may grow. */
  readonly problems: Problem[];
}

export class Suspect {
  readonly logIndex: number;
  readonly blobHash: Uint8Array | null;
  readonly rowHash: Uint8Array | null;
  readonly receiptId: string | undefined;
  readonly receiptNumber: string | undefined;
  organization: string | undefined;
  readonly problems: Problem[];
  /** Findings at other receipts that this one may explain: their links, and the hash that each asks for. */
  readonly links: { readonly hash: Uint8Array; readonly finding: OpenFinding }[] = [];
  /** `chosen` first. */
  readonly candidates: Uint8Array[] = [];

  constructor(place: SuspectPlace) {
    const { logIndex, blobHash, row, hash, identity, problems } = place;
    this.logIndex = logIndex;
    this.blobHash = blobHash;
    this.rowHash = row?.receiptHash ?? null;
    this.organization = identity.organization;
    this.receiptId = identity.receiptId;
    this.receiptNumber = identity.receiptNumber;
    this.problems = problems;
    for (const candidate of [hash, this.rowHash, blobHash]) this.addCandidate(candidate);
  }

  /** Is something wrong with itself, so that what follows from it needs no finding? */
  get isDamaged(): boolean {
    return this.problems.length > 0 || (this.blobHash !== null && this.rowHash !== null && !equal(this.blobHash, this.rowHash));
  }

  addCandidate(hash: Uint8Array | null): void {
    if (hash?.length === 32 && !this.candidates.some((known) => equal(known, hash))) this.candidates.push(hash);
  }

  mayHaveBeen(hash: Uint8Array): boolean {
    return this.candidates.some((known) => equal(known, hash));
  }

  /** Nothing of it is left. */
  get isHole(): boolean {
    return this.blobHash === null && this.rowHash === null;
  }

  /** May the hash that was chosen be wrong? `isProven`: the anchored root was rebuilt with it. */
  isUncertain(isProven: boolean): boolean {
    return !isProven && (this.candidates.length > 1 || this.isHole);
  }

  /** What there is to say of it, or null. */
  report(findings: Findings, basis: Basis): OpenFinding | null {
    const truth = basis.proven ?? this.#outvoted();
    this.#judgeHashes(truth);
    const [primary, ...others] = this.problems;
    for (const { hash, finding } of this.links) {
      const isExplained = truth === null ? primary !== undefined : equal(truth, hash);
      if (isExplained) findings.addConsequence(finding.code);
      else findings.add(finding);
    }
    if (primary === undefined) return null;
    const isBlobOther = truth !== null && (this.blobHash === null || !equal(truth, this.blobHash));
    const hashes = isBlobOther && this.blobHash !== null && primary.expected === undefined
      ? { expected: hashText(truth), found: hashText(this.blobHash) }
      : { expected: primary.expected, found: primary.found };
    return {
      severity: "violation", code: primary.code, message: primary.message, logIndex: this.logIndex, receiptId: this.receiptId,
      receiptNumber: this.receiptNumber, organization: this.organization, at: primary.at, ...hashes,
      also: others.length === 0 ? undefined : [...new Set(others.map(({ code }) => code))].filter((code) => code !== primary.code),
      changed: this.#isChanged(basis, primary),
    };
  }

  /** Was it otherwise when its batch was anchored? */
  #isChanged({ proven, state }: Basis, primary: Problem): boolean {
    if (state === "open") return false;
    if (this.isHole) return true;
    if (proven !== null) return [this.blobHash, this.rowHash].some((hash) => hash === null || !equal(hash, proven));
    if (state === "anchor") return this.blobHash !== null && !equal(this.blobHash, this.candidates[0]!);
    return isAboutReceipt(primary); // the batch is not what it was, and this is wrong in it
  }

  /** Where the index and the next receipt's link agree against the bytes. */
  #outvoted(): Uint8Array | null {
    const { rowHash } = this;
    return rowHash !== null && this.links.some(({ hash }) => equal(hash, rowHash)) ? rowHash : null;
  }

  #judgeHashes(truth: Uint8Array | null): void {
    const { blobHash, rowHash } = this;
    if (blobHash === null) return; // said already
    if (truth !== null && !equal(truth, blobHash)) {
      this.problems.push({
        code: "receipt_changed", message: "the receipt is not the one that was recorded", expected: hashText(truth), found: hashText(blobHash),
      });
    }
    if (rowHash === null || equal(rowHash, truth ?? blobHash)) return;
    this.problems.push({
      code: "index_mismatch",
      message: truth === null ? "the index names another receipt than the one that is stored" : "the index has another hash than the receipt",
      at: "receipt.receipt_hash",
      expected: hashText(truth ?? blobHash),
      found: rowHash.length === 32 ? hashText(rowHash) : "no hash",
    });
  }
}

/** Codes of places of which something is missing: a run of them is one finding. */
const MERGED: ReadonlySet<AuditCode> = new Set(["receipt_missing", "blob_missing", "row_missing", "ledger_corrupt"]);

/** Reports the suspects, in order of log_index. */
export function reportAll(suspects: readonly Suspect[], findings: Findings, basisOf: (suspect: Suspect) => Basis): void {
  const runs: OpenFinding[] = [];
  for (const suspect of suspects) {
    const finding = suspect.report(findings, basisOf(suspect));
    if (finding === null) continue;
    const run = runs.at(-1);
    if (run === undefined || !continues(run, finding)) runs.push(finding);
    else runs[runs.length - 1] = { ...run, lastIndex: finding.logIndex, organization: run.organization === finding.organization ? run.organization : undefined };
  }
  for (const run of runs) findings.add(run);
}

function continues(run: OpenFinding, next: OpenFinding): boolean {
  return MERGED.has(run.code) && run.code === next.code && next.also === undefined && run.also === undefined
    && (run.lastIndex ?? run.logIndex!) + 1 === next.logIndex && run.changed === next.changed;
}

/**
 * The hash of each suspect with which the batch has the anchored root, in their order, or null where none of the candidates fit.
 * `leaves`: the batch's leaf hashes, with the suspects' chosen hashes.
 */
export function decide(
  suspects: readonly Suspect[], firstIndex: number, leaves: readonly Uint8Array[], root: Uint8Array, sha256: Sha256,
): Uint8Array[] | null {
  const tree = new EditableTree(sha256, leaves);
  const choice = suspects.map(() => 0);
  for (let trial = 0; trial < MAX_TRIALS; trial++) {
    if (equal(tree.root(), root)) return suspects.map((suspect, i) => suspect.candidates[choice[i]!]!);
    // the next combination, as a number is counted up
    let i = 0;
    for (; i < suspects.length; i++) {
      const suspect = suspects[i]!;
      choice[i] = (choice[i]! + 1) % suspect.candidates.length;
      tree.set(suspect.logIndex - firstIndex, leafHash(entryOf(suspect.candidates[choice[i]!]!), sha256));
      if (choice[i] !== 0) break;
    }
    if (i === suspects.length) return null;
  }
  return null;
}
