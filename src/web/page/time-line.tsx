/** Anchors as marks on a line of time; where one was late, is missing, or the daemon was stopped, a band. The list beneath says the same in words. */
import { count } from "../../format/count.ts";
import type { Timeline } from "./api.ts";
import { at, duration } from "./words.ts";
import { placesOf, ticksOf } from "./time-axis.ts";

const HEIGHT = 64;

interface Props {
  readonly line: Timeline;
  readonly label: string;
  readonly isDayShown: boolean;
  /** A mark was chosen: its newest anchor. */
  readonly onChoose: (treeSize: number) => void;
}

export function TimeLine({ line, label, isDayShown, onChoose }: Props) {
  const { marks, bands } = placesOf(line);
  const ticks = ticksOf(Date.parse(line.from), Date.parse(line.now), isDayShown);
  return (
    <div class="time-line">
      <svg role="img" aria-label={label} width="100%" height={HEIGHT}>
        <defs>
          <pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="stripe" width="3" height="6" /></pattern>
        </defs>
        <line class="axis" x1="0" x2="100%" y1={HEIGHT - 8} y2={HEIGHT - 8} />
        {bands.map(({ kind, left, width, gap }) => (
          <g key={`${gap.from} ${kind}`} class={`band ${kind}`}>
            <title>{titleOf(gap)}</title>
            <rect x={`${left}%`} width={`${Math.max(width, 0.3)}%`} y="14" height={HEIGHT - 22} />
            {kind === "stopped" ? null : <svg x={`${left}%`} y="0" width="14" height="14" viewBox="0 0 14 14" overflow="visible"><path class="flag" d="M0 1 7 13 14 1z" transform="translate(-7 0)" /></svg>}
          </g>
        ))}
        {marks.map(({ slot, left, height }) => (
          <g key={slot.tree_size} class="mark" onClick={() => onChoose(slot.tree_size)}>
            <title>{slot.anchors === 1 ? `${at(slot.at)} UTC: ${count(slot.tree_size)} receipts` : `${count(slot.anchors)} anchors up to ${at(slot.at)} UTC`}</title>
            <rect class="hit" x={`${left}%`} width="8" y="0" height={HEIGHT} transform="translate(-4 0)" />
            <rect class="seen" x={`${left}%`} width="3" y={HEIGHT - 8 - height} height={height} rx="1" transform="translate(-1.5 0)" />
          </g>
        ))}
      </svg>
      <div class="ticks" aria-hidden="true">{ticks.map(({ left, text }) => <span key={text} style={{ left: `${left}%` }} class={left < 6 ? "first" : left > 92 ? "last" : ""}>{text}</span>)}</div>
    </div>
  );
}

export function titleOf({ kind, from, due, to }: Timeline["gaps"][number]): string {
  const begin = `after the anchor of ${at(from)} UTC`;
  if (kind === "stopped") return `${begin} the daemon was stopped in order${to === null ? "" : `, until ${at(to)} UTC`}`;
  if (to === null) return `${begin} the next was promised by ${at(due ?? from)} UTC, and has not come`;
  return `${begin} the next was promised by ${at(due ?? from)} UTC, and came ${duration(Date.parse(to) - Date.parse(due ?? from))} later, at ${at(to)} UTC`;
}
