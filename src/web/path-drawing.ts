/** The way from a receipt's leaf up to the signed root, drawn: on each level the node that was computed, and the sibling that the proof gives. */
import { toHex } from "../format/bytes.ts";
import { foldPath } from "./fold-path.ts";
import { svg } from "./dom.ts";

const ROW = 54;
const BOX = { width: 190, height: 30 } as const;
const [LEFT, RIGHT] = [20, 290] as const;
const WIDTH = 500;

export function drawPath(facts: Parameters<typeof foldPath>[0]): SVGElement {
  const steps = foldPath(facts);
  const height = ROW * steps.length + 10;
  const y = (level: number): number => height - ROW * (level + 1) + 10;
  const parts = steps.flatMap(({ own, sibling, isOwnRight }, level) => {
    const last = level === steps.length - 1;
    const x = last ? (LEFT + RIGHT) / 2 : isOwnRight ? RIGHT : LEFT;
    const name = level === 0 ? `receipt ${facts.logIndex}` : last ? `root of ${facts.treeSize}` : "computed";
    const drawn = [box(x, y(level), name, own, true)];
    if (sibling === null) return drawn;
    const other = isOwnRight ? LEFT : RIGHT;
    const next = steps[level + 1]!;
    const above = (level + 1 === steps.length - 1 ? (LEFT + RIGHT) / 2 : next.isOwnRight ? RIGHT : LEFT) + BOX.width / 2;
    return [line(x, y(level), above, true), line(other, y(level), above, false), ...drawn, box(other, y(level), "sibling", sibling, false)];
  });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `The path from the receipt over ${steps.length - 1} siblings to the signed root of ${facts.treeSize} receipts` }, ...parts);
}

function box(x: number, y: number, name: string, hash: Uint8Array, isOwn: boolean): SVGElement {
  return svg("g", {},
    svg("rect", { x: String(x), y: String(y), width: String(BOX.width), height: String(BOX.height), rx: "4", class: isOwn ? "node own" : "node" }),
    svg("text", { x: String(x + 8), y: String(y + 20) }, `${name} ${toHex(hash).slice(0, 8)}…`));
}

function line(x: number, y: number, above: number, isOwn: boolean): SVGElement {
  return svg("path", { d: `M ${x + BOX.width / 2} ${y} L ${above} ${y - ROW + BOX.height}`, ...(isOwn ? { class: "own" } : {}) });
}
