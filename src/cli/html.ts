/** HTML from texts that may be anybody's: none of them can end its element, or turn the writing of what stands beside it. */
import { printable } from "./table.ts";

/** Markup that is put in as it is. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | readonly Html[];

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** A template of markup: texts in it are escaped, and isolated (`<bdi>`) so that Hebrew or Arabic in one does not move another. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((out, markup, i) => out + markupOf(parts[i - 1]!) + markup));
}

export const NOTHING = new Html("");

function markupOf(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === "number") return String(part);
  if (typeof part === "string") return `<bdi>${escaped(part)}</bdi>`;
  return part.map(({ text }) => text).join("");
}

function escaped(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (c) => ENTITIES[c]!);
}
