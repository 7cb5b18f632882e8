/** What all sections are made of. What comes from receipts is text, in an isolate of its own direction, with what hides itself spelled out. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { count } from "../../format/count.ts";
import { visible } from "../dom.ts";
import type { Level } from "./verdict.ts";
import { at } from "./words.ts";

/** Characters of a text that are shown at first. */
const SHOWN = 600;

/** A text that somebody else wrote. */
export function Text({ children }: { readonly children: string }) {
  return <bdi>{visible(children)}</bdi>;
}

/** The same, which may be long. */
export function LongText({ children: text }: { readonly children: string }) {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= SHOWN + 100) return <Text>{text}</Text>;
  return (
    <>
      <Text>{isWhole ? text : `${text.slice(0, SHOWN)}…`}</Text>{" "}
      <button type="button" class="link" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>{isWhole ? "Show less" : `Show all ${count(text.length)} characters`}</button>
    </>
  );
}

/** UTC, without saying so: headings do. */
export function Time({ children: time }: { readonly children: string | null }) {
  return time === null ? <>–</> : <time dateTime={time}>{at(time)}</time>;
}

export function Section({ id, title, note, children }: { readonly id: string; readonly title: string; readonly note?: ComponentChildren; readonly children: ComponentChildren }) {
  return (
    <section aria-labelledby={`${id}-title`} id={id} class="section">
      <div class="section-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {note === undefined ? null : <p class="note">{note}</p>}
      </div>
      {children}
    </section>
  );
}

const SHAPES: Readonly<Record<Level | "unknown", string>> = {
  good: "M5 12.5l4.5 4.5L19 7.5",
  warn: "M12 6v8M12 17.5v.5",
  bad: "M7 7l10 10M17 7L7 17",
  unknown: "M9 9.5a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.8v.2",
};

/** Told apart by its shape, too: a disc, a triangle, an octagon, a square. */
export function Icon({ level }: { readonly level: Level | "unknown" }) {
  const frame = { good: <circle cx="12" cy="12" r="11" />, warn: <path d="M12 .8 23.6 22H.4z" />, bad: <path d="M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z" />, unknown: <rect x="1.5" y="1.5" width="21" height="21" rx="4" /> }[level];
  return <svg class={`icon ${level}`} viewBox="0 0 24 24" aria-hidden="true">{frame}<path class="sign" d={SHAPES[level]} /></svg>;
}

export function Tag({ level, children }: { readonly level: Level | "plain"; readonly children: ComponentChildren }) {
  return <span class={`tag ${level}`}>{children}</span>;
}

/** One of a few. */
export function Choice<T extends string>({ label, of, value, onChange }: { readonly label: string; readonly of: Readonly<Record<T, string>>; readonly value: T; readonly onChange: (value: T) => void }) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {(Object.entries(of) as [T, string][]).map(([one, text]) => <button key={one} type="button" aria-pressed={one === value} onClick={() => onChange(one)}>{text}</button>)}
    </div>
  );
}

export interface Column {
  readonly head: string;
  readonly isNumber?: boolean;
}

/** On a narrow screen each row is a card: the roles keep it a table for those who do not see it. */
export function Table({ caption, columns, rows, empty }: { readonly caption: string; readonly columns: readonly Column[]; readonly rows: readonly { readonly key: string; readonly cells: readonly ComponentChildren[]; readonly class?: string }[]; readonly empty?: string }) {
  if (rows.length === 0) return <p class="empty">{empty ?? "None."}</p>;
  return (
    <table role="table">
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup"><tr role="row">{columns.map(({ head, isNumber }) => <th key={head} role="columnheader" scope="col" class={isNumber === true ? "number" : ""}>{head}</th>)}</tr></thead>
      <tbody role="rowgroup">
        {rows.map(({ key, cells, class: name }) => (
          <tr key={key} role="row" class={name ?? ""}>
            {cells.map((cell, i) => <td key={columns[i]!.head} role="cell" data-head={columns[i]!.head} class={columns[i]!.isNumber === true ? "number" : ""}><span class="cell">{cell}</span></td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Runs `work` now and every `ms` while the page is looked at, and as soon as it is again; `key`: anew when it changes. */
export function usePolling(work: () => void, ms: number, key: string): void {
  useEffect(() => {
    let timer: number | undefined;
    const go = (): void => {
      clearInterval(timer);
      if (document.hidden) return;
      work();
      timer = window.setInterval(work, ms);
    };
    go();
    document.addEventListener("visibilitychange", go);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", go);
    };
  }, [key, ms]);
}
