/** What evidence shows and what not, in words: for the command line and for the page, which say the same. */
import { count } from "../format/count.ts";
import type { Cosigned } from "../format/cosignature.ts";
import { formatTime } from "../format/time.ts";
import type { EvidenceFacts } from "./evidence.ts";

/** Seconds: the end of the year 9999. */
const LAST_TIME = 253_402_300_799;

export interface EvidenceWords {
  readonly sentence: string;
  readonly checked: readonly string[];
  readonly notChecked: readonly string[];
}

/**
 * `logged`: these bytes are in the ledger, says whoever has its key; nobody can take that back. `anchored`: an auditor that is pinned has seen the root,
 * too. `auditors`: how many are pinned.
 */
export function wordsFor({ evidence: { ledger }, receipt, logIndex, treeSize, cosigned }: EvidenceFacts, isPinned: boolean, auditors = 0): EvidenceWords {
  const number = receipt["receipt_number"];
  const name = typeof number === "string" ? number.slice(0, 64) : "The receipt";
  return {
    sentence: `${name} is in the ledger ${ledger} at log index ${count(logIndex)}, under a root over ${count(treeSize, "receipt")} that ${isPinned ? "a key you pinned" : "the key of this host"} has signed${cosigned.length === 0 ? "" : `, countersigned by ${cosigned.map(whose).join(", ")}`}.`,
    checked: [
      "the file is as it was made",
      `the receipt is canonical JSON of the ledger ${ledger}, with log index ${count(logIndex)}`,
      `the signature over the root of ${count(treeSize, "receipt")}`,
      "the path from the receipt to that root",
      ...(cosigned.length === 0 ? [] : [`the countersignature of that root by ${cosigned.map(whose).join(", ")}`]),
    ],
    notChecked: [
      ...(cosigned.length > 0 ? [cosigned.length === 1 ? "the time of the countersignature, which is that of the auditor's clock" : "the times of the countersignatures, which are those of the auditors' clocks"] : []),
      ...(auditors > 0 && cosigned.length === 0 ? ["who else has seen the root: no auditor that you pinned has countersigned it"] : []),
      "when the root was published: whoever can read the target can look at the object that the file names",
      "the receipt's MAC, its chain and the rest of the ledger: receiptd audit checks them",
      "that the decision was right, or that it was made as the receipt says: it shows what was recorded",
    ],
  };
}

export function evidenceVerdict({ cosigned }: EvidenceFacts): "anchored" | "logged" {
  return cosigned.length > 0 ? "anchored" : "logged";
}

function whose({ cosigner: { key: { name } }, time }: Cosigned): string {
  return `${name.slice(0, 200)} at ${timeText(time)}`;
}

function timeText(seconds: number): string {
  return seconds > LAST_TIME ? `second ${seconds} since 1970` : formatTime(seconds * 1000).replace(".000Z", "Z");
}
