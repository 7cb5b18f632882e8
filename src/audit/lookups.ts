/** Does every index lead to every row? Asked of SQLite for a range of rows at a time. */
import { type Inspector, RECEIPT_INDEXES, type ReceiptIndex } from "../ledger/inspect.ts";
import { unlessCorrupt } from "./places.ts";
import type { Problem } from "./suspects.ts";

/** By log_index, what is wrong with the index entries of the rows in [first, end). */
export function lookUpProblems(inspector: Inspector, first: number, end: number): Map<number, Problem[]> {
  const problems = new Map<number, Problem[]>();
  for (const index of RECEIPT_INDEXES) lookUp(inspector, index, first, end, problems);
  return problems;
}

function lookUp(inspector: Inspector, index: ReceiptIndex, first: number, end: number, problems: Map<number, Problem[]>): void {
  let failure: string | undefined;
  const missed = unlessCorrupt(() => inspector.notFoundBy(index, first, end), (message) => void (failure = message));
  for (const { logIndex, found } of missed ?? []) add(problems, logIndex, problemOf(inspector, index, logIndex, found));
  if (failure === undefined) return;
  if (end - first > 1) {
    const middle = Math.floor((first + end) / 2);
    lookUp(inspector, index, first, middle, problems);
    lookUp(inspector, index, middle, end, problems);
  } else {
    add(problems, first, { code: "ledger_corrupt", message: `the index ${index} is damaged here: ${failure}`, at: index });
  }
}

function problemOf(inspector: Inspector, index: ReceiptIndex, logIndex: number, found: number | null): Problem {
  const isTwin = index === "receipt_by_id" && found !== null && sameId(inspector, logIndex, found);
  return isTwin
    ? { code: "duplicate_receipt_id", message: "another receipt has the same id", at: "/receipt_id", found: `also receipt ${found}` }
    : {
        code: "index_lookup", message: `the index ${index} does not lead to the receipt`, at: index,
        expected: String(logIndex), found: found === null ? "nothing" : String(found),
      };
}

function sameId(inspector: Inspector, a: number, b: number): boolean {
  const id = (at: number): Uint8Array | undefined => unlessCorrupt(() => inspector.rows(at, at + 1, 1)[0]?.receiptId, () => undefined);
  const [first, second] = [id(a), id(b)];
  return first !== undefined && second !== undefined && Buffer.compare(first, second) === 0;
}

function add(problems: Map<number, Problem[]>, logIndex: number, problem: Problem): void {
  const known = problems.get(logIndex);
  if (known === undefined) problems.set(logIndex, [problem]);
  else known.push(problem);
}
