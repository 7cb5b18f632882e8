/** What evidence shows and what not, in words: for the command line and for the page, which say the same. */
import { count } from "../format/count.ts";
import type { EvidenceFacts } from "./evidence.ts";

export interface EvidenceWords {
  readonly sentence: string;
  readonly checked: readonly string[];
  readonly notChecked: readonly string[];
}

/** `logged`: these bytes are in the ledger, says whoever has its key; nobody can take that back. */
export function wordsFor({ evidence: { ledger }, receipt, logIndex, treeSize }: EvidenceFacts, isPinned: boolean): EvidenceWords {
  const number = receipt["receipt_number"];
  const name = typeof number === "string" ? number.slice(0, 64) : "The receipt";
  return {
    sentence: `${name} is in the ledger ${ledger} at log index ${count(logIndex)}, under a root over ${count(treeSize, "receipt")} that ${isPinned ? "a key you pinned" : "the key of this host"} has signed.`,
    checked: [
      "the file is as it was made",
      `the receipt is canonical JSON of the ledger ${ledger}, with log index ${count(logIndex)}`,
      `the signature over the root of ${count(treeSize, "receipt")}`,
      "the path from the receipt to that root",
    ],
    notChecked: [
      "when the root was published: whoever can read the target can look at the object that the file names",
      "the receipt's MAC, its chain and the rest of the ledger: receiptd audit checks them",
      "that the decision was right, or that it was made as the receipt says: it shows what was recorded",
    ],
  };
}
