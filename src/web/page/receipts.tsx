/** Search, and one receipt. Whoever has a token reads; whoever has none has a number or id verified, and sees no contents. */
import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "../../format/count.ts";
import type { Access } from "./access.ts";
import type { Found, Listed, Server } from "./api.ts";
import type { Live } from "./live.ts";
import { Section, Table, Tag, Text, Time } from "./parts.tsx";
import { failedGates, sayDecision, textOf } from "./receipt-facts.ts";
import { Receipt } from "./receipt.tsx";
import { TokenForm } from "./token-form.tsx";

const PER_PAGE = "20";

interface Query {
  readonly organization: string;
  readonly from: string;
  readonly to: string;
}

interface Result {
  readonly query: Query;
  readonly receipts: readonly Listed[];
  readonly next: string | null;
  readonly ended: Found["ended"];
}

export function Receipts({ server, access }: { readonly server: Server; readonly live: Live; readonly access: Access }) {
  const [name, setName] = useState("");
  const [open, setOpen] = useState<{ readonly name: string; readonly times: number } | null>(null);
  const [query, setQuery] = useState<Query>({ organization: "", from: "", to: "" });
  const [result, setResult] = useState<Result | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const asked = useRef(0);
  useEffect(() => { // nothing that a token has shown stays when it is forgotten
    if (access.hasToken) return;
    asked.current++;
    setResult(null);
    setAsking(false);
    setOpen(null);
  }, [access.hasToken]);

  const show = (which: string): void => setOpen((before) => ({ name: which, times: (before?.times ?? 0) + 1 }));
  const search = async (wanted: Query, after: Result | null): Promise<void> => {
    const turn = ++asked.current;
    setAsking(true);
    setProblem(null);
    try {
      const found = await server.contents<Found>("/v1/receipts", { ...wanted, cursor: after?.next ?? "", limit: PER_PAGE });
      if (turn === asked.current) setResult({ query: wanted, receipts: [...(after?.receipts ?? []), ...found.receipts], next: found.next, ended: found.ended });
    } catch (error) {
      if (turn === asked.current) setProblem(error instanceof Error ? error.message : String(error));
    }
    if (turn === asked.current) setAsking(false);
  };

  return (
    <Section id="receipts" title="Receipts" note="Anybody may have a number or id verified. Contents need a token, and each read is itself recorded in the ledger.">
      <TokenForm access={access} />
      <form class="search" role="search" aria-label="One receipt" onSubmit={(event) => { event.preventDefault(); if (name.trim() !== "") show(name.trim()); }}>
        <label for="receipt-name">Receipt number or id</label>
        <div class="row"><input id="receipt-name" type="text" value={name} onInput={(event) => setName(event.currentTarget.value)} placeholder="PR-2026-00042" spellcheck={false} autocomplete="off" autocapitalize="none" /><button type="submit" class="main">Show</button></div>
      </form>
      {access.organizations === null ? null : (
        <form class="search wide" role="search" aria-label="Receipts by organization and time" onSubmit={(event) => { event.preventDefault(); void search(query, null); }}>
          <div><label for="organization">Organization</label>
            <select id="organization" value={query.organization} onChange={(event) => setQuery({ ...query, organization: event.currentTarget.value })}>
              <option value="">All</option>{access.organizations.map(({ organization }) => <option key={organization} value={organization}>{organization}</option>)}
            </select></div>
          <TimeField id="from" label="Recorded from (UTC)" onChange={(from) => setQuery({ ...query, from })} />
          <TimeField id="to" label="until (UTC)" onChange={(to) => setQuery({ ...query, to })} />
          <button type="submit" class="main" disabled={isAsking}>Search</button>
        </form>
      )}
      <p role="status" class="note">{isAsking ? "Searching…" : problem !== null ? `That did not work: ${problem}.` : result === null ? "" : endOf(result)}</p>
      {result === null || result.receipts.length === 0 ? null : <Results result={result} onShow={show} />}
      {result === null || result.next === null ? null : <p><button type="button" disabled={isAsking} onClick={() => void search(result.query, result)}>{result.ended === "scan_limit" ? "Go on searching" : "More"}</button></p>}
      {open === null ? null : <Receipt key={`${open.name} ${open.times}`} name={open.name} server={server} access={access} onClose={() => setOpen(null)} />}
    </Section>
  );
}

/** UTC, without a zone in the control. */
function TimeField({ id, label, onChange }: { readonly id: string; readonly label: string; readonly onChange: (time: string) => void }) {
  return <div><label for={id}>{label}</label><input id={id} type="datetime-local" step="1" onChange={({ currentTarget: { value } }) => onChange(value === "" ? "" : `${value}Z`)} /></div>;
}

function endOf({ receipts, ended }: Result): string {
  const found = receipts.length === 0 ? "No receipt found" : `${count(receipts.length, "receipt")} found`;
  return `${found}${ended === "end" ? "." : ended === "scan_limit" ? " so far: the server stopped looking after a while; go on, or narrow the time." : " so far; there are more."}`;
}

function Results({ result: { receipts }, onShow }: { readonly result: Result; readonly onShow: (name: string) => void }) {
  const rows = receipts.map(({ receipt, receipt_number: number, log_index: index, status }) => {
    const failed = receipt === null ? 0 : failedGates(receipt).length;
    return {
      key: String(index),
      cells: [
        <button type="button" class="link" onClick={() => onShow(receipt === null ? number : textOf(receipt["receipt_id"]))}><Text>{number}</Text></button>,
        receipt === null ? "–" : <Time>{textOf(receipt["recorded_at"])}</Time>,
        receipt === null ? "–" : <Text>{textOf(receipt["organization"])}</Text>,
        receipt === null ? <Tag level="bad">Damaged</Tag> : <Text>{sayDecision(receipt).slice(0, 80)}</Text>,
        failed === 0 ? "–" : <Tag level="bad">{count(failed)} failed</Tag>,
        <Tag level={status === "anchored" ? "good" : "plain"}>{status}</Tag>,
      ],
    };
  });
  return <Table caption="Receipts found" columns={[{ head: "Number" }, { head: "Recorded (UTC)" }, { head: "Organization" }, { head: "Decision" }, { head: "Gates" }, { head: "State" }]} rows={rows} />;
}
