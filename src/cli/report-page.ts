/** A report as one page: no script, nothing from elsewhere, to be read by people who do not know this program, and to be printed. */
import type { KeyReport, TargetCounts } from "../audit/report.ts";
import { count } from "../format/count.ts";
import { subjectOf } from "../audit/verdict.ts";
import { Html, html, NOTHING } from "./html.ts";
import type { Ranking, ReportContent } from "./report-content.ts";
import { REPORT_STYLE } from "./report-style.ts";

export interface PageFacts {
  readonly madeAt: string;
  /** Of the report's JSON, as it is signed. */
  readonly digest: string;
  /** A vkey; null: nobody has signed it. */
  readonly signedBy: string | null;
  readonly why: string | null;
  /** base64 of SHA-256. */
  readonly styleHash: (style: string) => string;
}

/** Rows of a table that are shown; the file has more. */
const MAX_ROWS = 50;
const WORDS = { ok: "In order", findings: "Something is wrong", not_checked: "Not everything could be checked" } as const;

export function reportPage(content: ReportContent, facts: PageFacts): string {
  const { audit, period } = content;
  const policy = `default-src 'none'; style-src 'sha256-${facts.styleHash(REPORT_STYLE)}'; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Report on ${new Html(period.name.replaceAll(/[^0-9A-Za-z.-]/g, ""))}</title>
<style>${new Html(REPORT_STYLE)}</style>
</head>
<body>
<main>
<h1>Report on ${period.name}</h1>
<p>Receipts of the ledger ${audit.ledger.origin} that were recorded from ${dayOf(period.from)} up to, and not including, ${dayOf(period.to)}, UTC${content.organization === null ? NOTHING : html`; only those of the organization ${content.organization}`}.</p>
<div class="verdict ${new Html(audit.verdict)}"><p><strong>${new Html(WORDS[audit.verdict])}</strong></p><p>${audit.sentence}</p></div>
${content.isOver ? NOTHING : html`<p><strong>The period was not over</strong> when this report was made.</p>`}
${inShort(content)}
${findings(content)}
${notChecked(content)}
${receipts(content)}
${gates(content)}
${keys(audit.keys)}
${anchors(content)}
${events(content)}
${replayed(content)}
${origin(content, facts)}
</main>
</body>
</html>
`.text;
}

function inShort({ audit, receipts: of, gaps, gates: failed, macs, anchors: seen, suspect, accesses, attested }: ReportContent): Html {
  const missing = Object.values(gaps).reduce((sum, n) => sum + n, 0);
  return html`<h2>In short</h2>
<dl>
${row("Receipts of the period", of === null ? "the ledger could not be read" : `${count(of.count)}, of which ${count(of.decisions, "decision")}`)}
${row("Receipts checked", `${count(audit.counts.receipts)}, in ${count(audit.counts.batches, "whole batch", "whole batches")} around the period`)}
${row("Gaps", missing === 0 ? "none found" : `${count(missing, "finding")}: ${Object.entries(gaps).map(([code, n]) => `${code} ${count(n)}`).join(", ")}`)}
${macs === null ? NOTHING : row("Signatures of receipts", `${count(macs.checked)} MACs checked, ${count(macs.notChecked)} not checked`)}
${seen === null ? NOTHING : row("Anchors", `${count(seen.count)} in the period, ${seen.late === 0 ? "none" : count(seen.late)} later than promised; ${seen.missing + seen.overdue === 0 ? "none missing at the targets" : `${count(seen.missing + seen.overdue, "finding")} of missing ones`}`)}
${row("Not anchored yet", count(audit.counts.pending, "receipt"))}
${row("Suspect receipts", suspect === 0 ? "none" : `${count(suspect)}, of a revoked key and under no anchor that shows that they were there before`)}
${failed === null ? NOTHING : row("Decisions executed although a gate had failed", executedText(failed))}
${row("Recorded accesses to contents", count(accesses, "receipt"))}
${attested === null ? NOTHING : row("Attested by auditors", attestedText(attested))}
</dl>`;
}

function attestedText({ since, auditors }: NonNullable<ReportContent["attested"]>): string {
  const by = auditors.map(({ vkey, size, audited_at: at }) => (at === null ? `nothing by ${vkey}` : `${count(size, "receipt")} by ${vkey}, audited at ${at}`));
  return `${by.join("; ")}${since === null ? "" : `; the oldest receipt that nobody has attested is of ${since}`}`;
}

