/** One file of evidence in verify.html. */
import { hashText } from "../format/chain.ts";
import { parseCosigner } from "../format/cosignature.ts";
import { readEvidence } from "../format/evidence.ts";
import { parseVkey } from "../format/note.ts";
import type { Json } from "../format/strict-json.ts";
import { type EvidenceFacts, verifyEvidence } from "../verify/evidence.ts";
import { evidenceVerdict, wordsFor } from "../verify/evidence-words.ts";
import { element } from "./dom.ts";
import { drawPath } from "./path-drawing.ts";
import { checks, list, noKey, refusal, type Row, type Said } from "./said.ts";

/** `key` and `auditor` as they were put in; empty: none. */
export function evidenceSaid(bytes: Uint8Array, key: string, auditor: string): Said {
  try {
    if (key === "") return noKey(readEvidence(bytes));
    const auditors = auditor === "" ? [] : [parseCosigner(auditor)];
    const facts = verifyEvidence(bytes, [parseVkey(key)], { auditors });
    return { verdict: evidenceVerdict(facts), sentence: wordsFor(facts, true).sentence, detail: detail(facts, auditors.length) };
  } catch (error) {
    return refusal(error, "evidence");
  }
}

function detail(facts: EvidenceFacts, auditors: number): readonly Node[] {
  const { checked, notChecked } = wordsFor(facts, true, auditors);
  const { evidence: { published }, receipt, receiptHash, root, signedBy, cosigned } = facts;
  return [
    element("h2", {}, "The receipt"), list(Object.entries(receipt).sort(([a], [b]) => rank(a) - rank(b)).map(([name, value]) => [name, textOf(value), false])),
    element("h2", {}, "Its path to the signed root"), drawPath(facts),
    list([["receipt hash", hashText(receiptHash), true], ["root", hashText(root), true], ...signedBy.map((vkey): Row => ["signed by", vkey, true]), ...cosigned.map(({ cosigner: { vkey } }): Row => ["countersigned by", vkey, true])]),
    ...checks(checked, notChecked, published),
  ];
}

/** What a person looks for first. */
const FIRST = ["receipt_number", "type", "recorded_at", "organization", "system_id", "summary", "decision", "reasons", "gates", "inputs"];

function rank(name: string): number {
  const at = FIRST.indexOf(name);
  return at === -1 ? FIRST.length : at;
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
