/** What an export shows and what not, in words. */
import { count } from "../format/count.ts";
import type { EvidenceWords } from "./evidence-words.ts";
import type { ExportFacts } from "./export.ts";

/** `complete`; `complete_until`: up to the last anchor of the file, which was recorded before the end of the time asked for. */
export type ExportVerdict = "complete" | "complete_until" | "could_not_check";

export function exportVerdict({ unknown, isClosed }: ExportFacts): ExportVerdict {
  return unknown > 0 ? "could_not_check" : isClosed ? "complete" : "complete_until";
}

export function wordsForExport(facts: ExportFacts): EvidenceWords {
  const { header: { ledger, first, end, organization, ownBefore }, inFull, clockSteps, clockStepsBefore, beforeAt, endAt, orgSeqs } = facts;
  const times = clockSteps === 0 ? "only rise" : `only rise, but at ${count(clockSteps, "clock_step")}, which the file has`;
  return {
    sentence: sentenceFor(facts),
    checked: [
      "the file is as it was made, and whole",
      `the root over ${count(end, "receipt")}, recomputed with every line of the file, and its signature: no place of the log from ${count(first)} to ${count(end - 1)} is missing or another's`,
      `${count(inFull, "receipt")} in full: canonical JSON of the format's form, of the ledger ${ledger}, with log index`,
      `the time: ${beforeAt === null ? "the file begins with the log" : `the anchor receipt before the file was recorded ${beforeAt}`}, the one at its end ${endAt}; between them times ${times}${first === 0 ? "" : beforeWords(ownBefore, clockStepsBefore)}`,
      ...(organization === null ? [] : [chainWords(organization, orgSeqs)]),
    ],
    notChecked: [
      ...(facts.unknown === 0 ? [] : [`${count(facts.unknown, "receipt")} of a schema_version that this program does not know: when they were recorded, and what they say`]),
      ...(facts.isClosed ? [] : [`what was recorded after ${endAt}: no anchor in the file covers it`]),
      `what was recorded behind log index ${count(end - 1)}: a host whose clock is turned back can give that a time of the range`,
      ...(organization === null || orgSeqs === null ? [] : [`that the ledger's anchors name the newest receipt of ${organization} as it was (org_heads_root), which their signer vouches for: receiptd audit recomputes it`]),
      `when the root was published: whoever can read the target can look at the object that the file names, which must be there since ${endAt}, and not before`,
      "the receipts' MACs and the rest of the ledger: receiptd audit checks them",
      "that the decisions were right, or that all that was decided was recorded: it shows what was recorded",
    ],
  };
}

function sentenceFor(facts: ExportFacts): string {
  const { header: { first, end, from, to, organization, ledger }, receipts, isClosed, endAt } = facts;
  const whose = `${organization === null ? "" : ` of ${organization}`} in the ledger ${ledger}`;
  const since = from === null ? "from its beginning" : `from ${from}`;
  const until = isClosed && to !== null ? `to ${to}` : `up to the anchor of ${endAt}`;
  const range = `${since} ${until} (log ${count(first)} to ${count(end - 1)})`;
  const then = `when the anchor of ${count(end, "receipt")} was made: all places of the log are here, under its root, which a key you pinned has signed`;
  const rest = isClosed || to === null ? "" : ` The file was to reach to ${to}, and shows nothing of what was recorded behind that anchor.`;
  if (facts.unknown > 0) return `Whether all receipts${whose} ${range} are here could not be checked: ${count(facts.unknown, "receipt")} of a schema_version that this program does not know.`;
  if (receipts === 0) return `There was no receipt${whose} ${range} ${then}.${rest}`;
  if (receipts === 1) return `The only receipt${whose} ${range} is here, and there was no other ${then}.${rest}`;
  return `All ${count(receipts)} receipts${whose} ${range} are here, and there was no other ${then}.${rest}`;
}

function beforeWords(others: number, clockSteps: number): string {
  if (others === 0) return "; before the file the clock was never turned back: the ledger had no own receipts but genesis and its anchors";
  const shown = `of the ledger's own receipts before the file the ${count(others)} that ${others === 1 ? "is neither genesis nor an anchor is" : "are neither genesis nor anchors are"} here`;
  return `; ${shown}: the clock was ${clockSteps === 0 ? "never turned back" : `turned back ${clockSteps === 1 ? "once" : `${count(clockSteps)} times`}, and not from a time of the range`}`;
}

function chainWords(organization: string, orgSeqs: ExportFacts["orgSeqs"]): string {
  const place = "from its newest receipt before the file to its newest at the end, as the anchor receipts there show them";
  if (orgSeqs === null) return `the chain of ${organization} has no receipt here, ${place}`;
  return `the chain of ${organization} has no gap (its receipts ${count(orgSeqs[0])} to ${count(orgSeqs[1])}), ${place}`;
}