function executedText({ failed: { executed, refused, unsaid } }: NonNullable<ReportContent["gates"]>): string {
  const rest = [refused > 0 ? `${count(refused)} were refused or referred to a person` : "", unsaid > 0 ? `of ${count(unsaid)} the receipt does not say what was done` : ""].filter((text) => text !== "");
  return `${executed === 0 ? "none" : count(executed)}${rest.length === 0 ? "" : `; ${rest.join(", ")}`}`;
}

function findings({ audit: { findings: all, findingCounts } }: ReportContent): Html {
  if (all.length === 0) return html`<h2>Findings</h2><p>None.</p>`;
  const total = Object.values(findingCounts).reduce((sum, n) => sum + n, 0);
  const rows = all.slice(0, MAX_ROWS).map((one) => [one.severity, one.code, `${subjectOf(one)}${one.message}`, [one.at, one.expected === undefined ? undefined : `expected ${one.expected}`, one.found === undefined ? undefined : `found ${one.found}`].filter((text) => text !== undefined).join("; ")]);
  return html`<h2>Findings</h2>${table(["Kind", "Code", "What", "Where"], rows, total)}`;
}

function notChecked({ audit: { failedToCheck, notChecked: notes } }: ReportContent): Html {
  return html`<h2>What was not checked</h2>
${failedToCheck.length === 0 ? NOTHING : html`<p>Asked for, and could not be checked:</p>${list(failedToCheck)}`}
<p>${new Html(failedToCheck.length === 0 ? "By its nature, or because nobody asked for it:" : "Beside these, by its nature or because nobody asked for it:")}</p>
${list([...notes, "that the decisions were right, or that all that were made were recorded: receipts show what was recorded"])}`;
}

function receipts({ receipts: of }: ReportContent): Html {
  if (of === null) return NOTHING;
  const span = of.firstAt === null || of.lastAt === null ? NOTHING : html`<p>The first was recorded at ${of.firstAt}, the last at ${of.lastAt}.</p>`;
  return html`<h2>Receipts by organization</h2>${span}${ranking("Organization", of.byOrganization)}
<h2>Receipts by system</h2>${ranking("System", of.bySystem)}
<h2>Receipts by type</h2>${ranking("Type", of.byType)}`;
}

function gates({ gates: of }: ReportContent): Html {
  if (of === null) return NOTHING;
  const rows = of.executed.map(({ receiptNumber, recordedAt, organization, systemId, action, gates: failed }) => [receiptNumber, recordedAt, organization, systemId, action ?? "", failed.join(", ")]);
  return html`<h2>Gates</h2>
${ranking("Status of a gate", of.byStatus)}
<p>${count(of.ungatedDecisions, "decision")} had no gate. Of ${count(of.failed.refused + of.failed.executed + of.failed.unsaid, "decision")} a gate had failed (FAIL or ERROR); executed all the same, by what the receipt says: ${executedText(of)}.</p>
${rows.length === 0 ? NOTHING : table(["Receipt", "Recorded", "Organization", "System", "Action", "Gates that failed"], rows, of.failed.executed)}`;
}

function keys(all: readonly KeyReport[]): Html {
  if (all.length === 0) return NOTHING;
  const rows = all.map(({ keyId, receipts: n, firstAt, lastAt, macsChecked, revoked, suspect }) => [
    keyId, count(n), firstAt ?? "", lastAt ?? "", count(macsChecked), revoked === null ? "no" : `since ${revoked.since}, says the ${revoked.by}; ${count(suspect)} suspect`,
  ]);
  return html`<h2>Keys of receipts in what was checked</h2>${table(["Key", "Receipts", "First", "Last", "MACs checked", "Revoked"], rows, rows.length)}`;
}

