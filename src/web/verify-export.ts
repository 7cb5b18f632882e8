/** An export in verify.html: read piece by piece, so that its size does not matter, and shown at its end. */
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { MAX_EXPORT_HEADER, readExportHeader } from "../format/export.ts";
import { parseVkey } from "../format/note.ts";
import { type ExportFacts, ExportReader } from "../verify/export.ts";
import { exportVerdict, wordsForExport } from "../verify/export-words.ts";
import { element } from "./dom.ts";
import { checks, list, noKey, refusal, type Row, type Said } from "./said.ts";

const LF = 0x0a;
/** ms of work at once; then the page may draw, and take another file. */
const TURN = 50;

/** The first line, or as much as one may have. */
export async function firstLine(file: File): Promise<Uint8Array> {
  const begin = new Uint8Array(await file.slice(0, MAX_EXPORT_HEADER + 1).arrayBuffer());
  const end = begin.indexOf(LF);
  return end < 0 ? begin : begin.subarray(0, end);
}

interface Checking {
  /** As they were put in; empty: none. */
  readonly key: string;
  readonly auditor: string;
  /** Of the file, from 0 to 1. */
  readonly progress: (done: number) => void;
  /** Does anybody still want to know? */
  readonly isWanted: () => boolean;
}

/** null: nobody wants to know any more. */
export async function exportSaid(file: File, header: Uint8Array, { key, auditor, progress, isWanted }: Checking): Promise<Said | null> {
  try {
    if (key === "") return noKey(readExportHeader(header));
    const reader = new ExportReader([parseVkey(key)]);
    const pieces = file.stream().getReader();
    let [read, turn] = [0, performance.now()];
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      reader.push(piece.value);
      read += piece.value.length;
      if (performance.now() - turn < TURN) continue;
      progress(read / file.size);
      await nextTurn();
      turn = performance.now();
      if (isWanted()) continue;
      await pieces.cancel();
      return null;
    }
    return said(reader.end(), auditor !== "");
  } catch (error) {
    return refusal(error, "export");
  }
}

/** A timer would wait for at least 4 ms, and in a page that is not seen for a second. */
function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.addEventListener("message", () => { port1.close(); resolve(); });
    port1.start();
    port2.postMessage(null);
  });
}

function said(facts: ExportFacts, hasAuditor: boolean): Said {
  const { header: { ledger, organization, from, to, first, end, published }, receipts, endAt, root, signedBy } = facts;
  const verdict = exportVerdict(facts);
  const { sentence, checked, notChecked } = wordsForExport(facts);
  const rows: readonly Row[] = [
    ["ledger", ledger, false], ["organization", organization ?? "all", false], ["from", from ?? "the ledger's beginning", false], ["to", to ?? "the newest anchor", false],
    ["receipts", `${count(receipts)}, in ${count(end - first)} places of the log`, false], ["as of", `the anchor of ${count(end, "receipt")}, recorded ${endAt}`, false],
    ["root", hashText(root), true], ...signedBy.map((vkey): Row => ["signed by", vkey, true]),
  ];
  return {
    verdict: verdict === "could_not_check" ? "not_checked" : verdict === "complete_until" && to !== null ? "partly" : verdict,
    sentence,
    detail: [
      element("h2", {}, "What it covers"), list(rows),
      ...checks(checked, [...notChecked, ...(hasAuditor ? ["whether the auditor whose key you put in has countersigned the root: that is checked of evidence only"] : [])], published),
    ],
  };
}
