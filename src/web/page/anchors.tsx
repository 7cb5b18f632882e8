/** Anchors: on a line of time, and beneath as a list, newest first, each with a link to its bytes. */
import { useState } from "preact/hooks";
import { count } from "../../format/count.ts";
import type { Anchor, Range, Server, Timeline } from "./api.ts";
import { type Live, useAsked } from "./live.ts";
import { Choice, Section, Table, Tag, Text, Time } from "./parts.tsx";
import { TimeLine, titleOf } from "./time-line.tsx";
import { duration } from "./words.ts";

const RANGES = { hour: "Hour", day: "Day", week: "Week", all: "All" } as const;
const WORDS: Readonly<Record<Range, string>> = { hour: "in the last hour", day: "in the last day", week: "in the last week", all: "since the ledger began" };
const PER_PAGE = 10;
const EVERY = 30_000;

interface Page {
  readonly anchors: readonly Anchor[];
  readonly next: string | null;
}

export function Anchors({ server, live }: { readonly server: Server; readonly live: Live }) {
  const [range, setRange] = useState<Range>("hour");
  const [isLateOnly, setLateOnly] = useState(false);
  const [before, setBefore] = useState<string>("");
  const newest = live.overview?.newest_anchor;
  const stamp = `${newest?.tree_size ?? 0} ${newest?.state ?? ""}`; // asked again at once when there is news
  const { value: line, problem } = useAsked(() => server.json<Timeline>("/v1/timeline", { range }), `${range} ${stamp}`, EVERY);
  const { value: page } = useAsked(() => server.json<Page>("/v1/timeline/anchors", { range, before, late: String(isLateOnly), limit: String(PER_PAGE) }), `${range} ${before} ${isLateOnly} ${before === "" ? stamp : ""}`, EVERY);
  const choose = (next: Range): void => {
    setRange(next);
    setBefore("");
  };
  return (
    <Section id="anchors" title="Anchors" note="Each signs a root over all receipts until then, and promises by when the next will come.">
      <div class="tools"><Choice label="Range" of={RANGES} value={range} onChange={choose} /><p class="note">{line === null ? problem ?? "" : sentenceOf(line, range)}</p></div>
      {line === null ? <p class="empty">Not known yet.</p> : <TimeLine line={line} label={sentenceOf(line, range)} isDayShown={range !== "hour"} onChoose={(size) => setBefore(String(size + 1))} />}
      <ul class="legend">
        <li><span class="swatch mark" aria-hidden="true" />anchor</li><li><span class="swatch late" aria-hidden="true" />late, or missing</li><li><span class="swatch stopped" aria-hidden="true" />daemon stopped in order</li>
      </ul>
      {line === null || line.gaps.length === 0 ? null : <Gaps line={line} />}
      <div class="tools">
        <label class="check"><input type="checkbox" checked={isLateOnly} onChange={(event) => { setLateOnly(event.currentTarget.checked); setBefore(""); }} /> Only those that came late</label>
        <div class="pages">
          <button type="button" disabled={before === ""} onClick={() => setBefore("")}>Newest</button>
          <button type="button" disabled={(page?.next ?? null) === null} onClick={() => setBefore(page?.next ?? "")}>Older</button>
        </div>
      </div>
      <Table caption="Anchors, newest first" columns={COLUMNS} rows={(page?.anchors ?? []).map(rowOf)} empty={page === null ? "Not known yet." : `No anchor ${isLateOnly ? "came late " : ""}${WORDS[range]}.`} />
    </Section>
  );
}

const COLUMNS = [{ head: "Made (UTC)" }, { head: "Receipts", isNumber: true }, { head: "Tree size", isNumber: true }, { head: "In time" }, { head: "Targets" }, { head: "Bytes" }];

function rowOf({ tree_size: size, receipts, recorded_at: made, late_ms: late, signed, targets, object }: Anchor) {
  return {
    key: String(size),
    cells: [
      <Time>{made}</Time>, count(receipts), count(size),
      late === null ? <Tag level="good">In time</Tag> : <Tag level="warn">{duration(late)} late</Tag>,
      <span class="targets">{targets.map(({ name, last_modified: time }) => <Tag key={name} level={time === null ? "plain" : "good"}><Text>{name}</Text>{time === null ? ": waits" : ": confirmed"}</Tag>)}</span>,
      signed ? <a href={object} aria-label={`Bytes of the anchor of ${count(size)} receipts`}>anchor {count(size)}</a> : "not signed yet",
    ],
  };
}

function sentenceOf({ anchors, gaps, gap_count: all, complete }: Timeline, range: Range): string {
  const [late, missing] = (["late", "missing"] as const).map((kind) => gaps.filter((gap) => gap.kind === kind).length) as [number, number];
  const lateText = late === 0 ? "none came late" : late === 1 ? "1 came late" : `${all > gaps.length ? "at least " : ""}${count(late)} came late`;
  return `${count(anchors, "anchor")} ${WORDS[range]}, ${lateText}${missing > 0 ? "; one is missing now" : ""}.${complete ? "" : " Older ones are still being read."}`;
}

/** The bands, in words. */
function Gaps({ line: { gaps } }: { readonly line: Timeline }) {
  const shown = [...gaps].reverse().slice(0, 20);
  return (
    <details class="gaps">
      <summary>{count(gaps.length, "time")} without an anchor that was due, or without a daemon</summary>
      <ul>{shown.map((gap) => <li key={`${gap.kind} ${gap.from}`}><Tag level={gap.kind === "stopped" ? "plain" : gap.kind === "late" ? "warn" : "bad"}>{gap.kind}</Tag> {titleOf(gap)}</li>)}</ul>
    </details>
  );
}
