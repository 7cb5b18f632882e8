/** One receipt as a person reads it: decision, reasons, gates, inputs, who and when; beside it what was verified, and what not. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Access } from "./access.ts";
import { type Inclusion, type Listed, receiptPath, type Server, ServerError, type Verified } from "./api.ts";
import { LongText, Table, Tag, Text } from "./parts.tsx";
import { factsOf, gatesOf, pairs, reasonsOf, restOfDecision, sayDecision, textOf } from "./receipt-facts.ts";
import { Verification } from "./verification.tsx";

interface Shown {
  readonly verified: Verified | null;
  readonly listed: Listed | null;
  readonly inclusion: Inclusion | null;
  readonly problem: string | null;
}

interface Props {
  readonly name: string;
  readonly server: Server;
  readonly access: Access;
  readonly onClose: () => void;
}

export function Receipt({ name, server, access, onClose }: Props) {
  const [shown, setShown] = useState<Shown | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    let isOver = false;
    void load(name, server, access.hasToken).then((loaded) => { if (!isOver) setShown(loaded); });
    return () => { isOver = true; };
  }, [access.hasToken]);
  useEffect(() => heading.current?.focus(), []); // once: later somebody may be typing
  const number = shown?.listed?.receipt_number ?? shown?.verified?.receipt_number ?? name;
  return (
    <article class="receipt" aria-labelledby="receipt-title">
      <div class="receipt-head"><h3 id="receipt-title" ref={heading} tabIndex={-1}><Text>{number}</Text></h3><button type="button" onClick={onClose}>Close</button></div>
      {shown === null ? <p class="note" role="status">Looking it up…</p> : (
        <>
          {shown.problem === null ? null : <p class="note problem" role="status">{shown.problem}</p>}
          <div class="receipt-body">
            {shown.listed === null ? null : <Contents listed={shown.listed} />}
            {shown.verified === null ? null : <Verification verified={shown.verified} listed={shown.listed} inclusion={shown.inclusion} server={server} />}
          </div>
        </>
      )}
    </article>
  );
}

async function load(name: string, server: Server, hasToken: boolean): Promise<Shown> {
  const problems: string[] = [];
  const tried = async <T,>(what: string, ask: () => Promise<T>): Promise<T | null> => {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      problems.push(`${what}: ${error.message}.`);
      return null;
    }
  };
  const verified = await tried("It could not be verified", () => server.json<Verified>(receiptPath(name, "/verify")));
  const listed = hasToken ? await tried("It could not be read", () => server.contents<Listed>(receiptPath(name))) : null;
  const isCovered = listed !== null && listed.status !== "pending";
  const inclusion = isCovered ? await tried("Its path could not be read", () => server.json<Inclusion>("/v1/proofs/inclusion", { log_index: String(listed.log_index) })) : null;
  if (!hasToken && verified !== null) problems.push("Its contents need a token (above).");
  return { verified, listed, inclusion, problem: problems.length === 0 ? null : [...new Set(problems)].join(" ") };
}

function Contents({ listed: { receipt } }: { readonly listed: Listed }) {
  if (receipt === null) return <p>It is damaged on its host.</p>;
  const summary = receipt["summary"];
  const reasons = reasonsOf(receipt);
  const gates = gatesOf(receipt);
  const inputs = pairs(receipt["inputs"]);
  return (
    <div class="contents">
      <p class="label">Decision</p>
      <p class="decision"><LongText>{sayDecision(receipt)}</LongText></p>
      {summary === undefined ? null : <p><LongText>{textOf(summary)}</LongText></p>}
      <Pairs pairs={restOfDecision(receipt)} />
      {reasons.length === 0 ? null : <><h4>Reasons</h4><ul>{reasons.map((text, i) => <li key={i}><LongText>{text}</LongText></li>)}</ul></>}
      {gates.length === 0 ? null : (
        <><h4>Gates</h4>
          <Table caption="Gates, failed ones first" columns={[{ head: "Result" }, { head: "Gate" }, { head: "More" }]}
            rows={gates.map(({ name, status, more }, i) => ({ key: String(i), class: levelOf(status) === "bad" ? "failed" : "", cells: [<Tag level={levelOf(status)}>{status}</Tag>, <LongText>{name}</LongText>, more === "" ? "–" : <LongText>{more}</LongText>] }))} /></>
      )}
      {inputs.length === 0 ? null : <><h4>Inputs</h4><Pairs pairs={inputs} /></>}
      <h4>Who and when</h4>
      <Pairs pairs={factsOf(receipt)} />
      <details><summary>As JSON</summary><pre tabIndex={0} role="region" aria-label="The receipt as JSON"><LongText>{JSON.stringify(receipt, null, 2)}</LongText></pre></details>
    </div>
  );
}

function levelOf(status: string): "good" | "warn" | "bad" | "plain" {
  if (status === "FAIL" || status === "ERROR") return "bad";
  return status === "WARN" ? "warn" : status === "PASS" ? "good" : "plain";
}

function Pairs({ pairs: list }: { readonly pairs: readonly (readonly [string, string])[] }) {
  return list.length === 0 ? null : <dl class="pairs">{list.map(([name, text]) => <div key={name}><dt><Text>{name}</Text></dt><dd><LongText>{text}</LongText></dd></div>)}</dl>;
}