function anchors({ anchors: of, audit: { counts: { targets } } }: ReportContent): Html {
  const rows = targets.map((one: TargetCounts) => [one.target, one.state, count(one.anchors), one.newestSize === 0 ? "" : `${count(one.newestSize)} receipts, ${one.newestTime ?? ""}`, one.nextAnchorBy ?? "", one.lockedUntil ?? ""]);
  const late = (of?.lateOnes ?? []).map(({ treeSize, promised, recordedAt }) => [count(treeSize), promised, recordedAt]);
  return html`<h2>Anchors</h2>
${rows.length === 0 ? html`<p>No target was given: nothing outside of the host speaks for the ledger.</p>` : table(["Target", "State", "Anchors", "Newest", "Next one promised by", "Locked until"], rows, rows.length)}
${of === null || of.publishedLate === 0 ? NOTHING : html`<p>Of anchors that were stored later than promised, by the target's clock, ${count(of.publishedLate, "note")} under Findings.</p>`}
${late.length === 0 ? NOTHING : html`<p>Anchors that were made later than the one before had promised, by the host's clock:</p>${table(["Receipts under it", "Promised by", "Made at"], late, of!.late)}`}`;
}

function events({ events: all }: ReportContent): Html {
  const rows = all.map(({ receiptNumber, recordedAt, type, says }) => [receiptNumber, recordedAt, type, says]);
  return html`<h2>What the ledger says of itself</h2>
${rows.length === 0 ? html`<p>In the period no clock was turned back, no file was made anew, and no key was changed or revoked.</p>` : table(["Receipt", "Recorded", "Type", "What"], rows, rows.length)}`;
}

function replayed({ audit: { replay } }: ReportContent): Html {
  if (replay === null) return NOTHING;
  const { decisions, drawn, same, differ, unanswered, notReplayable: { none, hashed, sealed }, seed } = replay;
  return html`<h2>Decisions made again</h2>
<dl>
${row("Drawn at random", `${count(drawn)} of ${count(decisions, "decision")}`)}
${row("As recorded", count(same))}
${row("Otherwise", count(differ))}
${row("Not answered by the model", count(unanswered))}
${row("Not to be made again", `${count(none)} without inputs, ${count(hashed)} with hashes only, ${count(sealed)} sealed`)}
${row("Seed of the draw", seed)}
</dl>`;
}

function origin({ audit, program }: ReportContent, { madeAt, digest, signedBy, why }: PageFacts): Html {
  return html`<h2>Where this comes from</h2>
<dl>
${row("Ledger", `${audit.ledger.origin} ${audit.ledger.ledgerId}`)}
${row("Made", `${madeAt} by ${program}`)}
${row("The report as a file has the hash", digest)}
${row("Signed by", signedBy ?? `nobody: ${why ?? ""}`)}
</dl>
<p class="soft">This page is for reading. What can be verified is the file of the same report (receiptd report --json-out, receiptd verify-bundle): its signature says that the holder of the ledger's key made it, and nothing about whether it is true. Whoever wants to know that audits the ledger, with keys from elsewhere: receiptd audit.</p>`;
}

function row(name: string, value: string): Html {
  return html`<dt>${new Html(name)}</dt><dd>${value}</dd>
`;
}

function list(items: readonly string[]): Html {
  return html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}

function ranking(name: string, { names, more, others }: Ranking): Html {
  if (names.length === 0) return html`<p>None.</p>`;
  const rows = names.slice(0, MAX_ROWS);
  const hidden = names.slice(MAX_ROWS);
  const rest = others + hidden.reduce((sum, one) => sum + one.count, 0);
  return html`<table><thead><tr><th>${new Html(name)}</th><th class="n">Count</th></tr></thead><tbody>
${rows.map((one) => html`<tr><td>${one.name}</td><td class="n">${count(one.count)}</td></tr>
`)}${rest === 0 ? NOTHING : html`<tr><td class="soft">${new Html(`${hidden.length + more > 0 ? count(hidden.length + more) : "all"} others`)}</td><td class="n">${count(rest)}</td></tr>`}</tbody></table>`;
}

/** `total`: rows that there are, of which some are not shown. */
function table(head: readonly string[], rows: readonly (readonly string[])[], total: number): Html {
  const shown = rows.slice(0, MAX_ROWS);
  return html`<div class="wide"><table><thead><tr>${head.map((name) => html`<th>${new Html(name)}</th>`)}</tr></thead><tbody>
${shown.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`)}</tbody></table></div>${total > shown.length ? html`<p class="soft">${count(shown.length)} of ${count(total)} are shown${rows.length > shown.length ? html`; the file has ${count(rows.length)}` : NOTHING}.</p>` : NOTHING}`;
}

function dayOf(time: string): string {
  return time.slice(0, 10);
}
