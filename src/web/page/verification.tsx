/** What the server has verified of a receipt and what not, in its words; and what this browser has recomputed itself. */
import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "../../format/count.ts";
import { drawPath } from "../path-drawing.ts";
import { type Inclusion, type Listed, receiptPath, type Said, type Server, type Verified } from "./api.ts";
import { Icon, Text } from "./parts.tsx";
import { recomputed, type Recomputed } from "./recomputed.ts";
import type { Level } from "./verdict.ts";

const WORDS: Readonly<Record<Verified["status"], readonly [Level | "unknown", string]>> = {
  anchored: ["good", "Valid and anchored"],
  logged: ["good", "Valid; its anchor is signed, and not confirmed yet"],
  pending: ["good", "Valid, not anchored yet"],
  suspect: ["warn", "Suspect: its key is revoked"],
  invalid: ["bad", "Not valid"],
  not_checked: ["unknown", "Could not be checked"],
};

interface Props {
  readonly verified: Verified;
  readonly listed: Listed | null;
  readonly inclusion: Inclusion | null;
  readonly server: Server;
}

export function Verification({ verified, listed, inclusion, server }: Props) {
  const { valid, status, problem, checks, not_checked: notChecked } = verified;
  const [level, text] = status === "pending" && valid !== true ? ["unknown", "Not anchored yet, and could not be checked now"] as const : WORDS[status];
  const own = listed === null ? null : recomputed(listed, inclusion);
  return (
    <aside class="verification" aria-label="Verification">
      <p class="valid"><Icon level={level} /> <strong>{text}</strong></p>
      {problem === null ? null : <p class="problem">{problem.message}</p>}
      <h4>What the server checked</h4>
      <List of={checks} none="Nothing." />
      <h4>What it did not check</h4>
      <List of={notChecked} none="–" />
      {own === null ? null : <><h4>Recomputed in this browser</h4><p class={own.isGood ? "" : "problem"}>{own.sentence}</p></>}
      {own === null || own.path === null ? null : <Path path={own.path} />}
      {listed === null || status !== "anchored" ? null : <Download number={verified.receipt_number} name={verified.receipt_number} server={server} />}
    </aside>
  );
}

function List({ of, none }: { readonly of: readonly Said[]; readonly none: string }) {
  return of.length === 0 ? <p>{none}</p> : <ul>{of.map(({ code, sentence }) => <li key={code}><Text>{sentence}</Text></li>)}</ul>;
}

function Path({ path }: { readonly path: NonNullable<Recomputed["path"]> }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current!.replaceChildren(drawPath(path)), [path.treeSize]);
  return <details open><summary>Its path to the root over {count(path.treeSize)} receipts, {count(path.path.length, "step")}</summary><div class="path" ref={place} /></details>;
}

/** Fetched with the token, which a link would not send. */
function Download({ number, name, server }: { readonly number: string; readonly name: string; readonly server: Server }) {
  const [said, setSaid] = useState("");
  const download = async (): Promise<void> => {
    setSaid("Asking for it…");
    try {
      const url = URL.createObjectURL(await server.file(receiptPath(name, "/evidence")));
      const link = document.createElement("a");
      link.href = url;
      link.download = `${number}.evidence.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      setSaid("Downloaded. Check it in verify.html, with the ledger's key from elsewhere.");
    } catch (error) {
      setSaid(`That did not work: ${error instanceof Error ? error.message : String(error)}.`);
    }
  };
  return <><p><button type="button" class="main" onClick={() => void download()}>Download its evidence</button></p><p role="status" class="note">{said}</p></>;
}
