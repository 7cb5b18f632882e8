/** How much is anchored: of all, of each organization, at each target. */
import { count } from "../../format/count.ts";
import type { Access } from "./access.ts";
import type { Overview, Target } from "./api.ts";
import type { Live } from "./live.ts";
import { Section, Table, Tag, Text, Time } from "./parts.tsx";
import type { Level } from "./verdict.ts";
import { duration, share } from "./words.ts";

export function Coverage({ live, access }: { readonly live: Live; readonly access: Access }) {
  const { overview } = live;
  return (
    <Section id="coverage" title="Coverage" note="A receipt is anchored when every required target has confirmed an anchor over it.">
      {overview === null ? <p class="empty">Not known yet.</p> : <><Total overview={overview} now={live.now()} /><Organizations overview={overview} access={access} /><Targets targets={overview.targets} /></>}
    </Section>
  );
}

function Total({ overview: { receipts, anchored, signed, pending, newest_anchor: newest, daemon: { pending_since: since }, self_check: check }, now }: { readonly overview: Overview; readonly now: number }) {
  const logged = Math.max(0, signed - anchored);
  // what the daemon said some seconds ago may be over: nothing waits that is older than an anchor which all have
  const isOver = newest !== null && since !== null && anchored === newest.tree_size && since < newest.recorded_at;
  const parts = [["anchored", "Anchored", anchored], ["logged", "Signed, not confirmed yet", logged], ["open", "Not signed yet", Math.max(0, pending - logged)]] as const;
  return (
    <>
      <dl class="figures">
        <div><dt>Recorded</dt><dd>{count(receipts)}</dd></div>
        <div><dt>Anchored</dt><dd>{count(anchored)} <small>{share(anchored, receipts)}</small></dd></div>
        <div><dt>Pending</dt><dd>{count(pending)} {since === null || pending === 0 || isOver ? null : <small>the first for {duration(now - Date.parse(since))}</small>}</dd></div>
        <div><dt>Self-check</dt><dd class="words">{selfCheckText(check)}</dd></div>
      </dl>
      <div class="bar" aria-hidden="true">{parts.map(([kind, , n]) => (n === 0 ? null : <span key={kind} class={kind} style={{ flexGrow: n / Math.max(1, receipts) }} />))}</div>
      <ul class="legend">{parts.map(([kind, text, n]) => <li key={kind}><span class={`swatch ${kind}`} aria-hidden="true" />{text}: {count(n)}</li>)}</ul>
    </>
  );
}

function selfCheckText(check: Overview["self_check"]): string {
  if (check === null) return "not known";
  if (!check.enabled) return "turned off";
  if (check.finding_count > 0) return count(check.finding_count, "finding");
  if (check.failed) return "could not go on";
  const { last_round: last, present_round: round } = check;
  if (last !== null) return `nothing wrong in ${count(last.receipts)}`;
  return round === null ? "no round yet" : `first round, at ${count(round.done)} of ${count(round.receipts)}`;
}

function Organizations({ overview, access }: { readonly overview: Overview; readonly access: Access }) {
  const named = access.organizations;
  const { count: all, shares } = overview.organizations;
  const columns = [{ head: "Organization" }, ...(named === null ? [] : [{ head: "Numbers" }]), { head: "Receipts", isNumber: true }, { head: "Anchored", isNumber: true }, { head: "Pending", isNumber: true }, ...(named === null ? [] : [{ head: "Newest (UTC)" }])];
  const rows = named === null
    ? shares.map((one, i) => ({ key: String(i), cells: [`Organization ${i + 1}`, ...counts(one)] }))
    : named.map((one) => ({ key: one.organization, cells: [<Text>{one.organization}</Text>, `${one.prefix}-…`, ...counts(one), <Time>{one.newest_at}</Time>] }));
  const note = named === null
    ? `${all > shares.length ? `The first ${count(shares.length)} of ${count(all)}. ` : ""}Names need a token (below).`
    : `Those that your token is for${access.isPart ? ", the first 100" : ""}, when it was given.`;
  return <><h3>By organization</h3><p class="note">{note}</p><Table caption="Receipts by organization" columns={columns} rows={rows} /></>;
}

function counts({ receipts, anchored }: { readonly receipts: number; readonly anchored: number }): readonly string[] {
  return [count(receipts), `${count(anchored)} (${share(anchored, receipts)})`, count(receipts - anchored)];
}

const STATES: Readonly<Record<Target["state"], readonly [Level | "plain", string]>> = {
  current: ["good", "Has every anchor"], publishing: ["plain", "Publishing"], comparing: ["plain", "Comparing"], unavailable: ["warn", "Unavailable"], refused: ["bad", "Does not agree"], unknown: ["plain", "Not known now"],
};

function Targets({ targets }: { readonly targets: readonly Target[] }) {
  const rows = targets.map(({ name, type, required, state, error, pending, confirmed }) => {
    const [level, text] = STATES[state];
    return {
      key: name,
      cells: [
        <><Text>{name}</Text> <small>{type}{type === "directory" ? ", not WORM" : ""}{required ? "" : ", not required"}</small></>, <><Tag level={level}>{text}</Tag>{error === null ? null : <small> <Text>{error.code}</Text></small>}</>,
        confirmed === null ? "0" : count(confirmed.tree_size), <Time>{confirmed?.last_modified ?? null}</Time>, pending === null ? "–" : count(pending),
      ],
    };
  });
  return <><h3>By target</h3><Table caption="Targets of anchors" columns={[{ head: "Target" }, { head: "State" }, { head: "Receipts under its anchors", isNumber: true }, { head: "Last anchor (UTC)" }, { head: "To publish", isNumber: true }]} rows={rows} /></>;
}
