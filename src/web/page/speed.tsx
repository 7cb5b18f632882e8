/** How fast receipts are taken: so many a second, and how long each took until it was acknowledged. */
import { useState } from "preact/hooks";
import type uPlot from "uplot";
import type { HistoryAnswer, Sample, Server } from "./api.ts";
import { Chart, type Line } from "./chart.tsx";
import { type Live, useAsked } from "./live.ts";
import { Choice, Section, Table } from "./parts.tsx";
import { rowsOf, withNewest } from "./samples.ts";
import { at, duration, figure } from "./words.ts";

const SPANS = { hour: "Hour", day: "Day" } as const;
type Span = keyof typeof SPANS;
/** The newest sample comes with the overview. */
const EVERY = 60_000;

const RATE: readonly Line[] = [{ label: "receipts per second", colour: "--line-1", dash: [] }];
const LATENCY: readonly Line[] = [{ label: "half within (p50)", colour: "--line-1", dash: [] }, { label: "95 % within", colour: "--line-2", dash: [7, 3] }, { label: "99 % within", colour: "--line-3", dash: [2, 3] }];

function dataOf(samples: readonly Sample[], ...members: readonly ("receipts_per_s" | "p50_ms" | "p95_ms" | "p99_ms")[]): uPlot.AlignedData {
  return [samples.map((sample) => Date.parse(sample.at) / 1000), ...members.map((name) => samples.map((sample) => sample[name]))] as uPlot.AlignedData;
}

export function Speed({ server, live, isDark }: { readonly server: Server; readonly live: Live; readonly isDark: boolean }) {
  const [span, setSpan] = useState<Span>("hour");
  const { value, problem } = useAsked(() => server.json<HistoryAnswer>("/v1/history", { span }), span, EVERY);
  return (
    <Section id="speed" title="Speed" note="From the first bytes of a call to its acknowledgement, as the daemon measures it.">
      <div class="tools">
        <Choice label="Time shown" of={SPANS} value={span} onChange={setSpan} />
        <p class="note">{value === null ? "" : `Measured since this server began, ${at(value.since)} UTC; not kept.`}</p>
      </div>
      {value === null ? <p class="empty">{problem ?? "Not known yet."}</p> : <Shown answer={value} samples={span === "hour" ? withNewest(value.samples, live.overview?.sample ?? null) : value.samples} isDark={isDark} />}
    </Section>
  );
}

function Shown({ answer, samples, isDark }: { readonly answer: HistoryAnswer; readonly samples: readonly Sample[]; readonly isDark: boolean }) {
  if (samples.length < 2) return <p class="empty">The first measurements come in some seconds.</p>;
  const newest = samples.at(-1)!;
  const rows = rowsOf(samples, answer.step_ms * 60).map(({ at: time, rate, p50, p95, p99 }) => ({ key: time, cells: [at(time), ...[rate, p50, p95, p99].map((value) => (value === null ? "–" : figure(value)))] }));
  const step = duration(answer.step_ms * 60);
  return (
    <>
      <div class="charts">
        <figure>
          <figcaption><strong>Receipts per second</strong> <span>now {newest.receipts_per_s === null ? "not known" : figure(newest.receipts_per_s)}</span></figcaption>
          <Chart data={dataOf(samples, "receipts_per_s")} lines={RATE} isDark={isDark} label="Receipts per second over time; the table beneath has the figures" />
        </figure>
        <figure>
          <figcaption><strong>Time to the acknowledgement, ms</strong> <span>now {newest.p50_ms === null ? "no calls" : `${figure(newest.p50_ms)}, ${figure(newest.p95_ms ?? 0)}, ${figure(newest.p99_ms ?? 0)}`}</span></figcaption>
          <Chart data={dataOf(samples, "p50_ms", "p95_ms", "p99_ms")} lines={LATENCY} isDark={isDark} label="Time to the acknowledgement: half, 95 % and 99 % of receipts; the table beneath has the figures" />
        </figure>
      </div>
      <details class="as-table">
        <summary>The same as a table</summary>
        <p class="note">Of each {step} the mean rate, and the worst of the times.</p>
        <Table caption="Speed over time" columns={[{ head: "From (UTC)" }, { head: "Receipts per second", isNumber: true }, { head: "p50, ms", isNumber: true }, { head: "p95, ms", isNumber: true }, { head: "p99, ms", isNumber: true }]} rows={rows} />
      </details>
    </>
  );
}
