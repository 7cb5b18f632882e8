/** verify.html: one file of evidence, checked in the browser. What is in the file, and its name, may be anybody's. */
import { hashText } from "../format/chain.ts";
import { parseCosigner } from "../format/cosignature.ts";
import { FormatError } from "../format/errors.ts";
import { MAX_EVIDENCE_BYTES, readEvidence } from "../format/evidence.ts";
import { parseVkey } from "../format/note.ts";
import type { Json } from "../format/strict-json.ts";
import { VerifyError } from "../verify/errors.ts";
import { type EvidenceFacts, verifyEvidence } from "../verify/evidence.ts";
import { evidenceVerdict, wordsFor } from "../verify/evidence-words.ts";
import { element, part } from "./dom.ts";
import { drawPath } from "./path-drawing.ts";

type Verdict = "anchored" | "logged" | "invalid" | "not_checked";

const WORDS: Readonly<Record<Verdict, string>> = { anchored: "Verified", logged: "Verified", invalid: "Not verified", not_checked: "Not checked" };

const key = part("vkey") as HTMLInputElement;
const auditor = part("auditor") as HTMLInputElement;
const file = part("file") as HTMLInputElement;
const drop = part("drop");
let bytes: Uint8Array | null = null;

function show(verdict: Verdict, sentence: string, ...more: readonly string[]): void {
  const at = part("verdict");
  at.className = verdict;
  at.replaceChildren(element("p", {}, element("strong", {}, WORDS[verdict]), ` ${sentence}`), ...more.map((text) => element("p", {}, text)));
  part("detail").replaceChildren();
}

function check(): void {
  if (bytes === null) return;
  try {
    if (key.value.trim() === "") return show("not_checked", "No key was given.", hintIn(bytes));
    const auditors = auditor.value.trim() === "" ? [] : [parseCosigner(auditor.value.trim())];
    const facts = verifyEvidence(bytes, [parseVkey(key.value.trim())], { auditors });
    show(evidenceVerdict(facts), wordsFor(facts, true).sentence);
    part("detail").replaceChildren(...detail(facts, auditors.length));
  } catch (error) {
    if (error instanceof FormatError && error.code === "bad_vkey") return show("not_checked", "A key is none.", error.message);
    if (error instanceof VerifyError || error instanceof FormatError) return show("invalid", `This file is no evidence for that key: ${error.message}.`, `Code: ${error.code}`, ...difference(error));
    show("not_checked", "The file could not be checked.", String(error));
  }
}

function difference(error: Error): readonly string[] {
  return error instanceof VerifyError && error.expected !== undefined ? [`Expected ${error.expected}, found ${error.found ?? "nothing"}.`] : [];
}

/** What to look for elsewhere: whoever made the file could have written any key into it. */
function hintIn(file: Uint8Array): string {
  const { ledger, vkeys } = readEvidence(file);
  return `The file says that it is of the ledger ${ledger}, with the key ${vkeys.map((vkey) => `“${vkey.slice(0, 300)}”`).join(", ") || "of nobody"}. Ask the ledger's operator, or look where they publish it, whether that is theirs, and put it in above.`;
}

function detail(facts: EvidenceFacts, auditors: number): readonly Node[] {
  const { checked, notChecked } = wordsFor(facts, true, auditors);
  const { evidence: { published }, receipt, receiptHash, root, signedBy, cosigned } = facts;
  return [
    element("h2", {}, "The receipt"), list(Object.entries(receipt).sort(([a], [b]) => rank(a) - rank(b)).map(([name, value]) => [name, textOf(value), false])),
    element("h2", {}, "Its path to the signed root"), drawPath(facts),
    list([["receipt hash", hashText(receiptHash), true], ["root", hashText(root), true], ...signedBy.map((vkey): Row => ["signed by", vkey, true]), ...cosigned.map(({ cosigner: { vkey } }): Row => ["countersigned by", vkey, true])]),
    element("h2", {}, "Checked"), bullets(checked),
    element("h2", {}, "Not checked"), bullets([...notChecked, ...published.map((one) => `the file says, unchecked, that the root was published at “${one.object}” (“${one.target}”), version “${one.version_id}”, at “${one.last_modified}”`)]),
  ];
}

/** What a person looks for first. */
const FIRST = ["receipt_number", "type", "recorded_at", "organization", "system_id", "summary", "decision", "reasons", "gates", "inputs"];

function rank(name: string): number {
  const at = FIRST.indexOf(name);
  return at === -1 ? FIRST.length : at;
}

type Row = readonly [name: string, value: string, isExact: boolean];

function list(rows: readonly Row[]): HTMLElement {
  return element("dl", {}, ...rows.flatMap(([name, value, isExact]) => [element("dt", {}, name), element("dd", isExact ? { class: "exact" } : {}, value)]));
}

function bullets(texts: readonly string[]): HTMLElement {
  return element("ul", {}, ...texts.map((text) => element("li", {}, text)));
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

async function take(given: File | undefined): Promise<void> {
  if (given === undefined) return;
  bytes = null;
  if (given.size > MAX_EVIDENCE_BYTES) return show("invalid", `The file is larger than any file of evidence (${MAX_EVIDENCE_BYTES} bytes).`, "Code: too_large");
  try {
    bytes = new Uint8Array(await given.arrayBuffer());
  } catch (error) {
    return show("not_checked", "The file could not be read.", String(error));
  }
  check();
}

part("form").addEventListener("submit", (event) => event.preventDefault());
for (const field of [key, auditor]) field.addEventListener("input", check);
file.addEventListener("change", () => void take(file.files?.[0]));
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault()); // a file beside the mark would replace the page
drop.addEventListener("dragover", () => drop.classList.add("over"));
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => void take((event as DragEvent).dataTransfer?.files[0]));
