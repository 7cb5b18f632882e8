/** Lines over time, drawn by uPlot: told apart by their dashes as well as their colours. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { figure } from "./words.ts";

export interface Line {
  readonly label: string;
  /** A custom property of the style. */
  readonly colour: string;
  readonly dash: readonly number[];
}

const HEIGHT = 190;

interface Props {
  readonly data: uPlot.AlignedData;
  readonly lines: readonly Line[];
  readonly isDark: boolean;
  readonly label: string;
}

export function Chart({ data, lines, isDark, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const at = place.current!;
    const style = getComputedStyle(at);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = { stroke: colour("--soft"), grid: { stroke: colour("--faint"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const made = new uPlot({
      width: at.clientWidth, height: HEIGHT, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { show: false }, cursor: { show: false }, padding: [10, 30, 0, 0],
      scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
      series: [{}, ...lines.map(({ colour: name, dash }) => ({ stroke: colour(name), width: 1.75, dash: [...dash], points: { show: false }, spanGaps: false }))],
      axes: [
        { ...axis, size: 28, space: 72, values: (_, splits, __, ___, step) => splits.map((seconds) => new Date(seconds * 1000).toISOString().slice(11, step < 60 ? 19 : 16)) },
        { ...axis, size: 52, values: (_, splits) => splits.map(figure) },
      ],
    }, data, at);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: at.clientWidth, height: HEIGHT }));
    watch.observe(at);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [isDark]);
  useEffect(() => plot.current?.setData(data), [data]);
  return (
    <>
      <div ref={place} class="chart" role="img" aria-label={label} />
      {lines.length < 2 ? null : (
        <ul class="legend">
          {lines.map(({ label: text, colour, dash }) => <li key={text}><svg class="swatch-line" viewBox="0 0 28 6" aria-hidden="true"><line x1="0" x2="28" y1="3" y2="3" stroke={`var(${colour})`} stroke-width="2" stroke-dasharray={dash.join(" ")} /></svg>{text}</li>)}
        </ul>
      )}
    </>
  );
}
