/** The table `tree`: the stored subtrees against those rebuilt from the receipts. */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import type { Inspector } from "../ledger/inspect.ts";
import { STORED_LEVEL } from "../ledger/state.ts";
import { unlessCorrupt } from "./places.ts";
import type { Findings, OpenFinding } from "./report.ts";

/** Differences that wait for the next root to tell which side is right. */
const MAX_WAITING = 1000;

export class TreeNodes {
  readonly #inspector: Inspector;
  readonly #findings: Findings;
  #waiting: readonly OpenFinding[] = [];
  #missing = 0;

  constructor(inspector: Inspector, findings: Findings) {
    this.#inspector = inspector;
    this.#findings = findings;
  }

  /** A complete subtree of the log, as rebuilt. */
  compare(level: number, position: number, rebuilt: Uint8Array): void {
    const last = (position + 1) * 2 ** level - 1;
    const name = `tree ${level}/${position}`;
    const stored = unlessCorrupt(() => this.#inspector.treeNode(level, position), (message) => {
      this.#add({ severity: "violation", code: "ledger_corrupt", message: `a stored subtree cannot be read: ${message}`, logIndex: last, at: name });
    });
    if (stored === undefined || (stored !== null && equal(stored, rebuilt))) return;
    if (stored === null) this.#missing++;
    this.#add({
      severity: "violation", code: "tree_mismatch", logIndex: last, at: name,
      message: stored === null ? "a stored subtree is missing" : "a stored subtree is not that of its receipts",
      expected: hashText(rebuilt), found: stored === null ? "nothing" : hashText(stored),
    });
  }

  /** The first `size` receipts have the root that the ledger says (or not): then it is the stored subtree that is wrong (or right). */
  settle(areReceiptsRight: boolean, size: number): void {
    const [settled, waiting] = [this.#waiting.filter(({ logIndex }) => logIndex! < size), this.#waiting.filter(({ logIndex }) => logIndex! >= size)];
    for (const finding of settled) {
      if (areReceiptsRight) this.#findings.add(finding);
      else this.#findings.addConsequence(finding.code);
    }
    this.#waiting = waiting;
  }

  /** After the last receipt; `from` is where the audit began. */
  finish(from: number, size: number): void {
    const extent = unlessCorrupt(() => this.#inspector.treeExtent(size), (message) => {
      this.#findings.add({ severity: "violation", code: "ledger_corrupt", message: `the table tree cannot be read: ${message}`, at: "tree" });
    });
    for (const { level, position } of extent?.beyond ?? []) {
      this.#findings.add({
        severity: "violation", code: "tree_mismatch", message: "a stored subtree covers receipts that are not there",
        at: `tree ${level}/${position}`, expected: "nothing", found: "a subtree",
      });
    }
    if (extent === undefined || from > 0) return;
    const expected = nodesWithin(size) - this.#missing;
    if (extent.within !== expected) {
      this.#findings.add({
        severity: "violation", code: "tree_mismatch", message: "the table tree has rows that are no subtrees of the log", at: "tree",
        expected: String(expected), found: String(extent.within),
      });
    }
  }

  #add(finding: OpenFinding): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting = [...this.#waiting, finding];
    else this.#findings.addConsequence(finding.code);
  }
}

/** Complete subtrees of `STORED_LEVEL` and above in a tree of `size` leaves. */
function nodesWithin(size: number): number {
  let nodes = 0;
  for (let width = Math.floor(size / 2 ** STORED_LEVEL); width > 0; width = Math.floor(width / 2)) nodes += width;
  return nodes;
}
